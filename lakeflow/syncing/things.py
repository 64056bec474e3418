"""What a thing sums up, as records again, as far as it says. Pure.

Of a record in a document only the clock is left, and that decides. So each clock is a record.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import groupby
from operator import sub
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.kinds.kind import CLOCK, LOGGED
from lakeflow.records import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeflow.kinds import Kind
    from lakeflow.schema import TableSpec
    from lakeflow.stores.things import Thing

Row = dict[str, Any]

Copy = tuple[Origin, str]
"""Which record something is a copy of, and its fields."""


def copies_of(kind: Kind, table: str, clock: int, rows: list[Row]) -> list[Copy]:
    """Return rows of a table as copies of a record of which only the clock is known."""
    return [(Origin("", 0, clock), body) for body in bodies(kind, table, rows)]


def made(kind: Kind, thing: Thing) -> Iterator[tuple[str, int, list[Row]]]:
    """Yield the row that made a thing, if any did: with its table, and its clock."""
    if thing.made is None:
        return
    (clock, _, _), fields = thing.made
    left_out = {*kind.scope, *kind.clocks}
    row = {
        name: each for name, each in fields.items() if name not in left_out and each is not None
    }
    yield kind.row.name, clock, [_scope(kind, thing) | row]


def changes(kind: Kind, thing: Thing) -> Iterator[tuple[str, int, list[Row]]]:
    """Yield what was set of a thing since: rows of each table by clock, the earliest first."""
    found: dict[int, dict[str, list[Row]]] = defaultdict(dict)
    scope = _scope(kind, thing)
    for name, ((clock, _, _), value) in thing.fields.items():
        if value is not None:
            rows = found[clock].setdefault(kind.row.name, [dict(scope)])
            rows[0][name] = value
    for part in kind.parts:
        table = part.table.name
        keys, names = kind.key(part.table), kind.values(part.table)
        for key, ((clock, _, _), values) in thing.parts.get(table, {}).items():
            row = scope | dict(zip(keys, key if len(keys) > 1 else (key,), strict=True))
            # What was removed has no values: with nulls it is removed there too.
            row |= zip(names, values or (None,) * len(names), strict=True)
            found[clock].setdefault(table, []).append(row)
    for clock, tables in sorted(found.items()):
        for table, rows in tables.items():
            yield table, clock, rows


def _scope(kind: Kind, thing: Thing) -> Row:
    return dict(zip(kind.scope, thing.scope, strict=True))


def bodies(kind: Kind, table: str, rows: list[Row]) -> list[str]:
    """Return rows of a table as the fields of one line, or of several where they are long."""
    if not kind.is_line:
        return records.bodies("", records.table(table, rows))
    about = {name: rows[0][name] for name in kind.scope}
    bare = [{name: each for name, each in row.items() if name not in about} for row in rows]
    return records.bodies(_head(about), records.table(table, bare))


def _head(about: Mapping[str, str]) -> str:
    return ",".join(f"{json.dumps(name)}:{json.dumps(each)}" for name, each in about.items())


def copies_of_records(
    kind: Kind, spec: TableSpec, columns: Mapping[str, list[Any]]
) -> Iterator[Copy]:
    """Yield rows that all stay as copies of their records: those of one record together.

    Args:
        kind: Their kind.
        spec: Their table.
        columns: Its columns; the rows of a record follow one another, in order.
    """
    scope = kind.scope if kind.is_line else ()
    names = [name for name in spec.column_names if name not in {*LOGGED, *scope}]
    texts = [records.texts(columns[name]) for name in names]
    rows = list(zip(*texts, strict=True))
    fields = ",".join(f'"{name}":[%s]' for name in names)
    abouts = list(zip(*(columns[name] for name in scope), strict=True)) or [()] * len(texts[0])
    heads = {each: _head(dict(zip(scope, each, strict=True))) for each in {*abouts}}

    def parts(first: int, last: int) -> Iterator[tuple[int, str]]:
        is_one = last - first == 1
        text = fields % (
            rows[first] if is_one else tuple([",".join(each[first:last]) for each in texts])
        )
        if is_one or len(text) <= records.MAX_CHARACTERS:
            head = heads[abouts[first]]
            yield first, f'{head}{head and ","}"{spec.name}":{{{text}}}'
            return
        middle = (first + last) // 2
        yield from parts(first, middle)
        yield from parts(middle, last)

    writers, seqs, clocks, places = (
        columns[name] for name in ("writer", "seq", CLOCK, "place")
    )
    # What is the same in all rows of a copy: of which record they are, and that no place of it
    # is left out between them.
    same = zip(writers, seqs, abouts, map(sub, places, range(len(places))), strict=True)
    last = 0
    for (writer, seq, _, _), some in groupby(same):
        first, last = last, last + len(list(some))
        for place, body in parts(first, last):
            yield Origin(writer, seq, clocks[place], places[place]), body
