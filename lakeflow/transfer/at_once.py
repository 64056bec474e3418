"""Work on many files at once, of which those in memory are bounded."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from lakeflow.filesystem.threads import submitted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Future

    from lakeflow.filesystem.interface import Filesystem

T = TypeVar("T")
R = TypeVar("R")

_REQUESTS_AT_ONCE = 32
"""Requests that wait for a store at one time: fewer would leave it idle at 30 ms a request."""

MOST_BYTES = 48 * 1024 * 1024
"""Bytes of files that are in memory at one time, however many and large they are."""


def done(
    fs: Filesystem, work: Callable[[T], R], items: Iterable[T], size: Callable[[T], int]
) -> Iterator[R]:
    """Yield results as they come, of several items at once where each is a request.

    When one fails, no other begins; those that had begun are yielded, and the error comes then.

    Args:
        fs: What the work is done on.
        work: Does it for one item.
        items: The items.
        size: Bytes of an item's file.
    """
    rest = iter(items)
    first = list(islice(rest, 2))
    # On a disk of this machine threads would only wait for one another.
    if fs.can_append or len(first) < 2:
        yield from map(work, chain(first, rest))
        return
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE, thread_name_prefix="lakeflow-files") as threads:
        running: dict[Future[R], int] = {}
        failure: BaseException | None = None
        for item in chain(first, rest):
            # One that is larger than all the room goes alone.
            weight = min(size(item), MOST_BYTES)
            # As many again wait for a thread, so that none waits for this one.
            while len(running) == 2 * _REQUESTS_AT_ONCE or (
                running and weight + sum(running.values()) > MOST_BYTES
            ):
                failure = yield from _ended(running, failure)
            if failure is not None:
                break
            running[submitted(threads, work, item)] = weight
        while running:
            failure = yield from _ended(running, failure)
        if failure is not None:
            raise failure


def _ended(
    running: dict[Future[R], int], failure: BaseException | None
) -> Generator[R, None, BaseException | None]:
    """Yield what has ended, and return what has failed first."""
    for each in wait(running, return_when=FIRST_COMPLETED).done:
        del running[each]
        error = each.exception()
        failure = failure or error
        if error is None:
            yield each.result()
    if failure is not None:
        for each in list(running):
            if each.cancel():
                del running[each]
    return failure
