"""Calls that other threads make, as long as there can be other threads."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

R = TypeVar("R")


def submitted(threads: Executor, call: Callable[..., R], *args: object) -> Future[R]:
    """Return what a call will have returned.

    When a process ends, Python starts no thread any more, also for a program's own exit hook.
    Then this thread makes the call.
    """
    try:
        return threads.submit(call, *args)
    except RuntimeError:
        made: Future[R] = Future()
        try:
            made.set_result(call(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's, in the future
            made.set_exception(error)
        return made
