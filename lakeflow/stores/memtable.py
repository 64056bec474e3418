"""What the log holds beyond the tables, merged by thing and kept in memory.

It is read from the log alone, this process's own segment included, from the last offset on.
A finished fold empties it: what was folded comes from the tables then.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from lakeflow import event_lines
from lakeflow.log.clock import seconds
from lakeflow.log.event_files import read_event
from lakeflow.log.line_reader import read_lines
from lakeflow.log.positions import events_apart, number_of, writer_of
from lakeflow.stores.lines import declarations
from lakeflow.stores.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.stores.things import Thing
    from lakeflow.tables.folds import Fold, LogListing


_MOST_UNMERGED_BYTES = 8 * 1024 * 1024


class Memtable:
    """The hot part of a lake; threads share it.

    Args:
        lake: The lake whose log is read.
        listing: Says what there is to read.
        until: Clock of the last record to take; None for no such bound.

    Attributes:
        fold: The finished fold beyond which it holds the log; None before the first look.
        memory: What the log says beyond it.
        lock: Held while it is read, so that nothing is merged in meanwhile.
    """

    def __init__(
        self, lake: Lake, listing: Callable[[], LogListing], until: int | None = None
    ) -> None:
        self._lake = lake
        self._list = listing
        self._is_past = until is not None
        self._declared = declarations(lake.kinds)
        self.memory = Memory(lake.kinds, until)
        self.reset()

    def reset(self) -> None:
        """Begin anew, also in a forked child."""
        # A lock that another thread of the parent holds would never be free in the child.
        self.lock = threading.RLock()
        self._empty(None)

    def is_held_here(self) -> bool:
        """Return whether this very thread reads it: then this is the handler of a signal."""
        # Python's own conditions ask in the same way.
        return bool(self.lock._is_owned())  # type: ignore[attr-defined]

    def refresh(self) -> None:
        """Read what the log has grown by, and merge it: one listing, a read a grown segment.

        Raises:
            FileNotFoundError: A segment of a past snapshot is gone.
        """
        with self.lock:
            self._look(merges=True)

    def told_of(self, kind: Kind, identity: str, but: str) -> Thing | None:
        """Look at the log, and return what it says of a thing.

        Most of what others log is about other things, and to find that out takes a hundredth of
        the time of merging it. So what was read is merged only if it names the thing.

        Args:
            kind: Its kind.
            identity: Its id.
            but: A writer of which nothing is asked.
        """
        with self.lock:
            self._look(merges=False)
            name = identity.encode()
            if any(writer != but and name in data for writer, data in self._unmerged):
                self.merge()
            return self.memory.things[kind.name].get(identity)

    def merge(self) -> None:
        """Merge what was read and is not merged yet."""
        with self.lock:
            while self._unmerged:
                writer, data = self._unmerged[0]
                self.memory.take(data, writer, self._lake.clock.latest())
                # Only now: who interrupts this thread has it merged once more, without harm.
                self._unmerged.popleft()
            self._unmerged_bytes = 0
            # What this process logs from now on is later than everything that it has seen.
            self._lake.clock.observe(self.memory.latest)

    def _look(self, *, merges: bool) -> None:
        """Read what the log has grown by; the lock is held."""
        while True:
            try:
                self._read(merges=merges)
            except FileNotFoundError:
                self._empty(None)
                if self._is_past:
                    raise
                # Folded and deleted since it was listed: there is a newer fold.
                self._lake.stand_on(None)
            else:
                break
        if merges:
            self.merge()

    def _read(self, *, merges: bool) -> None:
        # Taken before the listing is asked for: that may be true of the time of asking only.
        began = seconds()
        listing = self._list()
        # Also one of the same number, whose files another tool has rewritten.
        if listing.fold is not self.fold:
            self._empty(listing.fold)
        self._require_what_was_read(listing.unfolded)
        grown = {
            path: (max(begin, self._offsets.get(path, begin)), end)
            for path, (begin, end) in listing.unfolded.items()
            if end > max(self._sizes.get(path, 0), self._offsets.get(path, begin))
        }
        # The number of a deleted event is free again, so another event may have this name some
        # day and a cache must not answer for it. A segment is its writer's for good.
        events, others = events_apart(grown)
        # From their beginning: an event is taken whole or not at all.
        whole = {path: (0, end) for path, (_, end) in events.items()}
        for path, data in self._lake.fs.read_many(whole, fixed=False):
            self._take_event(path, data, grown[path][0])
        for path, lines in read_lines(self._lake.fs, others):
            if lines.is_cut:
                self.memory.misfits += 1
            else:
                self._unmerged.append((writer_of(path), lines.data))
                self._unmerged_bytes += len(lines.data)
            # The last line may still be on its way: the offset stays before it.
            self._offsets[path] = lines.end
            if merges or self._unmerged_bytes > _MOST_UNMERGED_BYTES:
                self.merge()
        # What ends in no newline is not read again until it has grown.
        self._sizes |= {path: end for path, (_, end) in grown.items()}
        # After half the grace of events, those that were listed may be deleted, and others read
        # in their place (rule 1 of decision 11). Within it the look for a later fold is saved.
        took_s = seconds() - began
        if (
            events
            and took_s >= self._lake.file.event_grace_s / 2
            and self._lake.has_other(listing.fold.number)
        ):
            raise FileNotFoundError("events were folded and deleted meanwhile")

    def _require_what_was_read(self, unfolded: Mapping[str, tuple[int, int]]) -> None:
        """Make sure that the log has all that was read of it beyond this fold.

        Raises:
            FileNotFoundError: An older copy of the lake was put in the place of this one.
        """
        # A listing may leave a segment out once, so that each is looked for.
        missing = self._offsets.keys() - unfolded.keys()
        for path in missing:
            if not self._lake.fs.exists(path):
                raise FileNotFoundError(path)
        for path in self._offsets.keys() - missing:
            if unfolded[path][1] < self._offsets[path]:
                raise FileNotFoundError(f"the end of {path}")

    def _take_event(self, path: str, data: bytes, start: int) -> None:
        data = read_event(self._lake.fs, path, event_lines.is_whole, data)
        lines = self._declared.event(number_of(path), data)
        if lines is None:
            self.memory.misfits += len(event_lines.lines(data))
        else:
            for line in lines[data.count(b"\n", 0, start) :]:
                self.memory.merge(line, writer_of(path), self._lake.clock.latest())
        self._offsets[path] = len(data)

    def _empty(self, fold: Fold | None) -> None:
        self.fold = fold
        self.memory.clear()
        self._offsets: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._unmerged: deque[tuple[str, bytes]] = deque()  # by writer, in the order of the log
        self._unmerged_bytes = 0
