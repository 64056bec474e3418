"""The stores of one lake, made once a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.config import is_logging_async
from lakeflow.entities import LifecycleStage
from lakeflow.query.engine import Engine
from lakeflow.tracking.experiments import ExperimentStore
from lakeflow.tracking.queue import CallQueue
from lakeflow.tracking.runs import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.storage.lake import Lake


class Store:
    """Everything that a client calls.

    Args:
        lake: The lake.

    Attributes:
        lake: The lake.
        experiments: Its experiments.
        runs: Its runs.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        engine = Engine(lake.engine_filesystem())
        self.experiments = ExperimentStore(lake, engine)
        self.runs = RunStore(lake, self.experiments, engine)
        lake.on_close(engine.close)
        lake.on_fork(engine.forget)
        self._queue = CallQueue(lake, self.runs.forget)
        lake.on_close(self._queue.drain)
        lake.on_fork(self._queue.forget)

    def log(self, synchronous: bool | None, call: Callable[..., Any], *args: Any) -> Any:
        """Make a logging call now, or queue it.

        Args:
            synchronous: Whether to make it now; None takes the setting of the environment.
            call: A method of a store.
            *args: Its arguments; they must not change any more.

        Returns:
            What the call returns, or the ``RunOperations`` to wait for it.
        """
        if synchronous or (synchronous is None and not is_logging_async()):
            return call(*args)
        return self._queue.submit(call, *args)

    def terminate(self, run_id: str, status: str | None, end_time: int | None) -> None:
        """End a run after everything that was queued."""
        self._queue.drain()
        self.runs.terminate(run_id, status, end_time)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment and its runs."""
        self._move_experiment(experiment_id, LifecycleStage.ACTIVE, LifecycleStage.DELETED)

    def restore_experiment(self, experiment_id: str) -> None:
        """Restore an experiment and all its runs."""
        self._move_experiment(experiment_id, LifecycleStage.DELETED, LifecycleStage.ACTIVE)

    def _move_experiment(self, experiment_id: str, source: str, target: str) -> None:
        self.experiments.require_stage(experiment_id, source)
        self.runs.set_stage_of_all(str(experiment_id), target)
        self.experiments.set_stage(experiment_id, target)
