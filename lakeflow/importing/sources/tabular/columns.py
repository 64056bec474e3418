"""What the columns of a table are: what somebody says of them, else what their cells say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.items import Problem
from lakeflow.importing.keys import keys_of
from lakeflow.importing.sources.tabular import cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow

    from lakeflow.importing.named_columns import Columns
    from lakeflow.importing.sources.tabular.tables import Rows

SHOWN = 10
"""Lines of a file that are named as broken, and cells of a column; the others are counted."""

_LONGEST_SHOWN = 80


class Roles(NamedTuple):
    """The key of each column, by what it becomes."""

    params: Mapping[str, str]
    metrics: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(slots=True)
class _Cells:
    """What is known of the cells of a column.

    Attributes:
        numbers: How many are numbers.
        texts: How many are something else.
        unread: Where the first of those are, and what.
    """

    numbers: int = 0
    texts: int = 0
    unread: list[tuple[str, str]] = field(default_factory=list)


class FoundColumns:
    """Learns what the columns of all files are.

    Args:
        said: Which column is what.
        texts_are_texts: Whether a text is one although it could be read as a number.

    Raises:
        InvalidInputError: A column is said to be two things.
    """

    def __init__(self, said: Columns, *, texts_are_texts: bool) -> None:
        self._said = said
        self._named = said.named()
        self._texts_are_texts = texts_are_texts
        self._found: dict[str, _Cells] = {}

    def learn(self, rows: Rows, location: str, complain: Callable[[int, str], None]) -> None:
        """Count what the cells of some rows are.

        Args:
            rows: The rows.
            location: The file that they are from.
            complain: Takes a line, and what is wrong with its step or time.
        """
        for name, column in zip(rows.batch.schema.names, rows.batch.columns, strict=True):
            known = self._found.setdefault(name, _Cells())
            if name not in self._named or name in self._said.metrics:
                self._count(known, name, column, rows.lines, location)
            elif name == self._said.step:
                for line, cell in _unread(cells.steps(column), column, rows.lines):
                    complain(line, f"has {cell} as {name}, which is no whole number")
            elif name == self._said.time:
                for line, cell in _unread(cells.times(column), column, rows.lines):
                    complain(line, f"has {cell} as {name}, which is no time")

    def _count(
        self,
        known: _Cells,
        name: str,
        column: pyarrow.Array,
        lines: Sequence[int],
        location: str,
    ) -> None:
        import pyarrow

        read = cells.numbers(column)
        is_text = self._texts_are_texts and pyarrow.types.is_string(column.type)
        if is_text and name not in self._said.metrics:
            known.texts += len(column) - column.null_count
            return
        known.numbers += len(column) - read.values.null_count
        known.texts += len(read.unread)
        for line, cell in _unread(read, column, lines):
            if len(known.unread) == SHOWN:
                break
            known.unread.append((f"{location}, line {line}", cell))

    def check_named(self, location: str) -> None:
        """Refuse columns that are nowhere: most likely their names are mistyped.

        Raises:
            InvalidInputError: There is one.
        """
        missing = sorted(self._named - set(self._found))
        # Where nothing could be read at all, that is what is reported.
        if missing and self._found:
            raise InvalidInputError(
                f"there is no column {missing[0]!r} in {location}",
                hint=f"there are {', '.join(map(repr, list(self._found)[:SHOWN]))}",
            )

    def roles(self, report: Callable[[Problem], None]) -> Roles:
        """Return what each column becomes: of numbers a metric, of texts a param.

        A few cells that are no numbers make no param of a metric: they are reported.

        Args:
            report: Told of cells that are no numbers, and of names that a lake does not take.
        """
        others = {name: known for name, known in self._found.items() if name not in self._named}
        # A column that is empty everywhere is neither.
        numeric = [name for name, known in others.items() if known.numbers > known.texts]
        textual = [name for name, known in others.items() if 0 < known.texts >= known.numbers]
        roles = Roles(
            keys_of([*self._said.params, *textual]),
            keys_of([*self._said.metrics, *numeric]),
            keys_of(self._said.tags),
        )
        for name, key in (pair for role in roles for pair in role.items()):
            if name != key:
                why = f"is called {key!r}: a name has other characters, or is shorter"
                report(Problem(f"column {name!r}", why, is_loss=False))
        for name in roles.metrics:
            self._report_unread(name, report)
        return roles

    def _report_unread(self, name: str, report: Callable[[Problem], None]) -> None:
        known = self._found[name]
        for where, cell in known.unread:
            report(Problem(where, f"has {cell} in the column {name!r}, no number"))
        if more := known.texts - len(known.unread):
            report(Problem(f"column {name!r}", f"has {more:,} more cells that are none"))


def _unread(
    read: cells.Read, column: pyarrow.Array, lines: Sequence[int]
) -> Iterator[tuple[int, str]]:
    """Yield the lines of cells that could not be read, and what is there."""
    for place in read.unread.tolist():
        yield lines[place], repr(column[place].as_py())[:_LONGEST_SHOWN]
