"""The hot append log: one folder a writer, one file a segment, one JSON line a record.

A writer is one process that has opened the lake for writing; nobody else writes in its
folder, so writers never wait for each other. A line is complete once it ends in a newline;
what follows the last newline was never acknowledged.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.storage.filesystem import AppendFile, Filesystem

LOG = "log"
"""Folder of the log within a lake."""

_PROBE_BYTES = 4096

_IDLE_S = 60.0
"""A segment that was written to within this time is not deleted: see ``vacuum_grace_s``."""


class Clock:
    """Microseconds since the Unix epoch that never run backwards.

    It is also never behind a record that this process has read, so that what somebody
    writes after reading sorts after what was read, even from a machine whose clock runs
    ahead (a hybrid logical clock: Kulkarni and others, 2014).
    """

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self) -> int:
        """Return a time later than every earlier answer."""
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return self._last

    def observe(self, clock: int) -> None:
        """Take note of the clock of a record that was read."""
        with self._lock:
            self._last = max(self._last, clock)


class LogWriter:
    """The one writer of this process; threads share it.

    Args:
        fs: The lake's filesystem.
        clock: The process's clock.
        segment_bytes: Size at which a segment is sealed.
        fsync: Whether to sync each write to the disk.
    """

    def __init__(
        self, fs: Filesystem, clock: Clock, *, segment_bytes: int, fsync: bool
    ) -> None:
        self.id = new_id()
        self._fs = fs
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        self._lock = threading.Lock()
        self._file: AppendFile | None = None
        self._segments = 0
        self._sequence = 0
        self._used_at = 0.0
        self.written_bytes = 0

    def append(self, bodies: Sequence[str]) -> None:
        """Append records with one write: once it returns, they survive a SIGKILL.

        Args:
            bodies: For each record the fields of its JSON object, without the braces; the
                order (``seq`` and ``clock``) is added here.

        Raises:
            StorageError: Nothing was appended: the disk is full, say.
        """
        with self._lock:
            file = self._current()
            lines = []
            for body in bodies:
                self._sequence += 1
                lines.append(
                    f'{{"seq":{self._sequence},"clock":{self._clock.next()},{body}}}\n'
                )
            data = "".join(lines).encode()
            try:
                file.write(data)
                if self._fsync:
                    file.sync()
            except BaseException:
                # Whatever is at the end of this segment now, nobody appends to it again.
                self._seal()
                raise
            self.written_bytes += len(data)
            if file.size >= self._segment_bytes:
                self._seal()

    def close(self) -> None:
        """Seal the open segment; a later append opens a new one."""
        with self._lock:
            self._seal()

    def abandon(self) -> None:
        """Let go of the segment in a forked child; the parent goes on writing to it."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _current(self) -> AppendFile:
        """Return the open segment, or a new one.

        A vacuum deletes what is folded and idle for long. Locks keep it from segments that
        are open; where locks are not seen by other machines, we look.
        """
        now = time.monotonic()
        was_idle = now - self._used_at > _IDLE_S
        self._used_at = now
        if self._file is not None and was_idle and self._file.is_deleted():
            self._seal()
        return self._file or self._open()

    def _open(self) -> AppendFile:
        self._segments += 1
        segment = f"{LOG}/{self.id}/{self._segments:08d}.jsonl"
        self._file = self._fs.open_append(segment)
        if self._fsync:
            self._fs.sync(segment)
        return self._file

    def _seal(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def list_segments(fs: Filesystem) -> dict[str, int]:
    """Return the size of every segment by its path; one listing a writer."""
    return {
        f"{LOG}/{writer.name}/{segment.name}": segment.size
        for writer in fs.list(LOG)
        if writer.is_folder
        for segment in fs.list(f"{LOG}/{writer.name}")
        if segment.name.endswith(".jsonl") and not segment.name.startswith(".")
    }


def writer_of(segment: str) -> str:
    """Return the id of the writer of a segment."""
    return segment.split("/")[1]


def read_lines(fs: Filesystem, segment: str, start: int, end: int | None = None) -> bytes:
    """Return the complete lines of a segment from an offset on."""
    data = fs.read(segment, start, end)
    return data[: data.rfind(b"\n") + 1]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a fold ends in each segment.

    Attributes:
        offsets: Cumulative offset by segment: everything before it is folded.
        size_bytes: What lies between the offsets before and these.
    """

    offsets: Mapping[str, int]
    size_bytes: int


class LogCutter:
    """Chooses how much of a long log to fold at once.

    A cut is a moment: everything logged before it is folded, whoever wrote it. Cutting
    segment by segment instead would fold a newer value of a tag before an older one of
    another writer, and the older one would win when its turn came.

    Args:
        fs: The lake's filesystem.
        sizes: Size of every segment.
        folded: Offset up to which each is folded already.
    """

    def __init__(
        self, fs: Filesystem, sizes: Mapping[str, int], folded: Mapping[str, int]
    ) -> None:
        self._fs = fs
        self._starts = {path: folded.get(path, 0) for path in sizes}
        self._ends = {
            path: self._last_newline(path, self._starts[path], size)
            for path, size in sizes.items()
        }
        self._lines: dict[tuple[str, int], tuple[int, int | None]] = {}

    @property
    def ends(self) -> Mapping[str, int]:
        """For each segment the end of its last complete line."""
        return self._ends

    def moment_before(
        self, later: Mapping[str, int], clock_of: Callable[[bytes], int | None]
    ) -> int | None:
        """Return the clock of the first record that this listing misses; None if none.

        Folders are listed one after another, so a listing may hold a record and miss an
        older one that its writer had read. Whoever had read it has a later clock: what is
        before that moment is complete.

        Args:
            later: Sizes by a listing that was begun after this one was finished.
            clock_of: Reads the clock of one line; None if it does not parse.
        """
        missed = []
        for path, size in later.items():
            begin = self._ends.get(path, 0)
            while begin < size:
                end = self._next_line(path, begin, size)
                line = self._fs.read(path, begin, end)
                clock = clock_of(line) if line.endswith(b"\n") else None
                if clock is not None:
                    missed.append(clock)
                    break
                begin = end
        return min(missed, default=None)

    def cut(
        self, limit_bytes: int, clock_of: Callable[[bytes], int | None], moment: int | None
    ) -> Cut:
        """Return the latest cut of at most ``limit_bytes``; one record more if it must.

        Args:
            limit_bytes: Size to stay below.
            clock_of: Reads the clock of one line; None if it does not parse.
            moment: Clock to stay before; None for no such bound.
        """
        low, high = self._starts, self._ends
        if moment is not None:
            high = self._before(moment, low, high, clock_of)
        if self._size(high) <= limit_bytes:
            return Cut(high, self._size(high))
        # Everything before ``least`` lies below ``low``, everything above ``high`` is not
        # before ``most``.
        rest = [path for path, start in low.items() if start < high[path]]
        firsts = [self._clock(path, low[path], clock_of) for path in rest]
        lasts = [self._last_clock(path, low[path], high[path], clock_of) for path in rest]
        least = min((clock for clock in firsts if clock is not None), default=0)
        most = 1 + max((clock for clock in lasts if clock is not None), default=0)
        while most - least > 1 and self._size(low) <= limit_bytes * 3 // 4:
            middle = (least + most) // 2
            offsets = self._before(middle, low, high, clock_of)
            if self._size(offsets) > limit_bytes:
                most, high = middle, offsets
            else:
                least, low = middle, offsets
        # One record may be larger than the limit.
        best = low if self._size(low) else high
        return Cut(best, self._size(best))

    def _size(self, offsets: Mapping[str, int]) -> int:
        return sum(offsets[path] - start for path, start in self._starts.items())

    def _before(
        self,
        moment: int,
        low: Mapping[str, int],
        high: Mapping[str, int],
        clock_of: Callable[[bytes], int | None],
    ) -> dict[str, int]:
        """Return for each segment the offset of the first line that is not before a moment.

        Args:
            moment: The clock to stay before.
            low: Offsets that the answer is not below.
            high: Offsets that it is not above.
            clock_of: Reads the clock of one line.
        """
        return {
            path: self._bisect(path, moment, start, high[path], clock_of)
            for path, start in low.items()
        }

    def _bisect(
        self,
        path: str,
        moment: int,
        low: int,
        high: int,
        clock_of: Callable[[bytes], int | None],
    ) -> int:
        """Bisect one segment: its clock never runs backwards.

        A line that does not parse goes with the line after it.
        """
        first = self._clock(path, low, clock_of) if low < high else None
        if first is None or first >= moment:
            return low
        while low < high:
            middle = (low + high) // 2
            begin = low if middle == low else self._next_line(path, middle - 1, high)
            if begin >= high:
                begin = low
            end, clock = self._line(path, begin, clock_of)
            while clock is None and end < high:
                end, clock = self._line(path, end, clock_of)
            if clock is None or clock >= moment:
                high = begin
            else:
                low = end
        return low

    def _clock(
        self, path: str, begin: int, clock_of: Callable[[bytes], int | None]
    ) -> int | None:
        """Return the clock of the first line from an offset on that has one."""
        clock = None
        while clock is None and begin < self._ends[path]:
            begin, clock = self._line(path, begin, clock_of)
        return clock

    def _last_clock(
        self, path: str, low: int, high: int, clock_of: Callable[[bytes], int | None]
    ) -> int | None:
        """Return the clock of the last line before an offset that has one."""
        clock = None
        while clock is None and high > low:
            high = self._last_newline(path, low, high - 1)
            clock = self._line(path, high, clock_of)[1]
        return clock

    def _line(
        self, path: str, begin: int, clock_of: Callable[[bytes], int | None]
    ) -> tuple[int, int | None]:
        """Return end and clock of the line that begins at an offset."""
        if (path, begin) not in self._lines:
            end = self._next_line(path, begin, self._ends[path])
            self._lines[path, begin] = end, clock_of(self._fs.read(path, begin, end))
        return self._lines[path, begin]

    def _next_line(self, path: str, position: int, ceiling: int) -> int:
        """Return the offset after the first newline at or after a position."""
        while position < ceiling:
            block = self._fs.read(path, position, min(position + _PROBE_BYTES, ceiling))
            found = block.find(b"\n")
            if found >= 0:
                return position + found + 1
            position += len(block) or ceiling
        return ceiling

    def _last_newline(self, path: str, start: int, end: int) -> int:
        """Return the offset after the last newline of a segment; ``start`` if none."""
        while end > start:
            begin = max(start, end - _PROBE_BYTES)
            found = self._fs.read(path, begin, end).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
        return start
