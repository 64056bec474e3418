"""Hot rows that are kept as columns: in the engine, and what follows from them there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.query.engine.columns import column as arrow_column
from lakeflow.query.engine.columns import table
from lakeflow.query.engine.connection import SQL_TYPES
from lakeflow.query.engine.shipped import shipped
from lakeflow.query.engine.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow

    from lakeflow.kinds import Kind
    from lakeflow.schema import TableSpec
    from lakeflow.schema.spec import Type

ORDER: dict[str, Type] = {"clock": "long", "writer": "string", "seq": "long", "place": "long"}
"""Columns beside those of a table: the order of the record of each row."""


def as_table(
    spec: TableSpec, rows: Sequence[Sequence[Any]], orders: Sequence[Sequence[Any]]
) -> pyarrow.Table:
    """Return rows with their orders, both as columns, as an Arrow table."""
    columns = zip(_types(spec).items(), (*rows, *orders), strict=True)
    return table({name: arrow_column(kind, values) for (name, kind), values in columns})


def _types(spec: TableSpec) -> dict[str, Type]:
    # A table that has clocks has those of the order.
    return {each.name: each.type for each in spec.columns if each.name not in ORDER} | ORDER


def add(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    spec: TableSpec,
    rows: pyarrow.Table,
    gone: tuple[str, list[str]],
    is_new: bool,
) -> None:
    """Put rows into a table of the engine: of a key the last one by the order stays.

    Args:
        cursor: Of the engine.
        name: The table there.
        spec: What it has the rows of.
        rows: Its new rows, as ``as_table`` returns them.
        gone: A column, and those of its values whose rows go.
        is_new: Whether the table is to be made.
    """
    key = quoted(spec.key)
    if is_new:
        columns = ", ".join(
            f'"{each}" {SQL_TYPES[kind]}' for each, kind in _types(spec).items()
        )
        cursor.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
    cursor.register("new_rows", rows)
    order = ", ".join(f"{each} DESC" for each in ORDER)
    # A search in another thread sees the rows of before or those of now, and no mixture.
    cursor.execute("BEGIN")
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE last_rows AS FROM new_rows "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {order}) = 1"
    )
    same = " AND ".join(f'old."{each}" = new."{each}"' for each in spec.key)
    older, newer = (
        f"({', '.join(f'{each}.{part}' for part in ORDER)})" for each in ("old", "new")
    )
    # Records come in any order, so that what is there may be of a later one.
    cursor.execute(
        f"DELETE FROM last_rows AS new USING {name} AS old "  # noqa: S608
        f"WHERE {same} AND {older} > {newer}"
    )
    cursor.execute(f"DELETE FROM {name} AS old USING last_rows AS new WHERE {same}")  # noqa: S608
    cursor.execute(f"INSERT INTO {name} FROM last_rows")
    column, ids = gone
    if ids:
        cursor.execute(
            f'DELETE FROM {name} WHERE list_contains($ids, "{column}")',  # noqa: S608
            {"ids": ids},
        )
    cursor.execute("COMMIT")


def derived(kind: Kind, new: str, stored: str) -> str:
    """Return the query for what follows of things from the rows of a part.

    Args:
        kind: Their kind.
        new: The query for new rows of the part.
        stored: What reads files with other rows of the same things; empty if there are none.
    """
    assert kind.derived is not None
    spec = kind.derived.table
    columns = quoted(spec.column_names)
    rows = f"SELECT {columns} FROM ({new})"  # noqa: S608
    if stored:
        # A row that came again is stored too. Both would be counted in what follows from them.
        rows += (
            f" UNION ALL SELECT {columns} FROM {stored} "  # noqa: S608
            f'SEMI JOIN ({new}) AS new USING ("{kind.id}") '
            f"ANTI JOIN ({new}) AS newer USING ({quoted(spec.key)})"
        )
    return f"WITH {spec.name} AS ({rows}) FROM ({shipped('derived', kind.row.name)})"
