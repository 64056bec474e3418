"""Files of a table as a fold sees them: which of them may hold rows that it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.query.folding.parquet import Bounds

    Run = Callable[..., list[Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a table, as the fold sees it.

    Attributes:
        path: Where the engine opens it.
        bounds: Smallest and largest value in it by column, where they are known.
    """

    path: str
    bounds: Mapping[str, Bounds]


def meeting(
    stored: Sequence[Stored], column: str, ranges: Sequence[tuple[int, int]]
) -> list[str]:
    """Return the files that may hold a number of one of some ranges in a column."""
    found = []
    for each in stored:
        # Without bounds, as where NaN is among the values, it may hold any number.
        least, most = each.bounds.get(column, (-(2**63), 2**63))
        if any(first <= int(most) and int(least) <= last for first, last in ranges):
            found.append(each.path)
    return found


def overlapping(run: Run, stored: Sequence[Stored], changes: str, column: str) -> list[str]:
    """Return the files whose range of a column holds a value of a table of changes.

    Args:
        run: Returns the rows of a statement.
        stored: The files.
        changes: Name of the table in the engine.
        column: The column, of both.
    """
    bounds = {each.path: each.bounds.get(column) for each in stored}
    # A file with NaN publishes no bounds at all; its footer has those of the ids.
    unknown = [path for path, known in bounds.items() if known is None]
    if unknown:
        for path, least, most, *numbers in run(
            _BOUNDS_IN_FOOTERS, files=unknown, column=column
        ):
            bounds[path] = (least, most) if None in numbers else (numbers[0], numbers[1])
    known = {path: values for path, values in bounds.items() if values is not None}
    if not known:
        return []
    rows = run(
        _OVERLAPPING.format(changes=changes, column=column),
        paths=list(known),
        least=[values[0] for values in known.values()],
        most=[values[1] for values in known.values()],
    )
    return [row[0] for row in rows]


_OVERLAPPING = """
    SELECT path FROM (
        SELECT unnest($paths) AS path, unnest($least) AS least, unnest($most) AS most
    ) AS files SEMI JOIN (SELECT DISTINCT "{column}" AS id FROM {changes}) AS things
        ON things.id BETWEEN files.least AND files.most
"""

# All of them are texts there, of which 9 is more than 10.
_BOUNDS_IN_FOOTERS = """
    SELECT
        file_name,
        min(stats_min_value),
        max(stats_max_value),
        min(TRY_CAST(stats_min_value AS BIGINT)) FILTER ("type" = 'INT64'),
        max(TRY_CAST(stats_max_value AS BIGINT)) FILTER ("type" = 'INT64')
    FROM parquet_metadata($files) WHERE path_in_schema = $column GROUP BY file_name
"""
"""Ids in files whose statistics are not published."""
