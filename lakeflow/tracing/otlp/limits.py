"""Bodies that are short and would be large: seen before they are read."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from lakeflow.tracing.otlp.attributes import as_read

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

MOST_PARTS = 4_000_000
"""Fields of spans and objects of JSON in a request.

A body of 64 MiB of usual spans has two or three million. One of nothing but empty spans would
have 30 million, and take gigabytes.
"""

_SHORT_BYTES = 1024 * 1024
"""A message that has no more cannot take much, and is not looked at."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def has_too_many_parts(body: bytes, of: type[Message], *, is_json: bool) -> bool:
    """Return whether a body has more parts than may be made of it.

    Args:
        body: The body.
        of: The class of its message. What ``attributes.as_read`` leaves as bytes is one part.
        is_json: Whether it is JSON, or else protobuf.

    Raises:
        DecodeError: It cannot be counted. Whoever reads it might go on where the count ends.
        RecursionError: Messages are within messages more often than anybody reads.
    """
    if len(body) <= _SHORT_BYTES:
        return False
    if is_json:
        return body.count(b"{") + body.count(b"[") > MOST_PARTS
    try:
        return _parts(body, 0, len(body), as_read(of).DESCRIPTOR, 0) > MOST_PARTS
    except IndexError:
        raise DecodeError("it ends too early") from None


def _parts(data: bytes, at: int, end: int, message: Descriptor, count: int) -> int:
    """Return a count and the parts from one place to another; it stops at too many."""
    inside = _messages_inside(message)
    while at < end and count <= MOST_PARTS:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = _varint(data, at)
            count += 1
            if (field := inside.get(tag >> 3)) is not None:
                count = _parts(data, at, at + length, field, count)
            at += length
        elif kind == _VARINT:
            _, at = _varint(data, at)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            # Groups, which this protocol has none of: a reader passes over them.
            raise DecodeError(f"a field is of the kind {kind}")
    if at > end:
        raise DecodeError("a field is longer than what it is in")
    return count


@functools.cache
def _messages_inside(message: Descriptor) -> dict[int, Descriptor]:
    """Return which fields of a message, by their numbers, are messages themselves."""
    return {each.number: each.message_type for each in message.fields if each.message_type}


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
            raise DecodeError("a number is too long")
