"""What is logged to the active run: params, metrics, tags and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.client import open_store
from lakeflow.entities import DatasetInput, InputTag, Param, RunTag, tag_names
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent import active_runs
from lakeflow.fluent.runs import start_run
from lakeflow.stores import call_queue
from lakeflow.stores.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities import Dataset
    from lakeflow.stores.call_queue import RunOperations
    from lakeflow.stores.store import Store


def target(run_id: str | None = None) -> tuple[Store, str]:
    """Return the run to log to and the store of its lake; starts one where none is active."""
    if run_id is not None:
        return open_store(create=False), run_id
    if not (active := active_runs.active()):
        start_run()
        active = active_runs.active()
    return active[-1].store, active[-1].run.info.run_id


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param of the active run; see ``LakeflowClient.log_param``."""
    store, run_id = target()
    return store.log(synchronous, store.runs.log_param, run_id, key, value)


def log_params(
    params: dict[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Log several params at once, all or none.

    Args:
        params: Values by key; values become text.
        synchronous: As for ``LakeflowClient.log_metric``.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    pairs = [Param(key, str(value)) for key, value in params.items()]
    return store.log(synchronous, store.runs.log_batch, run, (), pairs, ())  # type: ignore[no-any-return]


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
) -> RunOperations | None:
    """Log one value of a metric; see ``LakeflowClient.log_metric``.

    Args:
        key: Name of the metric.
        value: A number.
        step: Training step; 0 by default.
        synchronous: As for ``LakeflowClient.log_metric``.
        timestamp: Milliseconds since the Unix epoch; now by default.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    return store.log_metric(run, key, value, timestamp, step, synchronous)


def log_metrics(
    metrics: dict[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
) -> RunOperations | None:
    """Log one value of several metrics, all or none.

    Args:
        metrics: Values by name.
        step: Training step; 0 by default.
        synchronous: As for ``LakeflowClient.log_metric``.
        run_id: Run to log to; the active one by default.
        timestamp: Milliseconds since the Unix epoch; now by default.
    """
    store, run = target(run_id)
    # One time for all of them, and that of the call, even if it is queued.
    logged_at = now_ms() if timestamp is None else timestamp
    call = store.runs.log_metrics
    return store.log(synchronous, call, run, dict(metrics), logged_at, step or 0)  # type: ignore[no-any-return]


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Set a tag of the active run; see ``LakeflowClient.set_tag``."""
    store, run_id = target()
    return store.log(synchronous, store.runs.set_tag, run_id, key, value)  # type: ignore[no-any-return]


def set_tags(tags: dict[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Set several tags of the active run, all or none."""
    store, run_id = target()
    pairs = [RunTag(key, str(value)) for key, value in tags.items()]
    return store.log(synchronous, store.runs.log_batch, run_id, (), (), pairs)  # type: ignore[no-any-return]


def log_inputs(
    datasets: Sequence[Dataset],
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[dict[str, str] | None] | None = None,
) -> None:
    """Log datasets that the active run uses.

    Args:
        datasets: The datasets.
        contexts: For each what it is used for, such as ``"training"``.
        tags_list: For each the tags of this use.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, lists of different lengths, or a part of
            a dataset that is missing or too long.

    Examples:
        >>> import lakeflow
        >>> from lakeflow.entities import Dataset
        >>> lakeflow.set_tracking_uri("memory://doc-log-inputs-fluent")
        >>> with lakeflow.start_run() as run:
        ...     digits = Dataset("digits", "1a2b", "local", "/data/digits.csv")
        ...     lakeflow.log_inputs([digits], contexts=["training"])
        >>> inputs = lakeflow.get_run(run.info.run_id).inputs
        >>> inputs.dataset_inputs[0].tags
        [InputTag(key='mlflow.data.context', value='training')]
    """
    uses = contexts if contexts is not None else [None] * len(datasets)
    extra = tags_list if tags_list is not None else [None] * len(datasets)
    if not len(datasets) == len(uses) == len(extra):
        raise InvalidInputError(
            f"{len(datasets)} datasets, {len(uses)} contexts and {len(extra)} tags: "
            "there must be one of each for each dataset"
        )
    store, run_id = target()
    inputs = []
    for dataset, use, tags in zip(datasets, uses, extra, strict=True):
        named = {} if use is None else {tag_names.DATASET_CONTEXT: use}
        pairs = named | dict(tags or {})
        inputs.append(DatasetInput(dataset, [InputTag(*pair) for pair in pairs.items()]))
    store.runs.log_inputs(run_id, inputs)


def flush_async_logging() -> None:
    """Return once everything is logged that this process has queued: to all its runs.

    Raises:
        LakeflowException: Calls failed, and nobody was told yet; the message says which runs
            and keys they were about, and why. The code is that of the first one.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-flush")
        >>> with lakeflow.start_run() as run:
        ...     _ = lakeflow.log_metric("loss", 0.5, synchronous=False)
        ...     lakeflow.flush_async_logging()
        ...     lakeflow.get_run(run.info.run_id).data.metrics
        {'loss': 0.5}
    """
    call_queue.flush()


def flush_artifact_async_logging() -> None:
    """Return once every image is logged that this process has queued.

    The same as ``flush_async_logging``, since images are in the queue of all that is logged. No
    run is started where none is active, as MLflow would do.
    """
    call_queue.flush()
