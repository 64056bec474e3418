"""Asynchronous logging: a thread makes calls in order, and writes what they log together.

There is a queue for each lake: one that does not answer holds up no other, and the calls of a
run, which is of one lake, stay in order.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import reprlib
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from lakeflow.stores.failed_calls import FailedCalls
from lakeflow.stores.interrupted import has_interrupted_us
from lakeflow.stores.run_operations import RunOperations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.lake import Lake
    from lakeflow.log.appender import Gathered

# What is gathered is held in memory, and is one object where every write is one.
_MOST_CHARACTERS_A_WRITE = 8 * 1024 * 1024

# Part of the interval that chance adds at most: processes that began together write apart.
_MOST_JITTER = 0.25

# A process that ends waits for the thread at most this long before it is noticed.
_SECONDS_BETWEEN_LOOKS = 0.1

_SHARE_OF_ONE_BEHIND = 1 / 8
"""Share of the memory from which on a queue is behind: ten large images of 256 MiB."""

_BYTES_OF_AN_ITEM = 64
"""What one thing of a batch holds in memory beside its text."""

_SECONDS_OF_STANDSTILL = 2.0
"""Seconds without a call that is done, after which nobody waits who may be in its way."""

_SECONDS_OF_REST = 1.0
"""Seconds after which a thread that has nothing to do ends."""

_logger = logging.getLogger(__name__)


class _Call:
    __slots__ = ("args", "function", "future", "held")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], held: int) -> None:
        self.function = function
        self.args = args
        self.held = held
        self.future: Future[Any] = Future()

    def about(self) -> str:
        """Return what it logs to which run: a run id is its first argument, keys follow."""
        run_id, first, *others = self.args
        keys = [first]
        if isinstance(first, Collection) and not isinstance(first, str):
            several = [each for each in (first, *others) if isinstance(each, Collection)]
            keys = [getattr(each, "key", each) for some in several for each in some]
        return f"{self.function.__name__} of {reprlib.repr(keys)} to run {run_id!r}"

    def forget(self) -> bool:
        """Let go of what it logs, if what it is about can still be said; return whether."""
        # The keys of a batch are in what it logs.
        is_of_one = isinstance(self.args[1], str)
        if is_of_one:
            self.args = self.args[:2]
        return is_of_one


def held_by(args: Sequence[Any]) -> int:
    """Return roughly how many bytes the arguments of a call hold: texts can be long.

    Args:
        args: Keys, values, and lists or dicts of them.
    """
    total = 0
    for each in args:
        if isinstance(each, str):
            total += len(each)
        elif isinstance(each, list | tuple | dict):
            values = each.values() if isinstance(each, dict) else each
            texts = (getattr(value, "value", value) for value in values)
            total += sum(len(text) for text in texts if isinstance(text, str))
            total += len(each) * _BYTES_OF_AN_ITEM
    return total


class CallQueue:
    """Calls in order, of which those that wait are bounded by their number and their memory.

    The thread is not a daemon: a process that ends does what is queued first. It ends when it
    has had nothing to do for a while, and the next call starts another one.

    A failure is told once: by ``wait``, else by the end of its run or a flush, else on stderr
    when the process ends.

    Args:
        lake: Where they log.
        on_loss: Called where calls were made and what they logged could not be written.
    """

    def __init__(self, lake: Lake, on_loss: Callable[[], None]) -> None:
        self._lake = lake
        self._on_loss = on_loss
        self._size = max(1, lake.settings.queue_records)
        self._most_held = lake.settings.queue_bytes
        # Gathered for a while only where each write is an object, and a request.
        self._interval_s = 0 if lake.fs.can_append else lake.settings.flush_interval_ms / 1000
        self.reset()
        _queues.add(self)

    def reset(self) -> None:
        """Begin anew in a forked child: what is queued is the parent's."""
        self.failed = FailedCalls()
        self._unfinished = 0
        self._held = 0
        self._starters: set[int] = set()  # threads that are about to start the one that works
        self._calls: deque[_Call] = deque()
        self._last: Future[Any] | None = None
        # Who works, or is about to; and whether that has begun.
        self._worker: object | None = None
        self._has_begun = False
        self._is_resting = False
        # Its own lock is reentrant, as the handler of a signal needs it that logs in here.
        self._changed = threading.Condition()
        self._is_hurried = False

    def submit(self, function: Callable[..., Any], *args: Any, held: int = 0) -> RunOperations:
        """Queue a call; waits while the queue is full.

        Where no thread can be started, because the process is ending or has too many, this one
        makes the call.

        Args:
            function: What is to be called.
            *args: Its arguments: the run's id, what it logs, and what else there is to it.
            held: Bytes that they hold in memory until the call is made.
        """
        call = _Call(function, args, held)
        with self._changed:
            # Where nobody works, nobody makes room: this thread is about to change that.
            while self._is_full(held) and self._worker is not None:
                # A full queue is not to wait for the end of the interval.
                self.hurry()
                self._changed.wait()
            self._unfinished += 1
            self._held += held
            # Under the lock under which the thread decides to stop: no call is left behind.
            self._calls.append(call)
            self._last = call.future
            # Who gathers is not woken up: this call is taken along once the time is over.
            if self._is_resting:
                self._changed.notify_all()
        # The handler of a signal which has interrupted its thread in there leaves it to that.
        if threading.get_ident() not in self._starters:
            self._begin_work()
        return RunOperations([call.future], self.hurry, call.about, self.failed.told)

    def _is_full(self, held: int) -> bool:
        # What is larger than the bound goes alone.
        is_too_large = self._held > 0 and held > 0 and self._held + held > self._most_held
        return is_too_large or self._unfinished >= self._size

    def _begin_work(self) -> None:
        """Have what is queued done, if nobody is at it."""
        # Once more at the end: the handler of a signal may have left a call to us meanwhile.
        while True:
            worker = object()
            with self._changed:
                if self._worker is not None or not self._calls:
                    return
                self._worker, self._has_begun = worker, False
            self._starters.add(threading.get_ident())
            try:
                is_started = self._is_started(worker)
            finally:
                self._starters.discard(threading.get_ident())
            if not is_started:
                self.hurry()
                self._work(0, worker)

    def _is_started(self, worker: object) -> bool:
        """Let the thread begin to work; return whether it does."""
        # Not kept: where no thread can be started it may hold the work, and must not do it once
        # one can be started again.
        executor = ThreadPoolExecutor(1, thread_name_prefix="lakeflow-log")
        try:
            executor.submit(self._work, _SECONDS_OF_REST, worker)
        except RuntimeError:
            return False
        # Its thread does the work and ends.
        executor.shutdown(wait=False)
        return True

    def is_behind(self) -> bool:
        """Return whether calls come faster than they are made: soon one would have to wait."""
        return self._held > self._most_held * _SHARE_OF_ONE_BEHIND

    def hurry(self) -> None:
        """Have what is gathered written now."""
        with self._changed:
            # Else it would be the next call that is not gathered.
            self._is_hurried = self._worker is not None or bool(self._calls)
            self._changed.notify_all()

    def drain(self) -> None:
        """Return once everything that was queued before is done."""
        with self._changed:
            last, left = self._last, self._unfinished
        # Calls are made in order: when the last one is done, all are.
        if last is None:
            return
        self.hurry()
        since = time.monotonic()
        while not last.done():
            self._see_to_it()
            wait([last], _SECONDS_BETWEEN_LOOKS)
            if self._unfinished != left:
                left, since = self._unfinished, time.monotonic()
            # The handler of a signal may have interrupted its thread with a lock in hand that
            # the next call needs. What is queued is done once that thread goes on.
            elif time.monotonic() - since > _SECONDS_OF_STANDSTILL and has_interrupted_us():
                return
        # Nor is the thread to rest: who drains the queue has done with it.
        self.hurry()

    def _see_to_it(self) -> None:
        """Begin the work anew where an interrupt has come as somebody was about to."""
        with self._changed:
            # Should that begin after all, it finds another one in its place and leaves.
            if not self._has_begun and not self._starters:
                self._worker = None
        if threading.get_ident() not in self._starters:
            self._begin_work()

    def close(self) -> None:
        """Drain it, and tell on stderr what nobody was told."""
        self.drain()
        self.tell()

    def tell(self) -> None:
        """Tell on stderr of what failed, unless somebody was told: the process ends."""
        error = self.failed.take()
        # Without a console there is nobody to tell.
        if error is not None and sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"lakeflow: {error}\n")

    def _work(self, rest_s: float, worker: object) -> None:
        """Make calls until there are none for a while; then the next one begins anew."""
        with self._changed:
            if self._worker is not worker:
                return
            self._has_begun = True
        while True:
            self._gather()
            with self._changed:
                calls = list(self._calls)
                self._calls.clear()
                self._is_hurried = False
            self._make(calls)
            with self._changed:
                self._rest(rest_s)
                if not self._calls:
                    self._worker, self._is_hurried = None, False
                    return

    def _rest(self, rest_s: float) -> None:
        """Wait for a call with the lock in hand."""
        # To start a thread takes as long as some calls: a loop that logs is to find this one.
        self._is_resting = True
        self._wait(rest_s, lambda: bool(self._calls))
        self._is_resting = False

    def _gather(self) -> None:
        """Wait for more calls, so that many are one write; not if somebody waits for them."""
        with self._changed:
            self._wait(self._interval_s * random.uniform(1, 1 + _MOST_JITTER), lambda: False)

    def _wait(self, seconds: float, is_over: Callable[[], bool]) -> None:
        """Wait with the lock in hand, unless somebody is in a hurry or the process ends."""
        until = time.monotonic() + seconds
        while (
            not (self._is_hurried or is_over())
            and threading.main_thread().is_alive()
            and (rest := until - time.monotonic()) > 0
        ):
            self._changed.wait(min(rest, _SECONDS_BETWEEN_LOOKS))

    def _make(self, calls: Sequence[_Call]) -> None:
        """Make calls, write what they have logged, and only then say that they are done."""
        made: list[tuple[_Call, Any]] = []
        with self._lake.gathering() as gathered:
            for call in calls:
                try:
                    result = call.function(*call.args)
                except BaseException as error:  # noqa: BLE001 - it is the caller's, in the future
                    self._fail(call, error)
                else:
                    made.append((call, result))
                    self._let_go(call)
                if gathered.size > _MOST_CHARACTERS_A_WRITE:
                    self._write(gathered, made)
                    made = []
            self._write(gathered, made)

    def _write(self, gathered: Gathered, made: Sequence[tuple[_Call, Any]]) -> None:
        try:
            gathered.write()
        except BaseException as error:  # noqa: BLE001 - as above
            # Stores remember params as logged once a call returns: these were not.
            self._on_loss()
            for call, _ in made:
                self._fail(call, error)
        else:
            for call, result in made:
                self._finished(call)
                call.args = ()
                call.future.set_result(result)

    def _let_go(self, call: _Call) -> None:
        """Let go of what a call has logged: the next one may wait for that memory.

        Nor does whoever keeps the promise keep it.
        """
        if call.held and call.forget():
            with self._changed:
                self._release(call)

    def _release(self, call: _Call) -> None:
        self._held -= call.held
        call.held = 0
        self._changed.notify_all()

    def _fail(self, call: _Call, error: BaseException) -> None:
        about = call.about()
        _logger.error("asynchronous logging failed: %s: %s", about, error)
        self.failed.add(call.future, str(call.args[0]), about, error)
        _forget_frames(error)
        call.forget()
        self._finished(call)
        call.future.set_exception(error)

    def _finished(self, call: _Call) -> None:
        with self._changed:
            self._unfinished -= 1
            self._release(call)


def _forget_frames(error: BaseException | None) -> None:
    """Let an error and its causes, which a promise keeps, let go of what was to be logged."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


# Not to keep them: a lake that is let go of takes its queue along.
_queues: weakref.WeakSet[CallQueue] = weakref.WeakSet()


def flush() -> None:
    """Return once everything is logged that this process has queued before.

    Raises:
        LakeflowException: Calls failed, and nobody was told yet.
    """
    # All are drained before one raises: what failed in one lake leaves no other behind.
    errors = []
    for queue in list(_queues):
        queue.drain()
        errors.append(queue.failed.take())
    found = [each for each in errors if each is not None]
    if found:
        for other in found[1:]:
            found[0].add_note(str(other))
        raise found[0]


def tell() -> None:
    """Tell on stderr of all that failed in this process and nobody was told of."""
    for queue in list(_queues):
        queue.tell()


def _begin_anew() -> None:
    for queue in list(_queues):
        queue.reset()


os.register_at_fork(after_in_child=_begin_anew)
