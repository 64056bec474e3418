"""The log of a W&B run: checksummed records in blocks, as LevelDB frames them.

A file begins with ``:W&B``, a magic number and a version. It is cut into blocks of 32 KiB, and
a record into fragments, each with a checksum, a length and its kind: the whole record, or its
first, a middle or its last part. A block's last bytes are empty where no header fits.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_BLOCK = 32 * 1024
_HEADER = struct.Struct("<IHB")
_BEGINNING = struct.Struct("<4sHB")
_MARK, _MAGIC, _VERSION = b":W&B", 0xBEE1, 0
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
# The checksum is that of the kind and what follows.
_SEEDS = {kind: zlib.crc32(bytes([kind])) for kind in (_WHOLE, _FIRST, _MIDDLE, _LAST)}


def records(path: str, complain: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the records of a file, as far as it is whole.

    After damage it goes on with the next block.

    Args:
        path: The file.
        complain: Is told what is wrong with it.

    Raises:
        OSError: It cannot be read.
    """
    parts = bytearray()
    is_open = False
    for kind, body in _fragments(path, complain):
        if kind == _WHOLE:
            yield body
            is_open = False
        elif kind == _FIRST:
            parts, is_open = bytearray(body), True
        elif kind is None:
            is_open = False
        elif is_open:
            parts += body
            if kind == _LAST:
                yield bytes(parts)
                is_open = False
    if is_open:
        complain("the last record is cut")


def _fragments(
    path: str, complain: Callable[[str], None]
) -> Iterator[tuple[int | None, bytes]]:
    """Yield kind and content of each fragment; no kind where some are lost."""
    with open(path, "rb") as file:
        block = file.read(_BLOCK)
        refusal = _refusal(block)
        if refusal is not None:
            complain(refusal)
            return
        at, begin = _BEGINNING.size, 0
        while block:
            problem = yield from _fragments_of_block(block, at)
            if problem is not None:
                complain(f"{problem} at byte {begin:,}")
                yield None, b""
            begin += len(block)
            block, at = file.read(_BLOCK), 0


def _refusal(block: bytes) -> str | None:
    if len(block) < _BEGINNING.size:
        return "it is cut before its first record"
    mark, magic, version = _BEGINNING.unpack_from(block)
    if (mark, magic) != (_MARK, _MAGIC):
        return "it is no log of a W&B run"
    if version != _VERSION:
        return f"it has version {version} of the format, and {_VERSION} can be read"
    return None


def _fragments_of_block(
    block: bytes, at: int
) -> Generator[tuple[int | None, bytes], None, str | None]:
    """Yield the fragments of a block.

    Returns:
        What is wrong with the block; None where nothing is.
    """
    while len(block) - at >= _HEADER.size:
        checksum, size, kind = _HEADER.unpack_from(block, at)
        at += _HEADER.size
        body = block[at : at + size]
        if len(body) < size and len(block) < _BLOCK:
            return "a record is cut in the block"
        if kind not in _SEEDS or zlib.crc32(body, _SEEDS[kind]) != checksum:
            return "a record has a bad checksum in the block"
        yield kind, body
        at += size
    if len(block) < _BLOCK and at < len(block):
        return "a record is cut in the block"
    return None
