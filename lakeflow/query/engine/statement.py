"""A statement of DuckDB over named tables, with what is bound to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@frozen
class Statement:
    """SQL with what is bound to its parameters.

    Attributes:
        sql: The text, which may read ``searched``.
        values: Value by name of the parameter.
        tables: Tables that it or the relation reads.
        joined: Those of them that the relation reads.
        relation: What ``searched`` is: all that is compared or sorted by, a row for each thing
            that is searched, whatever the condition and the order; empty if it is not read.
        related: Value by name of the parameter, for those of the relation.
        keys: Number of columns after the id that hold the sort position.
        patterns: Regular expressions of the user's among the values.
        named: For a table of keys its column of them, and which are read; where the table is
            not there, any.
        within: For tables of which only rows within ranges of columns are read, those.
        present: For tables of which only rows with something in a column are read, that column.
        with_removed: Tables of which those rows are read too that stay there as removed ones.
        searched: The table whose rows it is about; empty where ``searched`` is not read.
        order: What rows of the relation are sorted by where nobody asks for anything else, of
            its columns; empty where these do not have it.
    """

    sql: str
    values: dict[str, Any]
    tables: tuple[str, ...]
    joined: tuple[str, ...] = ()
    relation: str = ""
    related: dict[str, Any] = field(default_factory=dict)
    keys: int = 0
    patterns: tuple[str, ...] = ()
    named: Mapping[str, tuple[str, Sequence[str]]] = field(default_factory=dict)
    present: Mapping[str, str] = field(default_factory=dict)
    with_removed: tuple[str, ...] = ()
    within: Mapping[str, Mapping[str, Sequence[tuple[int, int]]]] = field(default_factory=dict)
    searched: str = ""
    order: str = ""

    def text(self, tables: Mapping[str, str], relation: str = "") -> str:
        """Return the whole text.

        Args:
            tables: The query of each table that is not there by its name.
            relation: What to read instead of the relation.
        """
        if not self.relation:
            return with_tables(tables, self.sql)
        return with_tables({**tables, "searched": relation or self.relation}, self.sql)


def with_tables(tables: Mapping[str, str], sql: str) -> str:
    """Return a statement that reads queries by names."""
    # Else DuckDB first gathers what all uses of a query want, such as params for two keys, and
    # filters that for each of them.
    parts = (f"{name} AS NOT MATERIALIZED ({query})" for name, query in tables.items())
    return f"WITH {', '.join(parts)}\n{sql}" if tables else sql


def quoted(names: Iterable[str]) -> str:
    """Return names of columns as SQL writes them, with commas."""
    return ", ".join(f'"{name}"' for name in names)
