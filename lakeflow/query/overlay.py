"""The hot runs as tables in the engine's memory, beside the files of the tables.

A hot run is there whole, so that a reader takes its rows from here and those of every other
run from the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.query.compile import with_tables
from lakeflow.query.engine import SQL_TYPES, arrow_table, no_rows
from lakeflow.tables import INPUTS, LATEST_METRICS, PARAMS, RUNS, TAGS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import duckdb

    from lakeflow.query.compile import Statement
    from lakeflow.query.engine import Engine
    from lakeflow.tables import TableSpec

OVERLAID = (RUNS, PARAMS, TAGS, INPUTS, LATEST_METRICS)
"""Tables whose hot rows are kept."""

Rows = dict[str, list[tuple[Any, ...]]]
"""Rows by table, columns in the table's order."""


class Overlay:
    """Hot rows of one lake; whoever changes them holds a lock.

    Args:
        engine: Whose memory they are in.
        schema: Of the engine's; one for each moment whose rows are kept.
    """

    def __init__(self, engine: Engine, schema: str = "main") -> None:
        self._engine = engine
        self._schema = schema
        self._connections = -1
        self.is_empty = True

    def is_lost(self) -> bool:
        """Return whether the engine has begun anew since the rows were put there."""
        return self._connections != self._engine.connections

    def clear(self) -> None:
        """Drop all rows."""
        self._engine.cursor().execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
        cursor = self.cursor()
        for spec in OVERLAID:
            columns = ", ".join(
                f'"{column.name}" {SQL_TYPES[column.type]}' for column in spec.columns
            )
            cursor.execute(f"CREATE OR REPLACE TABLE {hot(spec)} ({columns})")
        self._connections = self._engine.connections
        self.is_empty = True

    def replace(self, run_ids: Collection[str], rows: Rows) -> None:
        """Put the rows of some runs in the place of those that were there."""
        cursor = self.cursor()
        cursor.execute("BEGIN")
        for spec in OVERLAID:
            if not self.is_empty:
                cursor.execute(
                    f"DELETE FROM {hot(spec)} WHERE list_contains($ids, run_id)",  # noqa: S608
                    {"ids": list(run_ids)},
                )
            if rows[spec.name]:
                cursor.register("new_rows", arrow_table(spec, rows[spec.name]))
                cursor.execute(f"INSERT INTO {hot(spec)} SELECT * FROM new_rows")  # noqa: S608
        cursor.execute("COMMIT")
        self.is_empty = False

    def drop(self) -> None:
        """Drop the tables."""
        if not self.is_lost():
            self._engine.cursor().execute(f"DROP SCHEMA {self._schema} CASCADE")
        self._connections = -1

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor to which the hot rows are there by the names of their tables."""
        cursor = self._engine.cursor()
        cursor.execute(f"SET schema = '{self._schema}'")
        return cursor

    def pinned(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor that goes on seeing the hot rows of now."""
        cursor = self.cursor()
        if not self.is_empty:
            cursor.execute("BEGIN")
            cursor.execute(f"SELECT count(*) FROM {hot(RUNS)}").fetchall()  # noqa: S608
        return cursor


def hot(spec: TableSpec) -> str:
    """Return the name of the table with the hot rows of a table."""
    return f"hot_{spec.name}"


def sources(
    tables: Sequence[str], files: Mapping[str, Sequence[str]], *, has_hot: bool
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return queries for tables.

    Args:
        tables: Which.
        files: The files of each.
        has_hot: Whether there are hot runs.

    Returns:
        The query of each, and what is bound to their parameters.
    """
    parts, values = {}, {}
    for spec in OVERLAID:
        if spec.name not in tables:
            continue
        filed = (
            f"SELECT {', '.join(_quoted(spec))} "  # noqa: S608
            f"FROM read_parquet($files_{spec.name}, hive_partitioning = false)"
        )
        fresh = f"SELECT * FROM {hot(spec)}"  # noqa: S608
        if files[spec.name]:
            values[f"files_{spec.name}"] = list(files[spec.name])
        if not files[spec.name]:
            rows = fresh if has_hot else no_rows(spec)
        elif has_hot:
            rows = f"{filed} ANTI JOIN {hot(RUNS)} USING (run_id) UNION ALL {fresh}"
        else:
            rows = filed
        parts[spec.name] = rows
    return parts, values


def stored(
    statement: Statement, files: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, Any]]:
    """Return the relation of a statement over files alone, and what is bound to it."""
    tables, values = sources(statement.joined, files, has_hot=False)
    return with_tables(tables, statement.relation), values | statement.related


def laid_over(
    statement: Statement,
    files: Mapping[str, Sequence[str]],
    *,
    has_hot: bool,
    kept: str | None = None,
) -> tuple[str, dict[str, Any]]:
    """Return a statement over files with the hot rows before them, and what is bound to it.

    Args:
        statement: The statement.
        files: The files of each of its tables.
        has_hot: Whether there are hot runs.
        kept: Table with the rows of ``stored``; None to read the files.
    """
    if kept is None:
        tables, values = sources(statement.tables, files, has_hot=has_hot)
        return statement.text(tables), values | statement.related | statement.values
    files = {name: () if name in statement.joined else files[name] for name in files}
    relation, related = f"SELECT * FROM {kept}", {}  # noqa: S608 - a name of ours
    if has_hot:
        relation += f" ANTI JOIN {hot(RUNS)} USING (run_id) UNION ALL {statement.relation}"
        related = statement.related
    read = statement.tables if has_hot else sorted({*statement.tables} - {*statement.joined})
    tables, values = sources(read, files, has_hot=has_hot)
    return statement.text(tables, relation), values | related | statement.values


def _quoted(spec: TableSpec) -> list[str]:
    return [f'"{name}"' for name in spec.column_names]
