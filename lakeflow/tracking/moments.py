"""What a lake holds now, or held at a moment: a finished fold and the log beyond it."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lakeflow.exceptions import DamagedLakeError
from lakeflow.query.overlay import Overlay
from lakeflow.storage.folds import epoch_as_of, read_epoch
from lakeflow.tracking.memtable import Memtable
from lakeflow.tracking.stored import StoredThings
from lakeflow.tracking.things import merged, rows_by_table

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from lakeflow.kinds import Kind
    from lakeflow.query.engine import Engine
    from lakeflow.storage.folds import Epoch, View
    from lakeflow.storage.lake import Lake
    from lakeflow.tracking.memory import Memory
    from lakeflow.tracking.things import Thing

T = TypeVar("T")

_KEPT_MOMENTS = 4


class Moment(NamedTuple):
    """What a lake held at one time.

    Attributes:
        epoch: Number of the newest finished fold.
        clock: Latest record of the log beyond it; 0 for none of them.
    """

    epoch: int
    clock: int


class Hot:
    """The log beyond a fold, merged by thing, and the same as tables of the engine.

    Args:
        memtable: The log, read up to now or up to some moment.
        overlay: Where the tables are.
        stored: What the fold holds of single things.
    """

    def __init__(self, memtable: Memtable, overlay: Overlay, stored: StoredThings) -> None:
        self._memtable = memtable
        self._stored = stored
        self._overlaid: Epoch | None = None
        self.overlay = overlay

    @property
    def lock(self) -> threading.RLock:
        """Held while it is read, so that nothing is merged in meanwhile."""
        return self._memtable.lock

    @property
    def memory(self) -> Memory:
        """What the log says."""
        return self._memtable.memory

    @property
    def epoch(self) -> Epoch:
        """The fold beyond which this is, as of the last look at the log."""
        assert self._memtable.epoch is not None
        return self._memtable.epoch

    @property
    def moment(self) -> Moment | None:
        """The moment of the last look; None before the first one."""
        if self._memtable.epoch is None:
            return None
        return Moment(self.epoch.number, self.memory.latest)

    def refresh(self) -> None:
        """Read what the log has grown by."""
        self._memtable.refresh()

    def thing(self, kind: Kind, identity: str) -> Thing | None:
        """Return what the log says about a thing."""
        return self.memory.things[kind.name].get(identity)

    def things(self, kind: Kind) -> list[Thing]:
        """Return every thing of a kind that the log says something about, and is not gone."""
        things = self.memory.things[kind.name]
        if not kind.may_be_gone:
            return list(things.values())
        stored = self._stored.get(kind, things, self.epoch)
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
            stored = self._stored.get(owner, ids, self.epoch)
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

    def lay(self) -> Overlay:
        """Bring the tables in the engine up to date with the log; the lock is held."""
        is_new = self.overlay.is_lost() or self.epoch is not self._overlaid
        if is_new:
            self.overlay.clear()
        self._overlaid = None  # should anything fail from here on
        for kind in self.memory.kinds:
            changed = set(self.ids(kind)) if is_new else self.memory.changed[kind.name]
            if changed:
                stored = self._stored.get(kind, changed, self.epoch)
                things = self.merged(kind, changed, stored).values()
                rows = rows_by_table(kind, things)
                self.overlay.replace(kind, changed, rows, self.memory.gone(kind))
            self.memory.changed[kind.name].clear()
        self._overlaid = self.epoch
        return self.overlay

    def let_go(self) -> None:
        """Drop the tables; who still holds this lays them anew."""
        with self.lock:
            self.overlay.drop()

    def forget(self) -> None:
        """Begin anew, also in a forked child."""
        self._memtable.forget()


class Moments:
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
        self._now = Hot(Memtable(lake, lake.view), Overlay(engine, lake.kinds), self.stored)
        self._numbers = itertools.count()
        self._looked_at = -float("inf")
        self._written_bytes = 0
        self._forget_past()
        lake.on_close(self._forget_past)
        lake.on_fork(self._forget_past)
        lake.on_fork(self._now.forget)

    def _forget_past(self) -> None:
        self._lock = threading.Lock()
        self._past: OrderedDict[Moment, Hot] = OrderedDict()

    def as_of(self, as_of: int | datetime.datetime | None) -> Moment | None:
        """Return the moment that somebody wants to go back to; None for now.

        Raises:
            NotFoundError: That far back nothing is kept.
        """
        return None if as_of is None else Moment(epoch_as_of(self._lake.fs, as_of).number, 0)

    @contextlib.contextmanager
    def held(self, moment: Moment | None = None, *, look: bool = True) -> Iterator[Hot]:
        """Hold still what the lake holds now, or what it held.

        A moment whose log is folded and deleted cannot be gone back to; what the lake holds
        now stands in for it.

        Args:
            moment: The moment; None for now.
            look: Whether now means a look at the log, or what this process saw last.
        """
        hot = self._now
        if moment is not None and hot.moment != moment:
            past = self._past_of(moment)
            if past is not None:
                with past.lock:
                    yield past
                return
        with hot.lock:
            if hot.moment is None or (look and hot.moment != moment):
                self._refresh()
            yield hot

    def things(
        self, kind: Kind, ids: Iterable[str], moment: Moment | None = None, *, look: bool = True
    ) -> dict[str, Thing]:
        """Return those of some things that are known, tables and log laid over one another.

        Args:
            kind: Their kind.
            ids: Their ids.
            moment: To read them as they were then; None for now.
            look: Whether now means a look at the log, or what this process saw last.
        """
        while True:
            with self.held(moment, look=look) as hot:
                epoch = hot.epoch
            stored = self.stored.get(kind, ids, epoch)
            with hot.lock:
                # Another thread may have moved on to a later fold.
                if hot.epoch is epoch:
                    return hot.merged(kind, ids, stored)

    def _refresh(self) -> None:
        """Look at the log, unless the last look is fresh enough and nothing was written."""
        written, now = self._lake.written_bytes, time.monotonic()
        is_fresh = now - self._looked_at < self._lake.settings.staleness_s
        if self._now.moment is None or written != self._written_bytes or not is_fresh:
            self._now.refresh()
            self._written_bytes, self._looked_at = written, now

    def _past_of(self, moment: Moment) -> Hot | None:
        with self._lock:
            hot = self._past.get(moment)
            if hot is None:
                try:
                    hot = self._made(moment)
                except FileNotFoundError:
                    return None
                self._past[moment] = hot
                if len(self._past) > _KEPT_MOMENTS:
                    _, oldest = self._past.popitem(last=False)
                    oldest.let_go()
            self._past.move_to_end(moment)
            return hot

    def _made(self, moment: Moment) -> Hot:
        epoch = read_epoch(self._lake.fs, moment.epoch)
        view: View = self._lake.view_beyond(epoch, with_log=moment.clock > 0)
        memtable = Memtable(self._lake, lambda: view, moment.clock)
        memtable.refresh()
        overlay = Overlay(self._engine, self._lake.kinds, f"past_{next(self._numbers)}")
        return Hot(memtable, overlay, self.stored)


def steadily(lake: Lake, read: Callable[[], T]) -> T:
    """Read again where a file was replaced and deleted in between.

    Raises:
        DamagedLakeError: A file of the newest fold is gone.
    """
    while True:
        before = lake.known_epoch
        try:
            return read()
        except FileNotFoundError as error:
            lake.forget_epoch()
            now = lake.epoch()
            if before is not None and now.number == before.number:
                raise DamagedLakeError(
                    f"a table of {lake.fs.uri} lacks a file: {error}",
                    hint="if another tool has rewritten the table, run "
                    f"'lakeflow compact {lake.fs.uri}'; else restore the file",
                ) from error
