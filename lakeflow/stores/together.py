"""Reads of several threads at once become one read.

MLflow's client asks for the traces on a page ten at a time, in as many threads. Each read by
itself would decode the same rows of the same files.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


@dataclass(slots=True)
class _Question(Generic[T]):
    ids: Sequence[str]
    found: T | None = None


class Together(Generic[T]):
    """Reads things by their ids; who asks while another read goes on is read with the others.

    Args:
        read: Returns what is found of some ids, each there once. It begins after each of those
            who asked for them did, so that nobody gets what was before.
    """

    def __init__(self, read: Callable[[list[str]], T]) -> None:
        self._read = read
        self.reset()

    def reset(self) -> None:
        """Begin anew, also in a forked child."""
        # The handler of a signal may ask in the middle of a read of its own thread.
        self._lock = threading.RLock()
        self._asked: deque[_Question[T]] = deque()

    def get(self, ids: Sequence[str]) -> T:
        """Return what is found of some ids, and it may be of others."""
        mine: _Question[T] = _Question(ids)
        # Before the lock is taken, so that whoever reads next reads for this one, too.
        self._asked.append(mine)
        with self._lock:
            if mine.found is None:
                # What fails for one of them fails for all: then each reads for itself.
                with contextlib.suppress(LakeflowException, OSError):
                    self._answer([mine, *self._taken()])
            if mine.found is None:
                self._answer([mine])
        assert mine.found is not None
        return mine.found

    def _taken(self) -> list[_Question[T]]:
        taken = []
        while self._asked:
            taken.append(self._asked.popleft())
        return taken

    def _answer(self, questions: list[_Question[T]]) -> None:
        wanted = dict.fromkeys(each for asked in questions for each in asked.ids)
        found = self._read(list(wanted))
        for asked in questions:
            asked.found = found
