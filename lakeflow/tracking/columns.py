"""Reads a lake by the column: scans of tables, a user's SQL, curves."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lakeflow.query.engine import arrow_table
from lakeflow.query.sandbox import Sandbox
from lakeflow.query.series import new_points, series
from lakeflow.query.views import hot_rows
from lakeflow.storage.delta import TABLES as TABLES_FOLDER
from lakeflow.storage.filesystem import ENGINE_PROTOCOL
from lakeflow.tables import CONTROL_TABLES, DATA_TABLES, METRICS, RUNS, TABLES
from lakeflow.tracking.moments import Moments, steadily
from lakeflow.tracking.scans import Scan, points_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow

    from lakeflow.query.engine import Engine
    from lakeflow.query.sandbox import Question
    from lakeflow.storage.lake import Lake
    from lakeflow.tables import TableSpec
    from lakeflow.tracking.memtable import HotRun
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
        self._sandbox = Sandbox(lake.engine_filesystem(), tables)
        lake.on_close(self._sandbox.close)
        lake.on_fork(self._sandbox.forget)

    def scan(self, spec: TableSpec, moment: Moment | None = None) -> Scan:
        """Return what a table holds, as its files and the rows that are not in them.

        Args:
            spec: ``metrics``, or a table whose hot rows are kept.
            moment: To see what the table held then; None for now.
        """
        return steadily(self._lake, lambda: self._scan(spec, moment))

    def _scan(self, spec: TableSpec, moment: Moment | None) -> Scan:
        with self._moments.held(moment) as hot:
            runs, epoch = hot.runs(), hot.epoch
            fresh = points_of(runs) if spec == METRICS else self._hot_rows(hot, spec)
        files = self._lake.paths(spec.name, epoch)
        replaced = _changed(runs)
        if spec != METRICS:
            return Scan(files, replaced if files else (), fresh)
        return Scan(files, (), new_points(self._engine, files, replaced, fresh))

    def _hot_rows(self, hot: Hot, spec: TableSpec) -> pyarrow.Table:
        """Return the rows of hot runs in a table; the lock is held."""
        overlay = hot.lay()
        if overlay.is_empty:
            return arrow_table(spec, ())
        with contextlib.closing(overlay.cursor()) as cursor:
            return cursor.sql(hot_rows(spec)).to_arrow_table()

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
        asked = [TABLES[name] for name in question.tables]
        with self._moments.held(moment) as hot:
            runs, epoch, fresh = hot.runs(), hot.epoch, self._fresh(hot, asked)
        files = {
            spec.name: self._lake.paths(spec.name, epoch)
            for spec in asked
            if spec in DATA_TABLES
        }
        if METRICS.name in fresh:
            fresh[METRICS.name] = new_points(
                self._engine, files[METRICS.name], _changed(runs), fresh[METRICS.name]
            )
        for spec in asked:
            if spec in CONTROL_TABLES:
                rows = self._lake.control[spec.name].rows()
                fresh[spec.name] = arrow_table(spec, [tuple(row.values()) for row in rows])
        return self._sandbox.answer(question, files, fresh, params)

    def _fresh(self, hot: Hot, asked: Sequence[TableSpec]) -> dict[str, pyarrow.Table]:
        """Return the rows of hot runs, and which runs these are; the lock is held."""
        if not asked or hot.lay().is_empty:
            return {}
        fresh = {
            spec.name: self._hot_rows(hot, spec)
            for spec in (RUNS, *asked)
            if spec in DATA_TABLES and spec != METRICS
        }
        if METRICS in asked:
            fresh[METRICS.name] = points_of(hot.runs())
        return fresh

    def series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        """Return one metric of several runs in buckets of steps; see ``metric_series``."""
        return steadily(self._lake, lambda: self._series(run_ids, key, max_points))

    def _series(self, run_ids: Sequence[str], key: str, max_points: int) -> pyarrow.Table:
        with self._moments.held() as hot:
            epoch = hot.epoch
            runs = ((run_id, hot.run(run_id)) for run_id in run_ids)
            points = points_of(((run_id, run) for run_id, run in runs if run), key)
        files = self._lake.paths(METRICS.name, epoch, run_id=run_ids)
        return series(self._engine, files, run_ids, key, max_points, points)


def _changed(runs: Sequence[tuple[str, HotRun]]) -> list[str]:
    """Return those of hot runs that the tables know too."""
    return [run_id for run_id, hot in runs if hot.created is None]
