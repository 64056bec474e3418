"""Bodies that are short and would be large: seen before they are read."""

from __future__ import annotations

MOST_PARTS = 4_000_000
"""Fields of spans and objects of JSON in a request.

A body of 64 MiB of usual spans has two or three million. One of nothing but empty spans would
have 30 million, and take gigabytes.
"""

_SHORT_BYTES = 1024 * 1024
"""A message that has no more cannot take much, and is not looked at."""

# A request has resources, these scopes, these spans or log records, these attributes.
_LEVELS = 4

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def has_too_many_parts(body: bytes, *, is_json: bool) -> bool:
    """Return whether a body has more parts than may be made of it.

    Args:
        body: The body.
        is_json: Whether it is JSON, or else protobuf, of which values within values are not
            counted.
    """
    if len(body) <= _SHORT_BYTES:
        return False
    if is_json:
        return body.count(b"{") + body.count(b"[") > MOST_PARTS
    try:
        return _parts(body, 0, len(body), _LEVELS, 0) > MOST_PARTS
    # It ends too early, and who reads it will say so.
    except IndexError:
        return False


def _parts(data: bytes, at: int, end: int, levels: int, count: int) -> int:
    """Return a count and the parts from one place to another; it stops at too many."""
    while at < end and count <= MOST_PARTS:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = _varint(data, at)
            count += 1
            # At all of these levels messages have the numbers 1 and 2, and texts others.
            if levels > 1 and tag >> 3 <= 2:
                count = _parts(data, at, min(at + length, end), levels - 1, count)
            at += length
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            break
    return count


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            # No number of protobuf's is so long: whoever reads the body will say so.
            raise IndexError
