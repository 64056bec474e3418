"""What a lake holds now, or held once: a finished fold and the log beyond it."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.query.engine.overlay import Overlay
from lakeflow.stores.copies import leave_out_stored
from lakeflow.stores.memtable import Memtable
from lakeflow.stores.stored_things import StoredThings
from lakeflow.stores.things import merged, ranges_of, rows_by_table
from lakeflow.tables.folds import read_fold

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Iterator, Mapping

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.query.engine.connection import Engine
    from lakeflow.stores.things import Thing
    from lakeflow.tables.folds import Fold

# Each is one more copy of the log beyond a fold, in memory and in the engine.
_MOST_PAST_SNAPSHOTS = 4


class SnapshotId(NamedTuple):
    """What a lake held at one time.

    Attributes:
        fold: Number of the newest finished fold.
        clock: Latest record of the log beyond it; 0 for none of them.
    """

    fold: int
    clock: int


class Snapshot:
    """The log beyond a fold, merged by thing, and the same as tables of the engine.

    Args:
        lake: The lake.
        engine: Whose memory the tables are in.
        memtable: The log, read up to now or up to some clock.
        stored: What the fold holds of single things.
        schema: Of the engine's, where the tables are.

    Attributes:
        memtable: The log; its lock is held while anything here is read.
        memory: What the log says.
        overlay: Where the tables are.
    """

    def __init__(
        self,
        lake: Lake,
        engine: Engine,
        memtable: Memtable,
        stored: StoredThings,
        schema: str = "main",
    ) -> None:
        self._lake = lake
        self._engine = engine
        self.memtable = memtable
        self.memory = memtable.memory
        self.overlay = Overlay(engine, lake.kinds, schema)
        self._stored = stored
        self._overlaid: Fold | None = None
        self._added: dict[str, int] = {}

    @property
    def fold(self) -> Fold:
        """The fold beyond which this is, as of the last look at the log."""
        assert self.memtable.fold is not None
        return self.memtable.fold

    @property
    def snapshot_id(self) -> SnapshotId | None:
        """What the last look at the log saw; None before the first one."""
        if self.memtable.fold is None:
            return None
        return SnapshotId(self.fold.number, self.memory.latest)

    def thing(self, kind: Kind, identity: str) -> Thing | None:
        """Return what the log says about a thing."""
        return self.memory.things[kind.name].get(identity)

    def things(self, kind: Kind) -> list[Thing]:
        """Return every thing of a kind that the log says something about, and is not gone."""
        things = self.memory.things[kind.name]
        # Nothing of such a kind is ever removed, so that no document has to be asked.
        if not kind.may_be_gone:
            return list(things.values())
        stored = self._stored.get(kind, things, self.fold)
        living = {
            identity: thing
            for identity, thing in things.items()
            if not (identity in stored and stored[identity].is_gone)
        }
        return list(self._still_owned(kind, living).values())

    def _still_owned(self, kind: Kind, things: dict[str, Thing]) -> dict[str, Thing]:
        """Leave out things of owners that are gone by what is stored."""
        for depth, owner in enumerate(kind.owners, 1):
            if owner is kind or not owner.is_removable:
                continue
            ids = {thing.scope[-depth] for thing in things.values()}
            stored = self._stored.get(owner, ids, self.fold)
            gone = {identity for identity, each in stored.items() if each.is_gone}
            things = {
                identity: thing
                for identity, thing in things.items()
                if thing.scope[-depth] not in gone
            }
        return things

    def ids(self, kind: Kind) -> list[str]:
        """Return the ids of those things, and of those that it says are gone."""
        memory = self.memory
        return [*memory.things[kind.name], *memory.gone(kind)]

    def merged(
        self, kind: Kind, ids: Iterable[str], stored: Mapping[str, Thing]
    ) -> dict[str, Thing]:
        """Lay the log over what is stored; the lock is held."""
        found: dict[str, Thing] = {}
        for identity in ids:
            before = stored.get(identity)
            if before is not None and before.is_gone:
                continue
            thing = merged(kind, before, self.thing(kind, identity))
            if thing is not None and not self.memory.is_removed(kind, thing.scope):
                found[identity] = thing
        return self._still_owned(kind, found) if kind.may_be_gone else found

    def leave_out_stored(self) -> None:
        """Take out of memory what the fold holds of copies; the lock is held."""
        leave_out_stored(self._lake, self._engine, self.memory, self.fold)

    def sync_tables(self) -> Overlay:
        """Bring the tables in the engine up to date with the log; the lock is held."""
        self.leave_out_stored()
        is_new = self.overlay.is_lost() or self.fold is not self._overlaid
        if is_new:
            self._engine.reads(self.fold.number)
            self.overlay.clear()
            self._added.clear()
        # Should anything fail from here on, the next call fills the tables from nothing.
        self._overlaid = None
        for kind in self.memory.kinds:
            changed = set(self.ids(kind)) if is_new else self.memory.changed[kind.name]
            if changed:
                stored = self._stored.get(kind, changed, self.fold)
                things = self.merged(kind, changed, stored)
                if kind.column_parts:
                    self._add_columns(kind, things, stored)
                rows = rows_by_table(kind, things.values())
                self.overlay.replace(kind, changed, rows, self.memory.gone(kind))
            self.memory.changed[kind.name].clear()
        self._overlaid = self.fold
        return self.overlay

    def _add_columns(
        self, kind: Kind, things: Mapping[str, Thing], stored: Mapping[str, Thing]
    ) -> None:
        """Add the new rows of parts held as columns, and derive what follows from them.

        Args:
            kind: The kind.
            things: What changed, the log laid over what is stored.
            stored: What is stored of it.
        """
        for part in kind.column_parts:
            name = part.table.name
            columns = self.memory.columns[name]
            rows, orders = columns.since(self._added.get(name, 0), things)
            self.overlay.add(kind, part, rows, orders, self.memory.gone(kind))
            self._added[name] = len(columns)
        if kind.derived is None:
            return
        columns = self.memory.columns[kind.derived.table.name]
        ids = [identity for identity in things if columns.has(identity)]
        if not ids:
            return
        beside = ranges_of(kind.derived, (stored[each] for each in ids if each in stored))
        within = {kind.derived.part.pruned_by: beside}
        files = self._lake.paths(kind.derived.table.name, self.fold, within=within)
        for row in self.overlay.derive(kind, ids, files):
            identity = row.pop(kind.id)
            derived = {name: each for name, each in row.items() if each is not None}
            # In the log's own thing as well: it may change next where no row of these does.
            self.memory.things[kind.name][identity].derived = things[identity].derived = derived

    def drop_tables(self) -> None:
        """Drop the tables; whoever still reads this snapshot fills them again."""
        with self.memtable.lock:
            self.overlay.drop()


class Snapshots:
    """Gives what a lake holds now, and what it held; threads share it.

    Args:
        lake: The lake.
        engine: What searches it.

    Attributes:
        stored: What the folds hold of single things.
    """

    def __init__(self, lake: Lake, engine: Engine) -> None:
        self._lake = lake
        self._engine = engine
        self.stored = StoredThings(lake)
        self._now = self._snapshot(Memtable(lake, lake.listing))
        self._numbers = itertools.count()
        self._looked_at = -float("inf")
        self._written_bytes = 0
        self._forget_past()
        lake.on_close(self._forget_past)
        lake.on_fork(self._forget_past)
        lake.on_fork(self._now.memtable.reset)

    def _snapshot(self, memtable: Memtable, schema: str = "main") -> Snapshot:
        return Snapshot(self._lake, self._engine, memtable, self.stored, schema)

    def _forget_past(self) -> None:
        self._lock = threading.RLock()
        self._past: OrderedDict[SnapshotId, Snapshot] = OrderedDict()

    @property
    def seen(self) -> SnapshotId | None:
        """What the last look at the log saw; None before the first one."""
        memtable = self._now.memtable
        if not memtable.is_held_here():
            memtable.merge()
        return self._now.snapshot_id

    def as_of(self, as_of: int | datetime.datetime | None) -> SnapshotId | None:
        """Return the snapshot that somebody wants to go back to; None for now.

        Raises:
            NotFoundError: That far back nothing is kept.
        """
        if as_of is None:
            return None
        # Which few ask for, and no job that logs.
        from lakeflow.tables.past_folds import fold_as_of

        # Clock 0: of the past there is what the tables held, and none of the log.
        return SnapshotId(fold_as_of(self._lake.fs, as_of).number, 0)

    @contextlib.contextmanager
    def held(
        self, snapshot_id: SnapshotId | None = None, *, look: bool = True
    ) -> Iterator[Snapshot]:
        """Give what the lake holds now, or held once; its lock is held meanwhile.

        A snapshot whose log is folded and deleted cannot be gone back to; what the lake holds
        now stands in for it.

        Args:
            snapshot_id: The snapshot; None for now.
            look: Whether now means a look at the log, or what this process saw last.
        """
        # The tables that are filled are to be there when they are read.
        with self._engine.held(), self._held(snapshot_id, look=look) as snapshot:
            yield snapshot

    @contextlib.contextmanager
    def told_of(self, kind: Kind, identity: str) -> Iterator[tuple[Fold, Thing | None]]:
        """Look at the log, and give the newest fold and what is said of a thing beyond it.

        What this process has logged itself may be left out. The lock is held meanwhile.
        """
        memtable = self._now.memtable
        if memtable.is_held_here():
            with self._apart() as apart:
                yield apart.fold, apart.thing(kind, identity)
            return
        with memtable.lock:
            thing = memtable.told_of(kind, identity, self._lake.writer)
            yield self._now.fold, thing

    @contextlib.contextmanager
    def _held(self, snapshot_id: SnapshotId | None, *, look: bool) -> Iterator[Snapshot]:
        snapshot = self._now
        if snapshot.memtable.is_held_here():
            with self._apart() as apart:
                yield apart
            return
        snapshot.memtable.merge()
        if snapshot_id is not None and snapshot.snapshot_id != snapshot_id:
            past = self._past_snapshot(snapshot_id)
            if past is not None:
                with past.memtable.lock:
                    yield past
                return
        with snapshot.memtable.lock:
            # Where the snapshot of a page is still that of now, a look could only leave it.
            if snapshot.snapshot_id is None or (look and snapshot.snapshot_id != snapshot_id):
                self._refresh()
            yield snapshot

    @contextlib.contextmanager
    def _apart(self) -> Iterator[Snapshot]:
        """Give what the lake holds now, read anew and for this once.

        For the handler of a signal that has interrupted its thread in the middle of a read: it
        cannot wait for that, nor touch what is half read.
        """
        memtable = Memtable(self._lake, self._lake.listing)
        memtable.refresh()
        snapshot = self._snapshot(memtable, f"past_{next(self._numbers)}")
        try:
            yield snapshot
        finally:
            snapshot.drop_tables()

    def things(
        self,
        kind: Kind,
        ids: Iterable[str],
        snapshot_id: SnapshotId | None = None,
        *,
        look: bool = True,
    ) -> dict[str, Thing]:
        """Return those of some things that are known, tables and log laid over one another.

        Args:
            kind: Their kind.
            ids: Their ids.
            snapshot_id: To read them as they were then; None for now.
            look: Whether now means a look at the log, or what this process saw last.
        """
        while True:
            with self.held(snapshot_id, look=look) as snapshot:
                fold = snapshot.fold
            # Documents may be remote: other threads go on while they are read.
            stored = self.stored.get(kind, ids, fold)
            with snapshot.memtable.lock:
                # Another thread may have moved on to a later fold; the log in memory is beyond
                # that one then, and what lies between the two folds would be missed.
                if snapshot.fold is fold:
                    # What follows from hot rows is worked out where these are, in the engine.
                    if kind.derived is not None:
                        with self._engine.held():
                            snapshot.sync_tables()
                    return snapshot.merged(kind, ids, stored)

    def _refresh(self) -> None:
        """Look at the log, unless the last look is fresh enough and nothing was written."""
        written, now = self._lake.written_bytes, time.monotonic()
        is_fresh = now - self._looked_at < self._lake.settings.staleness_s
        if self._now.snapshot_id is None or written != self._written_bytes or not is_fresh:
            self._now.memtable.refresh()
            # As they were before the look: what is written while we look makes us look again.
            self._written_bytes, self._looked_at = written, now

    def _past_snapshot(self, snapshot_id: SnapshotId) -> Snapshot | None:
        with self._lock:
            snapshot = self._past.get(snapshot_id)
            if snapshot is None:
                try:
                    snapshot = self._opened_past(snapshot_id)
                except FileNotFoundError:
                    return None
                self._past[snapshot_id] = snapshot
                if len(self._past) > _MOST_PAST_SNAPSHOTS:
                    _, oldest = self._past.popitem(last=False)
                    oldest.drop_tables()
            self._past.move_to_end(snapshot_id)
            return snapshot

    def _opened_past(self, snapshot_id: SnapshotId) -> Snapshot:
        fold = read_fold(self._lake.fs, snapshot_id.fold)
        listing = self._lake.list_log_beyond(fold, with_log=snapshot_id.clock > 0)
        memtable = Memtable(self._lake, lambda: listing, snapshot_id.clock)
        memtable.refresh()
        return self._snapshot(memtable, f"past_{next(self._numbers)}")
