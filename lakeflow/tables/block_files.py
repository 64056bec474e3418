"""Sorted block files: a document by its key in two or three small reads, without an engine.

    data block     a line per entry: key, tab, document; no document where the key was removed
    index block    a line per block below: first key, start, end, entries, removed ones of them,
                   and of a data block a filter of its keys
    foot           length of the root, levels of index blocks, entries, checksum, magic

Each block is compressed for itself. An index block is written when it is full, and gets a line
in one above; the root is the last of them, so the end of a file leads to all of it. A line
begins with its newline: a key is found as newline, key, tab, and other lines are not looked at.
Keys are sorted as Python sorts texts, by code point.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import defaultdict
from functools import lru_cache
from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import DamagedLakeError
from lakeflow.tables.key_filters import filter_of, may_have

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    _Entry = tuple[str, str | None]
    _Line = tuple[str, bytes, int, int, list[bytes]]

BLOCK_BYTES = 16 * 1024
"""What a block holds before it is compressed; smaller ones cost size, larger ones time."""

# Neighbouring blocks are read together: up to 1 MiB at once, over holes of at most a block.
_PIECE_BYTES = 1024 * 1024
_HOLE_BYTES = 16 * 1024
# The root is a block and the foot a few bytes: together they fit, as a rule.
_TAIL_BYTES = 16 * 1024
_INDEX_BLOCKS_KEPT = 256
# Level 1 is hardly faster on documents full of numbers; 3 takes a tenth longer and saves 3%.
_LEVEL = 2
_FOOT = struct.Struct(">QBQI8s")
_MAGIC = b"lfblock\x01"

_first = itemgetter(0)


class BlockFile(NamedTuple):
    """What a fold knows about one file.

    Attributes:
        path: Where it is in the lake.
        size: Bytes of it.
        entries: Keys that it has, removed ones too.
        least: The first key; empty if there are no entries.
        most: The last key.
    """

    path: str
    size: int
    entries: int
    least: str
    most: str


class Block(NamedTuple):
    """Where a block is, and how many entries are in it or below it."""

    first: str
    start: int
    end: int
    entries: int
    removed: int
    marks: int = 0

    def may_have(self, key: str) -> bool:
        """Return whether a key may be in it, by the filter of a data block."""
        return may_have(self.marks, self.entries, _escape(key))


class StoredBlock(NamedTuple):
    """A data block as it is in a file; its keys are less than `below`, if that is given."""

    block: Block
    content: bytes
    path: str
    below: str = ""

    def raw(self) -> bytes:
        """Return its lines; raises DATA_LOSS if it is not what was written."""
        return _inflate(self.content, self.path)


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
        name = _escape(key)
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
        content, entries = _deflate(line[1] for line in root), sum(line[2] for line in root)
        foot = _pack_foot(len(content), depth, entries)
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
            self._write(level, _deflate(lines), firsts[0], sum(entries), sum(removed), marks)

    def _write(
        self, level: int, data: bytes, first: str, entries: int, removed: int, marks: int
    ) -> None:
        """Write a block, and its line in the level above."""
        self._file.write(data)
        start, self._end = self._end, self._end + len(data)
        numbers = b"\t%d\t%d\t%d\t%d\t%x" % (start, self._end, entries, removed, marks)
        self._append(level + 1, (first, _escape(first) + numbers, entries, removed, []))


class BlockReader:
    """Reads one file, from several threads if need be; it opens nothing before it is asked.

    The end of the file and index blocks are kept, data blocks are not. Whatever it is asked
    raises a DamagedLakeError if the file is not what was written.

    Args:
        file: What the file is.
        read: Returns its bytes from one offset to another.
    """

    def __init__(self, file: BlockFile, read: Callable[[int, int], bytes]) -> None:
        self.file = file
        self._read = read
        self._tail = file.size, b""
        self._root: tuple[list[Block], int] | None = None
        # Threads may read an index block twice, but none waits for another one.
        self._below = lru_cache(_INDEX_BLOCKS_KEPT)(self._index)

    def get(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Return the values of those keys that the file has; None for those removed.

        No read if no key lies between the first and the last one of the file. Otherwise one the
        first time, one for each index block not seen yet and for each stretch of data blocks.
        """
        wanted = sorted(key for key in keys if self.file.least <= key <= self.file.most)
        if not wanted or not self.file.entries:
            return {}
        places = list(self._locate(*self._opened(), wanted))
        stored = self._fetch(block for block, _ in places)
        pairs = zip(places, stored, strict=True)
        return dict(entry for (_, group), each in pairs for entry in _pick(each.raw(), group))

    def entries(self, first: str = "", last: str | None = None) -> Iterator[_Entry]:
        """Yield keys and values in order, None for removed ones; both ends are included.

        One read for each piece of 1 MiB and each index block.
        """
        for stored in self.blocks(first, last):
            for key, value in entries_of(stored.raw()):
                if key >= first and (last is None or key <= last):
                    yield key, value

    def blocks(self, first: str = "", last: str | None = None) -> Iterator[StoredBlock]:
        """Yield the data blocks that may have keys of a range; see ``entries``."""
        return self._fetch(self._between(*self._opened(), first, last))

    def _opened(self) -> tuple[list[Block], int]:
        """Return the lines of the root, and the levels of index blocks."""
        if self._root is None:
            size = self.file.size
            start = max(0, size - _TAIL_BYTES)
            tail = self._bytes(start, size)
            foot = tail[-_FOOT.size :].rjust(_FOOT.size)
            length, depth, *_ = _FOOT.unpack(foot)
            # A fold knows how many entries there are: so another file is noticed.
            if foot != _pack_foot(length, depth, self.file.entries):
                raise _damage(self.file.path, "it does not end as it should")
            self._tail = start, tail
            end = size - _FOOT.size
            self._root = self._index(end - length, end), depth
        return self._root

    def _locate(
        self, blocks: list[Block], depth: int, keys: Iterable[str]
    ) -> Iterator[tuple[Block, list[str]]]:
        """Yield the data blocks that may have sorted keys, and which of them."""
        for place, group in groupby(keys, lambda key: bisect_right(blocks, key, key=_first)):
            block = blocks[place - 1]
            if depth == 1:
                asked = [key for key in group if block.may_have(key)]
                if asked:
                    yield block, asked
            else:
                yield from self._locate(self._below(*block[1:3]), depth - 1, group)

    def _between(
        self, blocks: list[Block], depth: int, first: str, last: str | None
    ) -> Iterator[Block]:
        """Yield the data blocks that may have keys of a range."""
        start = max(0, bisect_right(blocks, first, key=_first) - 1)
        stop = len(blocks) if last is None else bisect_right(blocks, last, key=_first)
        for block in blocks[start:stop]:
            if depth == 1:
                yield block
            else:
                yield from self._between(self._below(*block[1:3]), depth - 1, first, last)

    def _index(self, start: int, end: int) -> list[Block]:
        raw = _inflate(self._bytes(start, end), self.file.path)
        rows = (line.split(b"\t") for line in raw.split(b"\n")[1:])
        try:
            blocks = [
                Block(_unescape(first), *map(int, numbers))._replace(marks=int(marks, 16))
                for first, *numbers, marks in rows
            ]
            # Each block is written before what leads to it.
            if not all(0 <= each.start < each.end <= start for each in blocks):
                raise ValueError("a block is not where it can be")
            if not all(each.entries > 0 for each in blocks):
                raise ValueError("a block has no entries")
        except (ValueError, TypeError) as error:
            raise _damage(self.file.path, str(error)) from error
        return blocks

    def _fetch(self, blocks: Iterable[Block]) -> Iterator[StoredBlock]:
        for run in _runs(blocks):
            start = run[0].start
            content = self._bytes(start, run[-1].end)
            for block in run:
                part = content[block.start - start : block.end - start]
                yield StoredBlock(block, part, self.file.path)

    def _bytes(self, start: int, end: int) -> bytes:
        offset, tail = self._tail
        if start >= offset:
            return tail[start - offset : end - offset]
        content = self._read(start, end)
        if len(content) != end - start:
            raise _damage(self.file.path, f"{len(content)} bytes at {start}, not {end - start}")
        return content


def look_up(readers: Iterable[BlockReader], keys: Iterable[str]) -> dict[str, str]:
    """Return the newest values of those keys that exist.

    Of the files, newest first, none is read after the last key was found.
    """
    wanted = set(keys)
    found: dict[str, str | None] = {}
    for reader in readers:
        if not wanted:
            break
        found |= reader.get(wanted)
        wanted -= found.keys()
    return {key: value for key, value in found.items() if value is not None}


def _runs(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield blocks that are near each other in the file, to be read together."""
    run: list[Block] = []
    for block in blocks:
        is_far = run and block.start - run[-1].end > _HOLE_BYTES
        if is_far or (run and block.end - run[0].start > _PIECE_BYTES):
            yield run
            run = []
        run.append(block)
    if run:
        yield run


def _pick(raw: bytes, keys: Iterable[str]) -> Iterator[_Entry]:
    """Yield those of some keys that a data block has, and their values."""
    for key in keys:
        _, beginning, rest = raw.partition(b"\n%b\t" % _escape(key))
        if beginning:
            yield from entries_of(beginning + rest.partition(b"\n")[0])


def entries_of(raw: bytes) -> Iterator[_Entry]:
    """Yield the entries of a data block."""
    for line in raw.split(b"\n")[1:]:
        key, _, document = line.partition(b"\t")
        yield _unescape(key), document.decode("utf-8", "surrogatepass") or None


def _escape(key: str) -> bytes:
    """Return a key as ASCII without tabs and newlines."""
    # JSON would write a character and the two halves of it, which are another key, the same.
    # The codec leaves an id as it is, but it takes longer to find than that to see.
    is_plain = key.isascii() and key.isalnum()
    return key.encode() if is_plain else key.encode("unicode_escape")


def _unescape(key: bytes) -> str:
    return key.decode() if key.isalnum() else key.decode("unicode_escape")


def _deflate(lines: Iterable[bytes]) -> bytes:
    return zlib.compress(b"\n".join((b"", *lines)), _LEVEL)


def _inflate(content: bytes, path: str) -> bytes:
    try:
        return zlib.decompress(content, bufsize=2 * BLOCK_BYTES)
    except zlib.error as error:
        raise _damage(path, str(error)) from error


def _pack_foot(*numbers: int) -> bytes:
    return _FOOT.pack(*numbers, zlib.crc32(repr(numbers).encode()), _MAGIC)


def _damage(path: str, why: str) -> DamagedLakeError:
    return DamagedLakeError(f"{path} is damaged: {why}", hint="restore it from a backup")
