"""MLflow's SQLite database, of the schemas that are known: read directly, without MLflow.

All of it is read from one snapshot: a transaction that is open from the look at the schema
until the end. In SQLite's WAL mode MLflow goes on writing meanwhile, else writers have to wait.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lakeflow.exceptions import NotFoundError, StorageError
from lakeflow.importing.sources.artifact_files import local_path
from lakeflow.importing.sources.mlflow.sql_evaluation import SqlEvaluation
from lakeflow.importing.sources.mlflow.sql_models import SqlModels
from lakeflow.importing.sources.mlflow.sql_reviews import SqlReviews
from lakeflow.importing.sources.mlflow.sql_runs import (
    POINTS,
    RUN_COLUMNS,
    RUNS_AT_ONCE,
    SqlRuns,
)
from lakeflow.importing.sources.mlflow.sql_traces import SqlTraces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.importing.sources.mlflow.tables import Row

_WAIT_S = 30.0
"""Seconds for which a writer that has locked the database is waited for."""

_ORDER = (
    """
    CREATE TEMP TABLE ordered (experiment_id, run, PRIMARY KEY (experiment_id, run))
    WITHOUT ROWID
    """,
    """
    INSERT INTO ordered SELECT experiment_id, rowid FROM runs WHERE experiment_id IS NOT NULL
    """,
)
"""MLflow has no index of runs by experiment. Runs that were logged at one time share pages of
the table of points, so that they are read one after another."""

_RUNS = f"""
    SELECT {RUN_COLUMNS}
    FROM ordered JOIN runs ON runs.rowid = ordered.run
    WHERE ordered.experiment_id = :experiment AND coalesce(start_time, 0) >= :since
    ORDER BY ordered.run
"""  # noqa: S608 - a constant


class MlflowSqlite(SqlRuns, SqlModels, SqlTraces, SqlEvaluation, SqlReviews):
    """A reader of a database of MLflow's.

    Args:
        path: The file.

    Attributes:
        name: What it is, for people.

    Raises:
        NotFoundError: There is no such file.
        InvalidInputError: It is no database of MLflow's.
        InvalidStateError: Its schema is newer than is known, or very old.
        StorageError: It cannot be read, or stays locked.
    """

    # The order of rowid is that of logging, of which MLflow's database keeps nothing else.
    points = f'{POINTS} ORDER BY "key", rowid'
    order_of_inputs = "inputs.rowid"

    def __init__(self, path: str) -> None:
        super().__init__(os.path.abspath(path))
        self.name = f"the MLflow database {self.place}"
        if not os.path.isfile(self.place):
            raise NotFoundError(f"there is no database {self.place!r}", hint="check the path")
        self._database = _opened(self.place)
        try:
            with self._errors():
                self._begin()
        except BaseException:
            self._database.close()
            raise

    def _begin(self) -> None:
        """Take the snapshot, and look at the schema."""
        self._database.execute("BEGIN")
        # This takes the snapshot: BEGIN alone takes none before something is read.
        tables = self.tuples("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.tables = {name for (name,) in tables}
        self.require_known()
        # Temporary tables are in a database of their own, also where this one is only read.
        for each in _ORDER:
            self._database.execute(each)

    def close(self) -> None:
        """Let go of the snapshot."""
        self._database.close()

    def run_rows(self, experiment: int, since: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the columns of runs; see ``SqlRuns``."""
        return self.chunks(_RUNS, RUNS_AT_ONCE, experiment=experiment, since=since)

    def located(self, artifact_uri: str | None) -> str | None:
        """Return where files are; a relative location is one of the folder of the database."""
        path = local_path(artifact_uri) if artifact_uri else None
        if path is None:
            return artifact_uri
        return os.path.join(os.path.dirname(self.place), path)

    # The database

    def rows(self, query: str, /, **values: object) -> list[Row]:
        """Return the rows of a statement; see ``StoreTables``."""
        with self._errors(), contextlib.closing(self._database.cursor()) as cursor:
            cursor.row_factory = _row
            return cursor.execute(query, values).fetchall()

    def batches(self, query: str, most: int, /, **values: object) -> Iterator[list[Row]]:
        """Yield the rows of a statement as they are read; see ``StoreTables``."""
        return self._read(query, most, values, _row)

    def chunks(
        self, query: str, most: int, /, **values: object
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a statement as tuples; see ``StoreTables``."""
        return self._read(query, most, values)

    def _read(
        self, query: str, most: int, values: dict[str, object], make: Any = None
    ) -> Iterator[list[Any]]:
        # It goes with this generator, of which an import that fails lets go after the database
        # is closed: then a cursor cannot be closed.
        cursor = self._database.cursor()
        cursor.row_factory = make
        with self._errors():
            cursor.execute(query, values)
        while True:
            with self._errors():
                rows = cursor.fetchmany(most)
            if not rows:
                return
            yield rows

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StorageError(
                    f"{self.place} stays locked: another program writes to it",
                    "TEMPORARILY_UNAVAILABLE",
                    hint="stop that program, or import a copy that SQLite's .backup makes",
                ) from error
            raise StorageError(f"cannot read {self.place}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"cannot read {self.place}: {error}",
                "DATA_LOSS",
                hint="SQLite's .recover reads what can be read, into a new file",
            ) from error


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    names = (column[0] for column in cursor.description)
    return dict(zip(names, values, strict=True))


def _opened(path: str) -> sqlite3.Connection:
    """Return a connection that reads only."""
    database = sqlite3.connect(
        f"file:{quote(path)}?mode=ro{'&immutable=1' if _is_fixed(path) else ''}",
        uri=True,
        timeout=_WAIT_S,
        # There is one transaction for all that is read, and it is begun by hand.
        isolation_level=None,
        check_same_thread=False,
    )
    # What some tool has written is not always UTF-8.
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    return database


def _is_fixed(path: str) -> bool:
    """Return whether nobody writes to a database, and SQLite cannot look whether anybody does.

    In WAL mode it makes a file beside the database, also to read. Where this user may make
    none, a database whose log is gone is one that everybody has closed.
    """
    with open(path, "rb") as file:
        is_wal = file.read(20)[18:19] == b"\x02"
    folder = os.path.dirname(path)
    return is_wal and not os.access(folder, os.W_OK) and not os.path.exists(f"{path}-wal")
