"""Columns instead of objects: histories as Arrow tables or polars frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from lakeflow.client import open_store
from lakeflow.exceptions import InvalidInputError, LakeflowException

if TYPE_CHECKING:
    import os

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


def metric_history(
    run_id: str,
    key: str,
    *,
    output_format: Literal["arrow", "polars"] = "arrow",
    tracking_uri: str | os.PathLike[str] | None = None,
) -> pyarrow.Table | polars.DataFrame:
    """Return every point of a metric as columns, without an object a point.

    Args:
        run_id: Id of the run.
        key: Name of the metric; an unknown one has no rows.
        output_format: ``"arrow"``, or ``"polars"`` where polars is installed.
        tracking_uri: Location of the lake; that of the process by default.

    Returns:
        Columns ``value`` (float64), ``timestamp`` (int64, milliseconds since the Unix
        epoch) and ``step`` (int64), by timestamp, step and value.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
        InvalidInputError: INVALID_PARAMETER_VALUE, not a run id, no such format.
        LakeflowException: FEATURE_DISABLED, polars is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-frames")
        >>> with lakeflow.start_run() as run:
        ...     for step in range(3):
        ...         lakeflow.log_metric("loss", 1 / (step + 1), step=step)
        >>> lakeflow.metric_history(run.info.run_id, "loss")["step"].to_pylist()
        [0, 1, 2]
    """
    if output_format not in {"arrow", "polars"}:
        raise InvalidInputError(
            f"output_format is {output_format!r}; there are 'arrow' and 'polars'"
        )
    table = open_store(tracking_uri).runs.history_table(run_id, key)
    if output_format == "arrow":
        return table
    try:
        import polars
    except ImportError as error:
        raise LakeflowException(
            "this needs polars", "FEATURE_DISABLED", hint="pip install 'lakeflow[polars]'"
        ) from error
    frame = polars.from_arrow(table)
    assert isinstance(frame, polars.DataFrame)
    return frame
