"""Parquet files as the fold writes them, and what is published of them.

Every engine is to read them, so DuckDB does not write them: its packed whole numbers are in
stretches that arrow-rs (DataFusion, delta-rs) cannot skip and Daft cannot read. pyarrow also
says which columns have no nulls and how the rows are sorted, and writes an index of the pages.

What repeats is in a dictionary. Else whole numbers are differences, which for steps and
timestamps are small; of texts there is what differs from the one before, which for ids in order
is half of them. Floats are as they are: to part their bytes saves a tenth, but doubles values
that are rounded, and Spark cannot read it.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow.ids import new_id
from lakeflow.query.engine.columns import column

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    import pyarrow

    from lakeflow.schema import TableSpec

Bounds = tuple[str | int | float, str | int | float]

_BOUND_CHARACTERS = 64
"""Characters of a published bound of text; the files of a fold are listed with their bounds."""


_MOST_PAGE_BYTES = 1 << 23

_FIRST_WITH_FILTERS = 24
"""Arrow whose writer makes Bloom filters."""

_LAST = chr(sys.maxunicode)


@dataclass(frozen=True, slots=True)
class Written:
    """A Parquet file that was written.

    Attributes:
        path: Where it is, on this machine.
        size: Bytes.
        rows: Number of rows.
        bounds: Smallest and largest value by column; none at all where NaN or an infinity
            is among the values.
        nulls: Number of nulls by column, where there are bounds.
    """

    path: str
    size: int
    rows: int
    bounds: Mapping[str, Bounds]
    nulls: Mapping[str, int]


def text_bounds(least: str, most: str) -> Bounds:
    """Return bounds of text that are short, and hold for every reader."""
    # A shortened text is less than the whole one. That is right for the smallest; the largest
    # needs a last character that no text goes beyond, in the place of one that is less.
    end = _BOUND_CHARACTERS
    while most[end : end + 1] == _LAST:
        end += 1
    if end < len(most):
        most = most[:end] + _LAST
    return least[:_BOUND_CHARACTERS], most


def write_files(
    spec: TableSpec,
    batches: pyarrow.RecordBatchReader,
    folder: str,
    constants: Mapping[str, str | int | None] = MappingProxyType({}),
) -> list[Written]:
    """Write rows as files; none where there are no rows.

    Args:
        spec: The table.
        batches: Its rows, in its order, as many as in a row group at once; closed at the end.
        folder: Where to write the files.
        constants: Values of the columns that the batches lack, each the same in all rows.
    """
    files: list[_File] = []
    # Until it is closed it holds what the statement has built.
    with closing(batches):
        for part in row_groups(spec, batches, constants):
            batch = _whole(spec, part, constants)
            if not files or files[-1].rows >= spec.file_rows:
                if files:
                    files[-1].close()
                path = Path(folder, f"part-{new_id()}.parquet")
                files.append(_File(spec, path, _repeating(spec, batch)))
            files[-1].add(batch)
    if files:
        files[-1].close()
    return [file.written() for file in files]


def _whole(
    spec: TableSpec, batch: pyarrow.RecordBatch, constants: Mapping[str, str | int | None]
) -> pyarrow.RecordBatch:
    """Return a batch with the columns that it lacks."""
    import pyarrow

    if not constants:
        return batch
    columns = [
        # Not by ``pyarrow.scalar``, for the reason that ``columns`` has.
        pyarrow.repeat(column(each.type, [constants[each.name]])[0], batch.num_rows)
        if each.name in constants
        else batch.column(each.name)
        for each in spec.columns
    ]
    return pyarrow.RecordBatch.from_arrays(columns, names=[*spec.column_names])


def row_groups(
    spec: TableSpec, batches: Iterable[pyarrow.RecordBatch], constants: Collection[str] = ()
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of batches, all full but the last, as they are to be row groups.

    Where the columns change that a table is parted by, a row group has from a quarter of its
    rows to a quarter more; elsewhere all of them. A column that the batches lack does not
    change.
    """
    parted_by = [name for name in spec.parted_by if name not in constants]
    if not parted_by:
        yield from batches
        return
    least, most = spec.row_group_rows // 4, spec.row_group_rows * 5 // 4
    rows: pyarrow.RecordBatch | None = None
    for batch in batches:
        rows = batch if rows is None else _joined(rows, batch)
        while rows.num_rows > most:
            # With one row more than there may be: that one may begin something else.
            ends = [end for end in _changes(parted_by, rows.slice(0, most + 1)) if end >= least]
            end = ends[-1] if ends else spec.row_group_rows
            yield rows.slice(0, end)
            rows = rows.slice(end)
    if rows is not None:
        # A single change that comes late parts what is left; with more it is small anyway.
        ends = [end for end in _changes(parted_by, rows) if end >= least][-1:]
        for start, end in pairwise((0, *ends, rows.num_rows)):
            yield rows.slice(start, end - start)


def _joined(*batches: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    import pyarrow

    (joined,) = pyarrow.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _changes(names: Iterable[str], rows: pyarrow.RecordBatch) -> list[int]:
    """Return the places of rows that begin something else than the row before."""
    import pyarrow.compute

    places: set[int] = set()
    for name in names:
        column = rows.column(name)
        differs = pyarrow.compute.not_equal(column.slice(1), column.slice(0, len(column) - 1))
        places.update(pyarrow.compute.indices_nonzero(differs).to_pylist())
    return sorted(place + 1 for place in places)


def _rows_a_page(most: int) -> dict[str, int]:
    """Return the argument of Arrow's writer that bounds the rows of a page."""
    import pyarrow

    # Before 23 it knows no such argument. MLflow 2.19 wants an Arrow before 19, which has no
    # bound but the size of a page.
    major = int(pyarrow.__version__.partition(".")[0])
    return {"max_rows_per_page": most} if major >= 23 else {}


def _filters(spec: TableSpec) -> dict[str, Any]:
    """Return the argument of Arrow's writer that asks for Bloom filters."""
    import pyarrow

    if not spec.looked_up or int(pyarrow.__version__.partition(".")[0]) < _FIRST_WITH_FILTERS:
        return {}
    sizes = {name: {"ndv": count, "fpp": 0.05} for name, count in spec.looked_up}
    return {"bloom_filter_options": sizes}


class _File:
    """One file that is written row group by row group."""

    def __init__(self, spec: TableSpec, path: Path, dictionaries: Collection[str]) -> None:
        import pyarrow.parquet

        self.rows = 0
        self._path = path
        self._bounds: dict[str, Bounds] = {}
        self._nulls = {column.name: 0 for column in spec.columns}
        self._has_bounds = True
        self._schema = pyarrow.schema(
            pyarrow.field(column.name, _TYPES[column.type], nullable=column.nullable)
            for column in spec.columns
        )
        self._writer = pyarrow.parquet.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=list(dictionaries),
            # Statistics leave NaN out, and DuckDB takes a column with some for one without NaN:
            # then max() is wrong, and so is a count of what is not NaN.
            write_statistics=[
                column.name for column in spec.columns if column.type != "double"
            ],
            column_encoding={
                column.name: _ENCODINGS[column.type]
                for column in spec.columns
                if column.name not in dictionaries
            },
            data_page_version="2.0",
            # One page for a column of a row group: what repeats is found from end to end.
            data_page_size=_MOST_PAGE_BYTES,
            **_rows_a_page(2 * spec.row_group_rows),
            **_filters(spec),
            write_page_index=True,
            sorting_columns=pyarrow.parquet.SortingColumn.from_ordering(
                self._schema, [(name, "ascending") for name in spec.sort]
            ),
            store_schema=False,
        )

    def add(self, batch: pyarrow.RecordBatch) -> None:
        import pyarrow.compute

        self.rows += batch.num_rows
        # By our schema: that of the engine says of every column that it may be null.
        self._writer.write_batch(
            pyarrow.RecordBatch.from_arrays(batch.columns, schema=self._schema)
        )
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            self._nulls[name] += values.null_count
            found = pyarrow.compute.min_max(values).as_py()
            # Nothing but nulls has no bounds.
            least, most = found["min"], found["max"]
            if least is None:
                continue
            if isinstance(least, float):
                # min_max leaves NaN out, and writers differ in what they publish for it.
                is_nan = pyarrow.compute.any(pyarrow.compute.is_nan(values)).as_py()
                self._has_bounds &= not is_nan and isfinite(least) and isfinite(most)
            known = self._bounds.get(name, (least, most))
            self._bounds[name] = min(known[0], least), max(known[1], most)

    def close(self) -> None:
        self._writer.close()

    def written(self) -> Written:
        size = self._path.stat().st_size
        # All columns or none: deltalake's datasets drop all rows when they filter by a column
        # without bounds in a file whose other columns have them.
        if not self._has_bounds:
            return Written(str(self._path), size, self.rows, {}, {})
        bounds = {name: _shortened(*known) for name, known in self._bounds.items()}
        return Written(str(self._path), size, self.rows, bounds, self._nulls)


def _repeating(spec: TableSpec, batch: pyarrow.RecordBatch) -> list[str]:
    """Return the columns that a dictionary makes smaller, by the first rows."""
    import pyarrow.compute

    return [
        column.name
        for column in spec.columns
        if column.type != "long"
        and 2 * pyarrow.compute.count_distinct(batch.column(column.name)).as_py()
        <= batch.num_rows
    ]


def _shortened(least: str | int | float, most: str | int | float) -> Bounds:
    if isinstance(least, str) and isinstance(most, str):
        return text_bounds(least, most)
    return least, most


_ENCODINGS = {
    "string": "DELTA_BYTE_ARRAY",
    "long": "DELTA_BINARY_PACKED",
    "double": "PLAIN",
}
_TYPES = {"string": "string", "long": "int64", "double": "float64"}
