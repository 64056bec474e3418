"""Columns instead of objects: histories and curves as tables, whole tables as scans."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal, overload

from lakeflow import formats
from lakeflow.client import open_store
from lakeflow.entities import validation
from lakeflow.exceptions import DamagedLakeError, InvalidInputError
from lakeflow.kinds import EXPERIMENT, RUN
from lakeflow.schema import (
    ARTIFACTS,
    EXPERIMENTS,
    INPUTS,
    LATEST_METRICS,
    METRICS,
    PARAMS,
    RUNS,
    TAGS,
)

if TYPE_CHECKING:
    import datetime
    import os
    from collections.abc import Sequence

    import polars
    import pyarrow

    from lakeflow.lake import Lake
    from lakeflow.schema import TableSpec
    from lakeflow.stores.scans import Scan
    from lakeflow.stores.snapshots import SnapshotId
    from lakeflow.stores.store import Store


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
    if isinstance(run_ids, str):
        raise InvalidInputError(f"run_ids is {run_ids!r}, not a list of ids")
    wanted = list(
        dict.fromkeys(
            validation.run_id(each, f"run_ids[{place}]") for place, each in enumerate(run_ids)
        )
    )
    columns = open_store(tracking_uri, create=False).columns
    table = columns.series(wanted, validation.text(key, "key"), most)
    return formats.convert(table, output_format)


def scan_runs(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the runs as a lazy polars frame, deleted ones included.

    As every scan here: filters and selections of columns reach the Parquet files, so that
    row groups and columns which are not needed are not read. The frame shows what was
    logged up to this call, whatever happens before it is collected, for as long as
    ``LAKEFLOW_RETENTION_S`` keeps replaced files. What is not compacted yet is in memory.

    Args:
        tracking_uri: Location of the lake; that of the process by default.
        as_of: A time, local unless it has a zone, or a Delta version of the table ``runs``:
            what the lake held in its tables then.

    Returns:
        The columns of the table as the reference of files and tables lists them; times are
        milliseconds since the Unix epoch, artifact locations relative to the lake. The
        order of the rows is undefined.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake, or ``as_of`` is too far back.
        LakeflowException: FEATURE_DISABLED, polars is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-scan-runs")
        >>> with lakeflow.start_run(run_name="first"):
        ...     lakeflow.log_metric("loss", 0.5)
        >>> lakeflow.scan_runs().select("run_name", "status").collect().rows()
        [('first', 'FINISHED')]
    """
    return _scan(RUNS, tracking_uri, as_of)


def scan_params(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the params of all runs as a lazy polars frame; see ``scan_runs``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-scan-params")
        >>> with lakeflow.start_run():
        ...     _ = lakeflow.log_param("lr", 0.1)
        >>> lakeflow.scan_params().select("key", "value").collect().rows()
        [('lr', '0.1')]
    """
    return _scan(PARAMS, tracking_uri, as_of)


def scan_tags(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the tags of all runs as a lazy polars frame; see ``scan_runs``."""
    return _scan(TAGS, tracking_uri, as_of)


def scan_inputs(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the datasets of all runs as a lazy polars frame; see ``scan_runs``."""
    return _scan(INPUTS, tracking_uri, as_of)


def scan_artifacts(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return what was logged beside all runs as a lazy polars frame; see ``scan_runs``.

    A row a file, with size, SHA-256 and kind, from what was recorded when it was logged: no
    folder is listed. What another tool has put into a folder is not in it.

    Examples:
        >>> import lakeflow
        >>> import polars
        >>> lakeflow.set_tracking_uri("memory://doc-scan-artifacts")
        >>> with lakeflow.start_run():
        ...     lakeflow.log_text("price", "labels.txt")
        ...     lakeflow.log_dict({}, "config.json")
        >>> total = lakeflow.scan_artifacts().group_by("kind").agg(polars.col("size").sum())
        >>> total.collect().rows()
        [('file', 7)]
    """
    return _scan(ARTIFACTS, tracking_uri, as_of)


def scan_latest_metrics(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return last value, min, max and count of all metrics lazily; see ``scan_runs``."""
    return _scan(LATEST_METRICS, tracking_uri, as_of)


def scan_metrics(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return every point of every metric as a lazy polars frame; see ``scan_runs``.

    Each record of a point is there once, by its ``writer``, ``seq`` and ``place``.

    Examples:
        >>> import lakeflow
        >>> import polars
        >>> lakeflow.set_tracking_uri("memory://doc-scan-metrics")
        >>> with lakeflow.start_run():
        ...     for step in range(4):
        ...         lakeflow.log_metric("loss", 1 / (step + 1), step=step)
        >>> points = lakeflow.scan_metrics().filter(polars.col("step") > 1)
        >>> points.select("step", "value").sort("step").collect().rows()
        [(2, 0.3333333333333333), (3, 0.25)]
    """
    return _scan(METRICS, tracking_uri, as_of)


def _scan(
    spec: TableSpec,
    tracking_uri: str | os.PathLike[str] | None,
    as_of: int | datetime.datetime | None,
) -> polars.LazyFrame:
    formats.require("polars", formats.POLARS)
    store = open_store(tracking_uri, create=False)
    snapshot_id = store.runs.reader.as_of(as_of)
    frame = _frame_of(store.lake, store.columns.scan(RUN, spec, snapshot_id))
    return _with_stages(store, frame, snapshot_id) if spec is RUNS else frame


def _with_stages(
    store: Store, runs: polars.LazyFrame, snapshot_id: SnapshotId | None
) -> polars.LazyFrame:
    """Let the stage of an experiment count where it was set later than that of a run."""
    import polars

    scan = store.columns.scan(EXPERIMENT, EXPERIMENTS, snapshot_id)
    stages = _frame_of(store.lake, scan).filter(polars.col("lifecycle_clock").is_not_null())
    try:
        moved = stages.select("experiment_id", "lifecycle_stage", "lifecycle_clock").collect()
    except (OSError, polars.exceptions.PolarsError) as error:
        raise DamagedLakeError(
            f"the table experiments of {store.lake.fs.uri} cannot be read: {error}",
            hint=f"run 'lakeflow compact {store.lake.fs.uri}'; else restore the file",
        ) from error
    if moved.is_empty():
        return runs
    later = polars.col("lifecycle_clock_of_experiment")
    is_later = (later > polars.col("lifecycle_clock").fill_null(0)).fill_null(False)
    stage = polars.when(is_later).then("lifecycle_stage_of_experiment")
    joined = runs.join(
        moved.lazy(), on="experiment_id", how="left", suffix="_of_experiment"
    ).with_columns(stage.otherwise("lifecycle_stage").alias("lifecycle_stage"))
    return joined.drop("lifecycle_stage_of_experiment", "lifecycle_clock_of_experiment")


def _frame_of(lake: Lake, scan: Scan) -> polars.LazyFrame:
    import polars

    parts = []
    if scan.files:
        stored = _stored(lake, scan.files, formats.to_polars(scan.fresh).schema)
        for column, ids in scan.hidden.items():
            if ids:
                stored = stored.filter(~polars.col(column).is_in(ids))
        if scan.replaced is not None and scan.replaced.num_rows:
            keys = formats.to_polars(scan.replaced).lazy()
            stored = stored.join(keys, on=scan.replaced.column_names, how="anti")
        parts.append(stored)
    if scan.fresh.num_rows or not parts:
        parts.append(formats.to_polars(scan.fresh).lazy())
    return polars.concat(parts)


def _stored(lake: Lake, files: list[str], schema: polars.Schema) -> polars.LazyFrame:
    import polars

    filesystem = lake.engine_filesystem()
    if filesystem is None:
        # Files of a later version may have more columns; so may some of them only.
        takes = inspect.signature(polars.scan_parquet).parameters
        more: dict[str, Any] = {"schema": schema, "extra_columns": "ignore"}
        given = more if more.keys() <= takes.keys() else {}
        return polars.scan_parquet(files, glob=False, hive_partitioning=False, **given)
    import pyarrow.dataset
    import pyarrow.fs

    engine_paths = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem))
    dataset = pyarrow.dataset.dataset(files, format="parquet", filesystem=engine_paths)
    # NaN is the largest number for polars and none for Arrow, which filters what reaches
    # it: the product keeps conditions on floats with polars.
    floats = polars.selectors.float()
    return polars.scan_pyarrow_dataset(dataset).with_columns(floats * 1.0)
