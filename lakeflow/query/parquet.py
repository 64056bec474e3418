"""Parquet files as the fold writes them: what is published of them, and small row groups."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow

    from lakeflow.tables import TableSpec

Bounds = tuple[str | int | float, str | int | float]

_BOUND_CHARACTERS = 64

_GROUP_BYTES = 4 * 1024 * 1024


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


def new_name() -> str:
    """Return a name for a data file that no other has."""
    return f"part-{new_id()}.parquet"


def text_bounds(least: str, most: str) -> Bounds:
    """Return bounds of text that are short, and hold for every reader."""
    if len(most) > _BOUND_CHARACTERS:
        most = most[:_BOUND_CHARACTERS] + chr(sys.maxunicode)
    return least[:_BOUND_CHARACTERS], most


def write_small_groups(
    spec: TableSpec, batches: Iterable[pyarrow.RecordBatch], folder: str
) -> list[Written]:
    """Write rows of text in row groups that are smaller than DuckDB can write them.

    Args:
        spec: A table that has only columns of text, none of them null.
        batches: Its rows, in order.
        folder: Where to write the files.
    """
    files: list[_SmallGroups] = []
    for batch in batches:
        for group in _groups(batch, spec.row_group_rows):
            if not files or files[-1].rows >= spec.file_rows:
                if files:
                    files[-1].close()
                files.append(_SmallGroups(Path(folder, new_name()), batch.schema))
            files[-1].add(group)
    if files:
        files[-1].close()
    return [file.written() for file in files]


def _groups(batch: pyarrow.RecordBatch, rows: int) -> Iterator[pyarrow.RecordBatch]:
    for start in range(0, batch.num_rows, rows):
        group = batch.slice(start, rows)
        step = max(1, rows * _GROUP_BYTES // max(group.nbytes, _GROUP_BYTES))
        yield from (group.slice(first, step) for first in range(0, group.num_rows, step))


class _SmallGroups:
    """One file that is written row group by row group."""

    def __init__(self, path: Path, schema: pyarrow.Schema) -> None:
        import pyarrow.parquet

        self.rows = 0
        self._path = path
        self._bounds: dict[str, tuple[str, str]] = {}
        self._writer = pyarrow.parquet.ParquetWriter(
            path,
            schema,
            compression="zstd",
            use_dictionary=False,
            write_statistics=["run_id", "experiment_id"],
            data_page_version="2.0",
            store_schema=False,
        )

    def add(self, group: pyarrow.RecordBatch) -> None:
        import pyarrow.compute

        self.rows += group.num_rows
        self._writer.write_batch(group)
        for name in group.schema.names:
            found = pyarrow.compute.min_max(group.column(name)).as_py()
            least, most = self._bounds.get(name, (found["min"], found["max"]))
            self._bounds[name] = min(least, found["min"]), max(most, found["max"])

    def close(self) -> None:
        self._writer.close()

    def written(self) -> Written:
        bounds = {name: text_bounds(*known) for name, known in self._bounds.items()}
        nulls = dict.fromkeys(bounds, 0)
        return Written(str(self._path), self._path.stat().st_size, self.rows, bounds, nulls)
