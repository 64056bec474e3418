"""The documents of runs by id, out of Parquet files whose footers are parsed once and kept.

DuckDB takes 1 ms to plan any statement; a small row group is decoded in a third of that.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.exceptions import DamagedLakeError
from lakeflow.tables import RUN_DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow

A = TypeVar("A")
B = TypeVar("B")

_KEPT_FILES = 256

_GROUPS_AT_ONCE = 16
"""Row groups of one file that are decoded by one thread."""

_FEWEST_AT_ONCE = 4
"""Files, or parts of them, from which on threads are worth their start."""

_REMOTE_AT_ONCE = 16
"""Files of a remote lake that are read at once: threads wait there, and do not compute."""

_PARQUET = "pyarrow.parquet"

_ANYTHING = ("", chr(sys.maxunicode))


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import what reads documents while the engine works, which it does without the GIL."""
    if _PARQUET in sys.modules:
        yield
        return
    thread = threading.Thread(target=importlib.import_module, args=(_PARQUET,))
    thread.start()
    try:
        yield
    finally:
        thread.join()


class _File:
    """An open file of ``run_documents``.

    Args:
        source: Its path, or a file object.
    """

    def __init__(self, source: Any) -> None:
        import pyarrow.parquet

        self._lock = threading.Lock()
        self._source = source
        self._file = pyarrow.parquet.ParquetFile(source)
        names = self._file.schema.names
        self._run_id, self._document = names.index("run_id"), names.index("document")
        self._known: dict[int, tuple[str, str]] = {}

    def _bounds(self, number: int) -> tuple[str, str]:
        """Return the smallest and the largest run id of a row group."""
        if number not in self._known:
            group = self._file.metadata.row_group(number)
            statistics = group.column(self._run_id).statistics
            is_known = statistics is not None and statistics.has_min_max
            self._known[number] = (statistics.min, statistics.max) if is_known else _ANYTHING
        return self._known[number]

    def likely(self, run_ids: Sequence[str]) -> set[int]:
        """Return the row groups that hold the runs if they are in order, as folds write them.

        Few statistics are looked at: each takes as long as a search through all the others.
        """
        groups = range(self._file.num_row_groups)
        if not groups:
            return set()
        wanted = _between(run_ids, self._bounds(0)[0], self._bounds(groups[-1])[1])
        return {bisect_left(groups, each, key=lambda n: self._bounds(n)[1]) for each in wanted}

    def possible(self, run_ids: Sequence[str]) -> set[int]:
        """Return the row groups that may hold the runs, in whatever order they are."""
        groups = range(self._file.num_row_groups)
        return {number for number in groups if _between(run_ids, *self._bounds(number))}

    def _span(self, number: int) -> tuple[int, int]:
        """Return from where to where in the file the two columns of a row group are."""
        group = self._file.metadata.row_group(number)
        columns = [group.column(each) for each in (self._run_id, self._document)]
        starts = [
            column.data_page_offset
            if column.dictionary_page_offset is None
            else column.dictionary_page_offset
            for column in columns
        ]
        sizes = [column.total_compressed_size for column in columns]
        return min(starts), max(map(sum, zip(starts, sizes, strict=True)))

    def rows(self, groups: Sequence[int]) -> pyarrow.Table:
        """Return ids and documents of some row groups; the work is done without the GIL."""
        import pyarrow.parquet

        if hasattr(self._source, "prefetch"):
            self._source.prefetch([self._span(number) for number in groups])
        # A reader is for one thread at a time, and so is a file object.
        if self._lock.acquire(blocking=not isinstance(self._source, str)):
            try:
                return self._decoded(self._file, groups)
            finally:
                self._lock.release()
        metadata = self._file.metadata
        return self._decoded(
            pyarrow.parquet.ParquetFile(self._source, metadata=metadata), groups
        )

    def _decoded(
        self, file: pyarrow.parquet.ParquetFile, groups: Sequence[int]
    ) -> pyarrow.Table:
        return file.reader.read_row_groups(
            groups,
            column_indices=sorted((self._run_id, self._document)),
            use_threads=False,
        )


def _between(ordered: Sequence[str], least: str, most: str) -> Sequence[str]:
    return ordered[bisect_left(ordered, least) : bisect_right(ordered, most)]


def _documents(rows: pyarrow.Table, run_ids: set[str]) -> dict[str, str]:
    # Neither pyarrow.compute nor an array of the ids: what they import takes long, pandas
    # where it is installed.
    documents = rows.column("document")
    return {
        run_id: documents[row].as_py()
        for row, run_id in enumerate(rows.column("run_id").to_pylist())
        if run_id in run_ids
    }


class Lookup:
    """Looks up runs; threads share it.

    Args:
        filesystem: fsspec filesystem behind the paths it is given; None for local files.
    """

    def __init__(self, filesystem: Any = None) -> None:
        self._filesystem = filesystem
        self.forget()

    def forget(self) -> None:
        """Let go of every file, also in a forked child."""
        self._lock = threading.Lock()
        self._files: OrderedDict[str, _File] = OrderedDict()

    def documents(self, files: Sequence[str], run_ids: Sequence[str]) -> dict[str, str]:
        """Return the documents of those runs that have one, by id.

        One row group of 64 runs is decoded for each run, or for several that are close.

        Args:
            files: Files of ``run_documents`` that may hold the runs.
            run_ids: The runs, in order.

        Raises:
            FileNotFoundError: A file is gone.
            DamagedLakeError: A file cannot be read.
        """
        found = self._read(files, run_ids, _File.likely)
        missing = [run_id for run_id in run_ids if run_id not in found]
        if missing:
            found |= self._read(files, missing, _File.possible)
        return found

    def _read(
        self,
        files: Sequence[str],
        run_ids: Sequence[str],
        choose: Callable[[_File, Sequence[str]], set[int]],
    ) -> dict[str, str]:
        import pyarrow

        found: dict[str, str] = {}
        try:
            opened = self._map(self._open, files)
            chosen = [(file, sorted(choose(file, run_ids))) for file in opened]
            parts = self._map(
                lambda each: each[0].rows(each[1]),
                [(file, part) for file, groups in chosen for part in self._parts(groups)],
            )
            for part in parts:
                found |= _documents(part, set(run_ids))
        except FileNotFoundError:
            raise
        except (OSError, pyarrow.ArrowException, ValueError) as error:
            raise DamagedLakeError(
                f"a file of table {RUN_DOCUMENTS.name} cannot be read: {error}",
                hint="restore it from a backup",
            ) from error
        return found

    def _parts(self, groups: Sequence[int]) -> list[Sequence[int]]:
        """Divide row groups of a file; those of a remote one are fetched together."""
        size = _GROUPS_AT_ONCE if self._filesystem is None else max(1, len(groups))
        return [groups[first : first + size] for first in range(0, len(groups), size)]

    def _map(self, work: Callable[[A], B], items: Sequence[A]) -> list[B]:
        """Do some work on each of several items, at once where that is worth it."""
        if len(items) < _FEWEST_AT_ONCE:
            return [work(item) for item in items]
        at_once = os.cpu_count() if self._filesystem is None else _REMOTE_AT_ONCE
        with ThreadPoolExecutor(at_once) as threads:
            return list(threads.map(work, items))

    def _open(self, path: str) -> _File:
        with self._lock:
            if path in self._files:
                self._files.move_to_end(path)
                return self._files[path]
        file = _File(path if self._filesystem is None else self._filesystem.open(path))
        with self._lock:
            self._files[path] = file
            if len(self._files) > _KEPT_FILES:
                self._files.popitem(last=False)
        return file
