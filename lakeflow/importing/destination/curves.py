"""Points of a run of a source as records of a lake: each counts once, however often it comes.

A point is told by its run, the number that follows from its metric's name, and its place in
the curve. So lines hold a chunk of one curve each, and an import that was killed goes on behind
what has arrived.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from lakeflow import records
from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.items import Curve, Problem, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow

    from lakeflow.importing.destination.runs import CheckedRun

POINTS_A_LINE = 4_096

_INT64 = 2**63


class Measured(NamedTuple):
    """What a chunk of a curve adds to a sum over the values that are finite.

    Attributes:
        points: How many there are, NaN and infinities among them.
        total: Their sum.
        size: The sum of their sizes without signs: how far sums in another order may differ.
    """

    points: int
    total: float
    size: float


def measured(curve: Curve) -> Measured:
    """Return what a chunk of a curve adds to a sum."""
    values: Sequence[float] = curve.values
    total = sum(values)
    # Rarely: a look at each value takes longer than the sum.
    if not math.isfinite(total):
        values = [*filter(math.isfinite, values)]
        total = sum(values)
    return Measured(len(curve.values), total, sum(map(abs, values)))


def number_of(key: str) -> int:
    """Return the number of the record that has all points of a metric of an imported run."""
    # Seven bytes: the number of a record is a signed one of eight.
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7])


def bodies(run: CheckedRun, curve: Curve, first: int) -> list[str]:
    """Return the records of a chunk of a curve.

    Args:
        run: The run.
        curve: The chunk, checked.
        first: Place of its first point in the whole curve.
    """
    key, values, timestamps, steps = curve
    number = number_of(key)
    found = []
    for start in range(0, len(values), POINTS_A_LINE):
        part = slice(start, start + POINTS_A_LINE)
        few = values[part]
        # They fit a line together, however long the key is.
        (text,) = records.metrics(([key] * len(few), few, timestamps[part], steps[part]))
        origin = run.origin(number, run.begun_us, first + start)
        found.append(records.copied(origin, f"{run.about},{text}"))
    return found


def checked(curve: Curve, where: str, report: Callable[[Problem], None]) -> Curve | None:
    """Return those points of a chunk that a lake can have; None for none.

    Args:
        curve: The chunk.
        where: Of which run it is.
        report: Told of the others.
    """
    key, values, timestamps, steps = curve
    try:
        validation.key(key)
    except InvalidInputError as error:
        report(
            Problem(
                f"{where}: metric {key[:300]!r}", f"{len(values):,} points: {reason(error)}"
            )
        )
        return None
    if not values:
        return None
    # Zero has one sign in a lake.
    kept = Curve(key, [each + 0.0 for each in values], timestamps, steps)
    # The bounds of a chunk tell whether any point in it has to be looked at by itself.
    if (
        min(timestamps) >= 0
        and max(timestamps) < _INT64
        and min(steps) >= -_INT64
        and max(steps) < _INT64
    ):
        return kept
    return _without_bad(kept, where, report)


def _without_bad(curve: Curve, where: str, report: Callable[[Problem], None]) -> Curve | None:
    good = []
    for value, timestamp, step in zip(*curve[1:], strict=True):
        try:
            validation.metric(curve.key, value, timestamp, step)
        except InvalidInputError as error:
            report(Problem(f"{where}: metric {curve.key!r}", reason(error)))
        else:
            good.append((value, timestamp, step))
    return Curve(curve.key, *map(list, zip(*good, strict=True))) if good else None


def lacking(curves: Iterable[Curve], held: pyarrow.Table) -> Iterator[Curve]:
    """Yield those points of a curve that a lake does not have yet, in chunks.

    Args:
        curves: The chunks of the curve, checked.
        held: Columns ``value``, ``timestamp`` and ``step`` of what the lake has.
    """
    columns = (held.column(name).to_pylist() for name in ("value", "timestamp", "step"))
    # NaN equals nothing, not even itself, but its text does.
    there = Counter(
        (repr(value), timestamp, step) for value, timestamp, step in zip(*columns, strict=True)
    )
    for curve in curves:
        rest = []
        for value, timestamp, step in zip(*curve[1:], strict=True):
            point = repr(value), timestamp, step
            if there[point]:
                there[point] -= 1
            else:
                rest.append((value, timestamp, step))
        if rest:
            yield Curve(curve.key, *map(list, zip(*rest, strict=True)))
