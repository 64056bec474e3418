"""The tables of a Trackio project: its SQLite database, or one made of its Parquet files."""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_NEWEST_VERSION = 2
"""The newest ``user_version`` whose tables are known here."""

_SECONDS = 10
"""How long a database may be locked by the one who writes to it."""

_JSON_COLUMNS = {"metrics": "metrics", "system_metrics": "metrics", "configs": "config"}
"""Tables of runs and their column of JSON, whose keys are columns in Parquet."""

_OF_RUNS = ("id", "run_id", "run_name", "timestamp", "step", "created_at")
_COLUMNS = {
    "metrics": _OF_RUNS,
    "system_metrics": _OF_RUNS,
    "configs": _OF_RUNS,
    "traces": ("id",),
    "artifacts": ("id", "name"),
    "artifact_versions": ("id", "artifact_id", "version", "manifest"),
    "run_artifact_links": ("id", "run_id", "artifact_version_id", "direction"),
}
"""What is taken of each table's Parquet, beside what becomes JSON."""

_NEEDED = {
    "metrics": {"run_name", "step", "timestamp"},
    "system_metrics": {"run_name", "timestamp"},
    "configs": {"run_name"},
}
"""Columns without which its Parquet is none of Trackio."""

_NO_KEYS = frozenset((*_OF_RUNS, "log_id", "space_id"))
"""Columns of Parquet that are no keys of that JSON."""

_ROWS_AT_ONCE = 5_000

# Before Trackio 0.24 a run had no id but its name.
_RUNS = {
    "run_id": (
        "SELECT run_id, max(run_name) FROM (SELECT run_id, run_name FROM metrics "
        "UNION SELECT run_id, run_name FROM system_metrics "
        "UNION SELECT run_id, run_name FROM configs) GROUP BY run_id"
    ),
    "run_name": (
        "SELECT run_name, run_name FROM metrics UNION SELECT run_name, run_name "
        "FROM system_metrics UNION SELECT run_name, run_name FROM configs"
    ),
}
_ROWS = {
    "run_id": "SELECT id, step, timestamp, metrics FROM metrics WHERE run_id = ? ORDER BY id",
    "run_name": (
        "SELECT id, step, timestamp, metrics FROM metrics WHERE run_name = ? ORDER BY id"
    ),
}
_SAMPLES = {
    "run_id": "SELECT id, timestamp, metrics FROM system_metrics WHERE run_id = ? ORDER BY id",
    "run_name": (
        "SELECT id, timestamp, metrics FROM system_metrics WHERE run_name = ? ORDER BY id"
    ),
}
_CONFIG = {
    "run_id": "SELECT config FROM configs WHERE run_id = ?",
    "run_name": "SELECT config FROM configs WHERE run_name = ?",
}
_ARTIFACTS = (
    "SELECT links.direction, artifacts.name, versions.version, versions.manifest "
    "FROM run_artifact_links AS links "
    "JOIN artifact_versions AS versions ON versions.id = links.artifact_version_id "
    "JOIN artifacts ON artifacts.id = versions.artifact_id "
    "WHERE links.run_id = ? ORDER BY links.id"
)
_COUNTS = {"traces": "SELECT count(*) FROM traces", "alerts": "SELECT count(*) FROM alerts"}


class Row(NamedTuple):
    """What was logged at once.

    Attributes:
        is_sample: Whether it is a sample of the machine, and no step of the training.
        step: Its step; the number of the sample.
        timestamp: Its time, in milliseconds since the Unix epoch.
        values: What was logged.
    """

    is_sample: bool
    step: int
    timestamp: int
    values: dict[str, Any]


class Linked(NamedTuple):
    """A version of an artifact that a run has used or made.

    Attributes:
        is_input: Whether it was used.
        name: The artifact.
        version: Its version.
        files: Path, digest and size of each of its files.
    """

    is_input: bool
    name: str
    version: int
    files: list[dict[str, Any]]


class Tables:
    """An open database, only to be read.

    Args:
        path: Its file.
        complain: Is told of rows that cannot be read.

    Raises:
        InvalidInputError: A newer Trackio has written it.
        StorageError: It cannot be read, or is none of Trackio.
    """

    def __init__(self, path: str, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._connection = _connected(path)
        try:
            self._run = _run_column(self._columns("metrics"))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def runs(self) -> dict[str, str]:
        """Return the names of the runs by what identifies them."""
        return {str(run): str(name) for run, name in self._asked(_RUNS[self._run])}

    def config(self, run: str) -> dict[str, Any]:
        """Return the configuration of a run."""
        for (written,) in self._asked(_CONFIG[self._run], run):
            return self._parsed(written, f"the config of the run {run!r}")
        return {}

    def rows(self, run: str) -> Iterator[Row]:
        """Yield what a run has logged, in its order, and then the samples of its machine."""
        for number, step, timestamp, written in self._asked(_ROWS[self._run], run):
            values = self._parsed(written, f"row {number} of its metrics")
            at = step if isinstance(step, int) else 0
            yield Row(False, at, milliseconds(timestamp), values)
        found = self._asked(_SAMPLES[self._run], run)
        for sample, (number, timestamp, written) in enumerate(found):
            values = self._parsed(written, f"row {number} of its system metrics")
            yield Row(True, sample, milliseconds(timestamp), values)

    def artifacts(self, run: str) -> Iterator[Linked]:
        """Yield the versions of artifacts that a run is linked to."""
        if not self._columns("run_artifact_links"):
            return
        for direction, name, version, manifest in self._asked(_ARTIFACTS, run):
            try:
                files = [each for each in json.loads(manifest) if isinstance(each, dict)]
            except (TypeError, ValueError):
                self._complain(f"the files of version {version} of {name!r} are no JSON")
                continue
            try:
                number = int(version)
            except (TypeError, ValueError):
                self._complain(f"a version of {name!r} has no number, but {version!r}")
                continue
            yield Linked(direction == "input", str(name), number, files)

    def count(self, table: str) -> int:
        """Return how many rows a table has that nothing is imported of."""
        if not self._columns(table):
            return 0
        return next((int(count) for (count,) in self._asked(_COUNTS[table])), 0)

    def _columns(self, table: str) -> list[str]:
        return [name for (name,) in self._asked("SELECT name FROM pragma_table_info(?)", table)]

    def _asked(self, query: str, *values: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of an answer; damage ends it and is complained of."""
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.DatabaseError as error:
            self._complain(str(error))

    def _parsed(self, written: Any, what: str) -> dict[str, Any]:
        try:
            values = json.loads(written)
        except (TypeError, ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            self._complain(f"{what} is no JSON object")
            return {}
        return values


def milliseconds(time: Any) -> int:
    """Return a time in ISO 8601, in UTC where it says nothing else; 0 where it is none."""
    try:
        moment = datetime.datetime.fromisoformat(str(time))
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp() * 1000)


def made_of_parquet(tables: dict[str, str], path: str) -> None:
    """Make a database of Parquet files, with the tables that it would have had.

    Args:
        tables: The file of each table.
        path: Where the database is made.

    Raises:
        StorageError: A file cannot be read, is no Parquet, was cut, or lacks a column.
    """
    with closing(sqlite3.connect(path)) as connection:
        # It is gone with this process anyway.
        connection.execute("PRAGMA synchronous = OFF")
        columns = {
            table: _fill(connection, table, file)
            for table, file in tables.items()
            if table in _COLUMNS
        }
        # Which runs there are is asked of all three.
        for table in _JSON_COLUMNS.keys() - columns.keys():
            columns[table] = ["id", "run_id", "run_name", "timestamp", _JSON_COLUMNS[table]]
            connection.execute(f"CREATE TABLE {table} ({', '.join(columns[table])})")
        run = _run_column(columns["metrics"])
        for table in _JSON_COLUMNS:
            # Each run is asked for by it: without an index that is a look at all rows.
            if run in columns[table]:
                connection.execute(f"CREATE INDEX {table}_of_run ON {table} ({run})")
        connection.commit()


def _run_column(columns: Iterable[str]) -> str:
    """Return the column of the metrics that says which run they are of."""
    return "run_id" if "run_id" in columns else "run_name"


def _connected(path: str) -> sqlite3.Connection:
    """Open a database.

    Raises:
        InvalidInputError: A newer Trackio has written it.
        StorageError: It cannot be read, or is none of Trackio.
    """
    folder, log = os.path.dirname(path), f"{path}-wal"
    is_at_rest = not os.path.exists(log) or os.path.getsize(log) == 0
    # SQLite makes files beside a database with a write-ahead log, which it may not everywhere.
    mode = "immutable=1" if is_at_rest and not os.access(folder, os.W_OK) else "mode=ro"
    try:
        uri = f"{Path(path).as_uri()}?{mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=_SECONDS)) as probe:
            version = probe.execute("PRAGMA user_version").fetchone()[0]
            probe.execute("SELECT run_name, step, timestamp, metrics FROM metrics LIMIT 1")
        connection = sqlite3.connect(uri, uri=True, timeout=_SECONDS)
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{path} is no database of Trackio, or damaged: {error}") from error
    if version > _NEWEST_VERSION:
        connection.close()
        raise InvalidInputError(
            f"{path} has version {version} of Trackio's tables, and {_NEWEST_VERSION} is the "
            "newest that is known here",
            hint="a newer lakeflow may know it",
        )
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _fill(connection: sqlite3.Connection, table: str, path: str) -> list[str]:
    """Make a table of a file; return its columns."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            kept = _kept(table, file.schema_arrow.names)
            if lacking := _NEEDED.get(table, set()) - set(kept):
                raise StorageError(
                    f"{path} is no table of Trackio: it has no column {min(lacking)!r}"
                )
            connection.execute(f"CREATE TABLE {table} ({', '.join(kept)})")
            row = f"INSERT INTO {table} VALUES ({', '.join('?' * len(kept))})"
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                connection.executemany(row, _rows(table, kept, batch.to_pylist()))
    except (pyarrow.ArrowException, OSError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    return kept


def _kept(table: str, names: Iterable[str]) -> list[str]:
    present = set(names)
    kept = [name for name in _COLUMNS[table] if name in present]
    return [*kept, _JSON_COLUMNS[table]] if table in _JSON_COLUMNS else kept


def _rows(table: str, kept: list[str], rows: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    column = _JSON_COLUMNS.get(table)
    for row in rows:
        if column is not None:
            logged = {
                name: value
                for name, value in row.items()
                if name not in _NO_KEYS and value is not None
            }
            row[column] = json.dumps(logged, default=str)
        yield [row[name] for name in kept]
