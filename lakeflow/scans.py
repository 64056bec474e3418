"""Whole tables as lazy polars frames: files and log, as of one moment."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from lakeflow import context, formats
from lakeflow.exceptions import DamagedLakeError
from lakeflow.kinds import (
    EVALUATION_DATASET,
    EXPERIMENT,
    LOGGED_MODEL,
    MODEL_VERSION,
    REGISTERED_MODEL,
    REGISTRY_EVENT,
    RUN,
    SCORER,
    TRACE,
)
from lakeflow.open_store import open_store
from lakeflow.schema import (
    ARTIFACTS,
    ASSESSMENTS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASETS,
    EXPERIMENTS,
    INPUTS,
    LATEST_METRICS,
    LOGGED_MODEL_METRICS,
    LOGGED_MODELS,
    METRICS,
    MODEL_VERSIONS,
    PARAMS,
    REGISTERED_MODELS,
    REGISTRY_EVENTS,
    RUNS,
    SCORER_VERSIONS,
    SPANS,
    TAGS,
    TRACES,
)
from lakeflow.system_errors import RUNTIME_FILES, loading, refused

if TYPE_CHECKING:
    import datetime
    import os

    import polars

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.schema import TableSpec
    from lakeflow.stores.scans import Scan
    from lakeflow.stores.snapshots import SnapshotId
    from lakeflow.stores.store import Store


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


def scan_registered_models(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the registered models as a lazy polars frame; see ``scan_runs``.

    Args:
        tracking_uri: Location of the registry; that of the process by default.
        as_of: As for ``scan_runs``.
    """
    return _scan(REGISTERED_MODELS, _registry(tracking_uri), as_of, REGISTERED_MODEL)


def scan_model_versions(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the versions of all registered models lazily; see ``scan_registered_models``."""
    return _scan(MODEL_VERSIONS, _registry(tracking_uri), as_of, MODEL_VERSION)


def scan_registry_events(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return every change of the model registry lazily; see ``scan_registered_models``.

    Those of one model are also what ``lakeflow.registry.history`` returns.
    """
    return _scan(REGISTRY_EVENTS, _registry(tracking_uri), as_of, REGISTRY_EVENT)


def scan_traces(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the traces as a lazy polars frame; see ``scan_runs``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-scan-traces")
        >>> with lakeflow.start_span("answer"):
        ...     pass
        >>> lakeflow.flush_trace_async_logging()
        >>> lakeflow.scan_traces().select("name", "state", "span_count").collect().rows()
        [('answer', 'OK', 1)]
    """
    return _scan(TRACES, tracking_uri, as_of, TRACE)


def scan_spans(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the spans of all traces as a lazy polars frame; see ``scan_runs``."""
    return _scan(SPANS, tracking_uri, as_of, TRACE)


def scan_assessments(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the assessments of all traces as a lazy polars frame; see ``scan_runs``."""
    return _scan(ASSESSMENTS, tracking_uri, as_of, TRACE)


def scan_evaluation_datasets(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the evaluation datasets as a lazy polars frame; see ``scan_runs``."""
    return _scan(EVALUATION_DATASETS, tracking_uri, as_of, EVALUATION_DATASET)


def scan_evaluation_dataset_records(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return what was said of records of evaluation datasets as a lazy polars frame.

    A record has a row for each call that merged something into it; the view of the same name
    lays them over one another. See ``scan_runs``.
    """
    return _scan(EVALUATION_DATASET_RECORDS, tracking_uri, as_of, EVALUATION_DATASET)


def scan_scorer_versions(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the versions of all scorers as a lazy polars frame; see ``scan_runs``."""
    return _scan(SCORER_VERSIONS, tracking_uri, as_of, SCORER)


def scan_logged_models(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the logged models as a lazy polars frame, deleted ones too; see ``scan_runs``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-scan-logged-models")
        >>> _ = lakeflow.LakeflowClient().create_logged_model("0", name="digits")
        >>> lakeflow.scan_logged_models().select("name", "status").collect().rows()
        [('digits', 'PENDING')]
    """
    return _scan(LOGGED_MODELS, tracking_uri, as_of, LOGGED_MODEL)


def scan_logged_model_metrics(
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> polars.LazyFrame:
    """Return the points of all logged models as a lazy polars frame; see ``scan_runs``."""
    return _scan(LOGGED_MODEL_METRICS, tracking_uri, as_of, LOGGED_MODEL)


def _registry(uri: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    return uri or context.registry_uri()


def _scan(
    spec: TableSpec,
    tracking_uri: str | os.PathLike[str] | None,
    as_of: int | datetime.datetime | None,
    kind: Kind = RUN,
) -> polars.LazyFrame:
    # Before a lake is opened: that may take requests.
    formats.require("polars", formats.POLARS)
    store = open_store(tracking_uri, create=False)
    snapshot_id = store.runs.reader.as_of(as_of)
    frame = _frame_of(store.lake, store.columns.scan(kind, spec, snapshot_id))
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
        operation = f"read the table experiments of {store.lake.fs.uri}"
        raise refused(operation, error) or DamagedLakeError(
            f"the table experiments of {store.lake.fs.uri} cannot be read: {error}",
            hint=f"run 'lakeflow compact {store.lake.fs.uri}'; else restore the file",
        ) from error
    if moved.is_empty():
        return runs
    later = polars.col("lifecycle_clock_of_experiment")
    is_later = (later > polars.col("lifecycle_clock").fill_null(0)).fill_null(False)
    # A text is the name of a column here.
    stage = polars.when(is_later).then("lifecycle_stage_of_experiment")
    joined = runs.join(
        moved.lazy(), on="experiment_id", how="left", suffix="_of_experiment"
    ).with_columns(stage.otherwise("lifecycle_stage").alias("lifecycle_stage"))
    return joined.drop("lifecycle_stage_of_experiment", "lifecycle_clock_of_experiment")


def _frame_of(lake: Lake, scan: Scan) -> polars.LazyFrame:
    with loading("the threads of polars", files=RUNTIME_FILES):
        import polars

    parts = []
    if scan.files:
        stored = _stored(lake, scan.files, formats.to_polars(scan.fresh).schema)
        if scan.removed_by_null:
            stored = stored.filter(polars.col(scan.removed_by_null).is_not_null())
        for column, ids in scan.hidden.items():
            if ids:
                stored = stored.filter(~polars.col(column).is_in(ids))
        if scan.replaced is not None and scan.replaced.num_rows:
            keys = formats.to_polars(scan.replaced).lazy()
            stored = stored.join(keys, on=scan.replaced.column_names, how="anti")
        parts.append(stored)
    # Of no frames polars makes none: an empty one says at least the columns.
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
        # Not every polars that is supported takes both.
        given = more if more.keys() <= takes.keys() else {}
        # A location may have characters of patterns in it, and a folder like a=1 is no column.
        return polars.scan_parquet(files, glob=False, hive_partitioning=False, **given)
    import pyarrow.dataset
    import pyarrow.fs

    engine_paths = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(filesystem))
    dataset = pyarrow.dataset.dataset(files, format="parquet", filesystem=engine_paths)
    # NaN is the largest number for polars and none for Arrow, which filters what reaches
    # it: the product keeps conditions on floats with polars.
    floats = polars.selectors.float()
    return polars.scan_pyarrow_dataset(dataset).with_columns(floats * 1.0)
