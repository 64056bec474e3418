"""Writes a sorted block file."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from lakeflow.tables.blocks import (
    BLOCK_BYTES,
    BlockFile,
    StoredBlock,
    deflate,
    entries_of,
    escape,
    pack_foot,
)
from lakeflow.tables.key_filters import filter_of

if TYPE_CHECKING:
    from typing import BinaryIO

    _Line = tuple[str, bytes, int, int, list[bytes]]


class BlockWriter:
    """Writes one file, entry by entry; of each level it keeps one block in memory.

    Args:
        file: Where to, open for writing and empty. It is neither flushed nor closed.
        path: Under which name the lake will have it.
        block_bytes: What a block holds before it is compressed.
    """

    def __init__(self, file: BinaryIO, path: str, block_bytes: int = BLOCK_BYTES) -> None:
        self._file = file
        self._path = path
        self._block_bytes = block_bytes
        # For each level, from the data up, the lines of its next block and their size.
        self._lines: defaultdict[int, list[_Line]] = defaultdict(list)
        self._sizes: defaultdict[int, int] = defaultdict(int)
        self._end = 0
        self._least: str | None = None
        self._last = ""
        self._copied: StoredBlock | None = None

    def add(self, key: str, value: str | None) -> None:
        """Write the document of a key; None says that the key was removed.

        Raises:
            ValueError: The key is not greater, or the value is empty or of several lines.
        """
        if value is not None and (not value or "\n" in value):
            raise ValueError(f"the value of {key!r} is not a document of one line")
        self._look_into_copied()
        self._advance(key)
        document = b"" if value is None else value.encode("utf-8", "surrogatepass")
        name = escape(key)
        self._append(0, (key, b"%b\t%b" % (name, document), 1, value is None, [name]))

    def copy_block(self, stored: StoredBlock) -> None:
        """Write a block of another file as it is there, without a look into it."""
        # Few entries before it go into one block with it. Otherwise every merge would leave
        # small blocks behind, for the next merge to copy.
        first, _, _, entries, removed, marks = stored.block
        self._advance(first)
        self._copied = stored
        raw = stored.raw() if 0 < self._sizes[0] < self._block_bytes // 2 else b""
        if raw and self._sizes[0] + len(raw) <= 2 * self._block_bytes:
            names = [line.partition(b"\t")[0] for line in raw.split(b"\n")[1:]]
            self._lines[0].append((first, raw[1:], entries, removed, names))
            self._flush(0)
        else:
            self._flush(0)
            self._write(0, stored.content, first, entries, removed, marks)

    def finish(self) -> BlockFile:
        """Write what is left, and return what the file is."""
        self._look_into_copied()
        self._flush(0)
        # Flushing a level gives a line to the one above; the highest one is the root.
        depth = 1
        while depth + 1 in self._lines:
            self._flush(depth)
            depth += 1
        root = self._lines[depth]
        content, entries = deflate(line[1] for line in root), sum(line[2] for line in root)
        foot = pack_foot(len(content), depth, entries)
        self._file.write(content + foot)
        size = self._end + len(content) + len(foot)
        return BlockFile(self._path, size, entries, self._least or "", self._last)

    def _look_into_copied(self) -> None:
        """Find the last key that was copied; no index tells it."""
        if self._copied is not None:
            *_, (self._last, _) = entries_of(self._copied.raw())
            self._copied = None

    def _advance(self, key: str) -> None:
        if self._least is None:
            self._least = key
        elif key <= self._last:
            raise ValueError(f"{key!r} does not come after {self._last!r}")
        self._last = key

    def _append(self, level: int, line: _Line) -> None:
        # An index block has two lines at least. With keys longer than a block, there would
        # be no end of levels otherwise.
        is_enough = len(self._lines[level]) > (level > 0)
        size = len(line[1]) + 1
        if is_enough and self._sizes[level] + size > self._block_bytes:
            self._flush(level)
        self._lines[level].append(line)
        self._sizes[level] += size

    def _flush(self, level: int) -> None:
        if self._lines[level]:
            firsts, lines, entries, removed, names = zip(*self._lines[level], strict=True)
            self._lines[level], self._sizes[level] = [], 0
            marks = filter_of([*chain(*names)])
            self._write(level, deflate(lines), firsts[0], sum(entries), sum(removed), marks)

    def _write(
        self, level: int, data: bytes, first: str, entries: int, removed: int, marks: int
    ) -> None:
        """Write a block, and its line in the level above."""
        self._file.write(data)
        start, self._end = self._end, self._end + len(data)
        numbers = b"\t%d\t%d\t%d\t%d\t%x" % (start, self._end, entries, removed, marks)
        self._append(level + 1, (first, escape(first) + numbers, entries, removed, []))
