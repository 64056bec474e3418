"""Carries out one fold in DuckDB: staged log files in, Parquet files out."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.query import fold
from lakeflow.query.engine import SQL_TYPES, Engine, engine_errors, no_rows
from lakeflow.query.parquet import (
    Bounds,
    Written,
    new_name,
    text_bounds,
    write_small_groups,
)
from lakeflow.tables import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.tables import TableSpec


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of a table, as the fold sees it.

    Attributes:
        path: Where the engine opens it.
        run_ids: Smallest and largest run id in it; None if unknown.
    """

    path: str
    run_ids: Bounds | None


@dataclass(frozen=True, slots=True)
class Staged:
    """What was staged.

    Attributes:
        records: Lines that are records.
        rejected: Lines that are not.
    """

    records: int
    rejected: int


class Folding:
    """One fold: stage the records, then write table by table.

    Every call may raise MemoryError, where the engine may not hold enough.

    Args:
        engine: Where to do it.
    """

    def __init__(self, engine: Engine) -> None:
        self._cursor = engine.cursor()
        self._is_stored = False
        # What is sorted stays sorted. With it on, sorting 5 million points in 384 MiB fails.
        self._run("SET preserve_insertion_order = false")

    def stage(self, files: Sequence[str]) -> Staged:
        """Parse log files, each in a folder with the name of its writer."""
        # The parser keeps a buffer for each file of a statement.
        for start in range(0, len(files), _FILES_AT_ONCE):
            head = fold.ADD_RECORDS if start else fold.CREATE_RECORDS
            self._run(f"{head} {fold.STAGE}", files=files[start : start + _FILES_AT_ONCE])
        total, records = self._one(fold.COUNT_STAGED)
        if records < total:
            self._run(fold.DROP_REJECTED)
        return Staged(records, total - records)

    def stage_points(self, stored: Sequence[Stored]) -> None:
        """Find the points that are new, among files of the metrics table."""
        self._run(fold.NEW_POINTS)
        files = self._overlapping(stored, "new_points")
        if files:
            self._run(fold.DROP_STORED_POINTS, files=files)

    def stage_changes(self, spec: TableSpec) -> int:
        """Work out the rows that the records add to or alter in a table; return how many."""
        for unread in fold.NOT_READ_FROM.get(spec.name, ()):
            self._run(f"DROP TABLE IF EXISTS {unread}")
        staged = f"changes_{spec.name}"
        self._run(f"CREATE OR REPLACE TEMP TABLE {staged} AS {fold.CHANGES[spec.name]}")
        self._run(f"CREATE OR REPLACE TEMP VIEW changes AS SELECT * FROM {staged}")  # noqa: S608
        return int(self._one("SELECT count(*) FROM changes")[0])

    def files_with_changes(self, spec: TableSpec, stored: Sequence[Stored]) -> set[str]:
        """Return the files that hold rows of runs that change.

        Points never change, so files of ``metrics`` never have to be rewritten.
        """
        if spec is METRICS:
            return set()
        candidates = self._overlapping(stored, "changes")
        if not candidates:
            return set()
        return {row[0] for row in self._run(fold.FILES_WITH_CHANGES, files=candidates)}

    def stage_stored(self, spec: TableSpec, whole: Sequence[str], split: Sequence[str]) -> int:
        """Say which stored rows are written anew together with the changes.

        Args:
            spec: The table.
            whole: Files of which all rows are.
            split: Files of which the rows of changed runs are.

        Returns:
            How many rows the files of ``split`` give.
        """
        parts = []
        if whole:
            self._run("SET VARIABLE stored_files = $files", files=whole)
            parts.append(
                "SELECT * FROM read_parquet(getvariable('stored_files'), "
                "hive_partitioning = false)"
            )
        moved = 0
        if split:
            self._run(fold.MOVED, files=split)
            moved = int(self._one("SELECT count(*) FROM moved")[0])
            parts.append("SELECT * FROM moved")
        rows = " UNION ALL BY NAME ".join(parts) or no_rows(spec)
        self._run(f"CREATE OR REPLACE TEMP VIEW stored AS {rows}")
        self._is_stored = bool(parts)
        return moved

    def write(self, spec: TableSpec, folder: str, most_rows: int) -> list[Written]:
        """Write changes and staged stored rows as new files, sorted one after another.

        Args:
            spec: The table.
            folder: A new folder on this machine.
            most_rows: Rows that they may come to.

        Returns:
            The files written; none where no rows are left.
        """
        Path(folder).mkdir(parents=True)
        merges = fold.MERGES if self._is_stored else fold.MERGES_WITH_NOTHING
        return self._copy(spec, merges[spec.name], folder, most_rows)

    def write_rest(self, spec: TableSpec, file: str, folder: str, rows: int) -> list[Written]:
        """Write the rows of a file that ``stage_stored`` left in it."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._run("SET VARIABLE rest_file = $file", file=file)
        return self._copy(spec, fold.REST, folder, rows)

    def _copy(self, spec: TableSpec, rows: str, folder: str, most_rows: int) -> list[Written]:
        columns = ", ".join(
            f'CAST("{column.name}" AS {SQL_TYPES[column.type]}) AS "{column.name}"'
            for column in spec.columns
        )
        order = ", ".join(f'"{name}"' for name in spec.sort)
        selection = f"SELECT {columns} FROM ({rows}) ORDER BY {order}"  # noqa: S608
        if spec.row_group_rows < _FEWEST_ROWS_OF_A_COPY:
            with engine_errors():
                batches = self._cursor.sql(selection).to_arrow_reader(_FEWEST_ROWS_OF_A_COPY)
                # Until it is closed it holds what the statement has built.
                with closing(batches):
                    return write_small_groups(spec, batches, folder)
        # Several threads keep the order of one file, but not that of several; and they hold
        # more than they may where a file is large.
        several = most_rows > min(spec.file_rows, _MOST_ROWS_AT_ONCE)
        rotation = (
            f"ROW_GROUPS_PER_FILE {spec.file_rows // spec.row_group_rows}, "
            "FILENAME_PATTERN 'part-{uuidv7}', "
        )
        statement = (
            f"COPY ({selection}) TO $target (FORMAT parquet, COMPRESSION zstd, "
            f"PARQUET_VERSION v2, ROW_GROUP_SIZE {spec.row_group_rows}, "
            f"{rotation if several else ''}RETURN_STATS true)"
        )
        self._run("SET threads = 1" if several else "RESET threads")
        found = self._run(statement, target=folder if several else f"{folder}/{new_name()}")
        self._run("RESET threads")
        return [_written(spec, row) for row in found if row[1] > 0]

    def orphans(self) -> int:
        """Return how many changed runs nobody has made."""
        return int(self._one(fold.ORPHANS)[0])

    def _overlapping(self, stored: Sequence[Stored], changes: str) -> list[str]:
        """Return the files whose range of run ids holds one of a table of changes."""
        bounds = {each.path: each.run_ids for each in stored}
        unknown = [path for path, known in bounds.items() if known is None]
        if unknown:
            found = self._run(fold.BOUNDS_IN_FOOTERS, files=unknown)
            bounds |= {path: (least, most) for path, least, most in found}
        known = {path: ids for path, ids in bounds.items() if ids is not None}
        if not known:
            return []
        rows = self._run(
            fold.OVERLAPPING.format(changes=changes),
            paths=list(known),
            least=[ids[0] for ids in known.values()],
            most=[ids[1] for ids in known.values()],
        )
        return [row[0] for row in rows]

    def _run(self, statement: str, **values: object) -> list[Any]:
        with engine_errors():
            return self._cursor.execute(statement, values or None).fetchall()

    def _one(self, statement: str) -> tuple[Any, ...]:
        (row,) = self._run(statement)
        return tuple(row)


_FILES_AT_ONCE = 100

_MOST_ROWS_AT_ONCE = 1_048_576
"""Rows up to which a file is written by several threads."""

_FEWEST_ROWS_OF_A_COPY = 2_048
"""Rows of the smallest row group that DuckDB writes."""


def _written(spec: TableSpec, row: tuple[Any, ...]) -> Written:
    """Read one row of COPY's statistics: path, rows, size, footer size, columns, ..."""
    path, rows, size, _, columns, *_ = row
    bounds: dict[str, Bounds] = {}
    nulls: dict[str, int] = {}
    for column in spec.columns:
        found = columns[f'"{column.name}"']
        nulls[column.name] = int(found["null_count"])
        if nulls[column.name] == rows:
            continue
        known = _bounds(column.type, found)
        if known is None:
            return Written(path, size, rows, {}, {})
        bounds[column.name] = known
    return Written(path, size, rows, bounds, nulls)


def _bounds(kind: str, found: Mapping[str, str]) -> Bounds | None:
    """Return bounds that hold for every reader; None for NaN, infinities and none at all."""
    least, most = found.get("min"), found.get("max")
    if least is None or most is None or found.get("has_nan") == "true":
        return None
    if kind == "long":
        return int(least), int(most)
    if kind == "double":
        numbers = float(least), float(most)
        return numbers if all(map(isfinite, numbers)) else None
    return text_bounds(least, most)
