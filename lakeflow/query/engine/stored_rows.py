"""Rows of a table's files as they are stored, some columns at a time, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.query.engine.connection import literally
from lakeflow.query.engine.statement import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow

    from lakeflow.query.engine.connection import Cursor
    from lakeflow.schema import TableSpec

_ROWS_AT_ONCE = 10_000


def rows_of_files(
    cursor: Cursor,
    table: TableSpec,
    files: Sequence[str],
    order: Sequence[str],
    but_of: Sequence[str] = (),
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of some files of a table.

    Args:
        cursor: What reads them, and nothing else meanwhile.
        table: The table.
        files: Its files.
        order: The columns that they are ordered by.
        but_of: Writers of whose records no row is wanted, of a part whose records all stay.
    """
    values: dict[str, Any] = {"files": literally(files)}
    wanted = ""
    if but_of:
        values["but_of"] = list(but_of)
        wanted = "WHERE NOT list_contains($but_of, writer)"
    rows = (
        f"SELECT {quoted(table.column_names)} "  # noqa: S608 - constants
        f"FROM read_parquet($files, hive_partitioning = false) {wanted} "
        f"ORDER BY {quoted(order)}"
    )
    yield from cursor.batches(rows, _ROWS_AT_ONCE, values)
