"""One file of a table, and whether it may hold what is asked for. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from lakeflow.values import field, frozen

TABLES = "tables"
"""Folder of the tables within a lake."""

Bound = str | int | float

Within = Mapping[str, Sequence[tuple[int, int]]]
"""For columns of whole numbers ranges of them: least and largest number of each."""

ANYWHERE: Within = MappingProxyType({})


@frozen
class DataFile:
    """One Parquet file of a table.

    Attributes:
        path: Its name within the table's folder.
        size: Bytes.
        rows: Number of rows.
        bounds: Smallest and largest value by column, where they are known.
        nulls: Number of nulls by column, for files that are about to be committed.
    """

    path: str
    size: int
    rows: int
    bounds: Mapping[str, tuple[Bound, Bound]] = field(default_factory=dict)
    nulls: Mapping[str, int] = field(default_factory=dict)

    def may_hold(self, column: str, ordered: Sequence[str]) -> bool:
        """Return whether a row with one of these values, in order, may be in the file."""
        bounds = self.bounds.get(column)
        if bounds is None:
            return True
        # Of the values that are not below the file's smallest one, the first is enough to try.
        first = bisect_left(ordered, str(bounds[0]))
        return first < len(ordered) and ordered[first] <= str(bounds[1])

    def meets(self, column: str, ranges: Sequence[tuple[int, int]]) -> bool:
        """Return whether a row with a number of one of these ranges may be in the file."""
        bounds = self.bounds.get(column)
        if bounds is None:
            return True
        least, most = (int(each) for each in bounds)
        return any(first <= most and least <= last for first, last in ranges)

    def has_any(self, column: str) -> bool:
        """Return whether a row may have something in a column."""
        # A file has bounds of all its columns or of none; a column of nulls alone has none.
        return not self.bounds or column in self.bounds


def that_may_hold(
    files: Iterable[DataFile],
    present: str | None,
    within: Within,
    where: Mapping[str, Sequence[str]],
) -> list[DataFile]:
    """Return the files that may hold certain rows; conditions are as for ``Lake.files``."""
    wanted = {column: sorted(values) for column, values in where.items() if values}
    return [
        file
        for file in files
        if (present is None or file.has_any(present))
        and all(file.meets(column, ranges) for column, ranges in within.items())
        and all(file.may_hold(column, values) for column, values in wanted.items())
    ]
