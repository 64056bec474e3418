"""Asynchronous logging: one thread does the calls in order, and the caller goes on."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_logger = logging.getLogger(__name__)


class RunOperations:
    """What asynchronous calls return: a promise that they will have been done.

    Args:
        operation_futures: One future a call.
    """

    def __init__(self, operation_futures: Sequence[Future[Any]]) -> None:
        self._operation_futures = list(operation_futures)

    def wait(self) -> None:
        """Return once every call is done.

        Raises:
            LakeflowException: Calls failed; the message lists why. The code is that of the
                first one.
        """
        errors = [
            error
            for future in self._operation_futures
            if (error := future.exception()) is not None
        ]
        if errors:
            reasons = "; ".join(str(error) for error in errors)
            raise LakeflowException(
                f"{len(errors)} asynchronous call(s) failed: {reasons}",
                getattr(errors[0], "error_code", None),
            ) from errors[0]


class CallQueue:
    """Calls in order, at most so many waiting.

    The thread is not a daemon: a process that ends does what is queued first.

    Args:
        size: Calls that may wait before ``submit`` makes the caller wait too.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.forget()

    def forget(self) -> None:
        """Begin anew in a forked child: what is queued is the parent's."""
        self._room = threading.BoundedSemaphore(max(1, self._size))
        self._executor: ThreadPoolExecutor | None = None
        self._last: Future[Any] | None = None
        self._lock = threading.Lock()

    def submit(self, call: Callable[..., Any], *args: Any) -> RunOperations:
        """Queue a call; waits while the queue is full."""
        self._room.acquire()
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="lakeflow-log")
            future = self._last = self._executor.submit(call, *args)
        future.add_done_callback(self._done)
        return RunOperations([future])

    def _done(self, future: Future[Any]) -> None:
        self._room.release()
        error = future.exception()
        if error is not None:
            _logger.error("asynchronous logging failed: %s", error)

    def drain(self) -> None:
        """Return once everything that was queued before is done."""
        with self._lock:
            last = self._last
        if last is not None:
            wait([last])
