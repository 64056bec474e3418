"""A DuckDB connection over files: cursors, one history, errors.

It never downloads an extension, and it writes nothing but spill files in a temporary
folder. Fixed statements, every value bound.
"""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow import temporary
from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidInputError,
    LakeflowException,
    OutOfMemoryError,
    StorageError,
)
from lakeflow.kinds.kind import LOGGED
from lakeflow.query.engine import open_engines
from lakeflow.query.engine.columns import column, table
from lakeflow.query.engine.interrupts import undisturbed
from lakeflow.query.engine.statement import quoted
from lakeflow.system_errors import loading, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import duckdb
    import pyarrow

    from lakeflow.schema.spec import TableSpec, Type

T = TypeVar("T")

_PATTERN = re.compile(r"[*?\[]")

SQL_TYPES = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE"}
"""DuckDB's name of each type of a column."""

_MOST_FOLDS = 64
"""Folds whose files are read before what is known of those of past ones is let go."""

_POINT = f'"value", "timestamp", step, {", ".join(LOGGED)}'

# DuckDB takes any folder of a path that is called like a=b for a partition, and makes a column
# of it. A lake may lie below such a folder.
_STORED_POINTS = f"""
    SELECT {_POINT} FROM read_parquet($files, hive_partitioning = false)
    WHERE experiment_id = $experiment_id AND run_id = $run_id AND "key" = $key
"""  # noqa: S608 - constants

_ORDER = f'ORDER BY "timestamp", step, {", ".join(LOGGED)}'


class Engine:
    """One in-memory DuckDB; threads share it, each call has a cursor of its own.

    Args:
        filesystem: fsspec filesystem behind the paths it is given; None for local files.
        memory_bytes: What it may hold before it spills to disk; None for DuckDB's default.
        is_one_of_many: Whether it is closed where the process has too many of these, unless it
            is held.

    Attributes:
        connections: How often it has lost what was in its memory.
        holders: How many hold it.
    """

    def __init__(
        self,
        filesystem: Any = None,
        memory_bytes: int | None = None,
        *,
        is_one_of_many: bool = False,
    ) -> None:
        self._filesystem = filesystem
        self._memory_bytes = memory_bytes
        self._is_one_of_many = is_one_of_many
        self._lock = threading.RLock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self.connections = 0
        self.holders = 0
        self._fold = -1
        self._folds = 0

    def close(self) -> None:
        """Let go of the connection; the next call makes a new one."""
        self.begin_anew()

    def begin_anew(self) -> duckdb.DuckDBPyConnection | None:
        """Forget the connection and return it; cursors that it has given go on."""
        with self._lock:
            connection, self._connection = self._connection, None
            self.connections += 1
            return connection

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep what is in its memory meanwhile, unless it is closed."""
        # Theirs: by this number they choose, under the same lock, which engine to close.
        with open_engines.lock:
            self.holders += 1
        try:
            yield
        finally:
            with open_engines.lock:
                self.holders -= 1
            self._renew()

    def reads(self, fold: int) -> None:
        """Say which fold is read from now on.

        What DuckDB has parsed of a file it keeps for good, and each fold brings new ones. So it
        begins anew once there were many, as soon as nobody holds it.
        """
        with self._lock:
            self._folds += fold != self._fold
            self._fold = fold
        self._renew()

    def _renew(self) -> None:
        if self._folds <= _MOST_FOLDS:
            return
        with open_engines.lock:
            if self.holders:
                return
            self._folds = 0
            connection = self.begin_anew()
        # Without the lock: its threads are waited for.
        del connection

    def reset(self) -> None:
        """Begin anew in a forked child; DuckDB's threads stayed with the parent."""
        # Destroying the parent's connection here would wait for those threads.
        _abandoned.append(self._connection)
        self._lock = threading.RLock()
        self._connection = None
        self.connections += 1
        self.holders = 0

    def cursor(self) -> Cursor:
        """Return a cursor on the connection, made at the first call."""
        with self._lock:
            if self._connection is None:
                # It is soon made, so nothing stops it.
                self._connection = undisturbed(self._connect, lambda: None)
            cursor = Cursor(self._connection.cursor())
        # Without our lock, which is taken where theirs is held, and never the other way round.
        if self._is_one_of_many:
            open_engines.used(self)
        return cursor

    def _connect(self) -> duckdb.DuckDBPyConnection:
        with loading("the query engine"):
            import duckdb

        # A download would make the first search fail without a network. Two DuckDBs that spill
        # into one folder would overwrite each other's files.
        config: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": _spill_folder(),
        }
        if self._memory_bytes is not None:
            config["memory_limit"] = f"{self._memory_bytes}B"
        with engine_errors():
            connection = duckdb.connect(config=config)
        # Parquet files of a lake never change, so a parsed footer stays right. Cursors see what
        # is set for all of them, and nothing that is set for this connection alone.
        connection.execute("SET GLOBAL parquet_metadata_cache = true")
        if self._filesystem is not None:
            connection.register_filesystem(self._filesystem)
        return connection

    def check_pattern(self, pattern: str) -> None:
        """Check a regular expression of RE2.

        Raises:
            InvalidInputError: It is none.
        """

        def check(cursor: duckdb.DuckDBPyConnection) -> None:
            import duckdb

            try:
                cursor.execute("SELECT regexp_matches('', $p)", {"p": pattern}).fetchall()
            except duckdb.Error as error:
                raise InvalidInputError(
                    f"{pattern!r} is no regular expression: {error}",
                    hint="the syntax is RE2's: https://github.com/google/re2/wiki/Syntax",
                ) from error

        self.cursor().call(check)

    def history(
        self,
        files: Sequence[str],
        experiment_id: str,
        run_id: str,
        key: str,
        hot: pyarrow.Table | None,
    ) -> pyarrow.Table:
        """Return one metric's points as columns ``value, timestamp, step``.

        Args:
            files: Files of the metrics table that may hold the run.
            experiment_id: The run's experiment.
            run_id: The run.
            key: The metric.
            hot: Points that are not in the files, with these columns among others.

        Returns:
            By timestamp, step and the order of logging.
        """
        parts = []
        values: dict[str, Any] = {}
        cursor = self.cursor()
        if files:
            parts.append(_STORED_POINTS)
            values |= {
                "files": literally(files),
                "experiment_id": experiment_id,
                "run_id": run_id,
                "key": key,
            }
        if hot is not None:
            cursor.register("hot", hot)
            parts.append(f"SELECT {_POINT} FROM hot")  # noqa: S608 - constants
        if not parts:
            numbers: dict[str, Type] = {"value": "double", "timestamp": "long", "step": "long"}
            return table({name: column(kind, ()) for name, kind in numbers.items()})
        points = " UNION ALL ".join(parts)
        statement = f'SELECT "value", "timestamp", step FROM ({points}) {_ORDER}'  # noqa: S608
        return cursor.table(statement, values)

    def records(
        self,
        spec: TableSpec,
        files: Sequence[str],
        named: tuple[str, Sequence[str]],
        hot: pyarrow.Table,
    ) -> pyarrow.Table:
        """Return the rows of things in a table whose records all stay, as they were logged.

        Args:
            spec: The table.
            files: Its files that may hold the things.
            named: The column of their ids, and these.
            hot: Rows that are not in the files.
        """
        identity, ids = named
        columns = quoted(spec.column_names)
        rows, values = f"SELECT {columns} FROM hot", {}  # noqa: S608 - constants
        if files:
            rows += (
                f" UNION ALL SELECT {columns} FROM "  # noqa: S608 - constants
                "read_parquet($files, hive_partitioning = false) "
                f'WHERE list_contains($ids, "{identity}")'
            )
            values = {"files": literally(files), "ids": list(ids)}
        cursor = self.cursor()
        cursor.register("hot", hot)
        return cursor.table(f"SELECT * FROM ({rows}) ORDER BY {quoted(LOGGED)}", values)  # noqa: S608


class Cursor:
    """A cursor of an engine, for one thread at a time.

    A statement that a signal ends raises what its handler has raised. Other errors are as for
    ``engine_errors``.

    Args:
        cursor: That of DuckDB.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._reader: pyarrow.RecordBatchReader | None = None

    def call(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Return what a function makes of DuckDB's cursor, called in any thread."""

        def translated() -> T:
            with engine_errors():
                return work(self._cursor)

        return undisturbed(translated, self._cursor.interrupt)

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows of a statement, or of the last one of several."""
        return self.call(lambda cursor: cursor.execute(statement, values or None).fetchall())

    def table(self, statement: str, values: Mapping[str, Any] | None = None) -> pyarrow.Table:
        """Return the rows of a statement as columns."""
        return self.call(
            lambda cursor: cursor.sql(statement, params=values or None).to_arrow_table()
        )

    def batches(
        self, statement: str, rows: int, values: Mapping[str, Any] | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows of a statement, so many at once, as they are asked for."""
        reader = self.call(
            lambda cursor: cursor.sql(statement, params=values or None).to_arrow_reader(rows)
        )
        self._reader = reader
        with contextlib.closing(reader):
            while (batch := self.call(lambda _: next(reader, None))) is not None:
                yield batch

    def stop(self) -> None:
        """Let go of the rows that nobody has asked for, and would be in the way.

        Who fails while rows come leaves them open, as long as anybody looks at the error.
        """
        if self._reader is not None:
            self._reader.close()

    def register(self, name: str, table: pyarrow.Table) -> None:
        """Let statements read a table by a name."""
        self.call(lambda cursor: cursor.register(name, table))

    def close(self) -> None:
        """Let go of it, and of a transaction of its own."""
        self._cursor.close()


def _spill_folder() -> str:
    """Return where one engine may spill to; empty where it cannot."""
    # Most statements spill nothing, and need no place for it.
    with contextlib.suppress(StorageError):
        return temporary.path("spill")
    return ""


def arrow_table(spec: TableSpec, rows: Sequence[tuple[Any, ...]]) -> pyarrow.Table:
    """Return rows, columns in the table's order, as an Arrow table."""
    columns = zip(*rows, strict=True) if rows else [()] * len(spec.columns)
    return table(
        {
            each.name: column(each.type, values)
            for each, values in zip(spec.columns, columns, strict=True)
        }
    )


def literally(files: Iterable[str]) -> list[str]:
    """Return what makes DuckDB open these files alone: it takes a path for a pattern."""
    return [_PATTERN.sub(r"[\g<0>]", file) for file in files]


def no_rows(spec: TableSpec) -> str:
    """Return the query of a table without rows."""
    columns = ", ".join(
        f'NULL::{SQL_TYPES[column.type]} AS "{column.name}"' for column in spec.columns
    )
    return f"SELECT {columns} WHERE false"


# Connections of the parent, in a forked child: kept for good, so that nothing destroys them.
_abandoned: list[Any] = []


@contextlib.contextmanager
def engine_errors() -> Iterator[None]:
    """Turn DuckDB's errors into ours.

    Raises:
        FileNotFoundError: A file is gone.
        StorageError: A file cannot be opened or written.
        OutOfMemoryError: The statement needs more than it may have.
        DamagedLakeError: A file cannot be read.
        LakeflowException: INTERNAL_ERROR, anything else.
    """
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise _out_of_memory(error) from error
    except duckdb.IOException as error:
        # What the system did not refuse is taken for a file that a fold has replaced: whoever
        # has asked looks for a newer fold, and finds out if there is none.
        refusal = refused("read or write a file in the query engine", error)
        raise refusal or FileNotFoundError(str(error)) from error
    # Our statements are right, so that it is about a file: one that is no Parquet, say.
    except duckdb.InvalidInputException as error:
        raise _damage(error) from error
    except duckdb.Error as error:
        # What is of no class of its own is said by the library that reads Parquet.
        if type(error) is duckdb.Error:
            raise _damage(error) from error
        raise LakeflowException(f"the query engine failed: {error}") from error


def _out_of_memory(error: Exception) -> OutOfMemoryError:
    # The rest tells which of DuckDB's own settings to change.
    said = str(error).partition("\n")[0]
    return OutOfMemoryError(
        f"the statement needs more memory than it may have: {said}",
        hint="ask for less, or let SQL have more with LAKEFLOW_SQL_MEMORY_BYTES; what does not "
        f"fit is kept in temporary files where there is room: {temporary.MOVED_BY}",
    )


def _damage(error: Exception) -> DamagedLakeError:
    return DamagedLakeError(
        f"a file of a table cannot be read: {error}", hint="restore it from a backup"
    )
