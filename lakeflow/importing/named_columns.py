"""What somebody says of the columns of a table. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column of a table is what; the others are told by what is in them.

    Attributes:
        run: Which run a row is of; without it each file is a run.
        step: At which step the row was logged; without it the rows of a run are counted.
        time: When it was logged.
        params: Params.
        metrics: Metrics.
        tags: Tags.
        ignored: What is left out, without a word.
    """

    run: str | None = None
    step: str | None = None
    time: str | None = None
    params: Sequence[str] = ()
    metrics: Sequence[str] = ()
    tags: Sequence[str] = ()
    ignored: Sequence[str] = ()

    def named(self) -> frozenset[str]:
        """Return all columns that something is said of.

        Raises:
            InvalidInputError: One is said to be two things.
        """
        single = [each for each in (self.run, self.step, self.time) if each is not None]
        names = [*single, *self.params, *self.metrics, *self.tags, *self.ignored]
        for name, count in Counter(names).items():
            if count > 1:
                raise InvalidInputError(f"the column {name!r} is said to be two things")
        return frozenset(names)
