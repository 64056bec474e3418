"""Reads runs: tables and log laid over one another, as of one fold."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.exceptions import DamagedLakeError, NotFoundError
from lakeflow.query.compile import Statement
from lakeflow.query.engine import arrow_table, engine_errors
from lakeflow.query.lookup import Lookup, importing
from lakeflow.query.overlay import Overlay, sources
from lakeflow.query.sandbox import Sandbox
from lakeflow.query.series import new_points, series
from lakeflow.query.views import hot_rows
from lakeflow.storage.delta import TABLES as TABLES_FOLDER
from lakeflow.storage.filesystem import ENGINE_PROTOCOL
from lakeflow.storage.folds import epoch_as_of
from lakeflow.tables import (
    CONTROL_TABLES,
    DATA_TABLES,
    METRICS,
    RUN_DOCUMENTS,
    RUNS,
    TABLES,
)
from lakeflow.tracking.memtable import Memtable
from lakeflow.tracking.scans import Scan, points_of
from lakeflow.tracking.state import RunState, made, merge, rows_of, state_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import pyarrow

    from lakeflow.query.engine import Engine
    from lakeflow.query.sandbox import Question
    from lakeflow.storage.folds import Epoch
    from lakeflow.storage.lake import Lake
    from lakeflow.tables import TableSpec

T = TypeVar("T")

_KEPT_RUNS = 1024


def _stages_of(experiment_id: str) -> Statement:
    return Statement(
        "SELECT run_id, lifecycle_stage FROM runs WHERE experiment_id = $experiment_id",
        {"experiment_id": experiment_id},
        tables=(RUNS.name,),
    )


class Reader:
    """Reads runs from a lake; threads share it.

    Args:
        lake: The lake.
        engine: What searches it.
    """

    def __init__(self, lake: Lake, engine: Engine) -> None:
        self._lake = lake
        self._memtable = Memtable(lake)
        self._engine = engine
        self._overlay = Overlay(self._engine)
        self._overlaid = -1
        self._lookup = Lookup(lake.engine_filesystem())
        tables = lake.fs.local_path(TABLES_FOLDER) or f"{ENGINE_PROTOCOL}://{TABLES_FOLDER}"
        self._sandbox = Sandbox(lake.engine_filesystem(), tables)
        self._stored: OrderedDict[tuple[int, str], RunState] = OrderedDict()
        self._renew_lock()
        lake.on_close(self._lookup.forget)
        lake.on_close(self._sandbox.close)
        lake.on_fork(self._renew_lock)
        lake.on_fork(self._memtable.forget)
        lake.on_fork(self._lookup.forget)
        lake.on_fork(self._sandbox.forget)

    def _renew_lock(self) -> None:
        self._stored_lock = threading.Lock()

    def run(self, run_id: str) -> RunState:
        """Return a run as it is now.

        A listing, a read of each segment that has grown, and for a run that was not made
        since the last fold one row group.

        Raises:
            NotFoundError: There is no such run.
        """
        return self._steadily(lambda: self._run(run_id))

    def runs(self, run_ids: Sequence[str], epoch: Epoch | None = None) -> list[RunState]:
        """Return those of several runs that are there, in the order of their ids' list.

        They are as they were when this process last looked at the log.

        Args:
            run_ids: The runs.
            epoch: A finished fold, to read them as they were then; None for now.
        """
        found = self._steadily(lambda: self._runs(run_ids, epoch, look=False))
        return [found[run_id] for run_id in run_ids if run_id in found]

    def epoch_as_of(self, as_of: int | datetime.datetime | None) -> Epoch | None:
        """Return the finished fold that somebody wants to go back to; None for now."""
        return None if as_of is None else epoch_as_of(self._lake.fs, as_of)

    def _run(self, run_id: str) -> RunState:
        found = self._runs([run_id]).get(run_id)
        if found is None:
            raise NotFoundError(f"Run with id={run_id} not found in {self._lake.fs.uri}")
        return found

    def _runs(
        self, run_ids: Iterable[str], past: Epoch | None = None, *, look: bool = True
    ) -> dict[str, RunState]:
        if past is not None:
            return self._stored_runs(run_ids, past)
        while True:
            epoch = None if look else self._memtable.epoch
            if epoch is None:
                epoch = self._memtable.refresh()
            stored = self._stored_runs(
                [run_id for run_id in run_ids if not self._is_made_hot(run_id)], epoch
            )
            with self._memtable.lock:
                # Another thread may have moved on to a later fold.
                if self._memtable.epoch is epoch:
                    return self._merged(run_ids, stored)

    def _is_made_hot(self, run_id: str) -> bool:
        hot = self._memtable.run(run_id)
        return hot is not None and hot.created is not None

    def _merged(
        self, run_ids: Iterable[str], stored: Mapping[str, RunState]
    ) -> dict[str, RunState]:
        """Lay the log over what is stored; the memtable's lock is held."""
        found = {}
        for run_id in run_ids:
            hot = self._memtable.run(run_id)
            base = stored.get(run_id)
            if hot is not None and hot.created is not None:
                base = made(run_id, hot)
            if base is not None:
                found[run_id] = base if hot is None else merge(base, hot)
        return found

    def search(
        self, statement: Statement, experiment_ids: Sequence[str], epoch: Epoch | None = None
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a search over tables and log.

        Args:
            statement: The search.
            experiment_ids: Experiments to which it is narrowed; empty for all.
            epoch: A finished fold, to search what the lake held then; None for now.
        """
        for pattern in statement.patterns:
            self._engine.check_pattern(pattern)
        return self._steadily(lambda: self._search(statement, experiment_ids, epoch))

    def _search(
        self, statement: Statement, experiment_ids: Sequence[str], past: Epoch | None
    ) -> list[tuple[Any, ...]]:
        cursor, bound = self._pinned([statement], experiment_ids, past)
        with importing(), engine_errors(), contextlib.closing(cursor):
            rows: list[tuple[Any, ...]] = cursor.execute(*bound[0]).fetchall()
            return rows

    def tables(
        self,
        statements: Sequence[Statement],
        experiment_ids: Sequence[str],
        epoch: Epoch | None,
        **given: pyarrow.Table,
    ) -> list[pyarrow.Table]:
        """Return the rows of statements that see the lake at one moment, as columns.

        Args:
            statements: The statements.
            experiment_ids: Experiments to which they are narrowed; empty for all.
            epoch: A finished fold, to read what the lake held then; None for now.
            **given: Tables that they may read besides, by name.
        """

        def read() -> list[pyarrow.Table]:
            cursor, bound = self._pinned(statements, experiment_ids, epoch)
            with engine_errors(), contextlib.closing(cursor):
                for name, table in given.items():
                    cursor.register(name, table)
                return [
                    cursor.sql(text, params=values).to_arrow_table() for text, values in bound
                ]

        return self._steadily(read)

    def _pinned(
        self,
        statements: Sequence[Statement],
        experiment_ids: Sequence[str],
        past: Epoch | None,
    ) -> tuple[Any, list[tuple[str, dict[str, Any]]]]:
        """Return a cursor that sees one moment, and what it executes for statements."""
        with self._memtable.lock:
            epoch = past or self._refresh_overlay()
            has_hot = past is None and not self._overlay.is_empty
            cursor = self._overlay.pinned() if past is None else self._engine.cursor()
        bound = []
        for statement in statements:
            files = {
                name: self._paths(
                    TABLES[name],
                    epoch,
                    experiment_id=experiment_ids,
                    key=statement.named.get(name, ()),
                )
                for name in statement.tables
            }
            head, values = sources(statement.tables, files, has_hot=has_hot)
            bound.append((head + statement.sql, values | statement.values))
        return cursor, bound

    def scan(self, spec: TableSpec, epoch: Epoch | None = None) -> Scan:
        """Return what a table holds, as its files and the rows that are not in them.

        Args:
            spec: ``metrics``, or a table whose hot rows are kept.
            epoch: A finished fold, to see what the table held then; None for now.
        """
        if epoch is not None:
            return Scan(self._paths(spec, epoch), (), arrow_table(spec, ()))
        return self._steadily(lambda: self._scan(spec))

    def _scan(self, spec: TableSpec) -> Scan:
        with self._memtable.lock:
            epoch = self._refresh_overlay()
            runs = self._memtable.runs()
            fresh = points_of(runs) if spec == METRICS else self._overlaid_rows(spec)
        files = self._paths(spec, epoch)
        replaced = [run_id for run_id, hot in runs if hot.created is None]
        if spec != METRICS:
            return Scan(files, replaced if files else (), fresh)
        return Scan(files, (), new_points(self._engine, files, replaced, fresh))

    def _overlaid_rows(self, spec: TableSpec) -> pyarrow.Table:
        if self._overlay.is_empty:
            return arrow_table(spec, ())
        with contextlib.closing(self._engine.cursor()) as cursor:
            return cursor.sql(hot_rows(spec)).to_arrow_table()

    def query(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None,
        epoch: Epoch | None = None,
    ) -> pyarrow.Table:
        """Return the rows of a user's statement; see ``lakeflow.sql``."""
        question = self._sandbox.question(query)
        return self._steadily(lambda: self._query(question, params, epoch))

    def _query(self, question: Question, params: Any, past: Epoch | None) -> pyarrow.Table:
        asked = [TABLES[name] for name in question.tables]
        with self._memtable.lock:
            epoch = past or self._refresh_overlay()
            fresh = self._fresh(asked) if past is None else {}
            runs = self._memtable.runs()
        files = {spec.name: self._paths(spec, epoch) for spec in asked if spec in DATA_TABLES}
        if METRICS.name in fresh:
            replaced = [run_id for run_id, hot in runs if hot.created is None]
            fresh[METRICS.name] = new_points(
                self._engine, files[METRICS.name], replaced, fresh[METRICS.name]
            )
        for spec in asked:
            if spec in CONTROL_TABLES:
                rows = self._lake.control[spec.name].rows()
                fresh[spec.name] = arrow_table(spec, [tuple(row.values()) for row in rows])
        return self._sandbox.answer(question, files, fresh, params)

    def _fresh(self, asked: Sequence[TableSpec]) -> dict[str, pyarrow.Table]:
        """Return the rows of hot runs, and which runs these are; the lock is held."""
        if self._overlay.is_empty or not asked:
            return {}
        fresh = {
            spec.name: self._overlaid_rows(spec)
            for spec in (RUNS, *asked)
            if spec in DATA_TABLES and spec != METRICS
        }
        if METRICS in asked:
            fresh[METRICS.name] = points_of(self._memtable.runs())
        return fresh

    def series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        """Return one metric of several runs in buckets of steps; see ``metric_series``."""
        return self._steadily(lambda: self._series(run_ids, key, max_points))

    def _series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        with self._memtable.lock:
            epoch = self._memtable.refresh()
            hot = {run_id: self._memtable.run(run_id) for run_id in run_ids}
            points = points_of(((run_id, run) for run_id, run in hot.items() if run), key)
        files = self._paths(METRICS, epoch, run_id=run_ids)
        return series(self._engine, files, run_ids, key, max_points, points)

    def _refresh_overlay(self) -> Epoch:
        """Bring the hot rows in the engine up to date; the memtable's lock is held."""
        epoch = self._memtable.refresh()
        if self._overlay.is_lost() or epoch.number != self._overlaid:
            self._overlay.clear()
            self._memtable.take_changed()
            changed = {run_id for run_id, _ in self._memtable.runs()}
        else:
            changed = self._memtable.take_changed()
        self._overlaid = -1  # should anything fail from here on
        if changed:
            stored = self._stored_runs(
                [run_id for run_id in changed if not self._is_made_hot(run_id)], epoch
            )
            self._overlay.replace(changed, rows_of(self._merged(changed, stored)))
        self._overlaid = epoch.number
        return epoch

    def params(
        self, run_id: str, keys: Collection[str], epoch_number: int
    ) -> tuple[int, dict[str, str]]:
        """Return params that may have been added to a run since a fold.

        Args:
            run_id: The run.
            keys: The params to look for.
            epoch_number: The fold whose tables the caller has seen.

        Returns:
            The fold now; and those of the keys that are in the log, or all params where
            there is a newer fold.
        """
        with self._memtable.lock:
            epoch = self._memtable.refresh()
            hot = self._memtable.run(run_id)
            found = {} if hot is None else hot.params
            known = {key: found[key][1] for key in keys if key in found}
        if epoch.number != epoch_number:
            return epoch.number, self.run(run_id).params
        return epoch_number, known

    def runs_of(self, experiment_id: str) -> dict[str, str]:
        """Return the lifecycle stage of every run of an experiment by run id."""
        return dict(self.search(_stages_of(experiment_id), [experiment_id]))

    def history(self, run_id: str, key: str) -> pyarrow.Table:
        """Return one metric's points as columns ``value, timestamp, step``.

        Raises:
            NotFoundError: There is no such run.
        """
        return self._steadily(lambda: self._history(run_id, key))

    def _history(self, run_id: str, key: str) -> pyarrow.Table:
        with self._memtable.lock:
            epoch = self._memtable.refresh()
            hot = self._memtable.run(run_id)
            points = points_of([(run_id, hot)], key) if hot and key in hot.points else None
            is_new = hot is not None and hot.created is not None
        # Also tells of a run that is not there.
        experiment_id = self._run(run_id).fields["experiment_id"]
        files = []
        if not is_new:
            files = self._paths(METRICS, epoch, run_id=[run_id], experiment_id=[experiment_id])
        return self._engine.history(files, experiment_id, run_id, key, points)

    def _stored_runs(self, run_ids: Iterable[str], epoch: Epoch) -> dict[str, RunState]:
        """Return what the tables hold of runs; the last ones asked for are kept."""
        found, missing = {}, []
        with self._stored_lock:
            for run_id in run_ids:
                if (epoch.number, run_id) in self._stored:
                    found[run_id] = self._stored[epoch.number, run_id]
                else:
                    missing.append(run_id)
        if missing:
            ordered = sorted(missing)
            paths = self._paths(RUN_DOCUMENTS, epoch, run_id=ordered)
            documents = self._lookup.documents(paths, ordered)
            loaded = {run_id: state_of(text) for run_id, text in documents.items()}
            found |= loaded
            with self._stored_lock:
                for run_id, state in loaded.items():
                    self._stored[epoch.number, run_id] = state
                while len(self._stored) > _KEPT_RUNS:
                    self._stored.popitem(last=False)
        return found

    def _paths(self, spec: TableSpec, epoch: Epoch, **where: Sequence[str]) -> list[str]:
        """Return the files of a table that may hold rows with any of these values."""
        wanted = {column: sorted(values) for column, values in where.items() if values}
        files = [
            file
            for file in self._lake.files(spec.name, epoch)
            if all(file.may_hold(column, values) for column, values in wanted.items())
        ]
        return self._lake.paths(spec.name, files)

    def _steadily(self, read: Callable[[], T]) -> T:
        """Read again where a file was replaced and deleted in between."""
        while True:
            epoch = self._lake.epoch().number
            try:
                return read()
            except FileNotFoundError as error:
                if self._lake.epoch().number == epoch:
                    raise DamagedLakeError(
                        f"a table of {self._lake.fs.uri} lacks a file: {error}",
                        hint="if another tool has rewritten the table, run "
                        f"'lakeflow compact {self._lake.fs.uri}'; else restore the file",
                    ) from error
