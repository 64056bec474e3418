"""What the log says as tables in the engine's memory, beside the files of the tables.

A hot thing is there whole, so that a reader takes its rows from here and those of every other
thing from the files. Of parts that no document holds only the rows are here that the log has.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lakeflow.kinds.kind import CLOCK, Keep
from lakeflow.query.engine import column_rows
from lakeflow.query.engine.connection import SQL_TYPES, arrow_table, literally, no_rows
from lakeflow.query.engine.statement import quoted, with_tables

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import duckdb
    import pyarrow

    from lakeflow.kinds import Kind, Part
    from lakeflow.query.engine.connection import Cursor, Engine
    from lakeflow.query.engine.statement import Statement
    from lakeflow.schema import TableSpec

Rows = dict[str, list[tuple[Any, ...]]]
"""Rows by table, columns in the table's order."""

_MAIN = "main"
"""DuckDB's name of the schema that a cursor begins in."""


def overlaid(kind: Kind) -> tuple[TableSpec, ...]:
    """Return the tables of a kind whose hot rows are kept."""
    return (*kind.held_tables, *kind.keyed_tables)


def recorded(kind: Kind) -> tuple[TableSpec, ...]:
    """Return the tables of a kind whose hot rows a statement is given that reads them."""
    return tuple(part.table for part in kind.parts if part.keep is Keep.EACH)


class Overlay:
    """Hot rows of one lake; whoever changes them holds a lock.

    Args:
        engine: Whose memory they are in.
        kinds: The kinds of things.
        schema: Of the engine's; one for each snapshot whose rows are kept.
    """

    def __init__(self, engine: Engine, kinds: Sequence[Kind], schema: str = _MAIN) -> None:
        self._engine = engine
        self._kinds = kinds
        self._schema = schema
        self._connections = -1
        self._hot: set[str] = set()

    @property
    def hot(self) -> frozenset[str]:
        """Names of the tables with ids of hot things, and of those that are gone."""
        return frozenset(self._hot)

    def is_lost(self) -> bool:
        """Return whether the engine has begun anew since the rows were put there."""
        return self._connections != self._engine.connections

    def clear(self) -> None:
        """Drop all rows; the tables of a kind are made once it has hot things."""
        self._hot.clear()
        if self.is_lost():
            self._engine.cursor().run(f"CREATE SCHEMA IF NOT EXISTS {self._schema}")
            self._connections = self._engine.connections

    def replace(
        self, kind: Kind, ids: Collection[str], rows: Rows, gone: Collection[str] = ()
    ) -> None:
        """Put the rows of some things in the place of those that were there.

        Args:
            kind: Their kind.
            ids: Their ids.
            rows: The rows.
            gone: Ids of all things of the kind that are gone.
        """
        fresh = {
            spec: arrow_table(spec, rows[spec.name])
            for spec in overlaid(kind)
            if spec.name in rows
        }
        is_new = hot_ids(kind) not in self._hot
        self.cursor().call(
            lambda cursor: _replace(cursor, kind, list(ids), fresh, list(gone), is_new)
        )
        self._hot.add(hot_ids(kind))
        if gone:
            self._hot.add(gone_ids(kind))

    def add(
        self,
        kind: Kind,
        part: Part,
        rows: Sequence[Sequence[Any]],
        orders: Sequence[Any],
        gone: Collection[str],
    ) -> None:
        """Add rows of a part that is held as columns: of a key the last one stays.

        Args:
            kind: The kind.
            part: The part.
            rows: Its new rows, a list a column in the table's order.
            orders: The order of the record of each, as columns named by ``column_rows.ORDER``.
            gone: Ids of all things of the kind that are gone; their rows go.
        """
        new = column_rows.as_table(part.table, rows, orders)
        is_new = hot(part.table) not in self._hot
        self.cursor().call(
            lambda cursor: column_rows.add(
                cursor, hot(part.table), part.table, new, (kind.id, list(gone)), is_new
            )
        )
        self._hot.add(hot(part.table))

    def derive(
        self, kind: Kind, ids: Sequence[str], files: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return the columns of some things that follow from the rows of a part.

        Args:
            kind: The kind.
            ids: Ids of things with hot rows of that part.
            files: Files with other rows of these.
        """
        assert kind.derived is not None
        spec = kind.derived.table
        stored, values = stored_rows(spec, files)
        new = f'FROM {hot(spec)} WHERE list_contains($ids, "{kind.id}")'
        statement = column_rows.derived(kind, new, stored)
        with contextlib.closing(self.cursor()) as cursor:
            table = cursor.table(statement, {"ids": list(ids), **values})
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    def drop(self) -> None:
        """Drop the tables."""
        # A lost schema went with the memory of its connection.
        if not self.is_lost():
            self._engine.cursor().run(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")
        self._connections = -1

    def cursor(self) -> Cursor:
        """Return a cursor to which the hot rows are there by the names of their tables."""
        cursor = self._engine.cursor()
        # Every cursor begins in the usual one: most searches save this statement.
        if self._schema != _MAIN:
            cursor.run(f"SET schema = '{self._schema}'")
        return cursor

    def pinned(self) -> Cursor:
        """Return a cursor that goes on seeing the hot rows of now."""
        cursor = self.cursor()
        if self._hot:
            # DuckDB's transaction begins with the first table that is read, and not with BEGIN.
            cursor.run(f"BEGIN; SELECT count(*) FROM {min(self._hot)}")  # noqa: S608
        return cursor


def _replace(
    cursor: duckdb.DuckDBPyConnection,
    kind: Kind,
    ids: list[str],
    fresh: Mapping[TableSpec, pyarrow.Table],
    gone: list[str],
    is_new: bool,
) -> None:
    if is_new:
        # ``clear`` forgets the tables of the fold before and drops none, so these replace them.
        cursor.execute(f"CREATE OR REPLACE TABLE {hot_ids(kind)} (id VARCHAR)")
        for spec in fresh:
            columns = ", ".join(
                f'"{column.name}" {SQL_TYPES[column.type]}' for column in spec.columns
            )
            cursor.execute(f"CREATE OR REPLACE TABLE {hot(spec)} ({columns})")
    # A search in another thread sees the rows of before or those of now, and no mixture.
    cursor.execute("BEGIN")
    tables = [(hot_ids(kind), "id"), *((hot(spec), kind.id) for spec in fresh)]
    for name, identity in () if is_new else tables:
        cursor.execute(
            f"DELETE FROM {name} WHERE list_contains($ids, {identity})",  # noqa: S608
            {"ids": ids},
        )
    cursor.execute(f"INSERT INTO {hot_ids(kind)} SELECT unnest($ids)", {"ids": ids})
    if gone:
        cursor.execute(
            f"CREATE OR REPLACE TABLE {gone_ids(kind)} AS SELECT unnest($ids) AS id",
            {"ids": gone},
        )
    for spec, rows in fresh.items():
        if rows.num_rows:
            cursor.register("new_rows", rows)
            cursor.execute(f"INSERT INTO {hot(spec)} SELECT * FROM new_rows")  # noqa: S608
    cursor.execute("COMMIT")


def hot(spec: TableSpec) -> str:
    """Return the name of the table with the hot rows of a table."""
    return f"hot_{spec.name}"


def hot_ids(kind: Kind) -> str:
    """Return the name of the table with the ids of hot things, gone ones among them."""
    return f"hot_ids_of_{kind.name}"


def gone_ids(kind: Kind) -> str:
    """Return the name of the table with the ids of things that the log says are gone."""
    return f"gone_ids_of_{kind.name}"


def whole(
    kind: Kind,
    spec: TableSpec,
    stored: str,
    is_hot: Collection[str],
    schema: str = "",
    *,
    with_removed: bool = False,
) -> str:
    """Return the query for the rows of a table, files and log laid over one another.

    Args:
        kind: Its kind.
        spec: The table.
        stored: What reads its files; empty if there are none.
        is_hot: Names of the tables with ids that there are.
        schema: Where the hot tables are, with the dot; empty for the current one.
        with_removed: Whether rows that stay as removed ones are among them.
    """
    beside = fresh(kind, spec, stored, is_hot, schema, with_removed=with_removed)
    if not stored:
        return beside
    rows = f"SELECT {quoted(spec.column_names)} FROM {stored} AS stored"  # noqa: S608
    # What an owner's removal hides need not be hot itself: no record of the log names it.
    for each in kind.owners:
        if gone_ids(each) in is_hot:
            rows += _without(f"{schema}{gone_ids(each)}", each.id)
    part = kind.part(spec)
    but_removed = _but_removed(part, with_removed)
    if hot_ids(kind) not in is_hot:
        return rows + but_removed
    if spec in kind.keyed_tables:
        keys = replaced_keys(kind, spec, stored, schema)
        if keys:
            rows += f" ANTI JOIN ({keys}) AS known USING ({quoted(spec.key)})"
    # A hot thing has all of its rows here, but of its points only those that the log has.
    elif part is None or part.keep is not Keep.EACH:
        rows += _without(f"{schema}{hot_ids(kind)}", kind.id)
    return f"{rows}{but_removed} UNION ALL {beside}"


def _but_removed(part: Part | None, with_removed: bool) -> str:
    """Return what leaves out rows that are kept in a table as removed ones, if it is to."""
    if with_removed or part is None or not part.removed_by_null:
        return ""
    return f' WHERE "{part.removed_by_null}" IS NOT NULL'


def fresh(
    kind: Kind,
    spec: TableSpec,
    stored: str,
    is_hot: Collection[str],
    schema: str = "",
    *,
    with_removed: bool = False,
) -> str:
    """Return the query for the hot rows of a table that are shown beside those of its files.

    The arguments are those of ``whole``.
    """
    if hot_ids(kind) not in is_hot:
        return no_rows(spec)
    rows = f"SELECT {quoted(spec.column_names)} FROM {schema}{hot(spec)} AS fresh"  # noqa: S608
    part = kind.part(spec)
    if spec not in kind.keyed_tables or part is None:
        return rows
    return rows + _without_beaten(spec, part, stored) + _but_removed(part, with_removed)


def _without_beaten(spec: TableSpec, part: Part, stored: str) -> str:
    """Return what leaves out hot rows in whose place a stored one stays; empty for none."""
    if stored and part.keep is Keep.FIRST:
        # What is stored was folded before the log beyond it, and the first row stays.
        return f" ANTI JOIN {stored} AS known USING ({quoted(spec.key)})"
    if not stored or CLOCK not in spec.column_names:
        return ""
    # The log may have a record that was made before one that is folded: a copy, or one of a
    # machine whose clock is late.
    same = " AND ".join(f'known."{name}" = fresh."{name}"' for name in spec.key)
    return f" ANTI JOIN {stored} AS known ON {same} AND known.{CLOCK} > fresh.{CLOCK}"


def replaced_keys(kind: Kind, spec: TableSpec, stored: str, schema: str = "") -> str:
    """Return the query for the keys whose rows in the files do not count; empty for none.

    Args:
        kind: The kind.
        spec: A table of its keyed ones; it has hot rows.
        stored: What reads its files; empty if there are none.
        schema: Where the hot rows are, with the dot; empty for the current one.
    """
    part = kind.part(spec)
    if part is None or part.keep is Keep.FIRST:
        return ""
    # A hot row that removes its key is not shown, but it hides the stored row of the key.
    beaten = _without_beaten(spec, part, stored)
    return f"SELECT {quoted(spec.key)} FROM {schema}{hot(spec)} AS fresh{beaten}"  # noqa: S608


def _without(ids: str, column: str) -> str:
    name = ids.rpartition(".")[2]
    return f" ANTI JOIN {ids} AS {name} ON {name}.id = stored.{column}"


def stored_rows(spec: TableSpec, files: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return what reads the files of a table, empty for none, and what is bound to it."""
    if not files:
        return "", {}
    name = f"files_{spec.name}"
    return f"read_parquet(${name}, hive_partitioning = false)", {name: literally(files)}


def loaded_rows(table: str) -> str:
    """Return the name of the table with those rows of a table's files that a search needs."""
    return f"loaded_{table}"


def sources(
    kinds: Iterable[Kind],
    tables: Collection[str],
    files: Mapping[str, Sequence[str]],
    is_hot: Collection[str],
    loaded: Collection[str] = (),
    with_removed: Collection[str] = (),
) -> tuple[dict[str, str], dict[str, Any]]:
    """Return queries for tables.

    Args:
        kinds: The kinds of things.
        tables: Names of the tables.
        files: The files of each.
        is_hot: Names of the tables with ids that there are.
        loaded: Names of the tables for whose files ``loaded_rows`` stand in.
        with_removed: Names of those whose removed rows are read too.

    Returns:
        The query of each, and what is bound to their parameters.
    """
    parts: dict[str, str] = {}
    values: dict[str, Any] = {}
    for kind in kinds:
        for spec in (*overlaid(kind), *recorded(kind)):
            if spec.name not in tables:
                continue
            if spec.name in loaded:
                stored = loaded_rows(spec.name)
            else:
                stored, given = stored_rows(spec, files[spec.name])
                values |= given
            removed = spec.name in with_removed
            parts[spec.name] = whole(kind, spec, stored, is_hot, with_removed=removed)
    return parts, values


def stored(
    kinds: Iterable[Kind], statement: Statement, files: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, Any]]:
    """Return the relation of a statement over files alone, and what is bound to it."""
    tables, values = sources(kinds, statement.joined, files, ())
    return with_tables(tables, statement.relation), values | statement.related


def laid_over(
    kinds: Iterable[Kind],
    statement: Statement,
    files: Mapping[str, Sequence[str]],
    is_hot: Collection[str],
    kept: str | None = None,
    loaded: Collection[str] = (),
) -> tuple[str, dict[str, Any]]:
    """Return a statement over files with the hot rows before them, and what is bound to it.

    Args:
        kinds: The kinds of things.
        statement: The statement.
        files: The files of each of its tables.
        is_hot: Names of the tables with ids that there are.
        kept: Table with the rows of ``stored``; None to read the files.
        loaded: Names of the tables for whose files ``loaded_rows`` stand in.
    """
    if kept is None:
        removed = statement.with_removed
        tables, values = sources(kinds, statement.tables, files, is_hot, loaded, removed)
        return statement.text(tables), values | statement.related | statement.values
    # The kept table has the stored rows of the joined tables already, so that only the hot rows
    # of these are read beside it.
    files = {name: () if name in statement.joined else files[name] for name in files}
    relation, related = f"SELECT * FROM {kept} AS stored", {}  # noqa: S608 - a name of ours
    (kind,) = (each for each in kinds if each.row.name == statement.searched)
    has_hot = hot_ids(kind) in is_hot
    if has_hot:
        relation += f"{_without(hot_ids(kind), kind.id)} UNION ALL {statement.relation}"
        related = statement.related
    read = statement.tables if has_hot else sorted({*statement.tables} - {*statement.joined})
    tables, values = sources(kinds, read, files, is_hot)
    return statement.text(tables, relation), values | related | statement.values
