"""What a thing sums up, as records again, as far as it says. Pure.

Of a record in a document only the clock is left, and that decides. So each clock is a record.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.records import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.kinds import Kind
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
    head = ",".join(f"{json.dumps(name)}:{json.dumps(each)}" for name, each in about.items())
    return records.bodies(head, records.table(table, bare))
