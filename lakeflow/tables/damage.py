"""Which file of a table is damaged: looked for once a statement over the files has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.schema.spec import Type
    from lakeflow.tables.delta import Table
    from lakeflow.tables.folds import Fold

# Other tools may have rewritten a table, and there are three types of text among them.
_ARROW_TYPES: Mapping[Type, frozenset[str]] = {
    "string": frozenset({"string", "large_string", "string_view"}),
    "long": frozenset({"int64"}),
    "double": frozenset({"double"}),
}


def require_readable(
    fs: Filesystem, tables: Iterable[Table], fold: Fold, *, footers_only: bool = False
) -> None:
    """Read the files of tables, one after another, until one is found that cannot be read.

    Args:
        fs: The lake's filesystem.
        tables: The tables.
        fold: The fold that says which files they have.
        footers_only: Whether to look at the columns alone.

    Raises:
        DamagedLakeError: A file is not there, cannot be read, or lacks a column; it is named.
    """
    for table in tables:
        for file in fold.files.get(table.spec.name, ()):
            path = f"{table.folder}/{file.path}"
            why = _damage(fs, path, table, footers_only=footers_only)
            if why:
                raise DamagedLakeError(
                    f"{path} in {fs.uri} is damaged: {why}",
                    hint="restore this file from a backup; nothing of the lake was touched",
                )


def _damage(fs: Filesystem, path: str, table: Table, *, footers_only: bool) -> str | None:
    import pyarrow
    from pyarrow import parquet

    try:
        # What keeps it from being read, such as too many open files, is no damage.
        content = fs.read(path)
    except FileNotFoundError as error:
        return str(error)
    try:
        opened = parquet.ParquetFile(pyarrow.BufferReader(content))
        wrong = _wrong_column(table, opened.schema_arrow)
        if wrong is None and not footers_only:
            for _ in opened.iter_batches(columns=list(table.spec.column_names)):
                pass
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        return str(error)
    return wrong


def _wrong_column(table: Table, found: pyarrow.Schema) -> str | None:
    """Return what is wrong with the columns of a file; more of them than are known is fine."""
    for column in table.spec.columns:
        if column.name not in found.names:
            return f"it has no column {column.name!r}"
        kind = str(found.field(column.name).type)
        if kind not in _ARROW_TYPES[column.type]:
            return f"its column {column.name!r} is of type {kind}, and not {column.type}"
    return None
