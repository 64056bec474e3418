"""MLflow's database in PostgreSQL or MySQL, of the schemas that are known: read by SQLAlchemy.

Each statement is read for itself, with a connection of its own: what is logged meanwhile is
read, or comes with the next import. Nothing is written, no table of MLflow's is made.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakeflow import formats
from lakeflow.exceptions import InvalidInputError, LakeflowException, StorageError
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
from lakeflow.printable import without_password

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.importing.sources.mlflow.tables import Row

DRIVERS = {"postgresql": "psycopg2", "mysql": "pymysql"}
"""The driver of each database where a URI names none; extras are named like the databases."""

_RUN_IDS = """
    SELECT run_uuid FROM runs
    WHERE experiment_id = :experiment AND coalesce(start_time, 0) >= :since
    ORDER BY start_time, run_uuid
"""
_RUNS = f"SELECT {RUN_COLUMNS} FROM runs WHERE run_uuid"  # noqa: S608 - a constant


def is_database(uri: str) -> bool:
    """Return whether a location is that of a database that is read here.

    Examples:
        >>> is_database("postgresql+psycopg2://me@localhost/mlflow")
        True
        >>> is_database("sqlite:///mlflow.db")
        False
    """
    return _name(uri) in DRIVERS


def _name(uri: str) -> str:
    return urlsplit(uri).scheme.partition("+")[0]


class MlflowDatabase(SqlRuns, SqlModels, SqlTraces, SqlEvaluation, SqlReviews):
    """A reader of a database of MLflow's.

    Args:
        uri: Its URI, as SQLAlchemy takes it.

    Attributes:
        name: What it is, for people.

    Raises:
        InvalidInputError: It is no URI, or no database of MLflow's.
        InvalidStateError: Its schema is newer than is known, or very old.
        StorageError: It cannot be read.
        LakeflowException: FEATURE_DISABLED, SQLAlchemy or the driver is not installed.
    """

    # The key of the table begins so. In which order points of one time were logged nobody
    # knows: the database has no other column.
    points = f'{POINTS} ORDER BY "key", timestamp, step'
    order_of_inputs = "inputs.input_uuid"

    def __init__(self, uri: str) -> None:
        super().__init__(without_password(uri))
        self.name = f"the MLflow database {self.place}"
        self._sqlalchemy = formats.require("sqlalchemy", f"lakeflow[{_name(uri)}]")
        self._engine = self._engine_of(uri)
        try:
            with self._errors():
                self.tables = {*self._sqlalchemy.inspect(self._engine).get_table_names()}
            self.require_known()
        except BaseException:
            self.close()
            raise

    def _engine_of(self, uri: str) -> Any:
        name = _name(uri)
        try:
            engine = self._sqlalchemy.create_engine(
                # What a URI without a driver means is another one in each SQLAlchemy.
                re.sub(f"^{name}:", f"{name}+{DRIVERS[name]}:", uri),
                # JSON is decoded where it is read, as that of SQLite is.
                **({"json_deserializer": _as_it_is} if name == "postgresql" else {}),
            )
        except ImportError as error:
            raise LakeflowException(
                f"{self.place} is read by a driver that is not there: {error}",
                "FEATURE_DISABLED",
                hint=f"pip install 'lakeflow[{name}]'",
            ) from error
        except self._sqlalchemy.exc.ArgumentError as error:
            raise InvalidInputError(f"{self.place} is no URI of a database: {error}") from error
        if name == "mysql":
            self._sqlalchemy.event.listen(engine, "connect", _quote_as_others_do)
        return engine

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def run_rows(self, experiment: int, since: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the columns of runs; see ``SqlRuns``."""
        # By their ids: a statement that is read for as long as it takes to import the runs
        # would be given up by the server.
        ids = [each for (each,) in self.tuples(_RUN_IDS, experiment=experiment, since=since)]
        for start in range(0, len(ids), RUNS_AT_ONCE):
            some = ids[start : start + RUNS_AT_ONCE]
            found = {row[0]: row for row in self.those_of(_RUNS, some)}
            yield [found[each] for each in some if each in found]

    # The database

    def rows(self, query: str, /, **values: object) -> list[Row]:
        """Return the rows of a statement; see ``StoreTables``."""
        return [row for rows in self.batches(query, _ROWS_AT_ONCE, **values) for row in rows]

    def batches(self, query: str, most: int, /, **values: object) -> Iterator[list[Row]]:
        """Yield the rows of a statement as they are read; see ``StoreTables``."""
        for names, rows in self._read(query, most, values):
            yield [dict(zip(names, row, strict=True)) for row in rows]

    def chunks(
        self, query: str, most: int, /, **values: object
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of a statement as tuples; see ``StoreTables``."""
        for _, rows in self._read(query, most, values):
            yield rows

    def _read(
        self, query: str, most: int, values: dict[str, object]
    ) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
        """Yield the names of the columns with some rows."""
        with self._errors(), self._engine.connect() as connection:
            found = connection.execution_options(
                stream_results=True, max_row_buffer=most
            ).execute(self._sqlalchemy.text(query), values)
            # Of a join two columns may have one name, which SQLAlchemy looks up for nobody.
            names = tuple(found.keys())
            while rows := found.fetchmany(most):
                yield names, rows

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._sqlalchemy.exc.SQLAlchemyError as error:
            said = getattr(error, "orig", None) or error
            raise StorageError(
                f"cannot read {self.place}: {' '.join(str(said).split())}",
                "TEMPORARILY_UNAVAILABLE",
                hint="import again: what is there already is not brought twice",
            ) from error


def _quote_as_others_do(connection: Any, _: object) -> None:
    """Let a new connection to MySQL take what is in double quotes for a name."""
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("SET SESSION sql_mode = 'ANSI_QUOTES'")


def _as_it_is(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode()


_ROWS_AT_ONCE = 1_000
