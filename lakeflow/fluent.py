"""The fluent functions: log to the active run of this thread or task, starting one if none.

import lakeflow as mlflow

with mlflow.start_run(run_name="first"):
    mlflow.log_param("lr", 0.01)
    mlflow.log_metric("loss", 0.5, step=1)
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lakeflow import context, formats
from lakeflow.client import LakeflowClient, open_store
from lakeflow.config import environment
from lakeflow.ending import at_end
from lakeflow.entities import (
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from lakeflow.exceptions import (
    AlreadyExistsError,
    InvalidInputError,
    InvalidStateError,
    LakeflowException,
    NotFoundError,
)
from lakeflow.storage.location import canonical
from lakeflow.tracking.experiments import now_ms

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    import polars

    from lakeflow.entities import Dataset, PagedList
    from lakeflow.tracking.queue import RunOperations

_logger = logging.getLogger(__name__)

T = TypeVar("T")

_PAGE = 10_000
_PARENT_RUN = "mlflow.parentRunId"
_NOTE = "mlflow.note.content"
_CONTEXT = "mlflow.data.context"


class ActiveRun(Run):
    """A run that ``start_run`` returned; as a context manager it ends with its block.

    An exception in the block marks it FAILED, an interrupt KILLED.
    """

    __slots__ = ()

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if any(run.run_id == self.info.run_id for run in context.active_runs()):
            end_run(_status_after(kind))
        return kind is None


def _status_after(kind: type[BaseException] | None) -> str:
    if kind is None:
        return "FINISHED"
    return "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"


# Where


def set_tracking_uri(uri: str | os.PathLike[str]) -> None:
    """Record in another lake from now on; nothing is read or written yet.

    The experiment that was set is one of the lake before, and no longer set.

    Args:
        uri: A folder, ``file://``, ``memory://name``, another fsspec URL,
            ``lakeflow:///folder`` or ``lakeflow+<URL>``; ``""`` goes back to the default.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no location.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent")
        >>> lakeflow.get_tracking_uri()
        'memory://doc-fluent'
    """
    before = context.tracking_uri()
    context.set_tracking_uri(canonical(uri) if os.fspath(uri) else None)
    if context.tracking_uri() != before:
        context.set_experiment_id(None)


def set_storage_options(
    uri: str | os.PathLike[str],
    storage_options: Mapping[str, object] | None = None,
    *,
    exclusive_writer: bool | None = None,
) -> None:
    """Say how the lake at a location is opened in this process, by whoever names it.

    Not needed where fsspec's configuration files, its ``FSSPEC_*`` variables or the store's
    own credentials say it all. A lake that is open already stays as it is.

    Args:
        uri: Location of the lake.
        storage_options: fsspec's options for its filesystem, such as ``key`` and ``secret``.
        exclusive_writer: Whether this process is the only one that writes: then a lake may be
            on a filesystem that cannot create a file exactly once. By default what
            ``LAKEFLOW_EXCLUSIVE_WRITER`` says.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, the URI is no location.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_storage_options(
        ...     "s3://team/lake", {"client_kwargs": {"endpoint_url": "https://s3.example.org"}}
        ... )
    """
    opening = context.Opening(dict(storage_options or {}), exclusive_writer)
    context.set_opening(canonical(uri), opening)


def get_tracking_uri() -> str:
    """Return the location of the lake: an absolute path or a URL."""
    return canonical(context.tracking_uri())


def create_experiment(
    name: str, artifact_location: str | None = None, tags: dict[str, Any] | None = None
) -> str:
    """Make an experiment and return its id; see ``LakeflowClient.create_experiment``."""
    return LakeflowClient().create_experiment(name, artifact_location, tags)


def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None
) -> Experiment:
    """Choose the experiment for the runs that this process starts.

    Args:
        experiment_name: Its name; it is made if there is none. Processes may race.
        experiment_id: Its id, instead of the name.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, both or neither given, or it is deleted.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no experiment with this id.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-set-experiment")
        >>> lakeflow.set_experiment("digits").name
        'digits'
    """
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidInputError(
            "Must specify exactly one of: `experiment_id` or `experiment_name`; got "
            f"{experiment_name!r} and {experiment_id!r}"
        )
    client = LakeflowClient()
    if experiment_id is not None:
        experiment = client.get_experiment(experiment_id)
    else:
        experiment = _experiment_named(client, str(experiment_name))
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise InvalidInputError(
            f"Cannot set a deleted experiment {experiment.name!r} as the active experiment",
            hint="restore it with restore_experiment, or choose another name",
        )
    context.set_experiment_id(experiment.experiment_id)
    return experiment


def _experiment_named(client: LakeflowClient, name: str) -> Experiment:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        with contextlib.suppress(AlreadyExistsError):
            client.create_experiment(name)
        experiment = client.get_experiment_by_name(name)
    if experiment is None:
        raise NotFoundError(f"experiment {name!r} vanished while it was being made")
    return experiment


def _experiment_id(client: LakeflowClient) -> str:
    """Return the experiment for a new run: set, from the environment, or the default."""
    chosen = context.experiment_id()
    if chosen is not None:
        return chosen
    name = environment("EXPERIMENT_NAME")
    if name:
        return _experiment_named(client, name).experiment_id
    return environment("EXPERIMENT_ID") or "0"


# Runs


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: dict[str, Any] | None = None,
    description: str | None = None,
) -> ActiveRun:
    """Make a run, or resume one, and make it the active run of this thread or task.

    Use it as a context manager, or end it with ``end_run``; what is still open when the
    process exits is ended then.

    Args:
        run_id: Run to resume; ``LAKEFLOW_RUN_ID`` by default. Its status becomes RUNNING.
        experiment_id: Experiment of a new run; by default that of ``set_experiment``,
            ``LAKEFLOW_EXPERIMENT_NAME``, ``LAKEFLOW_EXPERIMENT_ID``, else ``"0"``.
        run_name: Name of a new run.
        nested: Whether the run may be a child of the active one.
        parent_run_id: Run that becomes the parent, active or not.
        tags: Values by key.
        description: Kept as tag ``mlflow.note.content``.

    Raises:
        InvalidStateError: INVALID_STATE, a run is active and ``nested`` is False.
        InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run or experiment, a bad tag,
            or the description twice.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run or experiment.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-start-run")
        >>> with lakeflow.start_run(run_name="parent") as parent:
        ...     with lakeflow.start_run(nested=True) as child:
        ...         lakeflow.log_metric("loss", 0.5)
        >>> lakeflow.get_parent_run(child.info.run_id).info.run_name
        'parent'
    """
    active = context.active_runs()
    if active and not nested:
        raise InvalidStateError(
            f"Run with UUID {active[-1].run_id} is already active",
            hint="end it with end_run(), or start a child of it with nested=True",
        )
    all_tags = _with_description(tags, description)
    client = LakeflowClient()
    resumed = run_id or environment("RUN_ID")
    if resumed:
        run = _resume(client, resumed, all_tags)
    else:
        parent = parent_run_id or (active[-1].run_id if active else None)
        if parent:
            all_tags[_PARENT_RUN] = parent
        run = client.create_run(
            experiment_id or _experiment_id(client), None, _origin() | all_tags, run_name
        )
    context.push(context.OpenRun(run, client.tracking_uri))
    return ActiveRun(run.info, run.data, run.inputs)


def _with_description(
    tags: Mapping[str, Any] | None, description: str | None
) -> dict[str, Any]:
    combined = dict(tags or {})
    if description:
        if _NOTE in combined:
            raise InvalidInputError(
                f"Description is already set via the tag {_NOTE} in tags",
                hint="give one of the two",
            )
        combined[_NOTE] = description
    return combined


def _resume(client: LakeflowClient, run_id: str, tags: Mapping[str, Any]) -> Run:
    run = client.get_run(run_id)
    chosen = context.experiment_id()
    if chosen is not None and chosen != run.info.experiment_id:
        raise InvalidInputError(
            f"Cannot start run with ID {run_id}: it is in experiment "
            f"{run.info.experiment_id}, and experiment {chosen} is set"
        )
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise InvalidInputError(
            f"Cannot start run with ID {run_id} because it is in the deleted state",
            hint="restore it with restore_run",
        )
    client.update_run(run_id, "RUNNING")
    client.log_batch(run_id, tags=[RunTag(key, str(value)) for key, value in tags.items()])
    return client.get_run(run_id)


def _origin() -> dict[str, str]:
    """Return the tags that say who started a run, and with which program."""
    tags = {"mlflow.source.name": sys.argv[0] or "python", "mlflow.source.type": "LOCAL"}
    with contextlib.suppress(OSError, KeyError):
        tags["mlflow.user"] = getpass.getuser()
    return tags


def active_run() -> ActiveRun | None:
    """Return the active run of this thread or task as it was started; None if none is.

    Nothing is read: ``get_run`` returns it with what was logged since.
    """
    stack = context.active_runs()
    if not stack:
        return None
    run = stack[-1].run
    return ActiveRun(run.info, run.data, run.inputs)


def last_active_run() -> Run | None:
    """Return the active run, else the one that was active last here, as it is now."""
    last = context.last_run()
    return None if last is None else LakeflowClient(last.tracking_uri).get_run(last.run_id)


def end_run(status: str = "FINISHED") -> None:
    """End the active run; nothing happens if there is none.

    Args:
        status: Name of a ``RunStatus``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, no such status; the run stays active.
    """
    RunStatus.from_string(status)
    run = context.pop()
    if run is not None:
        LakeflowClient(run.tracking_uri).set_terminated(run.run_id, status)


def _end_open_runs() -> None:
    for run in context.unfinished():
        try:
            LakeflowClient(run.tracking_uri).set_terminated(run.run_id)
        except LakeflowException:
            _logger.warning("cannot end run %s", run.run_id, exc_info=True)
    context.after_fork()


# Registered after the lake's own, so that it is called before: runs end, then lakes close.
at_end(_end_open_runs)


def get_run(run_id: str) -> Run:
    """Return a run as it is now; see ``LakeflowClient.get_run``."""
    return LakeflowClient().get_run(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """Return the parent of a run; see ``LakeflowClient.get_parent_run``."""
    return LakeflowClient().get_parent_run(run_id)


def delete_run(run_id: str) -> None:
    """Mark a run as deleted; see ``LakeflowClient.delete_run``."""
    LakeflowClient().delete_run(run_id)


# Searching


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    output_format: Literal["pandas"] = ...,
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    *,
    as_of: int | datetime.datetime | None = ...,
) -> Any: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["list"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> list[Run]: ...


@overload
def search_runs(
    experiment_ids: Sequence[str] | str | int | None = ...,
    filter_string: str = ...,
    run_view_type: int = ...,
    max_results: int | None = ...,
    order_by: Sequence[str] | None = ...,
    *,
    output_format: Literal["polars"],
    search_all_experiments: bool = ...,
    experiment_names: Sequence[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> polars.DataFrame: ...


def search_runs(
    experiment_ids: Sequence[str] | str | int | None = None,
    filter_string: str = "",
    run_view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: Literal["pandas", "list", "polars"] = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str | None] | None = None,
    *,
    as_of: int | datetime.datetime | None = None,
) -> Any:
    """Return the runs that a filter lets through as one frame, or as a list.

    Args:
        experiment_ids: Ids of experiments, or one id; by default the experiment in which
            ``start_run`` would make a run.
        filter_string: The filter; see ``LakeflowClient.search_runs``.
        run_view_type: ``ViewType.ACTIVE_ONLY``, ``DELETED_ONLY`` or ``ALL``.
        max_results: Most runs; None for all.
        order_by: Lines such as ``"metrics.loss DESC"``; see ``LakeflowClient.search_runs``.
        output_format: ``"pandas"``, ``"polars"``, or ``"list"`` for ``Run`` objects. Frames
            are built by columns: many runs take a fraction of the time and memory of a list.
        search_all_experiments: Whether to search all active experiments if none is named.
        experiment_names: Names of experiments, instead of ids; unknown ones are skipped.
        as_of: A time, or a Delta version of the table ``runs``: what the lake held in its
            tables then.

    Returns:
        A row for each run with columns ``run_id``, ``experiment_id``, ``status``,
        ``artifact_uri``, ``start_time`` and ``end_time`` (times with zone UTC), then
        ``metrics.<key>``, ``params.<key>`` and ``tags.<key>``, each kind in the order in
        which the runs bring the keys up. What a run lacks is null in polars; in pandas it is
        NaN, NaT or None.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, both ids and names, no such format, a
            malformed filter or order.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, ``as_of`` is too far back.
        LakeflowException: FEATURE_DISABLED, pandas or polars is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-search")
        >>> for lr in (0.1, 0.2):
        ...     with lakeflow.start_run():
        ...         _ = lakeflow.log_param("lr", lr)
        ...         lakeflow.log_metric("loss", 1 - lr)
        >>> found = lakeflow.search_runs(order_by=["metrics.loss"], output_format="polars")
        >>> found["params.lr"].to_list()
        ['0.2', '0.1']
    """
    formats.check(output_format, "pandas", "list", "polars")
    client = LakeflowClient()
    ids = _searched(client, experiment_ids, experiment_names, search_all_experiments)
    if output_format == "list":
        return _all_pages(
            lambda size, token: client.search_runs(
                ids, filter_string, run_view_type, size, order_by, token, as_of=as_of
            ),
            max_results if ids else 0,
        )
    from lakeflow.tracking.wide import search_table

    store = open_store(client.tracking_uri)
    table = search_table(
        store.lake,
        store.runs.reader,
        ids,
        filter_string,
        run_view_type,
        max_results,
        order_by,
        as_of,
    )
    return formats.to_pandas(table) if output_format == "pandas" else formats.to_polars(table)


def _searched(
    client: LakeflowClient,
    ids: Sequence[str] | str | int | None,
    names: Sequence[str | None] | None,
    search_all: bool,
) -> list[str]:
    """Return the ids of the experiments that a search is for."""
    # 0 is the id of an experiment.
    given = [ids] if isinstance(ids, str | int) else list(ids or ())
    if given and names:
        raise InvalidInputError(
            "Only experiment_ids or experiment_names can be used, but not both"
        )
    if given:
        return [str(each) for each in given]
    if names:
        return _ids_of_names(client, names)
    if search_all:
        return [experiment.experiment_id for experiment in search_experiments()]
    return [_experiment_id(client)]


def _ids_of_names(client: LakeflowClient, names: Sequence[str | None]) -> list[str]:
    ids = []
    for name in names:
        experiment = None if name is None else client.get_experiment_by_name(name)
        if experiment is not None:
            ids.append(experiment.experiment_id)
        elif name is not None:
            _logger.warning("there is no experiment %r; it is left out of the search", name)
    return ids


def search_experiments(
    view_type: int = ViewType.ACTIVE_ONLY,
    max_results: int | None = None,
    filter_string: str | None = None,
    order_by: Sequence[str] | None = None,
) -> list[Experiment]:
    """Return every experiment that a filter lets through.

    Args:
        view_type: ``ViewType.ACTIVE_ONLY``, ``DELETED_ONLY`` or ``ALL``.
        max_results: Most experiments; None for all.
        filter_string: The filter; see ``LakeflowClient.search_experiments``.
        order_by: Lines such as ``"name DESC"``; by default the latest first.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter or order.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-experiments")
        >>> _ = lakeflow.create_experiment("digits")
        >>> found = lakeflow.search_experiments(order_by=["name DESC"])
        >>> [experiment.name for experiment in found]
        ['digits', 'Default']
    """
    client = LakeflowClient()
    return _all_pages(
        lambda size, token: client.search_experiments(
            view_type, size, filter_string, order_by, token
        ),
        max_results,
    )


def _all_pages(
    page_of: Callable[[int, str | None], PagedList[T]], max_results: int | None
) -> list[T]:
    """Return what all pages hold, up to a number of results."""
    found: list[T] = []
    token = None
    while max_results is None or len(found) < max_results:
        left = _PAGE if max_results is None else max_results - len(found)
        page = page_of(min(_PAGE, left), token)
        found += page
        token = page.token
        if token is None:
            break
    return found


# Logging


def _target(run_id: str | None = None) -> tuple[LakeflowClient, str]:
    """Return the run to log to and its client; starts one where none is active."""
    if run_id is not None:
        return LakeflowClient(), run_id
    stack = context.active_runs()
    if not stack:
        start_run()
        stack = context.active_runs()
    return LakeflowClient(stack[-1].tracking_uri), stack[-1].run_id


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param of the active run; see ``LakeflowClient.log_param``."""
    client, run_id = _target()
    return client.log_param(run_id, key, value, synchronous)


def log_params(
    params: dict[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> RunOperations | None:
    """Log several params at once, all or none.

    Args:
        params: Values by key; values become text.
        synchronous: As for ``LakeflowClient.log_metric``.
        run_id: Run to log to; the active one by default.
    """
    client, target = _target(run_id)
    pairs = [Param(key, str(value)) for key, value in params.items()]
    return client.log_batch(target, params=pairs, synchronous=synchronous)


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
    client, target = _target(run_id)
    return client.log_metric(target, key, value, timestamp, step, synchronous)


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
    client, target = _target(run_id)
    moment = now_ms() if timestamp is None else timestamp
    points = [Metric(key, value, moment, step or 0) for key, value in metrics.items()]
    return client.log_batch(target, metrics=points, synchronous=synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Set a tag of the active run; see ``LakeflowClient.set_tag``."""
    client, run_id = _target()
    return client.set_tag(run_id, key, value, synchronous)


def set_tags(tags: dict[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Set several tags of the active run, all or none."""
    client, run_id = _target()
    pairs = [RunTag(key, str(value)) for key, value in tags.items()]
    return client.log_batch(run_id, tags=pairs, synchronous=synchronous)


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
    client, run_id = _target()
    client.log_inputs(
        run_id,
        [
            DatasetInput(dataset, _use_tags(use, tags or {}))
            for dataset, use, tags in zip(datasets, uses, extra, strict=True)
        ],
    )


def _use_tags(use: str | None, tags: Mapping[str, str]) -> list[InputTag]:
    named = {} if use is None else {_CONTEXT: use}
    return [InputTag(key, value) for key, value in (named | dict(tags)).items()]


os.register_at_fork(after_in_child=context.after_fork)
