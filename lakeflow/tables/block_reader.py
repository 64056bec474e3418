"""Reads a sorted block file: a document by its key in two or three small reads."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING

from lakeflow.tables.blocks import (
    FOOT,
    LARGEST_BLOCK_BYTES,
    Block,
    BlockFile,
    StoredBlock,
    damage,
    entries_of,
    escape,
    inflate,
    pack_foot,
    unescape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    _Entry = tuple[str, str | None]
    _Place = tuple[Block, list[str]]
    _Span = tuple[int, int]

# Neighbouring blocks are read together: up to 1 MiB at once, over holes of at most a block.
_PIECE_BYTES = 1024 * 1024
_HOLE_BYTES = 16 * 1024
# The root is a block and the foot a few bytes: together they fit, as a rule.
_TAIL_BYTES = 16 * 1024
_INDEX_BLOCKS_KEPT = 256
# As many as a remote filesystem fetches at once: more would only be held in memory.
_PIECES_AHEAD = 32

_first = itemgetter(0)


class BlockReader:
    """Reads one file, from several threads if need be; it opens nothing before it is asked.

    The end of the file and index blocks are kept, data blocks are not. Whatever it is asked
    raises a DamagedLakeError if the file is not what was written.

    Args:
        file: What the file is.
        read: Returns its bytes from one offset to another.
        prefetch: Gets ready for reading several stretches of it.
    """

    def __init__(
        self,
        file: BlockFile,
        read: Callable[[int, int], bytes],
        prefetch: Callable[[Sequence[_Span]], None] = lambda _: None,
    ) -> None:
        self.file = file
        self._read = read
        self._prefetch = prefetch
        self._tail = file.size, b""
        self._root: tuple[list[Block], int] | None = None
        # Threads may read an index block twice, but none waits for another one.
        self._below = lru_cache(_INDEX_BLOCKS_KEPT)(self._index)

    def get(self, keys: Iterable[str]) -> dict[str, str | None]:
        """Return the values of those keys that the file has; None for those removed.

        No read if no key lies between the first and the last one of the file. Otherwise one the
        first time, one for each index block not seen yet and for each stretch of data blocks:
        those are announced together, so that a remote store is waited for once a level.
        """
        wanted = sorted(key for key in keys if self.file.least <= key <= self.file.most)
        return dict(self._look_up(wanted)) if wanted and self.file.entries else {}

    def _look_up(self, keys: list[str]) -> Iterator[_Entry]:
        blocks, depth = self._opened()
        places = [*_places(blocks, keys)]
        for _ in range(depth - 1):
            self._announce([block] for block, _ in places)
            below = ((self._below(*block[1:3]), group) for block, group in places)
            places = [place for each in below for place in _places(*each)]
        stored = self._fetch_ahead(block for block, _ in places)
        for (_, group), each in zip(places, stored, strict=True):
            yield from _pick(each.raw(), group)

    def _fetch_ahead(self, blocks: Iterable[Block]) -> Iterator[StoredBlock]:
        runs = _runs(blocks)
        while some := list(islice(runs, _PIECES_AHEAD)):
            self._announce(some)
            for run in some:
                yield from self._fetch(run)

    def _announce(self, runs: Iterable[list[Block]]) -> None:
        """Say what is read next."""
        spans = [(run[0].start, run[-1].end) for run in runs]
        if len(spans) > 1:
            self._prefetch(spans)

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
        lines, depth = self._opened()
        found: Iterable[Block] = _within(lines, first, last)
        for _ in range(depth - 1):
            found = self._one_level_below(found, first, last)
        return (each for run in _runs(self._in_order(found)) for each in self._fetch(run))

    def _opened(self) -> tuple[list[Block], int]:
        """Return the lines of the root, and the levels of index blocks."""
        if self._root is None:
            size = self.file.size
            start = max(0, size - _TAIL_BYTES)
            tail = self._bytes(start, size)
            # Filled up: a file without room for a foot is damaged, and no error of struct.
            foot = tail[-FOOT.size :].rjust(FOOT.size)
            length, depth, *_ = FOOT.unpack(foot)
            # A fold knows how many entries there are: so another file is noticed.
            if foot != pack_foot(length, depth, self.file.entries):
                raise damage(self.file.path, "it does not end as it should")
            # Before the root is read, which is in it as a rule.
            self._tail = start, tail
            end = size - FOOT.size
            self._root = self._index(end - length, end), depth
        return self._root

    def _one_level_below(
        self, blocks: Iterable[Block], first: str, last: str | None
    ) -> Iterator[Block]:
        for block in self._in_order(blocks):
            yield from _within(self._below(*block[1:3]), first, last)

    def _in_order(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield blocks of one level: where two lines led to one, levels of them had no end."""
        end = 0
        for block in blocks:
            if block.start < end:
                raise damage(self.file.path, "a block is not behind the one before it")
            end = block.end
            yield block

    def _index(self, start: int, end: int) -> list[Block]:
        raw = inflate(self._bytes(start, end), self.file.path)
        rows = (line.split(b"\t") for line in raw.split(b"\n")[1:])
        try:
            blocks = [
                Block(unescape(first), *map(int, numbers))._replace(marks=int(marks, 16))
                for first, *numbers, marks in rows
            ]
            # Each block is written before what leads to it.
            if not all(0 <= each.start < each.end <= start for each in blocks):
                raise ValueError("a block is not where it can be")
            if not all(each.entries > 0 for each in blocks):
                raise ValueError("a block has no entries")
        except (ValueError, TypeError) as error:
            raise damage(self.file.path, str(error)) from error
        return blocks

    def _fetch(self, run: list[Block]) -> Iterator[StoredBlock]:
        """Read blocks that are near each other."""
        start = run[0].start
        content = self._bytes(start, run[-1].end)
        for block in run:
            part = content[block.start - start : block.end - start]
            yield StoredBlock(block, part, self.file.path)

    def _bytes(self, start: int, end: int) -> bytes:
        offset, tail = self._tail
        if start >= offset:
            return tail[start - offset : end - offset]
        if not 0 <= start <= end <= start + LARGEST_BLOCK_BYTES:
            raise damage(self.file.path, f"no block is from {start:,} to {end:,}")
        content = self._read(start, end)
        if len(content) != end - start:
            raise damage(self.file.path, f"{len(content)} bytes at {start}, not {end - start}")
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


def _places(blocks: list[Block], keys: Iterable[str]) -> Iterator[_Place]:
    """Yield the blocks that sorted keys may lead to, and which of the keys."""
    for place, group in groupby(keys, lambda key: bisect_right(blocks, key, key=_first)):
        # The place is not 0: no key that is asked for is less than the first of the file.
        block = blocks[place - 1]
        asked = [key for key in group if block.may_have(key)]
        if asked:
            yield block, asked


def _within(blocks: list[Block], first: str, last: str | None) -> list[Block]:
    """Return those blocks that may have keys of a range."""
    start = max(0, bisect_right(blocks, first, key=_first) - 1)
    stop = len(blocks) if last is None else bisect_right(blocks, last, key=_first)
    return blocks[start:stop]


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
        _, beginning, rest = raw.partition(b"\n%b\t" % escape(key))
        if beginning:
            yield from entries_of(beginning + rest.partition(b"\n")[0])
