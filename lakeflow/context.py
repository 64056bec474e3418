"""Where the fluent functions are: the tracking URI, the experiment, the active runs.

The URI and the experiment belong to the process, as in MLflow. The stack of active runs
belongs to the context: each thread and each asyncio task has its own.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.config import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.entities import Run

DEFAULT_URI = "./lake"
"""Where things are recorded unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that the fluent functions started.

    Attributes:
        run: The run as it was when it was started.
        tracking_uri: The lake it is in.
    """

    run: Run
    tracking_uri: str

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.info.run_id


@dataclass(frozen=True, slots=True)
class Opening:
    """How a lake is opened.

    Attributes:
        storage_options: fsspec's options for its filesystem.
        exclusive_writer: Whether this process is the only one that writes; None takes the
            setting of the environment.
    """

    storage_options: Mapping[str, object] = field(default_factory=dict)
    exclusive_writer: bool | None = None


_openings: dict[str, Opening] = {}
_tracking_uri: str | None = None
_experiment_id: str | None = None
_active: ContextVar[tuple[OpenRun, ...]] = ContextVar("lakeflow_active_runs", default=())
_last: ContextVar[OpenRun | None] = ContextVar("lakeflow_last_run", default=None)
_unfinished: dict[str, OpenRun] = {}
_lock = threading.Lock()


def tracking_uri() -> str:
    """Return the location that was set, else that of the environment, else ``./lake``."""
    return _tracking_uri or environment("TRACKING_URI") or DEFAULT_URI


def set_tracking_uri(uri: str | None) -> None:
    """Set the location for this process; None goes back to the environment's."""
    global _tracking_uri
    _tracking_uri = uri


def opening(location: str) -> Opening:
    """Return how the lake at a location is opened."""
    return _openings.get(location, Opening())


def set_opening(location: str, opening: Opening) -> None:
    """Set how the lake at a location is opened from now on in this process."""
    _openings[location] = opening


def experiment_id() -> str | None:
    """Return the id of the experiment that was set, if any."""
    return _experiment_id


def set_experiment_id(value: str | None) -> None:
    """Set the experiment for runs that this process starts."""
    global _experiment_id
    _experiment_id = value


def active_runs() -> tuple[OpenRun, ...]:
    """Return the active runs of this context, the innermost last."""
    return _active.get()


def last_run() -> OpenRun | None:
    """Return the run that was active last in this context."""
    return _last.get()


def push(run: OpenRun) -> None:
    """Make a run the active one; it is to be ended before the process does."""
    _active.set((*_active.get(), run))
    _last.set(run)
    with _lock:
        _unfinished[run.run_id] = run


def pop() -> OpenRun | None:
    """Take the innermost run off; None if there is none."""
    stack = _active.get()
    if not stack:
        return None
    _active.set(stack[:-1])
    _last.set(stack[-1])
    with _lock:
        _unfinished.pop(stack[-1].run_id, None)
    return stack[-1]


def unfinished() -> list[OpenRun]:
    """Return the runs that no context of this process has ended, latest first."""
    with _lock:
        return list(reversed(_unfinished.values()))


def after_fork() -> None:
    """Leave ending the parent's runs to the parent; a child may go on logging to them."""
    global _lock
    _lock = threading.Lock()
    _unfinished.clear()
