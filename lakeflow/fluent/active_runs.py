"""The stack of active runs: each thread and each asyncio task has its own."""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow.entities import Run
    from lakeflow.stores.store import Store


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that the fluent functions started.

    Attributes:
        run: The run as it was when it was started.
        store: The store of its lake.
    """

    run: Run
    store: Store


stack: ContextVar[tuple[OpenRun, ...]] = ContextVar("lakeflow_active_runs", default=())
"""The active runs of this context, the innermost last."""

last: ContextVar[OpenRun | None] = ContextVar("lakeflow_last_run", default=None)
"""The run that was active last in this context."""

_unfinished: dict[str, OpenRun] = {}
_lock = threading.Lock()


def push(run: OpenRun) -> None:
    """Make a run the active one; it is to be ended before the process does."""
    # A new tuple: threads and tasks that began in this context keep the stack they had.
    stack.set((*stack.get(), run))
    last.set(run)
    with _lock:
        _unfinished[run.run.info.run_id] = run


def pop() -> OpenRun | None:
    """Take the innermost run off; None if there is none."""
    runs = stack.get()
    if not runs:
        return None
    stack.set(runs[:-1])
    last.set(runs[-1])
    with _lock:
        _unfinished.pop(runs[-1].run.info.run_id, None)
    return runs[-1]


def unfinished() -> list[OpenRun]:
    """Return the runs that no context of this process has ended, latest first."""
    with _lock:
        return list(reversed(_unfinished.values()))


def after_fork() -> None:
    """Leave ending the parent's runs to the parent; a child may go on logging to them."""
    global _lock
    _lock = threading.Lock()
    _unfinished.clear()


os.register_at_fork(after_in_child=after_fork)
