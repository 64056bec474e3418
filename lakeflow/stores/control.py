"""What is unique in a lake, looked up and changed without an engine."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from lakeflow import event_lines, records
from lakeflow.config import user_name
from lakeflow.exceptions import DamagedLakeError
from lakeflow.ids import maker_of
from lakeflow.kinds import EVENT
from lakeflow.log.control_log import ControlLog
from lakeflow.log.control_requests import Folded
from lakeflow.log.event_files import LARGEST_EVENT_BYTES
from lakeflow.log.positions import CONTROL, event_path
from lakeflow.stores.lines import declarations
from lakeflow.stores.memory import Memory
from lakeflow.stores.things import merged
from lakeflow.tables.folds import BEGINNING, last_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.stores.lines import Checked, Declarations
    from lakeflow.stores.stored_things import StoredThings
    from lakeflow.stores.things import Thing
    from lakeflow.tables.folds import Fold


_NUMBER = re.compile(r"[0-9]{1,18}")
"""An id that counts as a number: what a column of 64 bits holds, and room beyond it."""


class Events:
    """What the control log says beyond a fold, with the names and numbers that are taken.

    Args:
        kinds: Kinds whose things go through the control log.
        declared: What a line may say.

    Attributes:
        declared: What a line may say.
        lock: Held while it is read, so that nothing is merged in meanwhile.
        memory: The things.
        ids: For each unique column of a kind the last thing that took a value, by value.
        numbers: For each kind with numbers for ids the largest.
    """

    def __init__(self, kinds: Sequence[Kind], declared: Declarations) -> None:
        self.declared = declared
        self.lock = threading.RLock()
        self.memory = Memory(kinds, declared=declared)
        self.ids: dict[tuple[str, str], dict[str, str]] = {}
        self.numbers: dict[str, int] = {}

    def take(self, lines: Iterable[Checked]) -> None:
        """Take in the lines of an event, or of changes that are only drafted."""
        with self.lock:
            for line in lines:
                self.memory.merge(line, CONTROL)
            for kind in self.memory.kinds:
                things, changed = self.memory.things[kind.name], self.memory.changed[kind.name]
                if not changed:
                    continue
                # What was removed has changed too, and is no thing any more.
                for identity in changed & things.keys():
                    self._note(kind, things[identity])
                changed.clear()

    def _note(self, kind: Kind, thing: Thing) -> None:
        for column in kind.unique:
            value = thing.given(column)
            # Old values stay: whoever finds an id by one looks at the thing itself.
            if value is not None:
                self.ids.setdefault((kind.name, column), {})[value] = thing.id
        if kind.is_numbered and _NUMBER.fullmatch(thing.id):
            self.numbers[kind.name] = max(self.numbers.get(kind.name, -1), int(thing.id))


class Known:
    """Things of the control log as of a fold and the events beyond it.

    Args:
        stored: What folds hold of single things.
        fold: The fold.
        layers: Events beyond it, the earlier ones first.
    """

    def __init__(self, stored: StoredThings, fold: Fold, layers: list[Events]) -> None:
        self._stored = stored
        self._fold = fold
        self._layers = layers

    def thing(self, kind: Kind, identity: str) -> Thing | None:
        """Return a thing by its id; None if there is none, or it was removed."""
        return self._merged(kind, identity, self._stored.get(kind, [identity], self._fold))

    def things(self, kind: Kind, ids: Sequence[str]) -> dict[str, Thing]:
        """Return those of several things that are there, by id."""
        stored = self._stored.get(kind, ids, self._fold)
        found = {identity: self._merged(kind, identity, stored) for identity in ids}
        return {identity: thing for identity, thing in found.items() if thing is not None}

    def _merged(self, kind: Kind, identity: str, stored: Mapping[str, Thing]) -> Thing | None:
        found = stored.get(identity)
        if found is not None and found.is_gone:
            return None
        for layer in self._layers:
            with layer.lock:
                found = merged(kind, found, layer.memory.things[kind.name].get(identity))
            if found is not None and layer.memory.is_removed(kind, found.scope):
                return None
        return None if found is None or found.made is None else found

    def removed(self, kind: Kind, ids: Sequence[str]) -> set[str]:
        """Return those of several things that were there once, and were removed."""
        stored = self._stored.get(kind, ids, self._fold)
        gone = {identity for identity, thing in stored.items() if thing.is_gone}
        for layer in self._layers:
            with layer.lock:
                gone |= layer.memory.removed[kind.name].keys() & set(ids)
        return gone

    def all_removed(self, kind: Kind) -> set[str]:
        """Return the ids of all things of a kind that were removed."""
        gone = self.removed(kind, [*self._stored.ids(kind, self._fold)])
        for layer in self._layers:
            with layer.lock:
                gone |= layer.memory.removed[kind.name].keys()
        return gone

    def find(self, kind: Kind, column: str, value: str) -> Thing | None:
        """Return the thing that has a value in a unique column; None if none has."""
        # From the latest layer on: a name that was given up may have been taken since.
        for layer in reversed(self._layers):
            identity = layer.ids.get((kind.name, column), {}).get(value)
            if identity is not None:
                break
        else:
            identity = self._stored.find(kind, column, value, self._fold)
        thing = None if identity is None else self.thing(kind, identity)
        # It may have another value by now: an index keeps the old ones.
        return thing if thing is not None and thing.given(column) == value else None

    def ids(self, kind: Kind) -> list[str]:
        """Return the ids of all things of a kind, and of some that are removed."""
        found = dict.fromkeys(self._stored.ids(kind, self._fold))
        for layer in self._layers:
            with layer.lock:
                found |= dict.fromkeys(layer.memory.things[kind.name])
        return list(found)

    def is_free(self, kind: Kind, identity: str) -> bool:
        """Return whether no thing of a kind has or had an id."""
        return self.thing(kind, identity) is None and not self.removed(kind, [identity])

    def next_number(self, kind: Kind) -> int:
        """Return the number after all that things of a kind ever had as ids."""
        last = self._fold.numbers.get(kind.name, -1)
        return 1 + max(last, *(layer.numbers.get(kind.name, -1) for layer in self._layers))


class Draft(Known):
    """The same, to which changes are added that are decided but not made yet.

    Args:
        stored: As for ``Known``.
        fold: As for ``Known``.
        events: Those beyond it.
        number: Number of the event that they become.
        clock: A clock later than all that is known, in microseconds.
        user_id: Who makes the changes.

    Attributes:
        user_id: Who makes the changes.
        now_ms: Milliseconds since the Unix epoch, not before anything that is known.
    """

    def __init__(
        self,
        stored: StoredThings,
        fold: Fold,
        events: Events,
        number: int,
        clock: int,
        user_id: str,
    ) -> None:
        super().__init__(stored, fold, [events])
        self.user_id = user_id
        self._number = number
        self._places = 0
        self.now_ms = clock // 1000

    def next_place(self) -> str:
        """Return a text that sorts after those of all events before, and of this one so far."""
        self._places += 1
        return f"{event_lines.number_text(self._number)}.{self._places:05d}"

    def add(self, bodies: Sequence[str]) -> None:
        """Add the records of a change, so that the next one is decided on them too."""
        # They follow one another in a layer of their own, whatever their numbers. Most changes
        # are alone in their event.
        if len(self._layers) == 1:
            events = self._layers[0]
            self._layers.append(Events(events.memory.kinds, events.declared))
        layer = self._layers[-1]
        lines = (records.line(body, 0, _LATEST).encode() for body in bodies)
        fitting = (layer.declared.fitting(line, in_event=True) for line in lines)
        layer.take([line for line in fitting if line is not None])


_LATEST = 2**62
"""Clock of what is only drafted: later than all that is known."""


class ControlStore:
    """Things of a lake's control log; threads share it.

    Args:
        lake: The lake.
        stored: What its folds hold of single things.
    """

    def __init__(self, lake: Lake, stored: StoredThings) -> None:
        self._lake = lake
        self._stored = stored
        self._kinds = [kind for kind in lake.kinds if kind.is_controlled]
        self._declared = declarations(lake.kinds)
        self._reset()
        lake.on_fork(self._reset)

    def _reset(self) -> None:
        """Begin with nothing known, also in a forked child, whose parent may hold locks."""
        self._looked = BEGINNING
        # One value: a thread that reads it gets a fold with the events beyond that very fold.
        self._state = BEGINNING, self._no_events()
        self.base = Folded(0, 0)
        self._newest = 0, b""
        self._encoded = b""  # the last event that was made here
        self._user = user_name() or ""
        self._log: ControlLog[Draft] = ControlLog(
            self._lake.fs,
            self,
            self._look,
            self._owner,
            self._encode,
            self._lake.file.event_grace_s,
            event_lines.is_whole,
            self._lake.sync_if_durable,
        )

    @property
    def last(self) -> int:
        """Number of the newest event that is known."""
        return self._newest[0]

    def _no_events(self) -> Events:
        return Events(self._kinds, self._declared)

    # What the log asks for

    def stand_on(self, base: Folded) -> None:
        """Forget events, and stand on a fold that was just looked for."""
        self._state = self._looked, self._no_events()
        self.base, self._newest = base, (base.number, b"")

    def rebase(self, base: Folded) -> None:
        """Stand on a newer fold; what it holds of the events is merged with them once more."""
        _, events = self._state
        # Of a fold that holds all of them none is needed any more.
        self._state = self._looked, self._no_events() if base.number == self.last else events
        self.base = base

    def take(self, number: int, data: bytes) -> str:
        """Take in the next event, and return who has made it."""
        _, events = self._state
        if data is self._encoded:
            lines = self._declared.made_event(data)
        else:
            # A void one changes nothing, and its number is taken all the same.
            lines = self._declared.event(number, data) or []
        events.take(lines)
        self._lake.clock.observe(events.memory.latest)
        self._newest = number, data
        return maker_of(event_lines.id_of(lines[0][0])) if lines else ""

    def _id_of(self, number: int, data: bytes) -> str | None:
        lines = self._declared.event(number, data)
        return event_lines.id_of(lines[0][0]) if lines else None

    def draft(self) -> Draft:
        """Return what is known, to decide a change on."""
        fold, events = self._state
        clock = self._lake.clock.next()
        return Draft(self._stored, fold, events, self.last + 1, clock, self._user)

    def _look(self) -> Folded:
        # The rules know two numbers of a fold: ``stand_on`` and ``rebase`` take it from here.
        self._looked = self._lake.fold()
        return Folded(self._looked.number, last_event(self._looked))

    def _owner(self, number: int, fold: Fold | None = None) -> str | None:
        identity = event_lines.number_text(number)
        fold = fold or self._state[0]
        # These are kept for good: who has slept for a year learns whose event it was.
        found = self._stored.get(EVENT, [identity], fold).get(identity)
        row = None if found is None else found.row(EVENT)
        return None if row is None else row["event_id"]

    def _encode(self, number: int, event_id: str, changes: Sequence[Sequence[str]]) -> bytes:
        bodies = [body for change in changes for body in change]
        # Clocks grow with the numbers: those of all events before were observed.
        clock = self._lake.clock.next()
        self._encoded = event_lines.written(number, clock, event_id, self._user, bodies)
        return self._encoded

    # What stores ask for

    def known(self, max_age_s: float = 0) -> Known:
        """Return what is known now.

        Args:
            max_age_s: Age of the last look up to which none is taken.
        """
        self._log.refresh(max_age_s)
        fold, events = self._state
        return Known(self._stored, fold, [events])

    def change(self, decide: Callable[[Draft], tuple[Sequence[str], Any]]) -> Any:
        """Make a change that is decided on all changes before it; see ``ControlLog.change``."""
        # Else the event would make the folder of a lake anew that was moved away.
        self._lake.file.require_in_place()
        self._require_log()
        return self._log.change(decide)

    def _require_log(self) -> None:
        """Make sure that the log has what is known: nobody would find an event beyond a gap.

        And what is decided on an event that is not there any more is not true.
        """
        # Both in one step: other threads learn of further events meanwhile.
        lake, (last, event) = self._lake, self._newest
        # On a disk it takes microseconds; elsewhere it would be a request.
        if not lake.fs.can_append or last == 0:
            return
        path = event_path(last)
        try:
            # What this process has made itself it knows by its file; else the content tells.
            identity = lake.fs.identity(path)
            if identity is not None and self._log.created == (last, identity):
                return
            found = lake.fs.read(path, 0, LARGEST_EVENT_BYTES)
        except FileNotFoundError:
            found = b""
        # Of an event that a fold holds only the number is known: then any content will do.
        if found and found == (event or found):
            return
        # A vacuum deletes what is folded, and somebody who was stopped meanwhile may create it
        # once more.
        fold = lake.fold()
        is_folded = last_event(fold) >= last
        if not is_folded or (found and self._owner(last, fold) != self._id_of(last, event)):
            raise DamagedLakeError(
                f"the log of {lake.fs.uri} was deleted, or an older copy was put in its place; "
                "with it changes of experiments and models are gone",
                hint="restore log/ from a backup; a new process goes on with what there is",
            )
