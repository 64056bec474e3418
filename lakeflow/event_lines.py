"""An event of the control log as lines, and what its lines say of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow import records

if TYPE_CHECKING:
    from collections.abc import Sequence


_text = json.JSONEncoder(ensure_ascii=False).encode


def written(number: int, clock: int, event_id: str, user: str, bodies: Sequence[str]) -> bytes:
    """Return an event of the control log: a line a record, the event itself in the first.

    Args:
        number: Its place in the total order.
        clock: Its clock; the lines share it, so that a fold takes all of them or none.
        event_id: Its id.
        user: Who makes it.
        bodies: The fields of each record.
    """
    # All of it once more: this row is kept for ever, as the history of what is changed.
    changes = f"[{','.join([f'{{{body}}}' for body in bodies])}]"
    row = (
        f'"control_events":{{"number":["{number_text(number)}"],"event_id":["{event_id}"],'
        f'"time":[{clock // 1000}],"user_id":[{_text(user)}],'
        f'"changes":[{_text(changes)}]}}'
    )
    first, *others = bodies
    place = number << _PLACE_BITS
    # The event is beside the fields of its first record: most have no other, and one line.
    written = [records.line(f"{first},{row}", place, clock)]
    written += [records.line(body, place + n, clock) for n, body in enumerate(others, 1)]
    return "".join(written).encode()


def lines(data: bytes) -> list[bytes]:
    """Return the lines of an event."""
    return data.split(b"\n")[:-1]


def is_whole(data: bytes) -> bool:
    """Return whether an event has all of its lines: an answer may be cut short at any byte."""
    found = lines(data)
    try:
        first = json.loads(found[0])
    except (ValueError, LookupError, RecursionError):
        return False
    # What says no number of lines, or has more of them, is whole, and void.
    said = changes_of(first)
    return data.endswith(b"\n") and (said is None or len(found) >= said)


def changes_of(record: Any) -> int | None:
    """Return of how many lines an event is by its first record; None if it does not say."""
    try:
        (changes,) = record["control_events"]["changes"]
        found = json.loads(changes)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return len(found) if type(found) is list else None


def id_of(record: Any) -> str:
    """Return the id of an event by its first record; an empty one if it does not say."""
    (found,) = record["control_events"].get("event_id", [None])
    return str(found or "")


# A line takes its place in the low 20 bits of its ``seq``, the event its number above them. So
# the lines of all events have one order, with room for a million lines each.
_PLACE_BITS = 20


def number_text(number: int) -> str:
    """Return the number of an event as text that sorts like numbers."""
    return f"{number:010d}"
