"""MLflow's SQLite database, of the schemas that are known: read directly, without MLflow.

All of it is read from one snapshot: a transaction that is open from the look at the schema
until the end. In SQLite's WAL mode MLflow goes on writing meanwhile, else writers have to wait.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lakeflow.entities import LifecycleStage, tag_names
from lakeflow.exceptions import (
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
    StorageError,
)
from lakeflow.importing.items import Curve, DatasetItem, ExperimentItem, Problem, RunItem
from lakeflow.importing.sources.artifact_files import files_below, local_path
from lakeflow.importing.sources.mlflow.infinities import LARGEST, unclipped
from lakeflow.importing.sources.mlflow.schemas import KNOWN_SCHEMAS, OLD_SCHEMAS
from lakeflow.importing.sources.mlflow.sql_evaluation import SqlEvaluation
from lakeflow.importing.sources.mlflow.sql_models import SqlModels
from lakeflow.importing.sources.mlflow.sql_traces import SqlTraces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lakeflow.importing.items import FileItem
    from lakeflow.importing.sources.mlflow.tables import Row

_WAIT_S = 30.0
"""Seconds for which a writer that has locked the database is waited for."""

_POINTS_A_CHUNK = 4_096

# SQLite before 3.32 takes no more than 999 values in a statement.
_RUNS_AT_ONCE = 500

# The order of rowid is that of logging, of which MLflow's database keeps nothing else.
_POINTS = """
    SELECT "key", value, timestamp, step, is_nan FROM metrics
    WHERE run_uuid = ? ORDER BY "key", rowid
"""

_COUNTS = 'SELECT "key", count(*) FROM metrics WHERE run_uuid = ? GROUP BY "key"'

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

_RUNS = """
    SELECT run_uuid, start_time, end_time, status, name, user_id, lifecycle_stage, artifact_uri
    FROM ordered JOIN runs ON runs.rowid = ordered.run
    WHERE ordered.experiment_id = ? AND coalesce(start_time, 0) >= ? ORDER BY ordered.run
"""


class MlflowSqlite(SqlModels, SqlTraces, SqlEvaluation):
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

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = os.path.abspath(path)
        self.name = f"the MLflow database {self.path}"
        self._locations: dict[str, str | None] = {}
        if not os.path.isfile(self.path):
            raise NotFoundError(f"there is no database {self.path!r}", hint="check the path")
        self._database = _opened(self.path)
        try:
            with self._errors():
                self._begin()
        except BaseException:
            self._database.close()
            raise

    def _begin(self) -> None:
        """Take the snapshot, and look at the schema."""
        database = self._database
        database.execute("BEGIN")
        tables = self._all("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.tables = {name for (name,) in tables}
        if not {"alembic_version", "runs", "metrics"} <= self.tables:
            raise InvalidInputError(
                f"{self.path} is no database of MLflow's: it has no such tables",
                hint="give the file that MLflow's --backend-store-uri names",
            )
        _check_schema(self.path, self._all("SELECT version_num FROM alembic_version"))
        columns = self._all("SELECT name FROM pragma_table_info('experiments')")
        self._of_experiments = {name for (name,) in columns}
        for each in _ORDER:
            database.execute(each)

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self.report = report

    def close(self) -> None:
        """Let go of the snapshot."""
        self._database.close()

    # Experiments

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield all experiments, deleted ones too."""
        optional = [
            name if name in self._of_experiments else "NULL"
            for name in ("creation_time", "last_update_time", "workspace")
        ]
        rows = self._all(
            "SELECT experiment_id, name, artifact_location, lifecycle_stage, "  # noqa: S608
            f"{', '.join(optional)} FROM experiments ORDER BY experiment_id"
        )
        tags: dict[int, dict[str, str]] = {}
        for identity, key, value in self._all(
            'SELECT experiment_id, "key", value FROM experiment_tags'
        ):
            tags.setdefault(identity, {})[key] = value or ""
        for identity, name, location, stage, created, updated, workspace in rows:
            self._locations[str(identity)] = self._location(location)
            yield ExperimentItem(
                str(identity),
                # Two workspaces may have experiments of one name, and a lake has no workspaces.
                name if workspace in {None, "default"} else f"{workspace}/{name}",
                tags.get(identity, {}),
                stage or LifecycleStage.ACTIVE,
                created,
                updated,
                location,
            )

    # Runs

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of an experiment, in the order in which they were made."""
        first = -(2**63) if since is None else since
        for rows in self._batches(_RUNS, (int(experiment.key), first), _RUNS_AT_ONCE):
            yield from self._items(experiment, rows)

    def _items(self, experiment: ExperimentItem, rows: list[Any]) -> Iterator[RunItem]:
        ids = [row[0] for row in rows]
        params = self._pairs("params", ids)
        tags = self._pairs("tags", ids)
        datasets = self._datasets(ids)
        used, made = self._models(ids)
        for run_id, start, end, status, name, user_id, stage, artifact_uri in rows:
            if start is None:
                self.report(Problem(f"run {run_id}", "it has no start_time, and gets 0"))
            yield RunItem(
                run_id,
                experiment.key,
                start or 0,
                end,
                status or "RUNNING",
                name or tags.get(run_id, {}).get(tag_names.RUN_NAME, ""),
                user_id or "",
                stage or LifecycleStage.ACTIVE,
                params.get(run_id, {}),
                tags.get(run_id, {}),
                datasets.get(run_id, []),
                used.get(run_id, []),
                made.get(run_id, {}),
                self._location(artifact_uri),
            )

    def _location(self, artifact_uri: str | None) -> str | None:
        """Return where files are; a relative location is one of the folder of the database."""
        path = local_path(artifact_uri) if artifact_uri else None
        if path is None:
            return artifact_uri
        return os.path.join(os.path.dirname(self.path), path)

    def _pairs(self, table: str, ids: list[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        query = f'SELECT run_uuid, "key", value FROM {table} WHERE run_uuid IN ({_marks(ids)})'  # noqa: S608
        for run_id, key, value in self._all(query, ids):
            found.setdefault(run_id, {})[key] = value or ""
        return found

    def _datasets(self, ids: list[str]) -> dict[str, list[DatasetItem]]:
        if "inputs" not in self.tables:
            return {}
        query = (
            "SELECT inputs.destination_id, inputs.input_uuid, datasets.name, digest, "  # noqa: S608
            "dataset_source_type, dataset_source, dataset_schema, dataset_profile "
            "FROM inputs JOIN datasets ON dataset_uuid = inputs.source_id "
            "WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN' "
            f"AND inputs.destination_id IN ({_marks(ids)}) ORDER BY inputs.rowid"
        )
        rows = self._all(query, ids)
        uses: dict[str, dict[str, str]] = {}
        # A run may have many datasets, so that these are bounded too.
        for start in range(0, len(rows), _RUNS_AT_ONCE):
            inputs = [row[1] for row in rows[start : start + _RUNS_AT_ONCE]]
            for identity, name, value in self._all(
                "SELECT input_uuid, name, value FROM input_tags "  # noqa: S608
                f"WHERE input_uuid IN ({_marks(inputs)})",
                inputs,
            ):
                uses.setdefault(identity, {})[name] = value
        found: dict[str, list[DatasetItem]] = {}
        for run_id, identity, *fields in rows:
            dataset = DatasetItem(*fields)._replace(tags=uses.get(identity, {}))
            found.setdefault(run_id, []).append(dataset)
        return found

    def _models(self, ids: list[str]) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
        """Return which logged models runs used, and made at which step."""
        used: dict[str, list[str]] = {}
        made: dict[str, dict[str, int]] = {}
        if "logged_models" not in self.tables:
            return used, made
        for run_id, model_id in self._all(
            "SELECT source_id, destination_id FROM inputs WHERE source_type = 'RUN_INPUT' "  # noqa: S608
            f"AND destination_type = 'MODEL_INPUT' AND source_id IN ({_marks(ids)})",
            ids,
        ):
            used.setdefault(run_id, []).append(model_id)
        for run_id, model_id, step in self._all(
            "SELECT source_id, destination_id, step FROM inputs "  # noqa: S608
            "WHERE source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT' "
            f"AND source_id IN ({_marks(ids)})",
            ids,
        ):
            made.setdefault(run_id, {})[model_id] = step or 0
        return used, made

    # Points and files

    def counts(self, run: RunItem) -> dict[str, int] | None:
        """Return how many points each metric of a run has."""
        return dict(self._all(_COUNTS, (run.run_id,)))

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run, metric by metric, in the order of logging."""
        for rows in self._batches(_POINTS, (run.run_id,), _POINTS_A_CHUNK):
            for key, points in groupby(rows, itemgetter(0)):
                yield _curve(key, points)

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run."""
        if run.artifact_uri:
            self._look_for_files(run)
            yield from files_below(run.artifact_uri, self.report)

    def _look_for_files(self, run: RunItem) -> None:
        """Tell where the files of a whole experiment are not there: once, with its first run.

        A run without any has no folder, but here a database may have come alone.
        """
        location = self._locations.pop(run.experiment, None)
        folder = local_path(location) if location else None
        if folder is not None and not os.path.isdir(folder):
            why = "there is no such folder: files of runs are left out, if there were any"
            self.report(Problem(folder, why, is_loss=False))

    # The database

    def _all(self, query: str, values: Iterable[Any] = ()) -> list[Any]:
        with self._errors():
            return self._database.execute(query, tuple(values)).fetchall()

    def _batches(
        self,
        query: str,
        values: tuple[Any, ...] | dict[str, object],
        most: int,
        make: Any = None,
    ) -> Iterator[list[Any]]:
        with contextlib.closing(self._database.cursor()) as cursor:
            cursor.row_factory = make
            with self._errors():
                cursor.execute(query, values)
            while True:
                with self._errors():
                    rows = cursor.fetchmany(most)
                if not rows:
                    return
                yield rows

    def rows(self, query: str, /, **values: object) -> list[Row]:
        """Return the rows of a statement; see ``StoreTables``."""
        with self._errors(), contextlib.closing(self._database.cursor()) as cursor:
            cursor.row_factory = _row
            return cursor.execute(query, values).fetchall()

    def batches(self, query: str, most: int, /, **values: object) -> Iterator[list[Row]]:
        """Yield the rows of a statement as they are read; see ``StoreTables``."""
        return self._batches(query, values, most, _row)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise StorageError(
                    f"{self.path} stays locked: another program writes to it",
                    "TEMPORARILY_UNAVAILABLE",
                    hint="stop that program, or import a copy that SQLite's .backup makes",
                ) from error
            raise StorageError(f"cannot read {self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"cannot read {self.path}: {error}",
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


def _check_schema(path: str, versions: list[Any]) -> None:
    """Make sure that the schema is one that is known.

    Raises:
        InvalidStateError: It is not.
    """
    (version,) = versions[0] if versions else ("none",)
    if version in KNOWN_SCHEMAS:
        return
    if version in OLD_SCHEMAS:
        raise InvalidStateError(
            f"{path} has the schema {version}, which MLflow had before 1.26",
            hint="`mlflow db upgrade` of MLflow 2 or 3 upgrades it; upgrade a copy",
        )
    raise InvalidStateError(
        f"{path} has the schema {version!r}, which is newer than this lakeflow knows",
        hint="upgrade lakeflow; nothing was written",
    )


def _curve(key: str, points: Iterable[Any]) -> Curve:
    _, values, timestamps, steps, are_nan = zip(*points, strict=True)
    found = [0.0 if each is None else float(each) for each in values]
    # First: a NaN is stored as 0, and would make any comparison false.
    if max(found) >= LARGEST or min(found) <= -LARGEST:
        found = unclipped(found)
    if any(are_nan):
        found = [
            math.nan if is_nan else value for value, is_nan in zip(found, are_nan, strict=True)
        ]
    return Curve(key, found, timestamps, steps)


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
