"""Lines of the log, read in bounded memory: whatever a file holds, and however large it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lakeflow.log.positions import complete_lines, is_complete
from lakeflow.records import LONGEST_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pyarrow

    from lakeflow.filesystem.interface import Filesystem

    Read = Callable[[int, int], bytes]

_AT_ONCE_BYTES = 8 * 1024 * 1024
"""What is read of a file at once; most are read whole."""

_LONGEST_KEPT_BYTES = 4 * LONGEST_LINE_BYTES
"""Of a line that is longer, which is no record by far, only the beginning is read."""

_BEGINNING_BYTES = 1024 * 1024


class Lines(NamedTuple):
    """Some lines of a segment, one after another.

    Attributes:
        offset: Where the first of them begins.
        data: The lines with their newlines.
        end: Where the next one begins.
    """

    offset: int
    data: bytes
    end: int

    @property
    def is_cut(self) -> bool:
        """Whether this is the beginning of one line that is too long to be held."""
        return len(self.data) < self.end - self.offset


def read_lines(
    fs: Filesystem, spans: Mapping[str, tuple[int, int]], *, fixed: bool = True
) -> Iterator[tuple[str, Lines]]:
    """Yield the complete lines of segments, as many at once as may be held.

    Args:
        fs: The lake's filesystem.
        spans: From where to where each segment is read.
        fixed: As for ``Filesystem.read_many``.

    Raises:
        FileNotFoundError: A segment is not there.
        StorageError: One cannot be read.
    """
    small = {
        path: (start, end)
        for path, (start, end) in spans.items()
        if end - start <= _AT_ONCE_BYTES
    }
    # Together, since they may be requests.
    for path, data in fs.read_many(small, fixed=fixed):
        lines, start = complete_lines(data), spans[path][0]
        yield path, Lines(start, lines, start + len(lines))
    for path, (start, end) in spans.items():
        if path not in small:
            for some in _read_long(fs, path, start, end):
                yield path, some


def _read_long(fs: Filesystem, path: str, start: int, end: int) -> Iterator[Lines]:
    read = reader(fs, path, end)
    data = b""
    while (at := start + len(data)) < end:
        part = read(at, min(at + _AT_ONCE_BYTES, end))
        if not part:
            return  # it is shorter than it was listed
        lines = complete_lines(part)
        if lines:
            yield Lines(start, data + lines, at + len(lines))
            # What is left of the part is read again: less than to put it before the next one.
            start, data = at + len(lines), b""
            continue
        data += part
        if len(data) > _LONGEST_KEPT_BYTES:
            newline = find_newline(fs, path, start + len(data), end)
            if newline is None:
                return
            yield Lines(start, data[:_BEGINNING_BYTES], newline + 1)
            start, data = newline + 1, b""


def reader(fs: Filesystem, path: str, size: int) -> Read:
    """Return what reads a segment from one offset to another.

    Args:
        fs: The lake's filesystem.
        path: The segment.
        size: Its size, or up to where it is known.
    """
    # A segment that may grow, and an event, must not come from the cache.
    if fs.can_append or is_complete(path):
        return lambda start, end: fs.read(path, start, end)
    return lambda start, end: fs.read_fixed(path, size, start, end)


def find_newline(fs: Filesystem, path: str, start: int, end: int) -> int | None:
    """Return the offset of the first newline of a stretch; None if it has none."""
    read, block = reader(fs, path, end), 4096
    while start < end:
        data = read(start, min(start + block, end))
        found = data.find(b"\n")
        if found >= 0:
            return start + found
        if not data:
            return None
        # A line of a call is short, as a rule; a file may also be a petabyte of nothing, which
        # takes no room on a disk.
        start = fs.skip_hole(path, start + len(data))
        block = min(2 * block, _AT_ONCE_BYTES)
    return None


def end_of_lines(fs: Filesystem, path: str, start: int, end: int) -> int:
    """Return the offset after the last newline of a stretch; its start if it has none."""
    read, block, high = reader(fs, path, end), 4096, end
    # From the end on, where it is as a rule: at most one line is not complete.
    lowest = max(start, end - LONGEST_LINE_BYTES)
    while high > lowest:
        low = max(lowest, high - block)
        found = read(low, high).rfind(b"\n")
        if found >= 0:
            return low + found + 1
        high, block = low, min(2 * block, _AT_ONCE_BYTES)
    while start < high:
        newline = find_newline(fs, path, start, high)
        if newline is None:
            break
        data = read(newline, min(newline + _AT_ONCE_BYTES, high))
        start = newline + data.rfind(b"\n") + 1
    return start


def array_of_lines(data: bytes) -> pyarrow.Array:
    """Return complete lines, each with its newline, as an array over the same bytes."""
    # Loaded here: a job that only logs needs neither of them.
    import numpy
    import pyarrow

    newlines = numpy.flatnonzero(numpy.frombuffer(data, numpy.uint8) == ord("\n"))
    offsets = numpy.concatenate(([0], newlines + 1)).astype(numpy.int64)
    return pyarrow.Array.from_buffers(
        pyarrow.large_binary(),
        len(newlines),
        [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)],
    )
