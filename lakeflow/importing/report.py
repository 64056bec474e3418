"""What an import says of itself: how far it is, what it brought, and what it could not keep."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.printable import without_password

if TYPE_CHECKING:
    from lakeflow.importing.items import Problem

_MOST_PROBLEMS = 1_000
"""Problems that are listed; a broken store of a million runs has as many."""

_FIXED = frozenset({"runs", "params", "inputs", "metrics", "artifacts"})
"""Tables whose rows do not change in a lake: their sums are to be equal."""


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is.

    Attributes:
        step: What is being done.
        runs: Runs that were looked at.
        points: Points of metrics that were read.
        files: Files that are in the lake.
    """

    step: str
    runs: int
    points: int
    files: int


@dataclass(slots=True)
class Total:
    """Rows of a table on one side.

    Attributes:
        count: How many there are.
        sum: The sum of what the table is about: values of metrics that are finite, bytes of
            artifacts, start times of runs, characters of params, of tags, of sources of
            datasets, and of names of experiments. Of metrics only of those runs whose points
            were read in this import.
    """

    count: int = 0
    sum: float = 0

    def add(self, count: int, amount: float) -> None:
        """Count rows."""
        self.count += count
        self.sum += amount


@dataclass(slots=True)
class TableTotals:
    """Rows of a table on both sides.

    Attributes:
        source: What the source has of it, as far as it was wanted.
        lake: What the lake has of the same experiments and runs.
        tolerance: How far two sums may be apart that were added up in another order.
    """

    source: Total = field(default_factory=Total)
    lake: Total = field(default_factory=Total)
    tolerance: float = 0

    def is_complete(self, *, is_fixed: bool) -> bool:
        """Return whether the lake lacks nothing.

        Args:
            is_fixed: Whether equally many rows have to be the same ones.
        """
        if self.lake.count != self.source.count or not is_fixed:
            return self.lake.count >= self.source.count
        # Only finite values are added; their sum may still be infinite, or NaN after that.
        ours, theirs = self.lake.sum, self.source.sum
        if not (math.isfinite(ours) and math.isfinite(theirs)):
            return not math.isfinite(ours) and not math.isfinite(theirs)
        return abs(ours - theirs) <= self.tolerance


@dataclass(slots=True, kw_only=True)
class Kept:
    """What could not be kept on the way from one tracker to another.

    Attributes:
        problems: What could not be kept, or not as it was: the first thousand.
        problem_count: How many there were.
        loss_count: How many of them lost something that is worth keeping.
        is_dry_run: Whether nothing was written.
    """

    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    loss_count: int = 0
    is_dry_run: bool = False

    def add(self, problem: Problem) -> None:
        """Take note of a problem."""
        self.problem_count += 1
        self.loss_count += problem.is_loss
        if len(self.problems) < _MOST_PROBLEMS:
            where, why = map(without_password, (problem.where, problem.why))
            self.problems.append(problem._replace(where=where, why=why))


@dataclass(slots=True)
class ImportReport(Kept):
    """What an import has brought.

    Attributes:
        source: What it was read from.
        tables: By table of the lake what there is of it on both sides.
        is_dry_run: Whether nothing was written. Then the lake's side has what was there before.
    """

    source: str
    tables: dict[str, TableTotals] = field(default_factory=lambda: defaultdict(TableTotals))

    def count(self, table: str, count: int, amount: float) -> None:
        """Count what the source has."""
        self.tables[table].source.add(count, amount)

    @property
    def is_complete(self) -> bool:
        """Whether nothing was lost, and the lake has all that the source has."""
        return not self.loss_count and all(
            totals.is_complete(is_fixed=name in _FIXED) for name, totals in self.tables.items()
        )
