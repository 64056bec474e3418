"""One thing, whole: what its document holds, and what the log adds to that. Pure.

The rules of merging stand here in Python, and in ``query.folding.fold_sql`` in SQL. Records
may come in any order: of a key the first or the last one by ``Order`` stays, whatever was
read before.
"""

from __future__ import annotations

import math
from array import array
from itertools import compress
from typing import TYPE_CHECKING, Any

from lakeflow.kinds.kind import CLOCK, LOGGED, Keep
from lakeflow.values import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from lakeflow.kinds import Kind, Part
    from lakeflow.kinds.kind import Derived
    from lakeflow.schema import TableSpec

Order = tuple[int, str, int]
"""Clock, writer and sequence number of a record: who was first, who was last."""

Row = tuple[Any, ...]


@frozen
class Summed:
    """What is known of the records of a key without them.

    Attributes:
        last: What is kept of the last one, as ``Summary.last`` names it.
        min: Smallest value that is not NaN; None if all are.
        max: Largest value that is not NaN; None if all are.
        count: Number of records.
    """

    last: Row
    min: float | None
    max: float | None
    count: int

    @property
    def value(self) -> float:
        """The last value."""
        value: float = self.last[-1]
        return value

    def merge(self, other: Summed) -> Summed:
        """Return the summary of two disjoint sets of records."""
        least = [each for each in (self.min, other.min) if each is not None]
        most = [each for each in (self.max, other.max) if each is not None]
        # The order of logging is total, so the values at the end are never compared.
        return Summed(
            max(self.last, other.last),
            min(least, default=None),
            max(most, default=None),
            self.count + other.count,
        )


class Columns:
    """Records of a part that all stay, those of one key, in the order in which they came.

    A number takes eight bytes; a point of a metric takes 48.

    Args:
        codes: How each column is packed, as ``type_codes`` says it.
        last: Places of the summary's order and of the value among them, if they are summed up.

    Attributes:
        columns: The values, a column each.
        clocks: Clock of the record that logged each.
        writers: Which of the memory's writers logged each.
        seqs: Number of its record among those of the writer.
        places: Its place in that record.
    """

    __slots__ = (
        "_last", "_last_at", "_least", "_most", "clocks", "columns", "places", "seqs",
        "writers",
    )  # fmt: skip

    def __init__(self, codes: Iterable[str], last: tuple[int, ...]) -> None:
        self.columns: tuple[Any, ...] = tuple(array(each) if each else [] for each in codes)
        self.clocks = array("q")
        self.writers = array("i")
        self.seqs = array("q")
        self.places = array("i")
        self._last_at = last
        self._last: Row | None = None
        self._least = math.inf
        self._most = -math.inf

    def add(self, row: Row, order: Order, writer: int, place: int) -> None:
        """Add a record.

        Args:
            row: Its values.
            order: The order of the record that it is of.
            writer: Number of that record's writer.
            place: Its place in that record.
        """
        clock, name, seq = order
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)
        self.clocks.append(clock)
        self.writers.append(writer)
        self.seqs.append(seq)
        self.places.append(place)
        if self._last_at:
            *by, value = [row[at] for at in self._last_at]
            # Neither comparison is true of NaN, which has no part in minimum and maximum.
            if value < self._least:
                self._least = value
            if value > self._most:
                self._most = value
            record = (*by, clock, name, seq, place, value)
            if self._last is None or record > self._last:
                self._last = record

    def leave_out(self, records: Collection[tuple[int, int, int]]) -> None:
        """Take out rows that are stored; what is summed up holds with those that are stored.

        Args:
            records: Writer, number and place of each.
        """
        rows = zip(self.writers, self.seqs, self.places, strict=True)
        kept = [each not in records for each in rows]
        if all(kept):
            return
        # The last, the least and the largest stay: what is stored is summed up with the same.
        self.columns = tuple(_picked(each, kept) for each in self.columns)
        self.clocks, self.writers, self.seqs, self.places = (
            _picked(each, kept) for each in (self.clocks, self.writers, self.seqs, self.places)
        )

    def summed(self) -> Summed:
        """Return what is known of the records without them."""
        assert self._last is not None
        # Still infinity and minus infinity if every value was NaN.
        is_number = self._least <= self._most
        return Summed(
            self._last,
            self._least if is_number else None,
            self._most if is_number else None,
            len(self.seqs),
        )


def _picked(values: Any, kept: Iterable[bool]) -> Any:
    picked = compress(values, kept)
    return array(values.typecode, picked) if isinstance(values, array) else list(picked)


class Thing:
    """What is known of a thing, from its document or from the log, or from both.

    Attributes:
        scope: The ids of the kind's scope, the thing's own last.
        made: Order and fields of the record that made it; None if none is known.
        fields: For each field set since, the value that stays and its order.
        parts: For each table the rows by key with their order; the values of a removed row
            are None.
        columns: For each table whose records all stay, those of the log by key.
        summed: For each table the summaries of the document by key.
        derived: The columns that follow from a part and are not null; None where none of its
            rows is known.
        gone_at: Clock of its removal, where the document says that it was removed.
    """

    __slots__ = (
        "columns", "derived", "fields", "gone_at", "made", "parts", "scope", "summed",
    )  # fmt: skip

    def __init__(self, kind: Kind, scope: Row) -> None:
        self.scope = scope
        self.made: tuple[Order, dict[str, Any]] | None = None
        self.fields: dict[str, tuple[Order, Any]] = {}
        self.parts: dict[str, dict[Any, tuple[Order, Row | None]]] = {
            part.table.name: {}
            for part in kind.parts
            if part.keep is not Keep.EACH and not part.in_columns
        }
        self.columns: dict[str, dict[Any, Columns]] = {
            part.table.name: {} for part in kind.parts if part.keep is Keep.EACH
        }
        self.summed: dict[str, dict[Any, Summed]] = {}
        self.derived: dict[str, Any] | None = None
        self.gone_at: int | None = None

    @property
    def id(self) -> str:
        """The thing's id."""
        identity: str = self.scope[-1]
        return identity

    @property
    def is_gone(self) -> bool:
        """Whether the document says that it was removed."""
        return self.gone_at is not None

    def make(self, fields: dict[str, Any], order: Order) -> None:
        """Take in a record that makes the thing; of several the first."""
        if self.made is None or order < self.made[0]:
            self.made = order, fields

    def set(self, name: str, value: Any, order: Order, keep: Keep) -> None:
        """Take in a value of a field."""
        known = self.fields.get(name)
        is_first = keep is Keep.FIRST
        if known is None or (order < known[0] if is_first else order >= known[0]):
            self.fields[name] = order, value

    def put(self, part: Part, rows: Iterable[tuple[Any, Row | None]], order: Order) -> None:
        """Take in rows of a part by their keys."""
        kept = self.parts[part.table.name]
        is_first = part.keep is Keep.FIRST
        for key, values in rows:
            known = kept.get(key)
            # Of several rows in one record the last one stays, or the first.
            if known is None or (order < known[0] if is_first else order >= known[0]):
                kept[key] = order, values

    def given(self, column: str) -> Any:
        """Return what records say of a column of its row; None if they say nothing."""
        if column in self.fields:
            return self.fields[column][1]
        return None if self.made is None else self.made[1].get(column)

    def row(self, kind: Kind, owner: Thing | None = None) -> dict[str, Any] | None:
        """Return the row of the thing; None as long as nothing has made it.

        Args:
            kind: Its kind.
            owner: Its owner, to take from it what is inherited; None for the row alone.
        """
        if self.made is None and self.derived is None:
            return None
        row = kind.empty_row | (self.derived or {})
        if self.made is not None:
            given = self.made[1]
            # A null says nothing, and must not hide what follows from the rows of a part.
            if kind.derived is not None:
                given = {name: each for name, each in given.items() if each is not None}
            row |= given
        row |= zip(kind.scope, self.scope, strict=True)
        for name, (_, value) in self.fields.items():
            row[name] = value
        for column, name in kind.clocks.items():
            row[column] = self.fields[name][0][0] if name in self.fields else None
        for name in kind.inherited:
            own, inherited = self.fields.get(name), owner.fields.get(name) if owner else None
            if inherited is not None and (own is None or inherited[0] > own[0]):
                row[name] = inherited[1]
        return row

    def rows(self, table: str) -> Iterator[tuple[Any, Row]]:
        """Yield the rows of a part by their keys, in order; removed ones are left out."""
        # No two keys are equal, so that no values are compared, of which some are None.
        for key, (_, values) in sorted(self.parts[table].items()):
            if values is not None:
                yield key, values

    def values(self, table: str) -> dict[str, Any]:
        """Return the rows of a part with one value each: that of each key, in order."""
        rows = sorted(self.parts[table].items())
        return {key: values[0] for key, (_, values) in rows if values is not None}

    def summaries(self, part: Part) -> dict[Any, Summed]:
        """Return the summaries of a part by key, in order: of what is stored, and the log."""
        assert part.summary is not None
        found = dict(self.summed.get(part.summary.table.name, {}))
        for key, columns in self.columns[part.table.name].items():
            fresh, stored = columns.summed(), found.get(key)
            found[key] = fresh if stored is None else stored.merge(fresh)
        return dict(sorted(found.items()))


def merged(kind: Kind, stored: Thing | None, hot: Thing | None) -> Thing | None:
    """Return what a document and the log say of a thing together; neither is changed."""
    if stored is None or hot is None:
        return stored or hot
    both = Thing(kind, stored.scope)
    both.made = min(
        (each for each in (stored.made, hot.made) if each is not None),
        key=lambda made: made[0],
        default=None,
    )
    both.fields = dict(stored.fields)
    for name, (order, value) in hot.fields.items():
        both.set(name, value, order, kind.settable[name])
    for part in kind.parts:
        table = part.table.name
        if part.keep is Keep.EACH:
            # No document has such records, and a long curve is not copied to look at a run.
            both.columns[table] = hot.columns[table]
            continue
        # They are in the memory by column, and in no thing.
        if part.in_columns:
            continue
        both.parts[table] = dict(stored.parts[table])
        for key, (order, values) in hot.parts[table].items():
            both.put(part, ((key, values),), order)
    both.summed = stored.summed
    both.derived = stored.derived if hot.derived is None else hot.derived
    return both


def ranges_of(derived: Derived, things: Iterable[Thing]) -> list[tuple[int, int]]:
    """Return where the rows are from which columns of things follow, of those that have any."""
    first, last = derived.bounds
    found = (thing.derived for thing in things)
    return [(each[first], each[last]) for each in found if each is not None]


def is_removal(part: Part, values: Row) -> bool:
    """Return whether a row removes its key."""
    return part.removable and values.count(None) == len(values)


def keys_of(columns: Mapping[str, Any], names: tuple[str, ...]) -> Iterable[Any]:
    """Return the keys of rows by column: the value of one column, or a tuple of several."""
    if len(names) == 1:
        values: Iterable[Any] = columns[names[0]]
        return values
    return zip(*(columns[name] for name in names), strict=True)


# Rows of tables


def rows_by_table(kind: Kind, things: Iterable[Thing]) -> dict[str, list[Row]]:
    """Return the rows of things by table.

    Of parts that no document holds these are the rows of the log, removed ones with nulls for
    values. Of parts whose records all stay, or that are held as columns, there is nothing.
    """
    things = list(things)
    made = (thing.row(kind) for thing in things)
    in_columns = [part.table for part in kind.column_parts]
    rows: dict[str, list[Row]] = {
        spec.name: []
        for spec in (*kind.held_tables, *kind.keyed_tables)
        if spec not in in_columns
    }
    # In the order of the table, with which ``row`` begins: what is set later keeps its place.
    rows[kind.row.name] += (tuple(row.values()) for row in made if row is not None)
    for part in kind.parts:
        if part.in_columns:
            continue
        if part.keep is not Keep.EACH:
            rows[part.table.name] += _table_rows(kind, part, things)
        if part.summary is not None:
            rows[part.summary.table.name] += _summary_rows(kind, part, things)
    return rows


def _table_rows(kind: Kind, part: Part, things: Iterable[Thing]) -> Iterator[Row]:
    spec = part.table
    by, of_values = kind.key(spec), kind.values(spec)
    names = (*kind.scope, *by, *of_values, CLOCK)
    places = tuple(names.index(name) for name in spec.column_names)
    nothing = (None,) * len(of_values)
    for thing in things:
        for key, (order, values) in sorted(thing.parts[spec.name].items()):
            if values is None and part.in_document:
                continue
            given = (*thing.scope, *_as_tuple(key, by), *(values or nothing), order[0])
            yield tuple([given[place] for place in places])


def _summary_rows(kind: Kind, part: Part, things: Iterable[Thing]) -> Iterator[Row]:
    summary = part.summary
    assert summary is not None
    names = (*kind.scope, *summary.by, *summary.last, "min", "max", "count")
    places = tuple(names.index(name) for name in summary.table.column_names)
    for thing in things:
        for key, each in thing.summaries(part).items():
            by = _as_tuple(key, summary.by)
            given = (*thing.scope, *by, *each.last, each.min, each.max, each.count)
            yield tuple([given[place] for place in places])


def _as_tuple(key: Any, names: tuple[str, ...]) -> Row:
    return (key,) if len(names) == 1 else key


def kept_columns(kind: Kind, part: Part) -> tuple[str, ...]:
    """Return the columns of a part of which ``Columns`` keeps the values."""
    by = part.summary.by if part.summary else ()
    left_out = {*kind.scope, *by, *LOGGED}
    return tuple(name for name in part.table.column_names if name not in left_out)


def type_codes(table: TableSpec, names: Iterable[str]) -> list[str]:
    """Return how columns are packed: the type code of an array, or nothing for a list."""
    codes = {
        column.name: "" if column.nullable else CODES.get(column.type, "")
        for column in table.columns
    }
    return [codes[name] for name in names]


CODES = {"long": "q", "double": "d"}
"""Type codes of the arrays that take the numbers of a column."""
