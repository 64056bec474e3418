"""What readers of MLflow's database need of it, whichever SQL it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError, InvalidStateError
from lakeflow.importing.items import Problem
from lakeflow.importing.sources.mlflow.schemas import KNOWN_SCHEMAS, OLD_SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]

_LEAST_TABLES = {"alembic_version", "runs", "metrics"}


class StoreTables:
    """A database of MLflow's.

    In the statements that it is given a colon stands before the name of each value, and names
    that are words of SQL are in double quotes.

    Args:
        place: What the database is called in errors.

    Attributes:
        place: The same.
        tables: The tables that there are: older databases lack some.
        report: Told of what is broken.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.tables: set[str] = set()
        self.report: Callable[[Problem], None] = lambda _: None

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self.report = report

    def rows(self, query: str, /, **values: object) -> list[Row]:
        """Return the rows of a statement.

        Args:
            query: The statement.
            **values: Value by name.
        """
        raise NotImplementedError

    def batches(self, query: str, most: int, /, **values: object) -> Iterator[list[Row]]:
        """Yield the rows of a statement as they are read: for what no index has in order.

        Args:
            query: The statement.
            most: Rows at once.
            **values: Value by name.
        """
        raise NotImplementedError

    def chunks(
        self, query: str, most: int, /, **values: object
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the same as tuples, which take less time: for what there is very much of."""
        raise NotImplementedError

    def tuples(self, query: str, /, **values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement as tuples."""
        return [row for rows in self.chunks(query, _ROWS_AT_ONCE, **values) for row in rows]

    def require_known(self) -> None:
        """Make sure that the schema is one that is known; ``tables`` is.

        Raises:
            InvalidInputError: It is none of MLflow's.
            InvalidStateError: It is a newer one, or a very old one.
        """
        if not self.tables >= _LEAST_TABLES:
            raise InvalidInputError(
                f"{self.place} is no database of MLflow's: it has no such tables",
                hint="give the one that MLflow's --backend-store-uri names",
            )
        versions = self.tuples("SELECT version_num FROM alembic_version")
        (version,) = versions[0] if versions else ("none",)
        if version in KNOWN_SCHEMAS:
            return
        if version in OLD_SCHEMAS:
            raise InvalidStateError(
                f"{self.place} has the schema {version}, which MLflow had before 1.26",
                hint="`mlflow db upgrade` of MLflow 2 or 3 upgrades it; upgrade a copy",
            )
        raise InvalidStateError(
            f"{self.place} has the schema {version!r}, which is newer than this lakeflow knows",
            hint="upgrade lakeflow; nothing was written",
        )

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

_ROWS_AT_ONCE = 1_000
