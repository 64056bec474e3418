"""The stores of one lake, made once a process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakeflow.config import is_logging_async
from lakeflow.entities import LifecycleStage, Metric, RunStatus
from lakeflow.query.engine.connection import Engine
from lakeflow.sampling.sampler import Samplers
from lakeflow.stores.artifacts.files import ArtifactStore
from lakeflow.stores.call_queue import CallQueue, held_by
from lakeflow.stores.control import ControlStore
from lakeflow.stores.experiments import ExperimentStore, now_ms
from lakeflow.stores.logged_models.scopes import ModelScopes
from lakeflow.stores.reader import Reader
from lakeflow.stores.runs import RunStore
from lakeflow.stores.snapshots import Snapshots
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.exceptions import LakeflowException
    from lakeflow.lake import Lake
    from lakeflow.stores.artifacts.files_beside import FilesBeside
    from lakeflow.stores.artifacts.images import ImageStore
    from lakeflow.stores.artifacts.tables import TableStore
    from lakeflow.stores.column_reader import ColumnReader
    from lakeflow.stores.evaluation.datasets import EvaluationDatasetStore
    from lakeflow.stores.evaluation.scorers import ScorerStore
    from lakeflow.stores.logged_models.files import LoggedModelFiles
    from lakeflow.stores.logged_models.store import LoggedModelStore
    from lakeflow.stores.registry.models import RegisteredModelStore
    from lakeflow.stores.registry.versions import ModelVersionStore
    from lakeflow.stores.removals import Removals
    from lakeflow.stores.reviews.issues import IssueStore
    from lakeflow.stores.reviews.label_schemas import LabelSchemaStore
    from lakeflow.stores.reviews.queues import ReviewQueueStore
    from lakeflow.stores.run_operations import RunOperations
    from lakeflow.stores.traces.store import TraceStore


class Store:
    """Everything that a client calls.

    Args:
        lake: The lake.

    Attributes:
        lake: The lake.
        snapshots: What it holds now, and what it held.
        reader: What reads it by thing.
        control: What is unique in it.
        experiments: Its experiments.
        runs: Its runs.
        artifacts: The files beside them.
        samplers: What samples the machine beside its runs.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._engine = engine = Engine(lake.engine_filesystem(), is_one_of_many=True)
        self.snapshots = Snapshots(lake, engine)
        self.reader = reader = Reader(lake, engine, self.snapshots)
        self.control = control = ControlStore(lake, self.snapshots.stored)
        self.experiments = ExperimentStore(lake, control, reader)
        self._scopes = ModelScopes(reader)
        self.runs = RunStore(lake, self.experiments, reader, self._scopes)
        self.artifacts = ArtifactStore(lake, self.runs.heads, reader)
        self._parts = lake, control, reader
        self._queue = CallQueue(lake, self.runs.heads.forget)
        # The last one is called first: samples end, what is queued is written, the engine goes.
        lake.on_close(engine.close)
        lake.on_fork(engine.reset)
        lake.on_close(self._queue.close)
        self.samplers = Samplers(
            lambda run_id, values, step: self.runs.log_metrics(run_id, values, now_ms(), step)
        )
        lake.on_close(self.samplers.stop_all)
        lake.on_fork(self.samplers.reset)

    # These are loaded by who asks for them, which a job that only logs runs does not.

    @cached_property
    @loading("what reads tables")
    def columns(self) -> ColumnReader:
        """What reads it by the column."""
        from lakeflow.stores.column_reader import ColumnReader

        return ColumnReader(self.lake, self._engine, self.snapshots)

    @cached_property
    @loading("what stores images")
    def images(self) -> ImageStore:
        """The images among its artifacts."""
        from lakeflow.stores.artifacts.images import ImageStore

        return ImageStore(self.artifacts, self.runs.heads, self.log, self._queue.is_behind)

    @cached_property
    @loading("what stores tables")
    def tables(self) -> TableStore:
        """The tables among its artifacts."""
        from lakeflow.stores.artifacts.tables import TableStore

        return TableStore(self.lake, self.runs.heads, self.reader, self.artifacts)

    @cached_property
    @loading("what removes runs and experiments")
    def removals(self) -> Removals:
        """What removes its runs and experiments."""
        from lakeflow.stores.removals import Removals

        return Removals(self.lake, self.experiments, self.runs.heads, self.reader)

    @cached_property
    @loading("the model registry")
    def models(self) -> RegisteredModelStore:
        """Its registered models."""
        from lakeflow.stores.registry.models import RegisteredModelStore

        return RegisteredModelStore(*self._parts)

    @cached_property
    @loading("the model registry")
    def model_versions(self) -> ModelVersionStore:
        """Their versions."""
        from lakeflow.stores.registry.versions import ModelVersionStore

        return ModelVersionStore(*self._parts, self.models)

    @cached_property
    @loading("what stores traces")
    def traces(self) -> TraceStore:
        """Its traces."""
        from lakeflow.stores.traces.store import TraceStore

        return TraceStore(self.lake, self.experiments, self.reader)

    @cached_property
    @loading("what stores datasets")
    def evaluation_datasets(self) -> EvaluationDatasetStore:
        """Its datasets for evaluation."""
        from lakeflow.stores.evaluation.datasets import EvaluationDatasetStore

        return EvaluationDatasetStore(self.lake, self.experiments, self.reader)

    @cached_property
    @loading("what stores scorers")
    def scorers(self) -> ScorerStore:
        """The scorers of its experiments."""
        from lakeflow.stores.evaluation.scorers import ScorerStore

        return ScorerStore(*self._parts, self.experiments)

    @cached_property
    @loading("what stores models")
    def logged_models(self) -> LoggedModelStore:
        """Its logged models."""
        from lakeflow.stores.logged_models.store import LoggedModelStore

        return LoggedModelStore(self.lake, self.experiments, self.reader, self._scopes)

    @cached_property
    @loading("what stores models")
    def model_files(self) -> LoggedModelFiles:
        """The files of those."""
        from lakeflow.stores.logged_models.files import LoggedModelFiles

        return LoggedModelFiles(
            self.lake, self.logged_models, self._scopes, self.artifacts.places, self.reader
        )

    def files_beside(self, identity: str) -> FilesBeside:
        """Return what records the files beside a run, or beside a logged model."""
        return self.model_files if identity.startswith("m-") else self.artifacts

    @cached_property
    @loading("what stores reviews")
    def label_schemas(self) -> LabelSchemaStore:
        """The questions that reviewers of its experiments are asked."""
        from lakeflow.stores.reviews.label_schemas import LabelSchemaStore

        return LabelSchemaStore(*self._parts, self.experiments)

    @cached_property
    @loading("what stores reviews")
    def review_queues(self) -> ReviewQueueStore:
        """Their queues of traces to review."""
        from lakeflow.stores.reviews.queues import ReviewQueueStore

        return ReviewQueueStore(*self._parts, self.experiments)

    @cached_property
    @loading("what stores issues")
    def issues(self) -> IssueStore:
        """Issues that were found in its experiments."""
        from lakeflow.stores.reviews.issues import IssueStore

        return IssueStore(self.lake, self.experiments, self.reader)

    def log(
        self,
        synchronous: bool | None,
        call: Callable[..., Any],
        *args: Any,
        held: int | None = None,
    ) -> Any:
        """Make a logging call now, or queue it.

        Args:
            synchronous: Whether to make it now; None takes the setting of the environment.
            call: A method of a store.
            *args: Its arguments, of which the first is the run's id; they must not change any
                more.
            held: Bytes that they hold in memory; found out where it is not given.

        Returns:
            What the call returns, or the ``RunOperations`` to wait for it.
        """
        if is_logging_async() if synchronous is None else not synchronous:
            held = held_by(args) if held is None else held
            return self._queue.submit(call, *args, held=held)
        return call(*args)

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Any,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        model_id: str | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
    ) -> RunOperations | None:
        """Log a point, now and at step 0 where nothing else is said."""
        logged_at = now_ms() if timestamp is None else timestamp
        if model_id is not None:
            point = Metric(
                key, value, logged_at, step or 0, model_id, dataset_name, dataset_digest
            )
            return self.log(synchronous, self.runs.log_batch, run_id, [point])  # type: ignore[no-any-return]
        # As ``log`` does, with a call less: training loops take this way at every step.
        if is_logging_async() if synchronous is None else not synchronous:
            call = self.runs.log_metric
            return self._queue.submit(call, run_id, key, value, logged_at, step or 0)
        self.runs.log_metric(run_id, key, value, logged_at, step or 0)
        return None

    def terminate(
        self, run_id: str, status: str | None = None, end_time: int | None = None
    ) -> None:
        """End a run after everything that was queued; see ``LakeflowClient.set_terminated``."""
        self.end(run_id, status, end_time)
        lost = self.lost(run_id)
        if lost is not None:
            raise lost

    def end(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """End a run after everything that was queued, and stop sampling beside it.

        Whether or not all of that could be logged.
        """
        # With a wrong status the run goes on, and so do its samples.
        RunStatus.from_string(status or "FINISHED")
        # First of all, so that no sample comes after the end of the run.
        self.samplers.stop(run_id)
        self._queue.drain()
        self.runs.terminate(run_id, status, end_time)

    def lost(self, run_id: str) -> LakeflowException | None:
        """Return the error that tells what was queued for a run and could not be logged.

        None if all was, or if somebody was told; whoever gets it is to tell.
        """
        return self._queue.failed.take(run_id)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment and its runs."""
        self._move_experiment(experiment_id, LifecycleStage.DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        """Restore an experiment and all its runs."""
        self._move_experiment(experiment_id, LifecycleStage.ACTIVE)

    def _move_experiment(self, experiment_id: str, stage: str) -> None:
        # The event first: a run forgotten before it could be looked up again as an active one.
        self.experiments.set_stage(experiment_id, stage)
        self.runs.heads.forget_stages(str(experiment_id))
