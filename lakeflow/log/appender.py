"""What a process appends to the log: at once, or gathered by a thread and written together."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from lakeflow.log.writer import log_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lakeflow.config import Settings
    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.log.clock import Clock
    from lakeflow.log.writer import LogWriter


class Gathered:
    """Records of one thread that wait to be written together.

    Attributes:
        size: Characters of them.
    """

    def __init__(self, write: Callable[[Sequence[str]], None]) -> None:
        self._write = write
        self._bodies: list[str] = []
        self.size = 0

    def add(self, bodies: Sequence[str]) -> None:
        """Take records in."""
        self._bodies += bodies
        self.size += sum(map(len, bodies))

    def write(self) -> None:
        """Write them with one write; whether or not it succeeds, none are left."""
        # Emptied first: after a failure the next write must not send them once more.
        bodies, self._bodies, self.size = self._bodies, [], 0
        if bodies:
            self._write(bodies)


class _Thread(threading.local):
    """What is known of each thread."""

    # Of the class, which is looked at wherever a thread has set none: a look for what is not
    # there at all takes half as long as the write.
    gathered: Gathered | None = None


class Appender:
    """Appends for one process, which becomes a writer with its first record.

    Args:
        fs: The lake's filesystem.
        clock: The process's clock.
        settings: How this process treats the lake.
        check: Raises if the lake is not there any more.

    Attributes:
        on_append: Called after every write with the bytes written so far.
    """

    def __init__(
        self,
        fs: Filesystem,
        clock: Clock,
        settings: Settings,
        check: Callable[[], None],
        on_append: Callable[[int], None] | None = None,
    ) -> None:
        self._fs = fs
        self._clock = clock
        self._settings = settings
        self._check = check
        self._lock = threading.RLock()
        self._thread = _Thread()
        self._writer: LogWriter | None = None
        self.on_append = on_append

    @property
    def writer(self) -> str:
        """Name of the folder that it writes to; empty before the first record."""
        return "" if self._writer is None else self._writer.id

    @property
    def written_bytes(self) -> int:
        """What was written so far."""
        return 0 if self._writer is None else self._writer.written_bytes

    def append(self, bodies: Sequence[str]) -> None:
        """Append records; they are durable on return.

        One write, no read. In a thread that is ``gathering`` they are taken in only.

        Args:
            bodies: The fields of each record as JSON, without braces.

        Raises:
            StorageError: Nothing was written.
        """
        gathered = self._thread.gathered
        if gathered is not None:
            gathered.add(bodies)
        else:
            self._write(bodies)

    @contextlib.contextmanager
    def gathering(self) -> Iterator[Gathered]:
        """Take in what this thread appends, to be written together."""
        outer = self._thread.gathered
        gathered = self._thread.gathered = Gathered(self._write)
        try:
            yield gathered
        finally:
            # After an error too: else what this thread logs next waits for a write for ever.
            self._thread.gathered = outer

    def _write(self, bodies: Sequence[str]) -> None:
        # Without the lock once there is one: this is what a training loop waits for.
        writer = self._writer or self._make_writer()
        writer.append(bodies)
        if self.on_append is not None:
            self.on_append(writer.written_bytes)

    def _make_writer(self) -> LogWriter:
        with self._lock:
            # Another thread may have made it meanwhile, and a second one would never be closed.
            if self._writer is None:
                made = log_writer(
                    self._fs,
                    self._clock,
                    segment_bytes=self._settings.segment_bytes,
                    fsync=self._settings.durability == "fsync",
                    check=self._check,
                )
                # The handler of a signal may have made one in this very thread.
                if self._writer is None:
                    self._writer = made
            return self._writer

    def deleted(self) -> tuple[str, int, int] | None:
        """Return writer, number and size of the open segment if somebody has deleted it."""
        return None if self._writer is None else self._writer.deleted()

    def seal(self) -> None:
        """Seal the open segment; the next record begins a new one."""
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """Let go of the segment in a forked child: it stays the parent's."""
        if self._writer is not None:
            self._writer.abandon()
