"""Lines of the log: from text to values, or refused. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities.json_text import quick_value
from lakeflow.records import COPIED_AT, COPIED_FROM, COPIED_PLACE, LONGEST_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


_value_of = json.JSONDecoder().decode


class MisfitError(ValueError):
    """A line that is no record."""


class Copied(NamedTuple):
    """What a copy says beside its record.

    Attributes:
        at: The clock at which it entered the log.
        writer: The writer of the record.
        place: Place of its first row among those of the record.
    """

    at: int
    writer: str
    place: int


def parse(line: bytes) -> dict[str, Any]:
    """Return the record of a line.

    Raises:
        MisfitError: It is none.
    """
    record = parse_object(line)
    if not (_is_long(record.get("seq")) and _is_long(record.get("clock"))):
        raise MisfitError
    return record


def parse_made(line: bytes) -> dict[str, Any]:
    """Return the record of a line that was written by this process, by what is quickest."""
    try:
        record: dict[str, Any] = quick_value()(line)
    except ValueError:  # of NaN
        record = parse(line)
    return record


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a text.

    Raises:
        MisfitError: It is none, or one that not every parser takes.
    """
    if len(text) > LONGEST_LINE_BYTES:
        raise MisfitError
    try:
        # Not the bytes: the parser would guess their encoding, and let halves of pairs pass.
        found = _value_of(text.decode())
        # Nor is half of a surrogate pair a character where it is written as an escape.
        if b"\\u" in text and (b"\\ud" in text or b"\\uD" in text):
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise MisfitError from None
    # What has few brackets is not deep, and most lines have a few dozen.
    may_be_deep = text.count(b"[") + text.count(b"{") > _DEEPEST
    if type(found) is not dict or (may_be_deep and _is_deep(found)):
        raise MisfitError
    return found


_DEEPEST = 100
"""Lists and objects within one another. How many Python's parser takes depends on who calls."""


def _is_deep(found: object) -> bool:
    """Return whether there is too much within one another in a value of JSON."""
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for each in level:
            values = each.values() if type(each) is dict else each
            # Most are long lists of texts and numbers, of which no one is looked at by itself.
            if not {dict, list}.isdisjoint(map(type, values)):
                inner += [value for value in values if type(value) in {dict, list}]
        if not inner:
            return False
        level = inner
    return True


def copied_in(record: Mapping[str, Any]) -> Copied | None:
    """Return what a copy says beside its record; None if it is no copy.

    Raises:
        MisfitError: It does not say what it has to.
    """
    writer = record.get(COPIED_FROM)
    if writer is None:
        return None
    at, place = record.get(COPIED_AT), record.get(COPIED_PLACE)
    if place is None:
        place = 0
    if type(writer) is not str or type(at) is not int or type(place) is not int:
        raise MisfitError
    if not (_is_long(at) and 0 <= place < 2**31):
        raise MisfitError
    return Copied(at, writer, place)


def entered(record: Mapping[str, Any]) -> int:
    """Return the clock at which a record entered the log that it is in.

    Raises:
        MisfitError: It is a copy that does not say so.
    """
    copied = copied_in(record)
    found: int = record["clock"] if copied is None else copied.at
    return found


def _is_long(value: object) -> bool:
    # Not isinstance: True is an int for Python. The tables have columns of 64 bits.
    return type(value) is int and -(2**63) <= value < 2**63


def clock(line: bytes, latest: int) -> int | None:
    """Return when a line entered the log, at most the latest clock; None if it is no record."""
    try:
        found = entered(parse(line))
    except MisfitError:
        return None
    return min(found, latest)
