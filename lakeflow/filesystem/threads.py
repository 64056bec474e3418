"""Calls that other threads make, as long as there can be other threads."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

T = TypeVar("T")
R = TypeVar("R")

FILES_AT_ONCE = 48
"""Requests for files that wait for a store at one time: 32 left it idle at 30 ms a request."""


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


def in_order(
    threads: Executor, call: Callable[[T], R], items: Iterable[T], most: int
) -> Iterator[R]:
    """Yield what a call returns for each item, in their order, with at most so many under way.

    What has returned and was not taken yet counts as under way: it is in memory.
    """
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            if len(running) == most:
                yield running.popleft().result()
            running.append(submitted(threads, call, item))
        while running:
            yield running.popleft().result()
    finally:
        for each in running:
            each.cancel()
