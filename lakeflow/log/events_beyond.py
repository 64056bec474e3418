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
    from lakeflow.log.control_requests import Steps

EVENTS_AT_ONCE = 16
"""Events that are asked for at once, at most."""

REPEATED_EVENTS = 16
"""Events before its own that a file repeats, at most."""

_GROWTH = 4


def read_beyond(last: int, step: int | None) -> Steps[list[bytes]]:
    """Read all events beyond one: their contents, in order.

    Args:
        last: The number of that one.
        step: How far beyond it the end may be; None if files repeat nothing, since nobody else
            was met.
    """
    found: dict[int, bytes] = {}
    end, missing, count = last, math.inf, 1
    while True:
        between = [n for n in range(end + 1, max(found, default=end)) if n not in found]
        if between:
            numbers = between[-EVENTS_AT_ONCE:]
        elif step is None:
            numbers = [*range(end + 1, end + 1 + count)]
            count = min(count * _GROWTH, EVENTS_AT_ONCE)
        else:
            step = min(step, REPEATED_EVENTS)
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
        if step is not None:
            # Half of the way to what is missing, or else a quarter of what was come.
            way = (end - last) // 2 if missing == math.inf else int(missing) - end
            step = max(1, way // 2)
