"""Reads a lake by the column: scans of tables, a user's SQL, curves."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import errno
import functools
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow.entities import validation
from lakeflow.filesystem.interface import ENGINE_PROTOCOL
from lakeflow.kinds import RUN
from lakeflow.kinds.kind import Keep
from lakeflow.query.engine.bounds import Bounds
from lakeflow.query.engine.comparisons import binding
from lakeflow.query.engine.connection import arrow_table
from lakeflow.query.engine.narrowing import EVERYTHING, Narrowing
from lakeflow.query.engine.overlay import (
    fresh,
    gone_ids,
    hot,
    hot_ids,
    replaced_keys,
    stored_rows,
)
from lakeflow.query.engine.sandbox import Sandbox
from lakeflow.query.engine.series import points, series
from lakeflow.query.engine.views import Views
from lakeflow.schema import METRICS
from lakeflow.stores.replaced_files import retry_when_replaced
from lakeflow.stores.scans import Scan, rows_of
from lakeflow.stores.things import ranges_of
from lakeflow.tables.data_file import TABLES as TABLES_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.query.engine.connection import Cursor, Engine
    from lakeflow.query.engine.sandbox import Question
    from lakeflow.schema import TableSpec
    from lakeflow.stores.snapshots import Snapshot, SnapshotId, Snapshots
    from lakeflow.tables.folds import Fold

_FEW = 100
"""Things whose documents are looked up to find their rows."""


class ColumnReader:
    """Reads tables and log as columns; threads share it.

    Args:
        lake: The lake.
        engine: What reads its files.
        snapshots: What the lake holds.
    """

    def __init__(self, lake: Lake, engine: Engine, snapshots: Snapshots) -> None:
        self._lake = lake
        self._engine = engine
        self._snapshots = snapshots
        tables = lake.fs.local_path(TABLES_FOLDER) or f"{ENGINE_PROTOCOL}://{TABLES_FOLDER}"
        self._views = Views(lake.kinds)
        settings = lake.settings
        self._bounds = Bounds(
            settings.sql_seconds, settings.sql_memory_bytes, settings.sql_rows
        )
        self._new_sandbox = functools.partial(
            Sandbox, lake.engine_filesystem(), tables, self._views
        )
        self._sandbox = self._new_sandbox(self._bounds.memory_bytes or None)
        lake.on_close(self._sandbox.close)
        lake.on_fork(self._sandbox.reset)

    def scan(self, kind: Kind, spec: TableSpec, snapshot_id: SnapshotId | None = None) -> Scan:
        """Return what a table holds, as its files and the rows that are not in them.

        Args:
            kind: The kind of thing.
            spec: One of its tables.
            snapshot_id: To see what the table held then; None for now.
        """
        return retry_when_replaced(self._lake, lambda: self._scan(kind, spec, snapshot_id))

    def _scan(self, kind: Kind, spec: TableSpec, snapshot_id: SnapshotId | None) -> Scan:
        with self._snapshots.held(snapshot_id) as snapshot:
            files = self._lake.paths(spec.name, snapshot.fold)
            self._require_local(files)
            memory = snapshot.memory
            hidden = {each.id: memory.gone(each) for each in kind.owners}
            if spec in kind.keyed_tables:
                part = kind.part(spec)
                assert part is not None
                by_key = self._by_key(snapshot, kind, spec, files)
                return Scan(files, hidden, part.removed_by_null, *by_key)
            fresh = self._hot_rows(snapshot, kind, spec)
            # A hot thing is whole in memory, but for its points: those in files count still.
            if not _is_each(kind, spec):
                hidden[kind.id] = snapshot.ids(kind)
        return Scan(files, hidden, "", None, fresh)

    def _require_local(self, files: Sequence[str]) -> None:
        """Make sure that files are there, which a lazy frame opens only later.

        Raises:
            FileNotFoundError: Another tool has deleted one.
        """
        # Where a look is a request, polars finds out.
        if self._lake.fs.local_path("") is not None:
            for path in files:
                if not os.path.exists(path):
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _hot_rows(
        self,
        snapshot: Snapshot,
        kind: Kind,
        spec: TableSpec,
        wanted: Narrowing = EVERYTHING,
    ) -> pyarrow.Table:
        """Return the wanted rows of hot things in a table, or more; the lock is held."""
        if _is_each(kind, spec):
            return rows_of(kind, spec, snapshot, snapshot.things(kind))
        overlay = snapshot.sync_tables()
        if hot_ids(kind) not in overlay.hot:
            return arrow_table(spec, ())
        values: dict[str, Any] = {}
        where = wanted.where(binding(values))
        with contextlib.closing(overlay.cursor()) as cursor:
            return cursor.table(f"FROM {hot(spec)} {where}", values)

    def _by_key(
        self, snapshot: Snapshot, kind: Kind, spec: TableSpec, files: Sequence[str]
    ) -> tuple[pyarrow.Table | None, pyarrow.Table]:
        """Return the keys of stored rows that hot ones stand for, and the hot rows."""
        overlay = snapshot.sync_tables()
        stored, values = stored_rows(spec, files)
        rows = fresh(kind, spec, stored, overlay.hot)
        keys = replaced_keys(kind, spec, stored) if hot_ids(kind) in overlay.hot else ""
        with contextlib.closing(overlay.cursor()) as cursor:

            def found(statement: str) -> pyarrow.Table:
                # What is bound must be in the text: only some parts look at the files.
                return cursor.table(statement, values if stored and stored in statement else {})

            return found(keys) if keys and files else None, found(rows)

    def query(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None,
        snapshot_id: SnapshotId | None = None,
        given: Mapping[str, pyarrow.Table] = MappingProxyType({}),
        **bounds: float,
    ) -> pyarrow.Table:
        """Return the rows of a user's statement; see ``lakeflow.sql``.

        Args:
            query: The statement.
            params: Values by position or by name.
            snapshot_id: To see what the lake held then; None for now.
            given: Tables that it may read besides, by name in small letters.
            **bounds: Fields of ``Bounds`` that are not those of the settings.
        """
        wanted = dataclasses.replace(self._bounds, **bounds)  # type: ignore[arg-type]
        values = _with_zones(params)
        with self._sandbox_of(wanted.memory_bytes) as sandbox:
            question = sandbox.question(query, given, values)
            return retry_when_replaced(
                self._lake,
                lambda: sandbox.answer(
                    *self._asked(question, snapshot_id), values, wanted, given
                ),
                is_users=True,
            )

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Cursor]:
        """Give what answers our own statements over all views, as the lake is now.

        Below each view is a relation of the schema ``lakeflow``, with the table as it is. The
        rows of a statement may come in batches, so that very many of them need little memory.

        Raises:
            FileNotFoundError: Raised by a statement: a file was replaced and deleted meanwhile.
        """
        everything = dict.fromkeys(self._views.tables.values(), EVERYTHING)
        _, files, fresh = self._parts(everything)
        with self._sandbox.opened(files, fresh) as cursor:
            yield cursor

    @contextlib.contextmanager
    def _sandbox_of(self, memory_bytes: int) -> Iterator[Sandbox]:
        """Yield the sandbox, or one for this call where it may hold another amount."""
        if memory_bytes == self._bounds.memory_bytes:
            yield self._sandbox
            return
        # DuckDB has one limit of memory for all that is asked of a database.
        with contextlib.closing(self._new_sandbox(memory_bytes or None)) as sandbox:
            yield sandbox

    def _asked(
        self, question: Question, snapshot_id: SnapshotId | None
    ) -> tuple[Question, dict[str, list[str]], dict[str, pyarrow.Table]]:
        """Return a statement, with the files and the hot tables that it reads."""
        asked = {
            self._views.tables[name]: question.narrowings.get(name, EVERYTHING)
            for name in question.tables
        }
        stored, files, fresh = self._parts(asked, snapshot_id)
        return dataclasses.replace(question, narrowings=stored), files, fresh

    def _parts(
        self, asked: Mapping[TableSpec, Narrowing], snapshot_id: SnapshotId | None = None
    ) -> tuple[dict[str, Narrowing], dict[str, list[str]], dict[str, pyarrow.Table]]:
        """Return what is read of tables, of one snapshot.

        Returns:
            Where the stored rows are that are wanted, the files that may hold them, and the hot
            tables beside them.
        """
        with self._snapshots.held(snapshot_id) as snapshot:
            fold = snapshot.fold
            self._sandbox.reads(fold.number)
            stored = {
                spec.name: self._told(spec, wanted, fold) for spec, wanted in asked.items()
            }
            files = {
                spec.name: self._lake.paths(
                    spec.name,
                    fold,
                    within={**wanted.ranges, **stored[spec.name].ranges},
                    **wanted.texts,
                )
                for spec, wanted in asked.items()
            }
            return stored, files, self._fresh(snapshot, asked) if asked else {}

    def _told(self, spec: TableSpec, wanted: Narrowing, fold: Fold) -> Narrowing:
        """Return where the stored rows of few things are, if their documents say it."""
        kind = self._views.kind_of[spec.name]
        ids = wanted.texts.get(kind.id, ())
        if kind.derived is None or spec is not kind.derived.table or not 0 < len(ids) <= _FEW:
            return EVERYTHING
        things = self._snapshots.stored.get(kind, ids, fold).values()
        # Of a thing without a document nothing is stored.
        ranges = ranges_of(kind.derived, things) or [(1, 0)]
        return Narrowing(ranges={kind.derived.part.pruned_by: ranges})

    def _fresh(
        self, snapshot: Snapshot, asked: Mapping[TableSpec, Narrowing]
    ) -> dict[str, pyarrow.Table]:
        """Return the hot tables that relations read; the lock is held."""
        overlay = snapshot.sync_tables()
        fresh: dict[str, pyarrow.Table] = {}
        with contextlib.closing(overlay.cursor()) as cursor:
            for spec, wanted in asked.items():
                kind = self._views.kind_of[spec.name]
                names = overlay.hot & {hot_ids(kind), *map(gone_ids, kind.owners)}
                for name in names:
                    fresh[name] = cursor.table(f"FROM {name}")
                if names:
                    fresh[hot(spec)] = self._hot_rows(snapshot, kind, spec, wanted)
        return fresh

    def series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        """Return one metric of several runs in buckets of steps; see ``metric_series``."""
        return retry_when_replaced(self._lake, lambda: self._series(run_ids, key, max_points))

    def _series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        living, files, fresh = self._curves(run_ids, key)
        return series(self._engine, files, living, key, max_points, fresh)

    def points(
        self, run_ids: Sequence[str], key: str, between: tuple[int, int] | None = None
    ) -> pyarrow.Table:
        """Return every point of one metric of several runs, in no order.

        Args:
            run_ids: The runs, each once; of those that are not there nothing is returned.
            key: The metric.
            between: First and last step; None for all.

        Returns:
            Columns ``run``, the place of the run in the list, ``step``, ``timestamp`` and
            ``value``.
        """
        wanted = [validation.run_id(each, "run_ids") for each in run_ids]

        def read() -> pyarrow.Table:
            living, files, fresh = self._curves(wanted, key)
            places = {run_id: place for place, run_id in enumerate(wanted)}
            runs = {run_id: places[run_id] for run_id in living}
            return points(self._engine, files, runs, key, between, fresh)

        return retry_when_replaced(self._lake, read)

    def _curves(
        self, run_ids: Sequence[str], key: str
    ) -> tuple[Sequence[str], list[str], pyarrow.Table]:
        """Return which runs are not removed, the files of a metric, and its hot points."""
        with self._snapshots.held() as snapshot:
            fold = snapshot.fold
            hot = filter(None, (snapshot.thing(RUN, run_id) for run_id in run_ids))
            # Only then may one be removed of which there are points: by what the log says, or
            # by what is stored of a run that the log has not made.
            if any(map(snapshot.memory.gone, RUN.owners)) or any(not each.made for each in hot):
                stored = self._snapshots.stored.get(RUN, run_ids, fold)
                run_ids = list(snapshot.merged(RUN, run_ids, stored))
            runs = filter(None, [snapshot.thing(RUN, run_id) for run_id in run_ids])
            # Copied while the snapshot is held: the log goes on growing them.
            fresh = rows_of(RUN, METRICS, snapshot, runs, key)
        return run_ids, self._lake.paths(METRICS.name, fold, run_id=run_ids), fresh


def _with_zones(params: Any) -> Any:
    """Return values of a statement in which a time without a zone is local, as elsewhere."""
    # The engine would take it for UTC beside the times of the views.
    if isinstance(params, Mapping):
        return {name: _with_zone(value) for name, value in params.items()}
    if isinstance(params, (list, tuple)):
        return [_with_zone(value) for value in params]
    return params


def _with_zone(value: Any) -> Any:
    return validation.moment(value) if isinstance(value, datetime.datetime) else value


def _is_each(kind: Kind, spec: TableSpec) -> bool:
    part = kind.part(spec)
    return part is not None and part.keep is Keep.EACH
