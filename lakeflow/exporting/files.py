"""Rows as Parquet and CSV files on this machine, a file at a time."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.query.folding.parquet import write_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow

    from lakeflow.schema import TableSpec


class Exported(NamedTuple):
    """A file that was written.

    Attributes:
        path: Where it is, on this machine.
        rows: Number of rows.
        size: Bytes.
    """

    path: str
    rows: int
    size: int


def written(
    ending: str, spec: TableSpec, batches: Iterator[pyarrow.RecordBatch], folder: str
) -> Iterator[Exported]:
    """Yield files with the rows of a table; one without rows where there are none.

    Args:
        ending: ``parquet`` or ``csv``.
        spec: The table.
        batches: Its rows, in its order, as many as in a row group at once.
        folder: Where to write them; each is there until the next one is asked for.
    """
    write = _WRITERS[ending]
    whole = max(1, spec.file_rows // spec.row_group_rows)
    first = next(batches, None)
    rows = iter([_nothing(spec)]) if first is None else itertools.chain([first], batches)
    # One iterator for both: the loop goes on where the file before has ended.
    for batch in rows:
        yield write(spec, itertools.chain([batch], itertools.islice(rows, whole - 1)), folder)


def _nothing(spec: TableSpec) -> pyarrow.RecordBatch:
    """Return a batch without rows: a file of it still says which columns there are."""
    import pyarrow

    return pyarrow.RecordBatch.from_pylist([], schema=_schema(spec))


def _parquet(spec: TableSpec, batches: Iterator[pyarrow.RecordBatch], folder: str) -> Exported:
    # A generator, since it is closed at the end, which a chain cannot be.
    (file,) = write_files(spec, (batch for batch in batches), folder)
    return Exported(file.path, file.rows, file.size)


def _csv(spec: TableSpec, batches: Iterator[pyarrow.RecordBatch], folder: str) -> Exported:
    import pyarrow
    import pyarrow.csv

    path, rows = Path(folder, "part.csv"), 0
    schema = _schema(spec)
    with pyarrow.csv.CSVWriter(path, schema) as writer:
        for batch in batches:
            rows += batch.num_rows
            writer.write_batch(pyarrow.RecordBatch.from_arrays(batch.columns, schema=schema))
    return Exported(str(path), rows, path.stat().st_size)


def _schema(spec: TableSpec) -> pyarrow.Schema:
    import pyarrow

    types = {"string": pyarrow.string(), "long": pyarrow.int64(), "double": pyarrow.float64()}
    return pyarrow.schema([(column.name, types[column.type]) for column in spec.columns])


_WRITERS: dict[str, Callable[[TableSpec, Iterator[pyarrow.RecordBatch], str], Exported]] = {
    "parquet": _parquet,
    "csv": _csv,
}
