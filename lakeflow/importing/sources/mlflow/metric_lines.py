"""Lines of a file of points of MLflow's, as columns: thousands at once, or one by one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.importing.items import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

Columns = tuple[list[float], list[int], list[int]]
"""Values, timestamps and steps."""

_OF_DATASET = 5
"""Fields of a line that names a dataset too: name and digest, behind the step."""

_IN_FIELDS = bytes({*range(256)} - {*b" \t\n\r\v\f"})
"""All bytes but those between fields."""


def curve_of(lines: bytes) -> Columns | None:
    r"""Return the points of whole lines; None if one is not a time, a value and a step.

    Args:
        lines: The lines, the last one with its newline.

    Examples:
        >>> curve_of(b"1700000000000 0.5 0\n1700000001000 nan 1\n")
        ([0.5, nan], [1700000000000, 1700000001000], [0, 1])
    """
    count = lines.count(b"\n")
    fields = lines.split()
    # Old lines have two fields, those with a dataset five: they are read one by one. Where each
    # line has two blanks none has more than three fields, and so many in all are three in each.
    if len(fields) != 3 * count or lines.translate(None, _IN_FIELDS) != b"  \n" * count:
        return None
    try:
        return (
            [*map(float, fields[1::3])],
            [*map(int, fields[0::3])],
            [*map(int, fields[2::3])],
        )
    except ValueError:
        return None


def points_of(
    lines: bytes, path: str, first: int, report: Callable[[Problem], None]
) -> Columns:
    """Return the points of those lines that have one, each looked at.

    Args:
        lines: The lines.
        path: Their file.
        first: Number of the first line there.
        report: Told of the others.
    """
    values: list[float] = []
    timestamps: list[int] = []
    steps: list[int] = []
    for number, line in enumerate(lines.split(b"\n")[:-1], first):
        fields = line.split()
        try:
            if len(fields) not in {2, 3} and len(fields) < _OF_DATASET:
                raise ValueError
            # Old ones have no step.
            step = int(fields[2]) if len(fields) > 2 else 0
            timestamp, value = int(fields[0]), float(fields[1])
        except ValueError:
            shown = line[:80].decode("utf-8", "replace")
            report(Problem(f"{path}:{number}", f"{shown!r} is no point"))
            continue
        values.append(value)
        timestamps.append(timestamp)
        steps.append(step)
    return values, timestamps, steps
