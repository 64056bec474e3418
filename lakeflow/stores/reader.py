"""Reads runs: tables and log laid over one another, as of one snapshot."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

from lakeflow.exceptions import NotFoundError
from lakeflow.kinds import EXPERIMENT, RUN
from lakeflow.query.engine.connection import arrow_table
from lakeflow.query.engine.join_cache import JoinCache
from lakeflow.query.engine.overlay import hot, laid_over, loaded_rows, recorded, stored
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import METRICS, PARAMS
from lakeflow.stores.replaced_files import retry_when_replaced
from lakeflow.stores.scans import rows_of
from lakeflow.stores.state import RunState, run_state
from lakeflow.stores.things import rows_by_table

if TYPE_CHECKING:
    import datetime
    from collections.abc import Collection, Iterable, Sequence

    import pyarrow

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.query.engine.candidates import Candidates
    from lakeflow.query.engine.connection import Cursor, Engine
    from lakeflow.schema import TableSpec
    from lakeflow.stores.snapshots import Snapshot, SnapshotId, Snapshots
    from lakeflow.stores.things import Thing
    from lakeflow.tables.folds import Fold

_MOST_ROWS_TO_CACHE = 200_000
"""Most rows in the files of a search whose join is cached: the cache joins all of them, and not
only those that the search lets through."""

_ROWS_A_DOCUMENT = 2_000
"""Rows of the files that are searched in less time than a document takes."""


class Reader:
    """Reads runs from a lake; threads share it.

    Args:
        lake: The lake.
        engine: What searches it.
        snapshots: What the lake holds.
    """

    def __init__(self, lake: Lake, engine: Engine, snapshots: Snapshots) -> None:
        self._lake = lake
        self._engine = engine
        self._snapshots = snapshots
        self._joins = JoinCache(engine)
        lake.on_fork(self._joins.reset)

    def run(self, run_id: str, path: str = "run_id") -> RunState:
        """Return a run as it is now.

        A look at the log, a read of each segment that has grown, and where the run was folded
        two or three small reads.

        Args:
            run_id: The run.
            path: What the caller has called it.

        Raises:
            NotFoundError: There is no such run.
        """
        found = retry_when_replaced(self._lake, lambda: self._runs([run_id])).get(run_id)
        if found is None:
            raise NotFoundError(
                f"Run with id={run_id} not found in {self._lake.fs.uri}: {path} names no run "
                "there"
            )
        return found

    def runs(
        self, run_ids: Sequence[str], snapshot_id: SnapshotId | None = None
    ) -> list[RunState]:
        """Return those of several runs that are there, in the order of their ids' list.

        Args:
            run_ids: The runs.
            snapshot_id: To read them as they were then; None for what this process saw when it
                last looked at the log.
        """
        found = retry_when_replaced(
            self._lake, lambda: self._runs(run_ids, snapshot_id, look=False)
        )
        return [found[run_id] for run_id in run_ids if run_id in found]

    def things(
        self,
        kind: Kind,
        ids: Sequence[str],
        snapshot_id: SnapshotId | None = None,
        *,
        look: bool = False,
    ) -> list[Thing]:
        """Return those of several things that are there, in the order of their ids' list.

        Args:
            kind: Their kind.
            ids: The ids.
            snapshot_id: To read them as they were then; None for now.
            look: Whether now means a look at the log, or what this process saw last.
        """
        found = retry_when_replaced(
            self._lake, lambda: self._snapshots.things(kind, ids, snapshot_id, look=look)
        )
        return [found[identity] for identity in ids if identity in found]

    def as_of(self, as_of: int | datetime.datetime | None) -> SnapshotId | None:
        """Return the snapshot that somebody wants to go back to; None for now."""
        return self._snapshots.as_of(as_of)

    @property
    def seen(self) -> SnapshotId | None:
        """The snapshot of the last look; to read more of the same without another one."""
        return self._snapshots.seen

    def _runs(
        self,
        run_ids: Iterable[str],
        snapshot_id: SnapshotId | None = None,
        *,
        look: bool = True,
    ) -> dict[str, RunState]:
        things = self._snapshots.things(RUN, run_ids, snapshot_id, look=look)
        # The look at the log for the runs is fresh enough for their experiments.
        ids = {thing.scope[0] for thing in things.values()}
        experiments = self._snapshots.things(EXPERIMENT, ids, snapshot_id, look=False)
        states = {
            run_id: run_state(thing, experiments.get(thing.scope[0]))
            for run_id, thing in things.items()
        }
        return {run_id: state for run_id, state in states.items() if state is not None}

    def search(
        self,
        statement: Statement,
        experiment_ids: Sequence[str],
        snapshot_id: SnapshotId | None = None,
        candidates: Candidates | None = None,
    ) -> tuple[list[tuple[Any, ...]], SnapshotId]:
        """Return the rows of a search over tables and log, and the snapshot they are of.

        Args:
            statement: The search.
            experiment_ids: Experiments to which it is narrowed; empty for all.
            snapshot_id: To search what the lake held then; None for now.
            candidates: What it may find; None if that is not known.
        """
        for pattern in statement.patterns:
            # By itself first: within a statement DuckDB's error is that of a damaged file.
            self._engine.check_pattern(pattern)
        return retry_when_replaced(
            self._lake,
            lambda: self._search(statement, experiment_ids, snapshot_id, candidates),
        )

    def _search(
        self,
        statement: Statement,
        experiment_ids: Sequence[str],
        snapshot_id: SnapshotId | None,
        candidates: Candidates | None,
    ) -> tuple[list[tuple[Any, ...]], SnapshotId]:
        # The snapshot is let go of before the statement runs: other threads go on meanwhile.
        with contextlib.ExitStack() as stack:
            with self._snapshots.held(snapshot_id) as snapshot:
                overlay, seen = snapshot.sync_tables(), snapshot.snapshot_id
                fold = snapshot.fold
                files = self._files(statement, experiment_ids, fold)
                is_hot, joined = overlay.hot, None
                if self._is_worth_caching(statement, experiment_ids, snapshot):
                    relation = stored(self._lake.kinds, statement, files)
                    joined = stack.enter_context(self._joins.held(*relation, statement.order))
                # Pinned while the snapshot is held: later rows of the log belong to a later
                # snapshot, and after a fold they are no longer those that the files lack.
                cursor = stack.enter_context(contextlib.closing(overlay.pinned()))
                self._give_records(cursor, statement, snapshot)
            # The lake was closed meanwhile, and the cached table went with its engine.
            if self._joins.is_lost():
                joined = None
            assert seen is not None
            loaded: Collection[str] = ()
            rows = self._rows(statement, experiment_ids, fold)
            if candidates is not None and rows > _MOST_ROWS_TO_CACHE:
                asked = candidates.statement
                few = self._files(asked, experiment_ids, fold)
                scopes = cursor.run(*laid_over(self._lake.kinds, asked, few, is_hot))
                if len(scopes) <= min(candidates.most, rows // _ROWS_A_DOCUMENT):
                    loaded = self._load(cursor, statement, scopes, fold)
            text, values = laid_over(self._lake.kinds, statement, files, is_hot, joined, loaded)
            return cursor.run(text, values), seen

    def _give_records(self, cursor: Cursor, statement: Statement, snapshot: Snapshot) -> None:
        """Let a cursor read what the log adds to tables whose records all stay."""
        for kind in self._lake.kinds:
            for spec in recorded(kind):
                if spec.name in statement.tables:
                    rows = rows_of(kind, spec, snapshot, snapshot.things(kind))
                    cursor.register(hot(spec), rows)

    def _load(
        self,
        cursor: Cursor,
        statement: Statement,
        scopes: Sequence[tuple[str, ...]],
        fold: Fold,
    ) -> set[str]:
        """Let a cursor read the rows of some things from documents; return of which tables."""
        (kind,) = (each for each in self._lake.kinds if each.row.name == statement.searched)
        loaded = set()
        for depth, each in enumerate(kind.owners, 1):
            specs = [spec for spec in each.held_tables if spec.name in statement.tables]
            if specs:
                ids = {scope[-depth] for scope in scopes}
                things = self._snapshots.stored.get(each, ids, fold).values()
                rows = rows_by_table(each, things)
                for spec in specs:
                    table = arrow_table(spec, rows[spec.name])
                    cursor.register(loaded_rows(spec.name), table)
                    loaded.add(spec.name)
        return loaded

    def _is_worth_caching(
        self, statement: Statement, experiment_ids: Sequence[str], snapshot: Snapshot
    ) -> bool:
        # A removed thing hides what it owns in the files, of other kinds too; a cached join is
        # only told of hot things of the kind that is searched.
        if not statement.relation or any(map(snapshot.memory.gone, self._lake.kinds)):
            return False
        rows = self._rows(statement, experiment_ids, snapshot.fold)
        return 0 < rows <= _MOST_ROWS_TO_CACHE

    def _rows(self, statement: Statement, experiment_ids: Sequence[str], fold: Fold) -> int:
        """Return how many things the files of a search may have."""
        files = self._lake.files(statement.searched, fold, experiment_id=experiment_ids)
        return sum(file.rows for file in files)

    def tables(
        self,
        statements: Sequence[Statement],
        experiment_ids: Sequence[str],
        snapshot_id: SnapshotId | None,
        **given: pyarrow.Table,
    ) -> list[pyarrow.Table]:
        """Return the rows of statements that all see one snapshot, as columns.

        Args:
            statements: The statements.
            experiment_ids: Experiments to which they are narrowed; empty for all.
            snapshot_id: To read what the lake held then; None for now.
            **given: Tables that they may read besides, by name.
        """

        def read() -> list[pyarrow.Table]:
            with self._snapshots.held(snapshot_id) as snapshot:
                overlay, fold = snapshot.sync_tables(), snapshot.fold
                is_hot, cursor = overlay.hot, overlay.pinned()
            with contextlib.closing(cursor):
                for name, table in given.items():
                    cursor.register(name, table)
                found = []
                for statement in statements:
                    files = self._files(statement, experiment_ids, fold)
                    text, values = laid_over(self._lake.kinds, statement, files, is_hot)
                    found.append(cursor.table(text, values))
                return found

        return retry_when_replaced(self._lake, read)

    def _files(
        self, statement: Statement, experiment_ids: Sequence[str], fold: Fold
    ) -> dict[str, list[str]]:
        """Return the files of each table of a statement that may hold what it asks for."""
        files = {}
        for name in statement.tables:
            where = {"experiment_id": experiment_ids}
            if name in statement.named:
                column, where[column] = statement.named[name]
            files[name] = self._lake.paths(
                name,
                fold,
                statement.present.get(name),
                statement.within.get(name, {}),
                **where,
            )
        return files

    def params(
        self, run_id: str, keys: Collection[str], known_fold: int
    ) -> tuple[int, dict[str, str]]:
        """Return params that others may have added to a run since a fold.

        Args:
            run_id: The run.
            keys: The params to look for.
            known_fold: Number of the fold whose tables the caller has seen.

        Returns:
            The fold now; and those of the keys that are in the log, or all params where
            there is a newer fold.
        """
        with self._snapshots.told_of(RUN, run_id) as (fold, run):
            found = {} if run is None else run.parts[PARAMS.name]
            known = {key: row[0] for key in keys if key in found and (row := found[key][1])}
        # Params that were in the log may be in the tables now, where all of them are looked up.
        if fold.number != known_fold:
            return fold.number, self.run(run_id).params
        return known_fold, known

    def rows_beside(
        self, kind: Kind, spec: TableSpec, scope: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return the rows of a thing in a part that its document does not have.

        As this process saw the lake last.

        Args:
            kind: The kind of the thing.
            spec: The table of the part, whose rows a column tells apart.
            scope: The ids of the thing and its owners.
        """
        identity = scope[-1]
        with self._snapshots.held(look=False) as snapshot:
            thing = snapshot.thing(kind, identity)
            # Of a thing that is hot alone the log has all, and no engine is loaded for it.
            where = {kind.id: [identity]}
            if not self._lake.files(spec.name, snapshot.fold, None, {}, **where):
                columns = (*kind.key(spec), *kind.values(spec))
                rows = () if thing is None else thing.rows(spec.name)
                return [dict(zip(columns, (key, *row), strict=True)) for key, row in rows]
        statement = Statement(
            f"SELECT * FROM {spec.name} WHERE {kind.id} = $id",  # noqa: S608 - constants
            {"id": identity},
            (spec.name,),
            named={spec.name: (kind.id, [identity])},
        )
        (found,) = self.tables([statement], scope[:-1], None)
        return cast("list[dict[str, Any]]", found.to_pylist())

    def records(
        self,
        kind: Kind,
        spec: TableSpec,
        things: Sequence[Thing],
        snapshot_id: SnapshotId | None,
    ) -> pyarrow.Table:
        """Return the rows of some things in a part whose records all stay, as they were logged.

        Args:
            kind: Their kind.
            spec: The table of the part.
            things: The things.
            snapshot_id: To read them as they were then; None for what this process saw last.
        """
        ids = [thing.id for thing in things]
        owners = sorted({thing.scope[0] for thing in things})

        def read() -> pyarrow.Table:
            with self._snapshots.held(snapshot_id, look=False) as snapshot:
                known = [snapshot.thing(kind, identity) for identity in ids]
                hot = rows_of(kind, spec, snapshot, [each for each in known if each])
                where = {kind.id: ids, kind.scope[0]: owners}
                files = self._lake.paths(spec.name, snapshot.fold, **where)
            return self._engine.records(spec, files, (kind.id, ids), hot)

        return retry_when_replaced(self._lake, read)

    def history(self, run_id: str, key: str) -> pyarrow.Table:
        """Return one metric's points as columns ``value, timestamp, step``.

        Raises:
            NotFoundError: There is no such run.
        """
        return retry_when_replaced(self._lake, lambda: self._history(run_id, key))

    def _history(self, run_id: str, key: str) -> pyarrow.Table:
        with self._snapshots.held() as snapshot:
            fold, run = snapshot.fold, snapshot.thing(RUN, run_id)
            points = rows_of(RUN, METRICS, snapshot, [run], key) if run is not None else None
        # The second way looks at the log, and raises where there is no such run.
        found = self._runs([run_id], look=False).get(run_id) or self.run(run_id)
        experiment_id = found.fields["experiment_id"]
        files = self._lake.paths(
            METRICS.name, fold, run_id=[run_id], experiment_id=[experiment_id]
        )
        return self._engine.history(files, experiment_id, run_id, key, points)
