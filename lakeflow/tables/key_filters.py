"""Filters of keys: which of them a block cannot have. Pure.

Of random keys every file of an index may have each, and nearly all that it is asked for are
elsewhere. A byte a key spares 19 of 20 looks for these.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_BITS_A_KEY = 8


def filter_of(names: Collection[bytes]) -> int:
    """Return the filter of keys, as they are written; 0 for none of them."""
    marks = 0
    for name in names:
        one, other = _bits(name, len(names))
        marks |= 1 << one | 1 << other
    return marks


def may_have(marks: int, count: int, name: bytes) -> bool:
    """Return whether a key may be among so many with this filter; any where that is 0."""
    if not marks:
        return True
    one, other = _bits(name, count)
    return bool(marks >> one & marks >> other & 1)


def _bits(name: bytes, count: int) -> tuple[int, int]:
    # One sum gives both places: a block has so few keys that half of its bits will do.
    size, code = _BITS_A_KEY * count, zlib.crc32(name)
    return code % size, (code >> 16) % size
