"""Kinds that live in the tests alone, and what a plain dictionary would make of their records.

A *shelf* owns *books*. A line is about many things. Of a book there are marks (the last one wins,
null removes), owners' plates (the first one stays), labels (keys alone), readings (each stays,
with a summary by room), visits (each stays, without one), and pages (the last one wins by key,
and no document holds them); first editions are kept by key as well.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from lakeflow.kinds import KINDS, Keep, Kind, Part, Summary
from lakeflow.kinds.catalogue import Attribute, Catalogue
from lakeflow.kinds.kind import CLOCK
from lakeflow.schema import Column, TableSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SHELF_ID = Column("shelf_id", "string", "its shelf")
BOOK_ID = Column("book_id", "string", "its id")
LOGGED = (
    Column("clock", "long", "of the record"),
    Column("writer", "string", "of the record"),
    Column("seq", "long", "of the record"),
    Column("place", "long", "in the record"),
)

_LOGGED = tuple(column.name for column in LOGGED)


def table(name: str, key: tuple[str, ...], *columns: Column, scope: tuple[Column, ...]) -> Any:
    names = tuple(column.name for column in scope)
    logged = tuple(column.name for column in columns[-4:])
    is_each = logged == ("clock", "writer", "seq", "place")
    return TableSpec(
        name,
        f"rows of {name}",
        (*scope, *columns),
        key=logged[1:] if is_each else (*names, *key),
        sort=(*names, *key, *(logged if is_each else ())),
    )


SHELVES = table(
    "shelves",
    (),
    Column("built", "long", "year"),
    Column("room", "string", "where it stands"),
    scope=(SHELF_ID,),
)
SHELF_MARKS = table(
    "shelf_marks",
    ("name",),
    Column("name", "string", "name"),
    Column("text", "string", "text"),
    scope=(SHELF_ID,),
)
BOOK = (SHELF_ID, BOOK_ID)
BOOKS = table(
    "books",
    (),
    Column("bought", "long", "year"),
    Column("title", "string", "changes"),
    Column("price", "double", "changes", nullable=True),
    Column("fate", "string", "the first that is said stays", nullable=True),
    Column("title_clock", "long", "of the title", nullable=True),
    scope=BOOK,
)
MARKS = table(
    "marks", ("name",), Column("name", "string", "n"), Column("text", "string", "t"), scope=BOOK
)
PLATES = table(
    "plates",
    ("name", "page"),
    Column("name", "string", "n"),
    Column("page", "long", "p"),
    Column("text", "string", "t", nullable=True),
    Column("size", "double", "s", nullable=True),
    scope=BOOK,
)
LABELS = table("labels", ("name",), Column("name", "string", "n"), scope=BOOK)
READINGS = table(
    "readings",
    ("room",),
    Column("room", "string", "r"),
    Column("day", "long", "d"),
    Column("minutes", "double", "any float"),
    *LOGGED,
    scope=BOOK,
)
TIMES = table(
    "times",
    ("room",),
    Column("room", "string", "r"),
    Column("minutes", "double", "the last"),
    Column("day", "long", "of the last"),
    *LOGGED,
    Column("min", "double", "least", nullable=True),
    Column("max", "double", "most", nullable=True),
    Column("count", "long", "how many"),
    scope=BOOK,
)
VISITS = table(
    "visits",
    (),
    Column("guest", "string", "g"),
    Column("note", "string", "n", nullable=True),
    *LOGGED,
    scope=BOOK,
)
PAGES = table(
    "pages",
    ("page",),
    Column("page", "long", "p"),
    Column("text", "string", "t; null in a row that was removed", nullable=True),
    Column(CLOCK, "long", "of the record"),
    scope=BOOK,
)
EDITIONS = table(
    "editions",
    ("year",),
    Column("year", "long", "y"),
    Column("text", "string", "t"),
    scope=BOOK,
)

SHELF = Kind(
    "shelf",
    row=SHELVES,
    id="shelf_id",
    makes="built",
    settable={"room": Keep.LAST},
    is_removable=True,
    parts=(Part(SHELF_MARKS, Keep.LAST, removable=True),),
    catalogue=Catalogue(
        {
            "shelf_id": Attribute("shelf_id"),
            "room": Attribute("room"),
            "built": Attribute("built", is_number=True),
        },
        {"marks": SHELF_MARKS},
        order=(("shelf_id", False),),
    ),
)
BOOK_KIND = Kind(
    "book",
    row=BOOKS,
    id="book_id",
    makes="bought",
    settable={"title": Keep.LAST, "price": Keep.LAST, "fate": Keep.FIRST},
    parts=(
        Part(MARKS, Keep.LAST, removable=True),
        Part(PLATES, Keep.FIRST),
        Part(LABELS, Keep.FIRST),
        Part(
            READINGS,
            Keep.EACH,
            summary=Summary(TIMES, by=("room",), order=("day",), value="minutes"),
        ),
        Part(VISITS, Keep.EACH),
        Part(PAGES, Keep.LAST, removable=True, in_document=False),
        Part(EDITIONS, Keep.FIRST, in_document=False),
    ),
    owner=SHELF,
    is_removable=True,
    clocks={"title_clock": "title"},
    catalogue=Catalogue(
        {
            "book_id": Attribute("book_id"),
            "title": Attribute("title"),
            "bought": Attribute("bought", is_number=True),
        },
        {"marks": MARKS, "times": TIMES},
        order=(("book_id", False),),
    ),
)
LIBRARY = (*KINDS, SHELF, BOOK_KIND)
"""The kinds of a lake with shelves and books beside experiments and runs."""

TEST_KINDS = (SHELF, BOOK_KIND)


def body(**fields: Iterable[Mapping[str, Any]]) -> str:
    """Return a record with rows of tables, given as dictionaries with the same names each."""
    parts = []
    for name, rows in fields.items():
        listed = list(rows)
        columns = {each: [row[each] for row in listed] for each in listed[0]}
        parts.append(f"{json.dumps(name)}:{json.dumps(columns)}")
    return ",".join(parts)


class Model:
    """What one dictionary would say of the records that were logged, in their order."""

    def __init__(self) -> None:
        self.records: dict[tuple[Any, ...], dict[str, list[dict[str, Any]]]] = {}

    def log(self, order: tuple[Any, ...], **fields: list[dict[str, Any]]) -> None:
        self.records[order] = fields

    def tables(self) -> dict[str, set[str]]:
        """Return the rows of every table, comparable."""
        gone = self._gone()
        rows: dict[str, set[str]] = {}
        for kind in TEST_KINDS:
            made = self._made(kind, gone)
            rows[kind.row.name] = {shown(row) for row in made.values()}
            for part in kind.parts:
                for spec, found in self._part(kind, part, gone):
                    rows[spec.name] = {shown(row) for row in found}
        return rows

    def _gone(self) -> dict[str, set[str]]:
        gone: dict[str, set[str]] = {kind.name: set() for kind in TEST_KINDS}
        for fields in self.records.values():
            for each in fields.get("removed", ()):
                gone[each["kind"]].add(each["id"])
        return gone

    def _living(self, kind: Kind, gone: dict[str, set[str]], row: dict[str, Any]) -> bool:
        return all(row[each.id] not in gone[each.name] for each in kind.owners)

    def _rows(self, kind: Kind, name: str, gone: dict[str, set[str]]) -> list[Any]:
        return [
            (order, place, row)
            for order, fields in sorted(self.records.items(), key=lambda each: each[0])
            for place, row in enumerate(fields.get(name, ()))
            if self._living(kind, gone, row)
        ]

    def _made(self, kind: Kind, gone: dict[str, set[str]]) -> dict[str, dict[str, Any]]:
        rows = self._rows(kind, kind.row.name, gone)
        made: dict[str, dict[str, Any]] = {}
        for _, _, row in rows:
            if row.get(kind.makes) is not None:
                made.setdefault(row[kind.id], row)
        fields = self._set(kind, [each for each in rows if each[2].get(kind.makes) is None])
        answer = {}
        for identity, row in made.items():
            whole = {name: row.get(name) for name in kind.row.column_names}
            for name in kind.settable:
                if (identity, name) in fields:
                    whole[name] = fields[identity, name][1]
            for column, name in kind.clocks.items():
                whole[column] = fields.get((identity, name), ((None,),))[0][0]
            answer[identity] = whole
        return answer

    def _set(self, kind: Kind, rows: list[Any]) -> dict[tuple[str, str], tuple[Any, Any]]:
        fields: dict[tuple[str, str], tuple[Any, Any]] = {}
        for order, _, row in rows:
            for name, keep in kind.settable.items():
                is_known = keep is Keep.FIRST and (row[kind.id], name) in fields
                if row.get(name) is not None and not is_known:
                    fields[row[kind.id], name] = order, row[name]
        return fields

    def _part(self, kind: Kind, part: Part, gone: dict[str, set[str]]) -> list[Any]:
        spec = part.table
        rows = self._rows(kind, spec.name, gone)
        if part.keep is Keep.EACH:
            each = [
                {**row, **dict(zip(_LOGGED, (*order, place), strict=True))}
                for order, place, row in rows
            ]
            found: list[Any] = [(spec, each)]
            if part.summary is not None:
                found.append((part.summary.table, summed(kind, part.summary, each)))
            return found
        kept: dict[Any, dict[str, Any]] = {}
        for order, _, logged in rows:
            row = {**logged, CLOCK: order[0]}
            key = tuple(row[name] for name in spec.key)
            if part.keep is Keep.FIRST:
                kept.setdefault(key, row)
            else:
                kept[key] = row
        values = kind.values(spec)
        if part.removable:
            kept = {
                key: row for key, row in kept.items() if any(row[v] is not None for v in values)
            }
        return [
            (
                spec,
                [{name: row.get(name) for name in spec.column_names} for row in kept.values()],
            )
        ]


def summed(kind: Kind, summary: Summary, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in (*kind.scope, *summary.by)), []).append(
            row
        )
    answer = []
    for key, group in groups.items():

        def rank(row: dict[str, Any]) -> Any:
            return tuple(row[name] for name in (*summary.order, *_LOGGED))

        last = max(group, key=rank)
        numbers = [row[summary.value] for row in group if not math.isnan(row[summary.value])]
        answer.append(
            dict(zip((*kind.scope, *summary.by), key, strict=True))
            | {name: last[name] for name in (*summary.order, *_LOGGED, summary.value)}
            | {"min": min(numbers, default=None), "max": max(numbers, default=None)}
            | {"count": len(group)}
        )
    return answer


def shown(row: dict[str, Any]) -> str:
    """Return a text that is the same for equal rows."""
    return repr(sorted((name, repr(row[name])) for name in row))
