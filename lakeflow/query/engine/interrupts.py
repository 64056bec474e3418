"""Work of the engine that no signal disturbs, and that ends where a handler of one raises.

Python calls the handlers of signals in the main thread. DuckDB asks for them too, in the middle
of a statement, and makes a RuntimeError of whatever they raise, or an error about a file. So
what the main thread asks of the engine is done in another thread, where it hears of none.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from importlib import import_module
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from lakeflow.system_errors import loading

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_AGAIN_S = 0.01
"""DuckDB forgets an interrupt that comes before a statement has begun, so it is told again."""

_LOOK_S = 0.1
"""How often the main thread looks whether there was a signal."""


def undisturbed(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return what work returns; what a handler of a signal raises meanwhile, is raised.

    Then the work has ended all the same. In other threads than the main one it is just done.

    Args:
        work: What to do, in any thread.
        stop: Makes the work fail soon; it is called until that has happened.
    """
    # When the interpreter ends, other threads stand still.
    if threading.get_ident() != threading.main_thread().ident or sys.is_finalizing():
        return work()
    task = _Task(work)
    try:
        _begin(task)
        task.wait()
    finally:
        # More signals may come, and raise also where nothing catches it: each of these has the
        # next one behind it.
        try:
            task.end(stop)
        finally:
            try:
                task.end(stop)
            finally:
                task.end(stop)
    return task.result()


def imported(name: str) -> Any:
    """Import a module to the end: what a signal breaks off cannot be imported once more.

    Raises:
        StorageError: The process has too many files open, say.
    """
    with loading(name):
        if name not in sys.modules:
            undisturbed(lambda: import_module(name), lambda: None)
        return import_module(name)


class _Task(Generic[T]):
    """Work for another thread, begun at most once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._claim = threading.Lock()
        self._running = threading.Lock()
        self._running.acquire()
        self._is_done = False
        self._value: T | None = None
        self._error: BaseException | None = None

    def run(self, before_end: Callable[[], None] = lambda: None) -> None:
        if self._claim.acquire(blocking=False):
            try:
                self._value = self._work()
            except BaseException as error:  # noqa: BLE001 - raised by who waits
                self._error = error
        before_end()
        self._is_done = True
        self._running.release()

    def wait(self) -> None:
        # The kernel may tell another thread of a signal, and this one would not wake up for it.
        while not self._is_done:
            self._running.acquire(timeout=_LOOK_S)

    def end(self, stop: Callable[[], None]) -> None:
        """Wait until the work has ended; if it has not begun, it never will."""
        if self._is_done or self._claim.acquire(blocking=False):
            self._is_done = True
        raised: BaseException | None = None
        while not self._is_done:
            try:
                stop()
                self._running.acquire(timeout=_AGAIN_S)
            except BaseException as error:  # noqa: BLE001 - raised once it has ended
                raised = error
        if raised is not None:
            raise raised

    def result(self) -> T:
        try:
            if self._error is not None:
                raise self._error
            return cast("T", self._value)
        finally:
            # The error has a traceback that leads here.
            del self


def _begin(task: _Task[Any]) -> None:
    try:
        _idle.pop().put(task)
    except IndexError:
        tasks: SimpleQueue[_Task[Any]] = SimpleQueue()
        tasks.put(task)
        try:
            # Given the task itself, the thread would keep it, and what it has made, for good.
            threading.Thread(target=_serve, args=(tasks,), daemon=True).start()
        except RuntimeError:  # no thread can be started, or none any more
            task.run()


def _serve(tasks: SimpleQueue[_Task[Any]]) -> None:
    """Do work after work in this thread."""
    while True:
        # It is free before who waits goes on and asks for the next thing.
        tasks.get().run(lambda: _idle.append(tasks))


# Threads with nothing to do, by what they wait at. There are as many as there were handlers
# of signals within one another that asked the engine.
_idle: deque[SimpleQueue[_Task[Any]]] = deque()
os.register_at_fork(after_in_child=_idle.clear)
