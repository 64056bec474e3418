"""Fields of a line of the log: checked against the declarations, then merged into things.

A line is checked before anything of it is merged: it is taken in whole or not at all. A fold
gives the same verdict; see ``query.folding.fold_lines``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lakeflow import event_lines, parsed_records, records
from lakeflow.kinds.kind import CLOCK, Keep
from lakeflow.parsed_records import MisfitError
from lakeflow.stores.column_values import TYPES, checked, checked_text, checks_of
from lakeflow.stores.things import Columns, is_removal, kept_columns, keys_of, type_codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lakeflow.kinds import Kind, Part
    from lakeflow.parsed_records import Copied
    from lakeflow.stores.memory import Memory
    from lakeflow.stores.things import Order

Checked = tuple[dict[str, Any], list[tuple["Field", Any]]]
"""A record, and its fields with the rows of each as ``Field.merge`` takes them."""


class Declarations:
    """What a line may say, by the kinds of things that there are.

    Args:
        kinds: The kinds.

    Attributes:
        names: The names of all that a line may say, in the order in which it is written.
    """

    def __init__(self, kinds: Iterable[Kind]) -> None:
        kinds = tuple(kinds)
        scope = [name for kind in kinds if kind.is_line for name in kind.scope]
        self._fields = fields_of(kinds)
        self._places = {name: place for place, name in enumerate(self._fields)}
        self._changes = {
            spec.name for kind in kinds if kind.is_controlled for spec in kind.tables
        }
        copied = (records.COPIED_AT, records.COPIED_FROM, records.COPIED_PLACE)
        self.names = [*copied, *dict.fromkeys(scope), *self._fields, "seq", CLOCK]

    def rows(self, record: Mapping[str, Any], *, in_event: bool) -> list[tuple[Field, Any]]:
        """Return the fields of a record, each with its rows as ``Field.merge`` takes them.

        Args:
            record: The record.
            in_event: Whether it stands in the control log. What is unique is changed there
                alone.

        Raises:
            MisfitError: One does not fit its declaration.
        """
        # For its error: what does not say all that a copy has to is no record.
        parsed_records.copied_in(record)
        if not in_event and not self._changes.isdisjoint(record):
            raise MisfitError
        # In the order in which they are merged, whatever the one in which they stand. Most
        # lines have one or two of them all.
        names = [name for name in record if name in self._places]
        names.sort(key=self._places.__getitem__)
        return [
            (self._fields[name], self._fields[name].check(record, record[name]))
            for name in names
        ]

    def fitting(self, line: bytes, *, in_event: bool) -> Checked | None:
        """Return a line without its end as a record with its rows; None if it is none."""
        try:
            record = parsed_records.parse(line)
            return record, self.rows(record, in_event=in_event)
        except MisfitError:
            return None

    def made_event(self, data: bytes) -> list[Checked]:
        """Return the lines of an event that was made here; none if one does not fit."""
        return self._lines(data, parsed_records.parse_made)

    def _lines(self, data: bytes, parse: Callable[[bytes], dict[str, Any]]) -> list[Checked]:
        try:
            found = [parse(line) for line in event_lines.lines(data)]
            return [(record, self.rows(record, in_event=True)) for record in found]
        except MisfitError:
            return []

    def event(self, number: int, data: bytes) -> list[Checked] | None:
        """Return the lines of a whole file of the control log; None if it is void.

        It is one as a whole or not at all, since its changes are made together: one line that
        does not fit, or another number in it than in its name, makes it void.

        Args:
            number: Its place in the total order, by its name.
            data: Its content.
        """
        lines = self._lines(data, parsed_records.parse)
        if not lines:
            return None
        (first, _), *others = lines
        if event_lines.changes_of(first) != len(lines):
            return None
        if first["control_events"].get("number") != [event_lines.number_text(number)]:
            return None
        is_one = all(
            parsed_records.entered(record) == parsed_records.entered(first)
            and "control_events" not in record
            for record, _ in others
        )
        return lines if is_one else None


@functools.lru_cache(maxsize=4)
def declarations(kinds: tuple[Kind, ...]) -> Declarations:
    """Return what a line may say, made once in a process: all lakes have the same kinds."""
    return Declarations(kinds)


class Field:
    """One field of a line: the rows of one table, by column."""

    def check(self, record: Mapping[str, Any], rows: Any) -> Any:
        """Return the rows as ``merge`` takes them.

        Raises:
            MisfitError: They do not fit the declaration.
        """
        raise NotImplementedError

    def merge(self, memory: Memory, rows: Any, order: Order, copied: Copied | None) -> None:
        """Merge rows into the things that they are about.

        Args:
            memory: What has the things.
            rows: The rows, as ``check`` returns them.
            order: The order of their record.
            copied: What their line says as a copy; None if it is none.
        """
        raise NotImplementedError


def fields_of(kinds: Iterable[Kind]) -> dict[str, Field]:
    """Return the fields that a line may have, by name."""
    kinds = tuple(kinds)
    fields: dict[str, Field] = {}
    for kind in kinds:
        fields[kind.row.name] = _Made(kind)
        for part in kind.parts:
            fields[part.table.name] = _field(kind, part)
    fields[records.REMOVED] = _Removed(kinds)
    return fields


def _field(kind: Kind, part: Part) -> Field:
    if part.keep is Keep.EACH:
        return _Each(kind, part)
    return _InColumns(kind, part) if part.in_columns else _Kept(kind, part)


def _scopes(kind: Kind, record: Mapping[str, Any], rows: Mapping[str, Any], count: int) -> Any:
    """Return the scope of every row."""
    if kind.is_line:
        # By way of a list: of a generator a tuple takes much longer, and each line comes here.
        scope = tuple([record.get(name) for name in kind.scope])
        if not TYPES["string"].issuperset(map(type, scope)):
            raise MisfitError
        # One tuple for all rows: by it ``merge`` sees that the thing is the same.
        return (scope,) * count
    columns = [checked_text(rows.get(name), count) for name in kind.scope]
    return tuple(zip(*columns, strict=True))


def _count(rows: Any, names: Iterable[str]) -> int:
    """Return how many rows there are.

    Raises:
        MisfitError: This is nothing by column.
    """
    if type(rows) is not dict:
        raise MisfitError
    # Any list tells: all the others are checked against its length.
    for name in names:
        if type(rows.get(name)) is list:
            return len(rows[name])
    raise MisfitError


class _Made(Field):
    """Rows that make things, or set some of their fields."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._names = kind.row.column_names
        self._required = kind.required
        left_out = {*kind.scope, *kind.clocks}
        self._columns = {
            each.name: checks_of(each, nullable=True)
            for each in kind.row.columns
            if each.name not in left_out
        }

    def check(self, record: Mapping[str, Any], rows: Any) -> Any:
        kind = self._kind
        count = _count(rows, self._names)
        # Most rows set a few of the columns.
        known = self._columns
        columns = checked([known[name] for name in rows if name in known], rows, count)
        values: Iterable[Any] = zip(*columns.values(), strict=True)
        # A row may name a thing and say nothing of it.
        given = [dict(zip(columns, each, strict=True)) for each in values] or [{}] * count
        for fields in given:
            if fields.get(kind.makes) is None:
                continue
            if None in map(fields.get, self._required):
                raise MisfitError
        return list(zip(_scopes(kind, record, rows, count), given, strict=True))

    def merge(self, memory: Memory, rows: Any, order: Order, copied: Copied | None) -> None:
        kind = self._kind
        for scope, fields in rows:
            thing = memory.thing(kind, scope)
            if thing is None:
                continue
            if fields.get(kind.makes) is not None:
                thing.make(fields, order)
                continue
            for name, value in fields.items():
                keep = kind.settable.get(name)
                if keep is not None and value is not None:
                    thing.set(name, value, order, keep)


class _Kept(Field):
    """Rows of a part of which one stays by key."""

    def __init__(self, kind: Kind, part: Part) -> None:
        self._kind, self._part = kind, part
        self._names = part.table.column_names
        self._key, self._values = kind.key(part.table), kind.values(part.table)
        may_go = self._values if part.removable else ()
        self._columns = [
            checks_of(each, nullable=each.nullable or each.name in may_go)
            for each in part.table.columns
            if each.name not in {CLOCK, *kind.scope}
        ]

    def check(self, record: Mapping[str, Any], rows: Any) -> Any:
        count = _count(rows, self._names)
        columns = checked(self._columns, rows, count, [None] * count)
        keys = keys_of(columns, self._key)
        values: Iterable[Any] = zip(*(columns[name] for name in self._values), strict=True)
        if not self._values:
            values = [()] * count
        scopes = _scopes(self._kind, record, rows, count)
        part = self._part
        return [
            (scope, key, None if is_removal(part, row) else row)
            for scope, key, row in zip(scopes, keys, values, strict=True)
        ]

    def merge(self, memory: Memory, rows: Any, order: Order, copied: Copied | None) -> None:
        about, thing = None, None
        for scope, key, values in rows:
            # Most lines are about one thing, and all their rows share one scope.
            if scope is not about:
                about, thing = scope, memory.thing(self._kind, scope)
            if thing is not None:
                thing.put(self._part, ((key, values),), order)


class _InColumns(Field):
    """Rows of a part of which one stays by key, held as the columns that they came in."""

    def __init__(self, kind: Kind, part: Part) -> None:
        self._kind, self._spec = kind, part.table
        self._columns = [
            checks_of(each, nullable=each.nullable)
            for each in part.table.columns
            if each.name not in {CLOCK, *kind.scope}
        ]

    def check(self, record: Mapping[str, Any], rows: Any) -> Any:
        count = _count(rows, self._spec.column_names)
        scopes = _scopes(self._kind, record, rows, count)
        ids = zip(self._kind.scope, zip(*scopes, strict=True), strict=True)
        columns = dict(ids) | checked(self._columns, rows, count, [None] * count)
        return dict.fromkeys(scopes), columns

    def merge(self, memory: Memory, rows: Any, order: Order, copied: Copied | None) -> None:
        scopes, columns = rows
        # For what it does: the things are there from now on, and count as changed.
        for scope in scopes:
            memory.thing(self._kind, scope)
        # Rows of what is gone come along: nobody asks for them.
        memory.columns[self._spec.name].add(columns, order)


class _Each(Field):
    """Rows of a part that all stay."""

    def __init__(self, kind: Kind, part: Part) -> None:
        self._kind, self._part = kind, part
        self._names = part.table.column_names
        self._by = part.summary.by if part.summary else ()
        self._kept = kept_columns(kind, part)
        self._codes = type_codes(part.table, self._kept)
        columns = {each.name: each for each in part.table.columns}
        self._columns = [
            checks_of(columns[name], nullable=columns[name].nullable)
            for name in (*self._by, *self._kept)
        ]
        summary = part.summary
        last = (*summary.order, summary.value) if summary else ()
        self._last = tuple(self._kept.index(name) for name in last)

    def check(self, record: Mapping[str, Any], rows: Any) -> Any:
        count = _count(rows, self._names)
        columns = checked(self._columns, rows, count)
        keys = keys_of(columns, self._by) if self._by else [()] * count
        values = zip(*(columns[name] for name in self._kept), strict=True)
        return list(zip(_scopes(self._kind, record, rows, count), keys, values, strict=True))

    def merge(self, memory: Memory, rows: Any, order: Order, copied: Copied | None) -> None:
        _, name, seq = order
        writer = memory.number_of(name)
        table = self._part.table.name
        first = 0 if copied is None else copied.place
        places = range(first, first + len(rows))
        about, thing = None, None
        for place in memory.taken.rest(table, name, seq, places, is_copy=copied is not None):
            scope, key, values = rows[place - first]
            if scope is not about:
                about, thing = scope, memory.thing(self._kind, scope)
            if thing is None:
                continue
            columns = thing.columns[table].get(key)
            if columns is None:
                columns = thing.columns[table][key] = Columns(self._codes, self._last)
            columns.add(values, order, writer, place)
            if copied is not None:
                memory.copied.setdefault(table, {}).setdefault(thing.id, set()).add(key)


class _Removed(Field):
    """Things that are removed, by kind and id."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds if kind.is_removable}

    def check(self, record: Mapping[str, Any], rows: Any) -> Any:
        if type(rows) is not dict or type(rows.get("kind")) is not list:
            raise MisfitError
        count = len(rows["kind"])
        names = checked_text(rows["kind"], count)
        return list(zip(names, checked_text(rows.get("id"), count), strict=True))

    def merge(self, memory: Memory, rows: Any, order: Order, copied: Copied | None) -> None:
        for name, identity in rows:
            kind = self._kinds.get(name)
            if kind is not None:
                memory.remove(kind, identity, order)
