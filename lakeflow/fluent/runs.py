"""Runs: start, resume, end, read the active one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lakeflow import context
from lakeflow.config import taken_once
from lakeflow.entities import LifecycleStage, Run, RunStatus, RunTag, tag_names
from lakeflow.exceptions import InvalidInputError, InvalidStateError, LakeflowException
from lakeflow.fluent import active_runs, endings
from lakeflow.fluent.experiments import experiment_of_new_runs
from lakeflow.fluent.origin import origin_tags
from lakeflow.open_store import open_store
from lakeflow.sampling.plan import plan
from lakeflow.shutdown import at_shutdown
from lakeflow.stores import call_queue
from lakeflow.stores.arguments import given_name
from lakeflow.system_errors import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_logger = logging.getLogger(__name__)


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
        # The block may have ended the run itself, or have left others open within it.
        lost = []
        try:
            while any(
                each.run.info.run_id == self.info.run_id for each in active_runs.active()
            ):
                status = "FINISHED" if kind is None else endings.status_of(kind)
                lost.append(_end_active(status))
        except LakeflowException as failure:
            _tell(lost, failure)
            raise
        _tell(lost, error)
        # As MLflow's returns it; without an exception to swallow it means nothing.
        return kind is None


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: dict[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Make a run, or resume one, and make it the active run of this thread or task.

    Use it as a context manager, or end it with ``end_run``; what is still open when the
    process exits is ended then: KILLED by an interrupt, SIGTERM or SIGHUP, FAILED by another
    exception or a status of ``sys.exit`` other than 0. Of ``raise SystemExit(main())`` Python
    keeps no status, and the run is FINISHED whatever it was: call ``sys.exit(main())``.

    Args:
        run_id: Run to resume; for the first run of the process by default that of
            ``LAKEFLOW_RUN_ID``, which is then taken out of the environment. Its status
            becomes RUNNING.
        experiment_id: Experiment of a new run; by default that of ``set_experiment``,
            ``LAKEFLOW_EXPERIMENT_NAME``, ``LAKEFLOW_EXPERIMENT_ID``, else ``"0"``.
        run_name: Name of a new run; a run that is resumed is renamed.
        nested: Whether the run may be a child of the active one.
        parent_run_id: Run that becomes the parent; if a run is active, that one. It may be
            in another experiment.
        tags: Values by key.
        description: Kept as tag ``mlflow.note.content``.
        log_system_metrics: Whether the machine's use of processors, memory, disk, network and
            GPUs is logged as metrics ``system/...`` until the run ends; by default what
            ``enable_system_metrics_logging`` or ``LAKEFLOW_ENABLE_SYSTEM_METRICS_LOGGING`` say.
            Their steps count up from 0, and go on where a run is resumed.

    Raises:
        InvalidStateError: INVALID_STATE, a run is active and ``nested`` is False.
        InvalidInputError: INVALID_PARAMETER_VALUE, a deleted run, parent or experiment,
            a parent other than the active run, a bad tag, or the description twice.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run, parent or experiment.
        LakeflowException: FEATURE_DISABLED, ``log_system_metrics`` is True and psutil is not
            installed. Without it a setting alone is a warning.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-start-run")
        >>> with lakeflow.start_run(run_name="parent") as parent:
        ...     with lakeflow.start_run(nested=True) as child:
        ...         lakeflow.log_metric("loss", 0.5)
        >>> lakeflow.get_parent_run(child.info.run_id).info.run_name
        'parent'
    """
    active = active_runs.active()
    if active and not nested:
        raise InvalidStateError(
            f"Run with UUID {active[-1].run.info.run_id} is already active",
            hint="end it with end_run(), or start a child of it with nested=True",
        )
    all_tags = _with_description(tags, description)
    # Before there is a run: what is wrong with the settings is to leave none behind.
    sampling = plan(log_system_metrics)
    location = context.tracking_uri()
    context.pass_on_tracking_uri()
    endings.watch(_end_open_runs, _end_runs_of_thread)
    try:
        with endings.beginning():
            run = _made_or_resumed(
                location, run_id, experiment_id, run_name, parent_run_id, all_tags
            )
            # Kept with the run: what it logs goes to its lake, whichever is set meanwhile.
            store = open_store(location, create=False)
            active_runs.push(run, store)
    finally:
        _unguard_if_none()
    if sampling is not None:
        store.samplers.start(run.info.run_id, sampling, _next_step(run, sampling.prefix))
    return ActiveRun(run.info, run.data, run.inputs)


def _made_or_resumed(
    location: str,
    run_id: str | None,
    experiment_id: str | None,
    run_name: str | None,
    parent_run_id: str | None,
    tags: dict[str, Any],
) -> Run:
    # It names one run: not its children, nor those of other threads or of later.
    with taken_once("RUN_ID") as named:
        resumed = run_id or named
        if resumed:
            # An id that a script does not name is looked for in the script in vain.
            path = "run_id" if run_id else "RUN_ID of the environment"
            return _resume(location, resumed, path, run_name, tags)
        parent = _parent(location, parent_run_id, active_runs.active())
        if experiment_id is None:
            experiment_id = experiment_of_new_runs(location)
        return open_store(location, create=True).runs.create(
            experiment_id,
            None,
            origin_tags(run_name) | tags | ({tag_names.PARENT_RUN: parent} if parent else {}),
            run_name,
        )


def _next_step(run: Run, prefix: str) -> int:
    """Return the step after the last sample of a run; 0 where it has none."""
    # Those of other machines have one more slash in their names.
    steps = [
        each.step
        for each in run.data.latest_metrics
        if each.key.startswith(prefix) and "/" not in each.key.removeprefix(prefix)
    ]
    return max(steps, default=-1) + 1


def _parent(
    location: str, given: str | None, active: Sequence[active_runs.OpenRun]
) -> str | None:
    """Return the id of the parent of a new run; None if it has none."""
    if not given:
        return active[-1].run.info.run_id if active else None
    if active and given != active[-1].run.info.run_id:
        raise InvalidInputError(
            f"parent_run_id is {given!r}, and the active run is {active[-1].run.info.run_id}",
            hint="end the active run first, or leave parent_run_id out for a child of it",
        )
    # In another experiment it may be.
    runs = open_store(location, create=False).runs
    if runs.get(given, "parent_run_id").info.lifecycle_stage == LifecycleStage.DELETED:
        raise InvalidInputError(
            f"Cannot start a run under the parent {given}: it is in the deleted state",
            hint="restore it with restore_run",
        )
    return given


def _with_description(
    tags: Mapping[str, Any] | None, description: str | None
) -> dict[str, Any]:
    combined = dict(tags or {})
    if description:
        if tag_names.NOTE in combined:
            raise InvalidInputError(
                f"Description is already set via the tag {tag_names.NOTE} in tags",
                hint="give one of the two",
            )
        combined[tag_names.NOTE] = description
    return combined


def _resume(
    location: str,
    run_id: str,
    path: str,
    run_name: str | None,
    tags: Mapping[str, Any],
) -> Run:
    store = open_store(location, create=False)
    run = store.runs.get(run_id, path)
    chosen = context.experiment()
    if (
        chosen is not None
        and chosen.location == location
        and chosen.experiment_id != run.info.experiment_id
    ):
        raise InvalidInputError(
            f"Cannot start run with ID {run_id}: it is in experiment "
            f"{run.info.experiment_id}, and experiment {chosen.experiment_id} is set"
        )
    if run.info.lifecycle_stage == LifecycleStage.DELETED:
        raise InvalidInputError(
            f"Cannot start run with ID {run_id} because it is in the deleted state",
            hint="restore it with restore_run",
        )
    store.runs.update(run_id, "RUNNING", given_name(run_name, tags))
    pairs = [RunTag(key, str(value)) for key, value in tags.items()]
    store.log(None, store.runs.log_batch, run_id, (), (), pairs)
    return store.runs.get(run_id)


def active_run() -> ActiveRun | None:
    """Return the active run of this thread or task as it was started; None if none is.

    Nothing is read: ``get_run`` returns it with what was logged since.
    """
    active = active_runs.active()
    if not active:
        return None
    run = active[-1].run
    return ActiveRun(run.info, run.data, run.inputs)


def last_active_run() -> Run | None:
    """Return the active run, else the one that was active last here, as it is now."""
    last = active_runs.last()
    return None if last is None else last.store.runs.get(last.run.info.run_id)


def end_run(status: str = "FINISHED") -> None:
    """End the active run; nothing happens if there is none.

    Args:
        status: Name of a ``RunStatus``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, no such status; the run stays active.
        LakeflowException: As for ``LakeflowClient.set_terminated``; the run has ended.
    """
    _tell([_end_active(status)])


def _end_active(status: str) -> LakeflowException | None:
    """End the active run; return the error that tells what of it could not be logged."""
    # Before the run is taken off: with a wrong status it stays active.
    RunStatus.from_string(status)
    ended = active_runs.pop(status)
    if ended is None:
        return None
    try:
        _end(ended, status)
    finally:
        _unguard_if_none()
    return ended.store.lost(ended.run.info.run_id)


def _end(run: active_runs.OpenRun, status: str) -> None:
    active_runs.close(run, status)
    try:
        run.store.end(run.run.info.run_id, run.status)
    except LakeflowException:
        # Who has called is told. Of an interrupt nobody is: then it is ended with the process.
        active_runs.forget(run)
        raise
    active_runs.forget(run)


def _unguard_if_none() -> None:
    if not active_runs.unfinished():
        endings.unguard()


def _tell(lost: Sequence[LakeflowException | None], error: BaseException | None = None) -> None:
    """Raise what runs have lost, or put it on the error that has ended them."""
    found: list[BaseException] = [each for each in (error, *lost) if each is not None]
    for each in found[1:]:
        found[0].add_note(str(each))
    if error is None and found:
        raise found[0]


def _end_open_runs(status: str | None = None) -> None:
    _end_all(active_runs.unfinished(), status or endings.status())
    # A signal that kills closes no lake.
    call_queue.tell()


def _end_runs_of_thread(status: str) -> None:
    _end_all(active_runs.of_this_thread(), status)


def _end_all(runs: Sequence[active_runs.OpenRun], status: str) -> None:
    for each in runs:
        try:
            _end(each, status)
        except LakeflowException as error:
            # Nobody can catch this, and other runs are to be ended.
            _logger.warning("cannot end run %s: %s", each.run.info.run_id, plain(error))


# Registered after the lake's own, so that it is called before: runs end, then lakes close.
at_shutdown(_end_open_runs)


def get_run(run_id: str) -> Run:
    """Return a run as it is now; see ``LakeflowClient.get_run``."""
    return open_store(create=False).runs.get(run_id)


def get_parent_run(run_id: str) -> Run | None:
    """Return the parent of a run; see ``LakeflowClient.get_parent_run``."""
    return open_store(create=False).runs.get_parent(run_id)


def delete_run(run_id: str) -> None:
    """Mark a run as deleted; see ``LakeflowClient.delete_run``."""
    open_store(create=False).runs.set_stage(run_id, LifecycleStage.DELETED)
