"""Reads a lake by the column: scans of tables, a user's SQL, curves."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lakeflow.kinds import RUN
from lakeflow.kinds.kind import Keep
from lakeflow.query.engine import arrow_table, engine_errors
from lakeflow.query.overlay import gone_ids, hot, hot_ids, sources
from lakeflow.query.sandbox import Sandbox
from lakeflow.query.series import not_stored, series
from lakeflow.query.views import Views
from lakeflow.storage.delta import TABLES as TABLES_FOLDER
from lakeflow.storage.filesystem import ENGINE_PROTOCOL
from lakeflow.tables import METRICS
from lakeflow.tracking.moments import Moments, steadily
from lakeflow.tracking.scans import Scan, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow

    from lakeflow.kinds import Kind
    from lakeflow.query.engine import Engine
    from lakeflow.query.sandbox import Question
    from lakeflow.storage.lake import Lake
    from lakeflow.tables import TableSpec
    from lakeflow.tracking.moments import Hot, Moment


class ColumnReader:
    """Reads tables and log as columns; threads share it.

    Args:
        lake: The lake.
        engine: What reads its files.
        moments: What the lake holds.
    """

    def __init__(self, lake: Lake, engine: Engine, moments: Moments) -> None:
        self._lake = lake
        self._engine = engine
        self._moments = moments
        tables = lake.fs.local_path(TABLES_FOLDER) or f"{ENGINE_PROTOCOL}://{TABLES_FOLDER}"
        self._views = Views(lake.kinds)
        self._sandbox = Sandbox(lake.engine_filesystem(), tables, self._views)
        lake.on_close(self._sandbox.close)
        lake.on_fork(self._sandbox.forget)

    def scan(self, kind: Kind, spec: TableSpec, moment: Moment | None = None) -> Scan:
        """Return what a table holds, as its files and the rows that are not in them.

        Args:
            kind: The kind of thing.
            spec: One of its tables.
            moment: To see what the table held then; None for now.
        """
        return steadily(self._lake, lambda: self._scan(kind, spec, moment))

    def _scan(self, kind: Kind, spec: TableSpec, moment: Moment | None) -> Scan:
        with self._moments.held(moment) as hot_now:
            files = self._lake.paths(spec.name, hot_now.epoch)
            if spec in kind.keyed_tables:
                return Scan([], kind.id, (), self._whole(hot_now, kind, spec, files))
            fresh = self._hot_rows(hot_now, kind, spec)
            is_each = _is_each(kind, spec)
            replaced = hot_now.memory.gone(kind) if is_each else hot_now.ids(kind)
            if is_each and hot_now.memory.has_copies:
                fresh = not_stored(self._engine, files, fresh)
        return Scan(files, kind.id, replaced if files else (), fresh)

    def _hot_rows(self, hot_now: Hot, kind: Kind, spec: TableSpec) -> pyarrow.Table:
        """Return the rows of hot things in a table; the lock is held."""
        if _is_each(kind, spec):
            return rows_of(kind, spec, hot_now, hot_now.things(kind))
        overlay = hot_now.lay()
        if hot_ids(kind) not in overlay.hot:
            return arrow_table(spec, ())
        with contextlib.closing(overlay.cursor()) as cursor:
            return cursor.sql(f"FROM {hot(spec)}").to_arrow_table()

    def _whole(
        self, hot_now: Hot, kind: Kind, spec: TableSpec, files: Sequence[str]
    ) -> pyarrow.Table:
        """Return all rows of a table whose hot rows stand for single stored ones."""
        overlay = hot_now.lay()
        queries, values = sources([kind], [spec.name], {spec.name: files}, overlay.hot)
        with contextlib.closing(overlay.cursor()) as cursor, engine_errors():
            return cursor.sql(queries[spec.name], params=values).to_arrow_table()

    def query(
        self,
        query: str,
        params: Sequence[Any] | Mapping[str, Any] | None,
        moment: Moment | None = None,
    ) -> pyarrow.Table:
        """Return the rows of a user's statement; see ``lakeflow.sql``."""
        question = self._sandbox.question(query)
        return steadily(self._lake, lambda: self._query(question, params, moment))

    def _query(self, question: Question, params: Any, moment: Moment | None) -> pyarrow.Table:
        asked = [self._views.tables[name] for name in question.tables]
        with self._moments.held(moment) as hot_now:
            epoch = hot_now.epoch
            files = {spec.name: self._lake.paths(spec.name, epoch) for spec in asked}
            fresh = self._fresh(hot_now, asked, files) if asked else {}
        return self._sandbox.answer(question, files, fresh, params)

    def _fresh(
        self, hot_now: Hot, asked: Sequence[TableSpec], files: Mapping[str, Sequence[str]]
    ) -> dict[str, pyarrow.Table]:
        """Return the hot tables that relations read; the lock is held."""
        overlay = hot_now.lay()
        fresh: dict[str, pyarrow.Table] = {}
        with contextlib.closing(overlay.cursor()) as cursor, engine_errors():
            for spec in asked:
                kind = self._views.kind_of[spec.name]
                names = overlay.hot & {hot_ids(kind), *map(gone_ids, kind.owners)}
                for name in names:
                    fresh[name] = cursor.sql(f"FROM {name}").to_arrow_table()
                if names:
                    fresh[hot(spec)] = self._hot_rows(hot_now, kind, spec)
                if names and _is_each(kind, spec) and hot_now.memory.has_copies:
                    rows = fresh[hot(spec)]
                    fresh[hot(spec)] = not_stored(self._engine, files[spec.name], rows)
        return fresh

    def series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        """Return one metric of several runs in buckets of steps; see ``metric_series``."""
        return steadily(self._lake, lambda: self._series(run_ids, key, max_points))

    def _series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        with self._moments.held() as hot_now:
            epoch = hot_now.epoch
            things = [hot_now.thing(RUN, run_id) for run_id in run_ids]
            runs = [thing for thing in things if thing is not None]
            points = rows_of(RUN, METRICS, hot_now, runs, key)
        files = self._lake.paths(METRICS.name, epoch, run_id=run_ids)
        return series(self._engine, files, run_ids, key, max_points, points)


def _is_each(kind: Kind, spec: TableSpec) -> bool:
    part = kind.part(spec)
    return part is not None and part.keep is Keep.EACH
