"""Who logs tables to a run: one thread of one process after the other."""

from __future__ import annotations

import contextlib
import threading
import time
import zlib
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidStateError, StorageError
from lakeflow.tables.folds import FOLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.lake import Lake

_LOCKS = 16
"""Runs share locks, so that the files which are locked do not grow in number."""

_POLL_S = 0.002

_PATIENCE_S = 600
"""Longer than a table takes to be written: whoever has the turn then has stopped halfway."""


class TableTurns:
    """Gives turns; threads share it.

    Threads of a process wait for one another everywhere, processes where the lake is in a
    folder with locks.

    Args:
        lake: The lake.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._reset()
        lake.on_fork(self._reset)

    def _reset(self) -> None:
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._under_way: set[int] = set()

    @contextlib.contextmanager
    def turn(self, run_id: str) -> Iterator[None]:
        """Wait until nobody else logs a table to a run, and keep others waiting.

        Raises:
            InvalidStateError: A signal has interrupted this thread while it logs a table, or
                the lake was moved or deleted.
            StorageError: DEADLINE_EXCEEDED, another process does not let go of its turn.
        """
        here = threading.get_ident()
        if here in self._under_way:
            # Waiting would be waiting for oneself.
            raise InvalidStateError(
                "a signal has interrupted this thread while it logs a table, and its handler "
                "cannot log another one",
                hint="log a metric or a text there, or let the handler set a flag",
            )
        # Before the lock, whose folder would be made where the lake was.
        self._lake.file.require_in_place()
        # The same in every process, unlike ``hash`` of a text.
        number = zlib.crc32(run_id.encode()) % _LOCKS
        self._under_way.add(here)
        try:
            with self._locks[number], self._locked(f"{FOLDS}/tables-{number}.lock"):
                yield
        finally:
            self._under_way.discard(here)

    @contextlib.contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        if not self._lake.fs.can_append:
            # A lease would cost three requests, let two have it at once, and outlive the dead.
            yield
            return
        # ``exclusive`` waits for nobody, so that it is asked again and again.
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            with self._lake.fs.exclusive(path) as mine:
                if mine:
                    yield
                    return
            time.sleep(_POLL_S)
        raise StorageError(
            f"another process has held {path} in {self._lake.fs.uri} for {_PATIENCE_S} s: "
            "the turn to log tables",
            "DEADLINE_EXCEEDED",
            hint="see which one has the file open, and whether it was stopped",
        )
