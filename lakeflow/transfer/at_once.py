"""Work on many files at once, of which those in memory are bounded."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from lakeflow.filesystem.threads import FILES_AT_ONCE, submitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lakeflow.filesystem.interface import Filesystem

T = TypeVar("T")
R = TypeVar("R")

MOST_BYTES = 48 * 1024 * 1024
"""Bytes of files that are in memory at one time, however many and large they are."""


def done(
    fs: Filesystem, work: Callable[[T], R], items: Iterable[T], size: Callable[[T], int]
) -> Iterator[R]:
    """Return what yields results as they come, of several items at once if each is a request.

    When one fails, no other begins; those that had begun are yielded, and the error comes then.
    Nothing waits for who takes the results: those of all items may be in memory.

    Args:
        fs: What the work is done on.
        work: Does it for one item.
        items: The items.
        size: Bytes of an item's file.
    """
    # On a disk of this machine threads would only wait for one another.
    return map(work, items) if fs.can_append else _done_by_threads(work, items, size)


def _done_by_threads(
    work: Callable[[T], R], items: Iterable[T], size: Callable[[T], int]
) -> Iterator[R]:
    rest = iter(items)
    first = list(islice(rest, FILES_AT_ONCE))
    if len(first) < 2:
        yield from map(work, first)
        return
    pile: _Pile[T, R] = _Pile(chain(first, rest), size, len(first))
    name = "lakeflow-files"
    with ThreadPoolExecutor(len(first), thread_name_prefix=name) as threads:
        # A thread takes one item after another. To be given each would take it as long again as
        # to send a small file.
        try:
            for _ in first:
                submitted(threads, pile.work_off, work)
            yield from pile.results()
        finally:
            # Also where somebody is interrupted, or wants no more.
            pile.is_over = True
    if pile.failure is not None:
        raise pile.failure


class _Pile(Generic[T, R]):
    """Items that threads take, and what they have made of them.

    Args:
        items: The items.
        size: Bytes of an item's file.
        threads: How many take of it.

    Attributes:
        is_over: Whether no other item begins.
        failure: What has failed first.
    """

    def __init__(self, items: Iterator[T], size: Callable[[T], int], threads: int) -> None:
        self._items = items
        self._size = size
        self._threads = threads
        self._to_begin = deque(range(threads))
        self._made: SimpleQueue[tuple[R] | None] = SimpleQueue()
        # Held while one waits for room: small files do not pass a large one for ever.
        self._turn = threading.Lock()
        self._room = threading.Condition()
        self._bytes = 0
        self.is_over = False
        self.failure: BaseException | None = None

    def results(self) -> Iterator[R]:
        """Yield what is made, until all threads have come to the end."""
        ended = 0
        while ended < self._threads:
            made = self._made.get()
            if made is None:
                ended += 1
            else:
                yield made[0]

    def work_off(self, work: Callable[[T], R]) -> None:
        """Take items and work on them, until there are no more or one has failed."""
        try:
            self._to_begin.pop()
        except IndexError:
            # Where an executor cannot start a thread, another of its threads may make that call
            # as well as who asked for it.
            return
        try:
            while (taken := self._taken()) is not None:
                item, weight = taken
                try:
                    self._made.put((work(item),))
                finally:
                    with self._room:
                        self._bytes -= weight
                        self._room.notify()
        except BaseException as error:  # noqa: BLE001 - raised by who asked
            self.is_over = True
            self.failure = self.failure or error
        finally:
            self._made.put(None)

    def _taken(self) -> tuple[T, int] | None:
        """Return the next item, once there is room for it, and what it takes; None if none."""
        with self._turn:
            for item in self._items:
                weight = min(self._size(item), MOST_BYTES)
                with self._room:
                    while self._bytes and self._bytes + weight > MOST_BYTES:
                        self._room.wait()
                    # What is taken up here, only who works on an item gives back.
                    if self.is_over:
                        return None
                    self._bytes += weight
                return item, weight
        return None
