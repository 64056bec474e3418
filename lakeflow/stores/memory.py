"""What the log says, merged by thing, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import parsed_records
from lakeflow.log.positions import CONTROL
from lakeflow.stores.counted_records import CountedRecords
from lakeflow.stores.hot_columns import HotColumns
from lakeflow.stores.lines import declarations
from lakeflow.stores.things import Order, Thing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.kinds import Kind
    from lakeflow.stores.lines import Checked, Declarations

_ANY_CLOCK = 2**63 - 1


class Memory:
    """What the log says, by thing.

    Args:
        kinds: The kinds of things.
        until: Clock of the last record to take; None for no such bound.
        declared: What a line may say, where that is known already.

    Attributes:
        things: For each kind the things by id.
        removed: For each kind the order of removal by id.
        columns: For each table whose rows are held as columns those.
        changed: For each kind the ids of what has changed; whoever reads them may clear them.
        copied: For each table whose records all stay the keys by thing that have copies;
            whoever has looked whether the tables hold them may clear it.
        latest: Clock of the latest record taken in; 0 for none.
        misfits: Lines that are none; a fold sets them aside.
        taken: Which rows that all stay were taken in.
    """

    def __init__(
        self,
        kinds: Sequence[Kind],
        until: int | None = None,
        declared: Declarations | None = None,
    ) -> None:
        self.kinds = kinds
        self._until = until
        self._declared = declared or declarations(tuple(kinds))
        self._names: list[str] = []
        self.copied: dict[str, dict[str, set[Any]]] = {}
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.things: dict[str, dict[str, Thing]] = {kind.name: {} for kind in self.kinds}
        self.removed: dict[str, dict[str, Order]] = {kind.name: {} for kind in self.kinds}
        self.changed: dict[str, set[str]] = {kind.name: set() for kind in self.kinds}
        self._gone: dict[str, set[str]] = {kind.name: set() for kind in self.kinds}
        self.columns = {
            part.table.name: HotColumns(part.table, kind.id)
            for kind in self.kinds
            for part in kind.column_parts
        }
        self.latest = 0
        self.misfits = 0
        self._writers: dict[str, int] = {}
        self._names.clear()
        self.taken = CountedRecords()
        self.copied.clear()

    def writer(self, number: int) -> str:
        """Return the name of a writer that ``Columns`` gives as a number."""
        return self._names[number]

    def take(self, data: bytes, writer: str, latest_clock: int = _ANY_CLOCK) -> None:
        """Take in complete lines of a writer; clocks beyond the latest one count as that."""
        lines = data.split(b"\n")
        lines.pop()  # what is behind the last newline, which is nothing
        for line in filter(None, lines):
            # All fields before any is merged: a line is taken in whole or not at all.
            checked = self._declared.fitting(line, in_event=writer == CONTROL)
            if checked is None:
                # A fold passes over blank lines, too.
                self.misfits += bool(line.strip())
            else:
                self.merge(checked, writer, latest_clock)

    def merge(self, checked: Checked, writer: str, latest_clock: int = _ANY_CLOCK) -> None:
        """Take in a line of a writer that was checked."""
        record, fields = checked
        # As a fold does it: a clock of the far future would win against all that comes.
        clock, seq = min(record["clock"], latest_clock), record["seq"]
        copied = parsed_records.copied_in(record)
        entered = clock if copied is None else min(copied.at, latest_clock)
        # By when it entered this log: a copy has the clock of its record, which is older.
        if self._until is not None and entered > self._until:
            return
        # A copy counts as the record that it is a copy of.
        order = (clock, writer if copied is None else copied.writer, seq)
        for field, rows in fields:
            field.merge(self, rows, order, copied)
        if copied is None:
            self.taken.record(writer, seq)
        if entered > self.latest:
            self.latest = entered

    def number_of(self, writer: str) -> int:
        """Return the number of a writer."""
        # Kept with each point: four bytes, and no reference to a name.
        number = self._writers.get(writer)
        if number is None:
            number = self._writers[writer] = len(self._names)
            self._names.append(writer)
        return number

    def thing(self, kind: Kind, scope: tuple[str, ...]) -> Thing | None:
        """Return a thing to merge into; None if it, or what owns it, was removed."""
        things = self.things[kind.name]
        thing = things.get(scope[-1])
        if thing is None:
            if self.is_removed(kind, scope):
                return None
            thing = things[scope[-1]] = Thing(kind, scope)
        self.changed[kind.name].add(scope[-1])
        return thing

    def is_removed(self, kind: Kind | None, scope: Sequence[str]) -> bool:
        """Return whether a thing of this scope, or what owns it, was removed."""
        while kind is not None:
            if scope[-1] in self.removed[kind.name]:
                return True
            kind, scope = kind.owner, scope[:-1]
        return False

    def gone(self, kind: Kind) -> list[str]:
        """Return the ids of things that were there, or may be stored, and are removed."""
        return list(self._gone[kind.name])

    def remove(self, kind: Kind, identity: str, order: Order) -> None:
        """Remove a thing and what it owns; what is logged about them later does not count."""
        # Segments are read in any order, so the earlier of two removals may come last.
        known = self.removed[kind.name].get(identity)
        self.removed[kind.name][identity] = order if known is None else min(known, order)
        for each in self.kinds:
            depth = _depth(each, kind)
            if depth is None:
                continue
            things = self.things[each.name]
            gone = [key for key, thing in things.items() if thing.scope[-depth] == identity]
            for key in gone:
                del things[key]
                for part in each.column_parts:
                    self.columns[part.table.name].forget(key)
            self._gone[each.name].update(gone)
            self.changed[each.name].update(gone)
        # Also where nothing of it is in here: it may be stored.
        self._gone[kind.name].add(identity)
        self.changed[kind.name].add(identity)


def _depth(kind: Kind, owner: Kind) -> int | None:
    """Return the place of an owner's id in the scope of a kind, from its end; None if none."""
    depth, each = 1, kind
    while each is not owner:
        if each.owner is None:
            return None
        depth, each = depth + 1, each.owner
    return depth
