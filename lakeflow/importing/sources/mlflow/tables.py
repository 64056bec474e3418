"""What readers of MLflow's database need of it, whichever SQL it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.importing.items import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]


class StoreTables:
    """A database of MLflow's.

    Attributes:
        tables: The tables that there are: older databases lack some.
        report: Told of what is broken.
    """

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.report: Callable[[Problem], None] = lambda _: None

    def rows(self, query: str, /, **values: object) -> list[Row]:
        """Return the rows of a statement.

        Args:
            query: The statement.
            **values: Value by name; the statement has a colon before each name.
        """
        raise NotImplementedError

    def batches(self, query: str, most: int, /, **values: object) -> Iterator[list[Row]]:
        """Yield the rows of a statement as they are read: for what no index has in order.

        Args:
            query: The statement.
            most: Rows at once.
            **values: Value by name, as for ``rows``.
        """
        raise NotImplementedError

    def has_numbers(self, where: str, row: Row, *columns: str) -> bool:
        """Return whether columns of a row hold whole numbers, or nothing; else it is reported.

        Args:
            where: What the row is, for people.
            row: The row.
            *columns: The columns; SQLite takes any value in any of them.
        """
        for name in columns:
            if not isinstance(row[name], int | None):
                why = f"it is left out: {name} is {row[name]!r}, and no whole number"
                self.report(Problem(where, why))
                return False
        return True


def own(rows: list[Row]) -> list[Row]:
    """Return the rows of the workspace that all is in where nobody has made another one."""
    return [row for row in rows if row.get("workspace", DEFAULT_WORKSPACE) == DEFAULT_WORKSPACE]


DEFAULT_WORKSPACE = "default"
"""The workspace that all is in where nobody has made another one."""
