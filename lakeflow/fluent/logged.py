"""What is logged to the active run: params, metrics, tags and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lakeflow.entities import Dataset, DatasetInput, InputTag, Param, RunTag, tag_names
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent import active_model, active_runs
from lakeflow.fluent.measured import log_measured
from lakeflow.fluent.runs import start_run
from lakeflow.open_store import open_store
from lakeflow.stores import call_queue
from lakeflow.stores.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities import LoggedModelInput
    from lakeflow.stores.run_operations import RunOperations
    from lakeflow.stores.store import Store


def target(run_id: str | None = None) -> tuple[Store, str]:
    """Return the run to log to and the store of its lake; starts one where none is active."""
    if run_id is not None:
        # What is about a run that is there makes no lake.
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
    model_id: str | None = None,
    dataset: Dataset | DescribesItself | None = None,
) -> RunOperations | None:
    """Log one value of a metric; see ``LakeflowClient.log_metric``.

    Args:
        key: Name of the metric.
        value: A number.
        step: Training step; 0 by default.
        synchronous: As for ``LakeflowClient.log_metric``.
        timestamp: Milliseconds since the Unix epoch; now by default.
        run_id: Run to log to; the active one by default.
        model_id: Logged model that was measured; that of ``set_active_model`` by default. It
            becomes an input of the run, unless the run has made it.
        dataset: As for ``log_input``: what it was measured on, which becomes an input too.
    """
    store, run = target(run_id)
    # Asked for without its function: a test counts what a training loop's metric enters.
    model = model_id or active_model.chosen.get()
    if model is not None or dataset is not None:
        on = None if dataset is None else _entity(dataset)
        return log_measured(store, run, {key: value}, step, timestamp, synchronous, model, on)
    return store.log_metric(run, key, value, timestamp, step, synchronous)


def log_metrics(
    metrics: dict[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Dataset | DescribesItself | None = None,
) -> RunOperations | None:
    """Log one value of several metrics, all or none.

    Args:
        metrics: Values by name.
        step: Training step; 0 by default.
        synchronous: As for ``LakeflowClient.log_metric``.
        run_id: Run to log to; the active one by default.
        timestamp: Milliseconds since the Unix epoch; now by default.
        model_id: As for ``log_metric``.
        dataset: As for ``log_metric``.
    """
    store, run = target(run_id)
    model = model_id or active_model.chosen.get()
    if model is not None or dataset is not None:
        on = None if dataset is None else _entity(dataset)
        return log_measured(store, run, metrics, step, timestamp, synchronous, model, on)
    # One time for all of them, and that of the call, even if it is queued.
    logged_at = now_ms() if timestamp is None else timestamp
    call = store.runs.log_metrics
    # A copy: the caller may change its own before a queued call is made.
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


def delete_tag(key: str) -> None:
    """Remove a tag of the active run; see ``LakeflowClient.delete_tag``."""
    store, run_id = target()
    store.runs.delete_tag(run_id, key)


class DescribesItself(Protocol):
    """What ``lakeflow.data.from_pandas`` and its like return, and MLflow's too."""

    def _to_mlflow_entity(self) -> Dataset: ...


def log_input(
    dataset: Dataset | DescribesItself | None = None,
    context: str | None = None,
    tags: dict[str, str] | None = None,
    model: LoggedModelInput | None = None,
) -> None:
    """Log a dataset or a logged model that the active run uses.

    Args:
        dataset: What ``lakeflow.data`` makes of a frame or of arrays; or a ``Dataset`` of
            ``lakeflow.entities``.
        context: What it is used for, such as ``"training"``.
        tags: Tags of this use.
        model: The model.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no dataset, or a part of it is too
            long.

    Examples:
        >>> import lakeflow, numpy
        >>> lakeflow.set_tracking_uri("memory://doc-log-input")
        >>> digits = lakeflow.data.from_numpy(numpy.arange(6).reshape(3, 2), name="digits")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_input(digits, context="training")
        >>> logged = lakeflow.get_run(run.info.run_id).inputs.dataset_inputs[0]
        >>> logged.dataset.name, logged.dataset.digest, logged.tags[0].value
        ('digits', '92a7ac9c', 'training')
    """
    models = [] if model is None else [model]
    if dataset is None:
        log_inputs(models=models)
    else:
        log_inputs([dataset], [context], [tags], models)


def log_inputs(
    datasets: Sequence[Dataset | DescribesItself] | None = None,
    contexts: Sequence[str | None] | None = None,
    tags_list: Sequence[dict[str, str] | None] | None = None,
    models: Sequence[LoggedModelInput] | None = None,
) -> None:
    """Log datasets and logged models that the active run uses.

    Args:
        datasets: Each as for ``log_input``.
        contexts: For each what it is used for, such as ``"training"``.
        tags_list: For each the tags of this use.
        models: The models.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, lists of different lengths, one that is no
            dataset, or a part of a dataset that is missing or too long.

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
    datasets = datasets or []
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
        inputs.append(
            DatasetInput(_entity(dataset), [InputTag(*pair) for pair in pairs.items()])
        )
    store.runs.log_inputs(run_id, inputs, models)


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


def _entity(dataset: Dataset | DescribesItself) -> Dataset:
    describe = getattr(dataset, "_to_mlflow_entity", None)
    if describe is not None:
        return describe()  # type: ignore[no-any-return]
    # MLflow's entities have the same fields.
    if type(dataset).__name__ != Dataset.__name__:
        raise InvalidInputError(
            f"a {type(dataset).__name__} is logged as an input, which is no dataset",
            hint="make one of it with lakeflow.data.from_pandas, from_polars or from_numpy",
        )
    return dataset  # type: ignore[return-value]
