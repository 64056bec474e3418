"""The documents of runs by id, out of Parquet files whose footers are parsed once and kept.

DuckDB takes 1 ms to plan any statement; a small row group is decoded in a third of that.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import DamagedLakeError
from lakeflow.tables import RUN_DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KEPT_FILES = 256


class _File:
    """An open file of ``run_documents``.

    Args:
        source: Its path, or a file object.
    """

    def __init__(self, source: Any) -> None:
        import pyarrow.parquet

        self._lock = threading.Lock()
        self._file = pyarrow.parquet.ParquetFile(source)
        names = self._file.schema_arrow.names
        self._columns = [names.index("run_id"), names.index("document")]
        self._bounds = [
            self._bounds_of(number) for number in range(self._file.metadata.num_row_groups)
        ]

    def _bounds_of(self, number: int) -> tuple[str, str] | None:
        group = self._file.metadata.row_group(number)
        statistics = group.column(self._columns[0]).statistics
        if statistics is None or not statistics.has_min_max:
            return None
        return statistics.min, statistics.max

    def documents(self, run_ids: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield ids and documents of the runs that are here, out of ids in order."""
        import pyarrow
        import pyarrow.compute

        groups = [
            number
            for number, bounds in enumerate(self._bounds)
            if bounds is None or _between(run_ids, *bounds)
        ]
        if not groups:
            return
        with self._lock:
            rows = self._file.reader.read_row_groups(
                groups, column_indices=sorted(self._columns), use_threads=len(groups) > 1
            )
        wanted = pyarrow.array(run_ids, pyarrow.string())
        found = rows.filter(pyarrow.compute.is_in(rows.column("run_id"), wanted))
        columns = (found.column(name).to_pylist() for name in ("run_id", "document"))
        yield from zip(*columns, strict=True)


def _between(ordered: Sequence[str], least: str, most: str) -> Sequence[str]:
    return ordered[bisect_left(ordered, least) : bisect_right(ordered, most)]


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

        One row group of 128 runs is decoded for each run, or for several that are close.

        Args:
            files: Files of ``run_documents`` that may hold the runs.
            run_ids: The runs, in order.

        Raises:
            FileNotFoundError: A file is gone.
            DamagedLakeError: A file cannot be read.
        """
        import pyarrow

        try:
            return {
                run_id: document
                for path in files
                for run_id, document in self._open(path).documents(run_ids)
            }
        except FileNotFoundError:
            raise
        except (OSError, pyarrow.ArrowException, ValueError) as error:
            raise DamagedLakeError(
                f"a file of table {RUN_DOCUMENTS.name} cannot be read: {error}",
                hint="restore it from a backup",
            ) from error

    def _open(self, path: str) -> _File:
        with self._lock:
            if path not in self._files:
                source = path if self._filesystem is None else self._filesystem.open(path)
                self._files[path] = _File(source)
                if len(self._files) > _KEPT_FILES:
                    self._files.popitem(last=False)
            self._files.move_to_end(path)
            return self._files[path]
