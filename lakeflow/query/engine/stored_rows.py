"""Rows of a table's files as they are stored, a dictionary each, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.kinds.kind import IDENTITY
from lakeflow.query.engine.connection import literally
from lakeflow.query.engine.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeflow.query.engine.connection import Cursor
    from lakeflow.schema import TableSpec

_ROWS_AT_ONCE = 10_000


def rows_by_record(
    cursor: Cursor, table: TableSpec, files: Sequence[str], but_of: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield rows of a part whose records all stay, by record, in their order there.

    Args:
        cursor: What reads them, and nothing else meanwhile.
        table: The table.
        files: Its files.
        but_of: Writers of whose records no row is wanted.
    """
    rows = (
        f"SELECT {quoted(table.column_names)} "  # noqa: S608 - constants
        "FROM read_parquet($files, hive_partitioning = false) "
        "WHERE NOT list_contains($but_of, writer) "
        f"ORDER BY {quoted(IDENTITY)}"
    )
    return _rows(cursor, rows, {"files": literally(files), "but_of": list(but_of)})


def rows_by_thing(
    cursor: Cursor, table: TableSpec, files: Sequence[str], order: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of some files of a table, ordered by columns.

    Args:
        cursor: What reads them, and nothing else meanwhile.
        table: The table.
        files: Its files.
        order: The columns.
    """
    rows = (
        f"SELECT {quoted(table.column_names)} "  # noqa: S608 - constants
        "FROM read_parquet($files, hive_partitioning = false) "
        f"ORDER BY {quoted(order)}"
    )
    return _rows(cursor, rows, {"files": literally(files)})


def _rows(cursor: Cursor, query: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    batches = cursor.call(
        lambda each: each.sql(query, params=values).to_arrow_reader(_ROWS_AT_ONCE)
    )
    while True:
        try:
            batch = cursor.call(lambda _: batches.read_next_batch())
        except StopIteration:
            return
        yield from batch.to_pylist()
