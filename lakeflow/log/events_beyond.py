"""Which events to ask for, to know all that there are beyond one.

A listing would name all files there are, so they are asked for by their names. Where many make
changes, a file repeats the events right before its own: then one of them is enough for several,
and what is looked for is the end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lakeflow.log.control_requests import Read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.log.control_requests import Steps

EVENTS_AT_ONCE = 16
"""Events that are asked for at once, at most."""

REPEATED_EVENTS = 64
"""Events before its own that a file repeats, at most."""

_GROWTH = 4


def read_beyond(last: int, *, repeats: bool, missing: float = math.inf) -> Steps[list[bytes]]:
    """Read all events beyond one: their contents, in order.

    Args:
        last: The number of that one.
        repeats: Whether files may repeat events: not if nobody else was met.
        missing: A number that was not there.
    """
    found: dict[int, bytes] = {}
    end, count = last, 1
    step = 1 if missing == math.inf else max(1, (int(missing) - last) // 2)
    while True:
        between = _between(found, end, max(found, default=end))
        if between:
            numbers = between
        elif not repeats:
            # One at first: as a rule there is no news, and each number asked for is a request.
            numbers = [*range(end + 1, end + 1 + count)]
            count = min(count * _GROWTH, EVENTS_AT_ONCE)
        else:
            # Of two in a row the second one often tells that the first is the last.
            numbers = [n for n in (end + step, end + step + 1) if n < missing]
        answer: dict[int, bytes] = dict((yield Read(tuple(numbers))))
        found |= answer
        while end + 1 in found:
            end += 1
        missing = min((n for n in numbers if n not in answer), default=missing)
        if missing == end + 1:
            return [found[n] for n in range(last + 1, end + 1)]
        if missing <= end:  # it has come meanwhile
            missing = math.inf
        found = {n: data for n, data in found.items() if n < missing}
        # As far again as there was news, or else half of the way to what is missing.
        way = 2 * (end - last) if missing == math.inf else int(missing) - end
        step = max(1, min(way // 2, REPEATED_EVENTS))


def read_up_to(last: int, number: int, found: Mapping[int, bytes]) -> Steps[list[bytes]]:
    """Read the events beyond one up to another that is there: their contents, in order.

    Args:
        last: The number of that one.
        number: The number of the other one.
        found: What was found already, with that one in it.
    """
    while between := _between(found, last, number):
        answer: dict[int, bytes] = dict((yield Read(tuple(between))))
        if not answer:
            return []
        found = {**found, **answer}
    return [found[n] for n in range(last + 1, number + 1)]


def _between(found: Mapping[int, bytes], last: int, number: int) -> list[int]:
    """Return what to ask for of the numbers between two that were not found yet."""
    return [n for n in range(last + 1, number) if n not in found][-EVENTS_AT_ONCE:]
