"""The active runs: each thread and each asyncio task has its own.

Code runs in a *place*: in an asyncio task, or in a thread outside of tasks. The rule:

1. What begins in a place, a task or a call of ``asyncio.to_thread``, finds the runs that were
   active there when it began.
2. The runs that it starts are its own for as long as it runs. No other place sees them.
3. A run that is ended is ended in every place.
4. Runs that a task leaves open when it ends go to who comes after it in its thread: code
   outside of tasks, or the task that began it. Tasks that begin later find them too, and share
   them until then. So what one cell of a notebook starts is active in the next, and what
   ``asyncio.run(setup())`` or ``await wait_for(setup(), 9)`` starts is active after it. They
   never go to tasks that ran beside it; and where these leave runs open as well, nobody can
   say which is meant, and they all stay as they are until the process ends.

A context has no hook for its copies, so a task that has not called lakeflow before it begins
another is not known to have begun it. It is taken to have if it ran before and is the only one
left. Nor is it known which task has begun a call of ``asyncio.to_thread``: that finds what
was left open where each task of the loop would, which has begun since lakeflow was imported.
A run that such a call leaves open stays with it: nothing tells when it is over.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from lakeflow.entities import Run
    from lakeflow.stores.store import Store


class _Thread(threading.local):
    """What is known of each thread."""

    def __init__(self) -> None:
        # The number of a thread goes to another one after it.
        self.identity = object()
        self.last: OpenRun | None = None


class Place:
    """A task, or a thread outside of tasks.

    Attributes:
        thread: Which thread.
        task: Its task; None outside of tasks.
        loop: That of its task.
        parent: The place whose context it began with.
        before: Tasks that ran already when it started its first run.
        beside: Tasks that ran when it ended; None until then.
        is_apart: Whether one of those has left runs open too.
    """

    __slots__ = ("before", "beside", "is_apart", "loop", "parent", "task", "thread")

    def __init__(
        self, thread: object, task: asyncio.Task[Any] | None, parent: Place | None
    ) -> None:
        self.thread = thread
        # Weak: a task that nobody holds any more has ended.
        self.task = None if task is None else weakref.ref(task)
        self.loop = None if task is None else weakref.ref(task.get_loop())
        self.parent = parent
        self.before: weakref.WeakSet[asyncio.Task[Any]] | None = None
        self.beside: weakref.WeakSet[asyncio.Task[Any]] | None = None
        self.is_apart = False

    def is_of(self, thread: object, task: asyncio.Task[Any] | None) -> bool:
        """Return whether code of this thread and task is in this place."""
        if self.thread is not thread or self.task is None:
            return self.thread is thread and task is None
        return task is not None and self.task() is task

    def is_past(self) -> bool:
        """Return whether its task has ended."""
        if self.task is None:
            return False
        task = self.task()
        return task is None or task.done()

    def began(self, other: Place) -> bool:
        """Return whether another place began in this one, or in one that did."""
        parent = other.parent
        while parent is not None and parent is not self:
            parent = parent.parent
        return parent is self


class OpenRun:
    """A run that the fluent functions started.

    Attributes:
        run: The run as it was when it was started.
        store: The store of its lake.
        place: Whose it is.
        status: With which somebody began to end it, in whichever place; None until then.
    """

    __slots__ = ("place", "run", "status", "store")

    def __init__(self, run: Run, store: Store, place: Place) -> None:
        self.run = run
        self.store = store
        self.place = place
        self.status: str | None = None


_thread = _Thread()
_active: ContextVar[tuple[Place | None, tuple[OpenRun, ...]]] = ContextVar(
    "lakeflow_active_runs", default=(None, ())
)
_last: ContextVar[OpenRun | None] = ContextVar("lakeflow_last_run", default=None)

# No lock: a signal handler may start and end runs too. Each step on them is one of Python's.
_unfinished: dict[str, OpenRun] = {}
_of_tasks: dict[str, OpenRun] = {}


def active() -> tuple[OpenRun, ...]:
    """Return the active runs of this place, the innermost last."""
    runs = _active.get()[1]
    # Loops that log come this way: most programs have no run in a task.
    if not _of_tasks and runs and runs[-1].status is None:
        return runs
    place = here()
    if _of_tasks:
        _take_over(place)
    return tuple(each for each in _active.get()[1] if each.status is None)


def latest() -> OpenRun | None:
    """Return the innermost active run of this place, else the one that was started last.

    Servers and chains work in threads of their own, which have none.
    """
    # Most traces begin where there is no run at all.
    if _active.get()[1] or _of_tasks:
        found = active()
        if found:
            return found[-1]
    return next(reversed(_unfinished.values()), None) if _unfinished else None


def push(run: Run, store: Store) -> None:
    """Make a run the active one; it is to be ended before the process does."""
    place = here()
    opened = OpenRun(run, store, place)
    # A new tuple: places that began in this one keep the runs that they had.
    _active.set((place, (*active(), opened)))
    _remember(opened)
    _unfinished[run.info.run_id] = opened
    _own(opened, place)


def pop(status: str) -> OpenRun | None:
    """Take the innermost run off, as one that ends with a status; None if there is none."""
    runs = active()
    if not runs:
        return None
    close(runs[-1], status)
    _active.set((here(), runs[:-1]))
    _remember(runs[-1])
    return runs[-1]


def close(run: OpenRun, status: str) -> None:
    """Let a run be over in every place; its first status stays."""
    run.status = run.status or status
    _of_tasks.pop(run.run.info.run_id, None)


def forget(run: OpenRun) -> None:
    """Let a run be that was ended: until this it is unfinished."""
    _unfinished.pop(run.run.info.run_id, None)


def last() -> OpenRun | None:
    """Return the run that was active last here, or in the task that came before."""
    here()
    latest = _thread.last
    return latest if latest is not None and latest.place.is_past() else _last.get()


def of_this_thread() -> list[OpenRun]:
    """Return the runs that this thread has started and nobody has ended, latest first."""
    return [each for each in unfinished() if each.place.thread is _thread.identity]


def unfinished() -> list[OpenRun]:
    """Return the runs that are not ended, or not to the end, latest first."""
    return list(reversed(list(_unfinished.values())))


def after_fork() -> None:
    """Leave ending the parent's runs to the parent; a child may go on logging to them."""
    _unfinished.clear()
    _of_tasks.clear()


def here() -> Place:
    """Return the place of who calls; what begins from now on is known to have begun in it."""
    place, runs = _active.get()
    task = _current_task()
    if place is None or not place.is_of(_thread.identity, task):
        place = Place(_thread.identity, task, place)
        _active.set((place, runs))
    return place


def _remember(run: OpenRun) -> None:
    _last.set(run)
    _thread.last = run


def _own(run: OpenRun, place: Place) -> None:
    """Let a run be a place's."""
    run.place = place
    task = None if place.task is None else place.task()
    if task is None:
        _of_tasks.pop(run.run.info.run_id, None)
        return
    # One of these may have begun this task, which its context does not tell.
    if place.before is None:
        place.before = _running_tasks(place)
        # In no context of ours: what the call back sees is not what it is about.
        task.add_done_callback(lambda _: _settle(place), context=contextvars.Context())
    _of_tasks[run.run.info.run_id] = run


def _take_over(place: Place) -> None:
    """Take the runs that others have left open and that are to go to this place."""
    left = [each for each in list(_of_tasks.values()) if each.place.is_past()]
    task = place.task and place.task()
    is_alone = task is not None and bool(left) and set(_running_tasks(place)) == {task}
    for each in left:
        _settle(each.place)
        # It ran before and is the only one left, so it is taken for who began that task.
        if is_alone and task in (each.place.before or ()) and not place.began(each.place):
            each.place.parent = place
    runs = _active.get()[1]
    found = [each for each in left if each not in runs and _comes_after(place, each.place)]
    if found:
        _active.set((place, (*runs, *found)))
        for each in found:
            # Of several tasks that begin later none has it alone.
            is_here = place.thread is each.place.thread
            if is_here and (task is None or each.place.parent is place):
                _own(each, place)


def _settle(ended: Place) -> None:
    """Note what ran beside a task at its end: those do not come after it."""
    if ended.beside is not None:
        return
    ended.beside = _running_tasks(ended)
    task = ended.task and ended.task()
    for each in list(_of_tasks.values()):
        other = each.place
        if other.beside is not None and task in other.beside and not ended.began(other):
            # They ran side by side, and both leave runs open: nobody can say which is meant.
            ended.is_apart = other.is_apart = True


def _comes_after(place: Place, ended: Place) -> bool:
    if ended.is_apart:
        return False
    if place.thread is not ended.thread:
        return _is_begun_after(place, ended)
    task = place.task and place.task()
    # Who ran beside it does not come after it, but for who began it.
    return task is None or ended.parent is place or task not in (ended.beside or ())


def _is_begun_after(place: Place, ended: Place) -> bool:
    """Return whether whoever may have begun a call of another thread comes after a task."""
    if place.task or place.parent is None or place.parent.thread is not ended.thread:
        return False
    running = set(_running_tasks(ended)) - set(_older)
    parent = ended.parent and ended.parent.task and ended.parent.task()
    return all(
        task not in (ended.beside or ())
        or task is parent
        or (running == {task} and task in (ended.before or ()))
        for task in running
    )


def _current_task() -> asyncio.Task[Any] | None:
    # Where nobody has imported asyncio there is no task; loading it takes as long as a run.
    asyncio = sys.modules.get("asyncio")
    running_loop = getattr(asyncio, "_get_running_loop", None)
    current_task = getattr(asyncio, "current_task", None)
    # ``current_task`` alone raises where no loop runs, which takes longer than logging.
    if running_loop is None or current_task is None or running_loop() is None:
        return None
    return current_task()  # type: ignore[no-any-return]


def _running_tasks(beside: Place) -> weakref.WeakSet[asyncio.Task[Any]]:
    """Return the tasks of a place's loop that have begun and not ended; from any thread."""
    loop = None if beside.loop is None else beside.loop()
    if loop is None:
        return weakref.WeakSet()
    import asyncio

    return weakref.WeakSet(each for each in asyncio.all_tasks(loop) if _has_begun(each))


def _has_begun(task: asyncio.Task[Any]) -> bool:
    # asyncio has it loaded; programs without tasks do not.
    import inspect

    # What is no coroutine cannot be asked, and counts as one that has begun.
    coroutine = task.get_coro()
    return not (
        inspect.iscoroutine(coroutine)
        and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    )


os.register_at_fork(after_in_child=after_fork)

# Tasks that begin in the context of who imports this began in its place. Those that run
# already, such as a notebook's own, call nothing of ours.
_older = _running_tasks(here())
