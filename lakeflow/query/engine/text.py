"""Rows as text, each value as DuckDB writes it: exact numbers, nested values as JSON.

Python takes many times as long, and its JSON has no exact DECIMAL, which is what a sum is.
``COPY`` is no way to write them: it takes standard output for a path, and to open that cuts a
file to which a shell appends.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from lakeflow.query.engine.connection import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import duckdb
    import pyarrow

# Texts are found first, so that what they say is left alone.
_TEXT_OR_NO_NUMBER = re.compile(r'("(?:[^"\\]|\\.)*")|(NaN|-?Infinity)')

_AT_ONCE = 10_000
"""Rows that are in memory as text."""


def cells(rows: pyarrow.Table) -> Iterator[tuple[str | None, ...]]:
    """Return rows as texts, with None for NULL.

    Args:
        rows: The rows. They are read as the texts are asked for.
    """
    import pyarrow
    from duckdb import ColumnExpression, FunctionExpression

    def texts(names: Sequence[str]) -> list[duckdb.Expression]:
        return [
            FunctionExpression("to_json", ColumnExpression(name))
            if pyarrow.types.is_nested(kind)
            else ColumnExpression(name).cast("VARCHAR")
            for name, kind in zip(names, rows.schema.types, strict=True)
        ]

    are_json = [pyarrow.types.is_nested(kind) for kind in rows.schema.types]
    for batch in _selected(rows, texts):
        columns = (
            [text and _strict(text) for text in column.to_pylist()]
            if is_json
            else column.to_pylist()
            for column, is_json in zip(batch.columns, are_json, strict=True)
        )
        yield from zip(*columns, strict=True)


def json_objects(rows: pyarrow.Table) -> Iterator[str]:
    """Return rows as JSON objects.

    NaN and the infinities are the texts "NaN", "Infinity" and "-Infinity", as in the JSON of
    protobuf: JSON has no such numbers, and null would be another value. A name that another
    column has gets a number: an object has it once.

    Args:
        rows: The rows. They are read as the objects are asked for.
    """
    from duckdb import ColumnExpression, FunctionExpression

    def objects(names: Sequence[str]) -> list[duckdb.Expression]:
        # By an expression: SELECT to_json(rows) takes a column named rows for the row.
        columns = [ColumnExpression(name).alias(name) for name in names]
        return [FunctionExpression("to_json", FunctionExpression("struct_pack", *columns))]

    for batch in _selected(rows, objects):
        yield from map(_strict, batch.column(0).to_pylist())


def _strict(text: str) -> str:
    """Return JSON of the engine's with quotes around what JSON has no number for."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return _TEXT_OR_NO_NUMBER.sub(lambda match: match[1] or f'"{match[2]}"', text)


def _selected(
    rows: pyarrow.Table, expressions: Callable[[Sequence[str]], Sequence[duckdb.Expression]]
) -> Iterator[pyarrow.RecordBatch]:
    """Return expressions over the columns of rows, whose names are made unique."""

    def texts(cursor: duckdb.DuckDBPyConnection) -> pyarrow.RecordBatchReader:
        # Else times with a zone are written in that of the machine.
        cursor.execute("SET TimeZone = 'UTC'")
        relation = cursor.from_arrow(rows)
        return relation.select(*expressions(relation.columns)).to_arrow_reader(_AT_ONCE)

    with contextlib.closing(Engine().cursor()) as cursor:
        batches = cursor.call(texts)
        while (batch := cursor.call(lambda _: next(batches, None))) is not None:
            yield batch
