"""Rows on this machine's disk, found by the run that they are of.

The rows of a run may be anywhere in the files that are read. Each batch is sorted by run before
it is written, so that a run is a few slices, which need no copy.
"""

from __future__ import annotations

import contextlib
import os
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import temporary
from lakeflow.importing.sources.spilling import spilling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy
    import pyarrow

_OPEN_FILES = 64
_OPEN_BATCHES = 512

_FIELDS = 4


class Run(NamedTuple):
    """Rows of a run, in the order in which they were read.

    Attributes:
        value: What the source calls it.
        file: Number of the file in which it begins.
    """

    value: str
    file: int


class SpilledRows:
    """Writes batches, then reads the rows of each run; its files are gone once it is closed."""

    def __init__(self) -> None:
        self._folder, self._owner = temporary.make("import"), os.getpid()
        self._numbers: dict[str, int] = {}
        self._runs: list[Run] = []
        # For each slice its run; for each its file, batch, first row and number of rows.
        self._owners = array("q")
        self._slices = array("q")
        self._writer: Any = None
        self._schema: Any = None
        self._parts = 0
        self._batches = 0
        # After that by run; then it is said where those of each run end.
        self._sorted: numpy.ndarray[Any, Any] | None = None
        self._ends: numpy.ndarray[Any, Any] | None = None
        # Of this object: caches on the class would keep it alive.
        self._part = lru_cache(_OPEN_FILES)(self._opened)
        self._batch = lru_cache(_OPEN_BATCHES)(self._loaded)

    def add(self, batch: pyarrow.RecordBatch, runs: pyarrow.Array | str, file: int) -> None:
        """Write a batch.

        Args:
            batch: The cells.
            runs: Which run each row is of, as texts; or the one that all are of.
            file: Number of the file that they are from.
        """
        import numpy

        if isinstance(runs, str):
            self._put(batch, numpy.array([self._number(runs, file)]), numpy.array([0]))
            return
        encoded = runs.dictionary_encode()
        numbers = [self._number(value, file) for value in encoded.dictionary.to_pylist()]
        each = numpy.array(numbers, "int64")[encoded.indices.to_numpy()]
        if (each[1:] < each[:-1]).any():
            order = numpy.argsort(each, kind="stable")
            batch, each = batch.take(order), each[order]
        # No run has this number, so that the first row begins a slice as well.
        starts = numpy.flatnonzero(numpy.diff(each, prepend=-1))
        self._put(batch, each[starts], starts)

    def _number(self, value: str, file: int) -> int:
        number = self._numbers.setdefault(value, len(self._runs))
        if number == len(self._runs):
            self._runs.append(Run(value, file))
        return number

    def _put(
        self,
        batch: pyarrow.RecordBatch,
        owners: numpy.ndarray[Any, Any],
        starts: numpy.ndarray[Any, Any],
    ) -> None:
        import numpy
        import pyarrow

        with spilling(self._folder):
            # A file of Arrow's has one schema.
            if self._writer is None or batch.schema != self._schema:
                self._end_part()
                self._writer = pyarrow.ipc.new_file(self._path(self._parts), batch.schema)
                self._schema = batch.schema
            self._writer.write_batch(batch)
        slices = numpy.empty((len(starts), _FIELDS), "int64")
        slices[:, 0], slices[:, 1], slices[:, 2] = self._parts, self._batches, starts
        slices[:, 3] = numpy.diff(starts, append=batch.num_rows)
        self._slices.frombytes(slices.tobytes())
        self._owners.frombytes(owners.astype("int64").tobytes())
        self._batches += 1

    def _end_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._parts += 1
            self._batches = 0

    def finish(self) -> None:
        """Get ready to read; nothing is added any more."""
        import numpy

        with spilling(self._folder):
            self._end_part()
        owners = numpy.frombuffer(self._owners, "int64")
        slices = numpy.frombuffer(self._slices, "int64").reshape(-1, _FIELDS)
        self._sorted = slices[numpy.argsort(owners, kind="stable")]
        self._ends = numpy.cumsum(numpy.bincount(owners, minlength=len(self._runs)))

    def runs(self) -> Sequence[Run]:
        """Return the runs as they were met; their numbers are places among them."""
        return self._runs

    def size(self, run: int) -> int:
        """Return how many rows a run has."""
        return sum(count for *_, count in self._of(run))

    def cells(self, run: int, name: str) -> Iterator[tuple[int, pyarrow.Array]]:
        """Yield the cells of a column for the rows of a run, and where each part begins.

        There are none of rows whose file has no such column.
        """
        at = 0
        for part, batch, start, count in self._of(run):
            loaded = self._batch(part, batch)
            place = loaded.schema.get_field_index(name)
            if place >= 0:
                yield at, loaded.column(place).slice(start, count)
            at += count

    def _of(self, run: int) -> list[list[int]]:
        """Return part, batch, first row and number of rows of each slice of a run."""
        assert self._sorted is not None
        assert self._ends is not None
        first = self._ends[run - 1] if run else 0
        found: list[list[int]] = self._sorted[first : self._ends[run]].tolist()
        return found

    def close(self) -> None:
        """Delete what was written."""
        if self._writer is not None:
            # On a disk that is full it fails once more.
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer = None
        self._batch.cache_clear()
        self._part.cache_clear()
        temporary.remove(self._folder, self._owner)

    def _path(self, part: int) -> str:
        return os.path.join(self._folder, f"{part}.arrow")

    def _opened(self, part: int) -> Any:
        import pyarrow

        return pyarrow.ipc.open_file(pyarrow.memory_map(self._path(part)))

    def _loaded(self, part: int, batch: int) -> pyarrow.RecordBatch:
        return self._part(part).get_batch(batch)
