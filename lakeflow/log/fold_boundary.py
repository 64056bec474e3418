"""Where a fold ends: at one clock, in every segment of the log at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.log.event_files import event_in
from lakeflow.log.line_reader import end_of_lines, find_newline, reader
from lakeflow.log.positions import Position, events_apart, is_complete, number_of, writer_of
from lakeflow.records import LONGEST_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.filesystem.interface import Filesystem


@dataclass(frozen=True, slots=True)
class FoldBoundary:
    """Where a fold ends.

    Attributes:
        positions: Position by writer: everything before it is folded.
        size_bytes: What lies between the positions before and these.
    """

    positions: Mapping[str, Position]
    size_bytes: int


class FoldBoundaryFinder:
    """Chooses how much of a long log to fold at once.

    A fold ends at a clock: everything logged before it is folded, whoever wrote it. Ending
    segment by segment instead would fold a newer value of a tag before an older one of
    another writer, and the older one would win when its turn came.

    Args:
        fs: The lake's filesystem.
        spans: What is hot, as ``hot_spans`` returns it.
    """

    def __init__(self, fs: Filesystem, spans: Mapping[str, tuple[int, int]]) -> None:
        self._fs = fs
        self._sizes = {path: end for path, (_, end) in spans.items()}
        # An event is a small file of its own. So all of them are read at once, and kept.
        events, others = events_apart(spans)
        # Not fixed: were the lake deleted and made again, other events had the same names.
        self._events = {
            path: event_in(content) for path, content in fs.read_many(events, fixed=False)
        }
        if not fs.can_append:
            for _ in fs.read_many(others):
                pass  # from here on they are read from the cache
        self._starts = {path: start for path, (start, _) in spans.items()}
        self._ends = {
            path: self._end_of_lines(path, start, end) for path, (start, end) in spans.items()
        }
        self._lines: dict[tuple[str, int], tuple[int, int | None]] = {}

    @property
    def ends(self) -> Mapping[str, int]:
        """For each segment the end of its last complete line."""
        return self._ends

    def first_missed_clock(
        self,
        later: Mapping[str, tuple[int, int]],
        clock_of: Callable[[bytes], int | None],
    ) -> int | None:
        """Return the clock of the first record that this listing misses; None if none.

        Folders are listed one after another, so a listing may hold a record and miss an
        older one that its writer had read. Whoever had read it has a later clock. So what
        is before the first missed record is complete.

        Args:
            later: What is hot by a listing that was begun after this one was finished.
            clock_of: Reads the clock of one line; None if it does not parse.
        """
        missed = []
        for path, (start, size) in later.items():
            begin = self._ends.get(path, start)
            while begin < size:
                end = self._next_line(path, begin, size)
                clock = self._clock_of_line(path, begin, end, clock_of, size)
                # The clock of a writer never runs backwards: its later lines say nothing new.
                if clock is not None:
                    missed.append(clock)
                    break
                begin = end
        return min(missed, default=None)

    def find(
        self,
        limit_bytes: int,
        clock_of: Callable[[bytes], int | None],
        before: int | None,
        fold: int,
    ) -> FoldBoundary:
        """Return the latest boundary of at most ``limit_bytes``; one record more if it must.

        Args:
            limit_bytes: Size to stay below.
            clock_of: Reads the clock of one line; None if it does not parse.
            before: Clock to stay before; None for no such bound.
            fold: Number of the fold that it is for.
        """
        low, high = self._starts, self._ends
        if before is not None:
            high = self._before(before, low, high, clock_of)
        if self._size(high) <= limit_bytes:
            return self._positions(high, fold)
        # Bisect the clocks. Records with clocks under ``least`` end before ``low``, and from
        # ``high`` on clocks are at least ``most``.
        rest = [path for path, start in low.items() if start < high[path]]
        firsts = [self._clock(path, low[path], clock_of) for path in rest]
        lasts = [self._last_clock(path, low[path], high[path], clock_of) for path in rest]
        least = min((clock for clock in firsts if clock is not None), default=0)
        most = 1 + max((clock for clock in lasts if clock is not None), default=0)
        # Three quarters of the limit are enough: each step reads in every segment.
        while most - least > 1 and self._size(low) <= limit_bytes * 3 // 4:
            middle = (least + most) // 2
            offsets = self._before(middle, low, high, clock_of)
            if self._size(offsets) > limit_bytes:
                most, high = middle, offsets
            else:
                least, low = middle, offsets
        # One record may be larger than the limit, and the fold must take something.
        best = low if self._size(low) else high
        return self._positions(best, fold)

    def _positions(self, offsets: Mapping[str, int], fold: int) -> FoldBoundary:
        """Return the boundary at these offsets.

        A clock never runs backwards within a writer, so what is before the last segment with
        anything to fold is folded whole; lines there that do not parse are set aside.
        """
        positions: dict[str, Position] = {}
        # In order, so that of each writer the last segment counts.
        for path in sorted(offsets):
            if offsets[path] > self._starts[path]:
                number, offset = number_of(path), offsets[path]
                # Nothing will follow in a segment that cannot grow: go on in the next one.
                is_whole = is_complete(path) or not self._fs.can_append
                if is_whole and offset == self._ends[path]:
                    number, offset = number + 1, 0
                positions[writer_of(path)] = Position(number, offset, fold)
        return FoldBoundary(positions, self._size(offsets))

    def _size(self, offsets: Mapping[str, int]) -> int:
        return sum(offsets[path] - start for path, start in self._starts.items())

    def _before(
        self,
        clock: int,
        low: Mapping[str, int],
        high: Mapping[str, int],
        clock_of: Callable[[bytes], int | None],
    ) -> dict[str, int]:
        """Return for each segment the offset of the first line that is not before a clock.

        Args:
            clock: The clock to stay before.
            low: Offsets that the answer is not below.
            high: Offsets that it is not above.
            clock_of: Reads the clock of one line.
        """
        return {
            path: self._bisect(path, clock, start, high[path], clock_of)
            for path, start in low.items()
        }

    def _bisect(
        self,
        path: str,
        before: int,
        low: int,
        high: int,
        clock_of: Callable[[bytes], int | None],
    ) -> int:
        """Bisect one segment: its clock never runs backwards.

        A line that does not parse goes with the line after it, or at once if there is none.
        """
        first = self._clock(path, low, clock_of) if low < high else None
        if first is None:
            return high
        if first >= before:
            return low
        while low < high:
            middle = (low + high) // 2
            begin = low if middle == low else self._next_line(path, middle - 1, high)
            # No line begins in the upper half. The first line always moves one of the bounds.
            if begin >= high:
                begin = low
            end, clock = self._line(path, begin, clock_of)
            while clock is None and end < high:
                end, clock = self._line(path, end, clock_of)
            if clock is None or clock >= before:
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
            high = self._end_of_lines(path, low, high - 1)
            clock = self._line(path, high, clock_of)[1]
        return clock

    def _line(
        self, path: str, begin: int, clock_of: Callable[[bytes], int | None]
    ) -> tuple[int, int | None]:
        """Return end and clock of the line that begins at an offset."""
        if (path, begin) not in self._lines:
            end = self._next_line(path, begin, self._ends[path])
            clock = self._clock_of_line(path, begin, end, clock_of)
            self._lines[path, begin] = end, clock
        return self._lines[path, begin]

    def _clock_of_line(
        self,
        path: str,
        begin: int,
        end: int,
        clock_of: Callable[[bytes], int | None],
        size: int = 0,
    ) -> int | None:
        if end - begin > LONGEST_LINE_BYTES + 1:
            return None  # no record, and maybe more than there is memory for
        line = self._read(path, begin, end, size)
        # The last line may still be in the middle of its write.
        return clock_of(line[:-1]) if line.endswith(b"\n") else None

    def _read(self, path: str, start: int, end: int, size: int = 0) -> bytes:
        """Read part of a segment of which the size is known; it may be a newer one."""
        if path in self._events:
            return self._events[path][start:end]
        return reader(self._fs, path, self._sizes.get(path, size))(start, end)

    def _next_line(self, path: str, position: int, ceiling: int) -> int:
        """Return the offset after the first newline at or after a position."""
        if path in self._events:
            found = self._events[path].find(b"\n", position, ceiling)
            return ceiling if found < 0 else found + 1
        newline = find_newline(self._fs, path, position, ceiling)
        return ceiling if newline is None else newline + 1

    def _end_of_lines(self, path: str, start: int, end: int) -> int:
        """Return the offset after the last newline of a stretch; its start if none."""
        if path in self._events:
            return max(start, self._events[path].rfind(b"\n", start, end) + 1)
        return end_of_lines(self._fs, path, start, end)
