"""Curves of metrics by the column: every point, or few enough to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from lakeflow import formats
from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.open_store import open_store
from lakeflow.stores.arguments import several

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import polars
    import pyarrow


@overload
def metric_history(
    run_id: str,
    key: str,
    *,
    output_format: Literal["arrow"] = ...,
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> pyarrow.Table: ...


@overload
def metric_history(
    run_id: str,
    key: str,
    *,
    output_format: Literal["polars"],
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> polars.DataFrame: ...


@overload
def metric_history(
    run_id: str,
    key: str,
    *,
    output_format: Literal["pandas"],
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> Any: ...


@overload
def metric_history(
    run_id: str,
    key: str,
    *,
    output_format: Literal["list"],
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> list[dict[str, Any]]: ...


def metric_history(
    run_id: str,
    key: str,
    *,
    output_format: formats.Format = "arrow",
    tracking_uri: str | os.PathLike[str] | None = None,
) -> Any:
    """Return every point of a metric as columns, without an object a point.

    Args:
        run_id: Id of the run.
        key: Name of the metric; an unknown one has no rows.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        tracking_uri: Location of the lake; that of the process by default.

    Returns:
        Columns ``value`` (float64), ``timestamp`` (int64, milliseconds since the Unix
        epoch) and ``step`` (int64), by timestamp, step and the order of logging.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run, or no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, not a run id, no such format.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-frames")
        >>> with lakeflow.start_run() as run:
        ...     for step in range(3):
        ...         lakeflow.log_metric("loss", 1 / (step + 1), step=step)
        >>> lakeflow.metric_history(run.info.run_id, "loss")["step"].to_pylist()
        [0, 1, 2]
    """
    formats.check(output_format)
    table = open_store(tracking_uri, create=False).runs.history_table(run_id, key)
    return formats.convert(table, output_format)


@overload
def metric_series(
    run_ids: Sequence[str],
    key: str,
    max_points: int = ...,
    *,
    output_format: Literal["arrow"] = ...,
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> pyarrow.Table: ...


@overload
def metric_series(
    run_ids: Sequence[str],
    key: str,
    max_points: int = ...,
    *,
    output_format: Literal["polars"],
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> polars.DataFrame: ...


@overload
def metric_series(
    run_ids: Sequence[str],
    key: str,
    max_points: int = ...,
    *,
    output_format: Literal["pandas"],
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> Any: ...


@overload
def metric_series(
    run_ids: Sequence[str],
    key: str,
    max_points: int = ...,
    *,
    output_format: Literal["list"],
    tracking_uri: str | os.PathLike[str] | None = ...,
) -> list[dict[str, Any]]: ...


def metric_series(
    run_ids: Sequence[str],
    key: str,
    max_points: int = 1000,
    *,
    output_format: formats.Format = "arrow",
    tracking_uri: str | os.PathLike[str] | None = None,
) -> Any:
    """Return one metric of several runs with few enough points to draw them.

    The range of steps of each run is cut into ``max_points`` buckets of equal width; a run
    with no more points than that keeps each as a bucket of its own. The last point of a run
    is the last one of its last bucket.

    Cost: one statement for all runs, over the row groups that hold one of them.

    Args:
        run_ids: Ids of the runs; one that is not there, or has no such metric, has no rows.
        key: Name of the metric.
        max_points: Most buckets of a run, at least 1.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        tracking_uri: Location of the lake; that of the process by default.

    Returns:
        Columns ``run_id``, ``step`` (of the bucket's last point), ``min`` and ``max`` (NaN
        left out, null if there is nothing else), ``last`` (value at the bucket's largest
        step and timestamp, the one logged last) and ``count`` (points, NaN included);
        runs in the order given, steps ascending.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, not a run id, no such format, or
            ``max_points`` is not a positive integer.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-metric-series")
        >>> with lakeflow.start_run() as run:
        ...     for step in range(100):
        ...         lakeflow.log_metric("loss", 100 - step, step=step)
        >>> curve = lakeflow.metric_series([run.info.run_id], "loss", max_points=2)
        >>> curve["step"].to_pylist(), curve["min"].to_pylist(), curve["max"].to_pylist()
        ([49, 99], [51.0, 1.0], [100.0, 50.0])
    """
    formats.check(output_format)
    most = validation.integer(max_points)
    if most is None or most < 1:
        raise InvalidInputError(f"max_points is {max_points!r}, not a positive integer")
    ids = several("run_ids", run_ids)
    wanted = list(
        dict.fromkeys(
            validation.run_id(each, f"run_ids[{place}]") for place, each in enumerate(ids)
        )
    )
    columns = open_store(tracking_uri, create=False).columns
    table = columns.series(wanted, validation.text(key, "key"), most)
    return formats.convert(table, output_format)
