"""Bodies that are short and would be large: seen before they are read."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.message import Message

MOST_PARTS = 4_000_000
"""Spans, attributes, values in lists and the like in a request; in JSON also other values.

A body of 64 MiB of usual spans has a million, in JSON three. One of nothing but empty spans
would have 30 million, and take gigabytes.
"""

MOST_OBJECTS = 500_000
"""Resources, spans, log records, events and links in a request.

Each takes a kilobyte once it is one of Python's objects; an attribute or a value a tenth of it.
"""

_SHORT_BYTES = 1024 * 1024
"""A message that has no more cannot take much, and is not looked at."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5

_BEGINNINGS = bytes(each for each in range(256) if each & 7 == _LENGTH)
"""The first bytes of all fields that may be parts."""

_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_IN_A_TEXT = re.compile(_TEXT, re.DOTALL)
_SOME_TEXTS = re.compile(rb'[^"]*+(?:%b[^"]*+){0,1000}+' % _TEXT, re.DOTALL)
"""With what is between them: to take all out of a body at once would take much memory."""


def has_too_many_parts(body: bytes, of: type[Message], *, is_json: bool) -> bool:
    """Return whether a body has more parts than may be made of it.

    Args:
        body: The body.
        of: The class of its message.
        is_json: Whether it is JSON, or else protobuf.

    Raises:
        DecodeError: It cannot be counted. Whoever reads it might go on where the count ends.
        RecursionError: Messages are within messages more often than anybody reads.
    """
    if len(body) <= _SHORT_BYTES:
        return False
    if is_json:
        if _values(body) <= MOST_PARTS:
            return False
        outside = (_IN_A_TEXT.sub(b"", some[0]) for some in _SOME_TEXTS.finditer(body))
        return sum(map(_values, outside)) > MOST_PARTS
    # Each part begins with one of these bytes. To walk takes longer than to read what is usual.
    if len(body) - len(body.translate(None, _BEGINNINGS)) <= MOST_PARTS:
        return False
    try:
        return _parts(body, 0, len(body), of.DESCRIPTOR, 0) > MOST_PARTS
    except IndexError:
        raise DecodeError("it ends too early") from None


def has_too_many_objects(request: Any, size: int) -> bool:
    """Return whether a request has more messages than may be looked at one by one.

    Args:
        request: The request, as ``attributes.as_read`` has it.
        size: Bytes that it was read from.
    """
    return size > _SHORT_BYTES and _objects(request, 0) > MOST_OBJECTS


def _objects(message: Any, count: int) -> int:
    """Return a count and the messages in the lists of a message; it stops at too many."""
    for name in _lists_of_messages(message.DESCRIPTOR):
        found = getattr(message, name)
        count += len(found)
        if count > MOST_OBJECTS:
            break
        for each in found:
            count = _objects(each, count)
    return count


@functools.cache
def _lists_of_messages(message: Descriptor) -> tuple[str, ...]:
    return tuple(each.name for each in message.fields if each.message_type and each.is_repeated)


def _values(json: bytes) -> int:
    """Return how many values a part of a JSON has at most, what is in its texts included."""
    return json.count(b"{") + json.count(b"[") + json.count(b",")


def _parts(data: bytes, at: int, end: int, message: Descriptor, count: int) -> int:
    """Return a count and the parts from one place to another; it stops at too many."""
    inside, parts = _messages_inside(message), _numbers_of_parts(message)
    while at < end and count <= MOST_PARTS:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            length, at = _varint(data, at)
            count += tag >> 3 in parts
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


@functools.cache
def _numbers_of_parts(message: Descriptor) -> frozenset[int]:
    """Return the numbers of those fields of a message that take memory each time they come."""
    return frozenset(each.number for each in message.fields if _is_part(each))


def _is_part(field: FieldDescriptor) -> bool:
    # A list that comes after a text in the same value is a new one: only the last one counts.
    is_one_of_several = field.message_type is not None and field.containing_oneof is not None
    return field.is_repeated or is_one_of_several


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
