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
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import DamagedLakeError
from lakeflow.tables.key_filters import may_have

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK_BYTES = 16 * 1024
"""What a block holds before it is compressed; smaller ones cost size, larger ones time."""

LARGEST_BLOCK_BYTES = 1024 * 1024 * 1024
"""No document is as large: a block that says so was made to take all memory."""

FOOT = struct.Struct(">QBQI8s")

# Level 1 is hardly faster on documents full of numbers; 3 takes a tenth longer and saves 3%.
_LEVEL = 2
_MAGIC = b"lfblock\x01"


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
        return may_have(self.marks, self.entries, escape(key))


class StoredBlock(NamedTuple):
    """A data block as it is in a file; its keys are less than `below`, if that is given."""

    block: Block
    content: bytes
    path: str
    below: str = ""

    def raw(self) -> bytes:
        """Return its lines; raises DATA_LOSS if it is not what was written."""
        return inflate(self.content, self.path)


def entries_of(raw: bytes) -> Iterator[tuple[str, str | None]]:
    """Yield the entries of a data block."""
    for line in raw.split(b"\n")[1:]:
        key, _, document = line.partition(b"\t")
        yield unescape(key), document.decode("utf-8", "surrogatepass") or None


def escape(key: str) -> bytes:
    """Return a key as ASCII without tabs and newlines."""
    # JSON would write a character and the two halves of it, which are another key, the same.
    # The codec leaves an id as it is, but it takes longer to find than that to see.
    is_plain = key.isascii() and key.isprintable() and "\\" not in key
    return key.encode() if is_plain else key.encode("unicode_escape")


def unescape(key: bytes) -> str:
    """Return the key that was written so."""
    return key.decode("unicode_escape") if b"\\" in key else key.decode()


def deflate(lines: Iterable[bytes]) -> bytes:
    """Return a block of lines."""
    # One before the first line too, so that a key is looked for behind a newline.
    return zlib.compress(b"\n".join((b"", *lines)), _LEVEL)


def inflate(content: bytes, path: str) -> bytes:
    """Return the lines of a block.

    Raises:
        DamagedLakeError: It is not what was written to the file of that path.
    """
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(content, LARGEST_BLOCK_BYTES)
    except zlib.error as error:
        raise damage(path, str(error)) from error
    if not stream.eof:
        raise damage(path, f"a block is cut, or has more than {LARGEST_BLOCK_BYTES:,} bytes")
    return raw


def pack_foot(*numbers: int) -> bytes:
    """Return the foot of a file: length of the root, levels of index blocks, entries."""
    return FOOT.pack(*numbers, zlib.crc32(repr(numbers).encode()), _MAGIC)


def damage(path: str, why: str) -> DamagedLakeError:
    """Return the error of a file that is not what was written."""
    return DamagedLakeError(f"{path} is damaged: {why}", hint="restore it from a backup")
