"""Kinds that live in the tests go through log, fold, search and SQL by their declarations alone."""

from __future__ import annotations

import itertools
import json
import math
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from kinds.shelf import BOOK_KIND, LIBRARY, SHELF, TEST_KINDS, Model, body, shown

from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.log.positions import list_segments, writer_of
from lakeflow.maintenance.compact import compact_lake
from lakeflow.query.engine.compile import compile_search
from lakeflow.query.engine.search import Search
from lakeflow.query.language.filters import parse_filter
from lakeflow.records import Origin, copied
from lakeflow.scans import _frame_of
from lakeflow.stores.snapshots import SnapshotId
from lakeflow.stores.store import Store
from lakeflow.stores.things import rows_by_table

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = Settings(
    segment_bytes=2_000, fold_bytes=6_000, vacuum_grace_s=0, retention_s=0, auto_compact=False
)
EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "8"))
_NUMBERS = itertools.count()

shelves = st.sampled_from(["s1", "s2", "s3"])
books = st.sampled_from(["b1", "b2", "b3", "b4"])
names = st.sampled_from(["red", "a b", "ünï"])
texts = st.sampled_from(["", "x", 'it\'s "q"\n'])
numbers = st.sampled_from([0.0, 1.5, -2.0, math.nan, math.inf])
days = st.integers(-1, 2)


def opened(uri: str, given: Settings = SETTINGS) -> Store:
    return Store(Lake.on(open_filesystem(uri), given, kinds=LIBRARY))


def shelf_of(book: str) -> str:
    """A book stays on its shelf."""
    return {"b1": "s1", "b2": "s1", "b3": "s2", "b4": "s3"}[book]


def about(book: str) -> dict[str, str]:
    return {"shelf_id": shelf_of(book), "book_id": book}


def row_of_book(book: str, **fields: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("bought", "title", "price", "fate"))
    return about(book) | nothing | fields


records = st.one_of(
    st.builds(
        lambda shelf, room: {"shelves": [{"shelf_id": shelf, "built": 1900, "room": room}]},
        shelves,
        names,
    ),
    st.builds(
        lambda shelf, room: {"shelves": [{"shelf_id": shelf, "built": None, "room": room}]},
        shelves,
        names,
    ),
    st.builds(
        lambda shelf, name, text: {
            "shelf_marks": [{"shelf_id": shelf, "name": name, "text": text}]
        },
        shelves,
        names,
        texts | st.none(),
    ),
    st.lists(st.tuples(books, names, numbers | st.none()), min_size=1, max_size=3).map(
        lambda rows: {
            "books": [row_of_book(b, bought=2000, title=t, price=p) for b, t, p in rows]
        }
    ),
    st.builds(
        lambda book, title, fate: {"books": [row_of_book(book, title=title, fate=fate)]},
        books,
        names | st.none(),
        names | st.none(),
    ),
    st.lists(st.tuples(books, names, texts | st.none()), min_size=1, max_size=4).map(
        lambda rows: {"marks": [{**about(b), "name": n, "text": t} for b, n, t in rows]}
    ),
    st.lists(st.tuples(books, names, days, texts, numbers), min_size=1, max_size=4).map(
        lambda rows: {
            "plates": [
                {**about(b), "name": n, "page": d, "text": t, "size": s}
                for b, n, d, t, s in rows
            ]
        }
    ),
    st.lists(st.tuples(books, names), min_size=1, max_size=3).map(
        lambda rows: {"labels": [{**about(b), "name": n} for b, n in rows]}
    ),
    st.lists(st.tuples(books, names, days, numbers), min_size=1, max_size=5).map(
        lambda rows: {
            "readings": [{**about(b), "room": r, "day": d, "minutes": m} for b, r, d, m in rows]
        }
    ),
    st.lists(st.tuples(books, names, texts | st.none()), min_size=1, max_size=3).map(
        lambda rows: {"visits": [{**about(b), "guest": g, "note": n} for b, g, n in rows]}
    ),
    st.lists(st.tuples(books, days, texts | st.none()), min_size=1, max_size=3).map(
        lambda rows: {"pages": [{**about(b), "page": p, "text": t} for b, p, t in rows]}
    ),
    st.lists(st.tuples(books, days, texts), min_size=1, max_size=3).map(
        lambda rows: {"editions": [{**about(b), "year": y, "text": t} for b, y, t in rows]}
    ),
)
KEYED = {"pages", "editions"}


class Library:
    """Lakes of several processes on one place, and the model of what they log."""

    def __init__(self, uri: str, count: int = 2) -> None:
        self.uri = uri
        self.stores = [opened(uri) for _ in range(count)]
        self.model = Model()

    def log(self, writer: int, fields: dict[str, list[dict[str, Any]]]) -> None:
        lake = self.stores[writer].lake
        before = self._lines(lake)
        lake.append([body(**fields)])
        ((place, line),) = self._lines(lake).items() - before.items()
        order = line["clock"], writer_of(place[0]), line["seq"]
        self.model.log(order, **fields)

    def copy(self, writer: int, order: tuple[int, str, int], fields: Any) -> None:
        clock, name, seq = order
        self.stores[writer].lake.append([copied(Origin(name, seq, clock), body(**fields))])
        self.model.log(order, **fields)

    def _lines(self, lake: Lake) -> dict[tuple[str, int], Any]:
        return {
            (path, place): Frozen(json.loads(line))
            for path in list_segments(lake.fs)
            if writer_of(path) == lake.writer
            for place, line in enumerate(lake.fs.read(path).splitlines())
        }

    def check(self, store: Store) -> None:
        """Compare all that SQL and scans show, and what is put together of single things."""
        self.check_things(store)
        expected = self.model.tables()
        for kind in TEST_KINDS:
            for spec in kind.tables:
                rows = store.columns.query(f"SELECT * FROM {spec.name}", None).to_pylist()
                assert sorted(map(shown, rows)) == sorted(expected[spec.name]), spec.name
                scan = _frame_of(store.lake, store.columns.scan(kind, spec))
                rows = scan.collect().to_dicts()
                assert sorted(map(shown, rows)) == sorted(expected[spec.name]), spec.name

    def check_things(self, store: Store) -> None:
        """Compare what is put together of single things: documents, and the log over them."""
        expected = self.model.tables()
        for kind in TEST_KINDS:
            ids = ["s1", "s2", "s3"] if kind is SHELF else ["b1", "b2", "b3", "b4"]
            things = list(store.snapshots.things(kind, ids).values())
            for spec in kind.held_tables:
                rows = [
                    dict(zip(spec.column_names, row, strict=True))
                    for row in rows_by_table(kind, things)[spec.name]
                ]
                assert sorted(map(shown, rows)) == sorted(expected[spec.name]), spec.name

    def search(self, store: Store) -> None:
        text = "marks.red = 'x' OR max(times.red) > 1 OR title = 'red'"
        statement = compile_search(Search(BOOK_KIND, parse_filter(text, BOOK_KIND)), 10)
        rows, _ = store.runs.reader.search(statement, ())
        found = {row[0] for row in rows}
        tables = {
            name: [eval(row, {"nan": math.nan, "inf": math.inf}) for row in rows]
            for name, rows in self.model.tables().items()
        }
        wanted = set()
        for book in ("b1", "b2", "b3", "b4"):
            mine = {
                name: [dict(row) for row in rows if dict(row).get("book_id") == repr(book)]
                for name, rows in tables.items()
            }
            is_red = any(
                row["name"] == "'red'" and row["text"] == "'x'" for row in mine["marks"]
            )
            is_long = any(
                row["room"] == "'red'"
                and row["max"] not in ("None", "nan")
                and float(row["max"]) > 1
                for row in mine["times"]
            )
            titled = any(row["title"] == "'red'" for row in mine["books"])
            if mine["books"] and (is_red or is_long or titled):
                wanted.add(book)
        assert found == wanted


class Frozen(dict):  # type: ignore[type-arg]
    """A line that can be in a set."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


class LibraryMachine(RuleBasedStateMachine):
    """Random records of any kind by two writers, folds, copies of old records, removals."""

    @initialize()
    def make(self) -> None:
        self.library = Library(f"memory://library-{next(_NUMBERS)}")
        self.copies = itertools.count(1)

    def teardown(self) -> None:
        if hasattr(self, "library"):
            for store in self.library.stores:
                store.lake.close()

    @rule(writer=st.integers(0, 1), fields=st.lists(records, min_size=1, max_size=2))
    def log(self, writer: int, fields: list[Any]) -> None:
        joined: dict[str, Any] = {}
        for each in fields:
            joined |= each
        self.library.log(writer, joined)

    @rule(
        writer=st.integers(0, 1),
        clock=st.integers(1, 5),
        fields=records.filter(lambda each: not KEYED & each.keys()),
    )
    def copy_an_old_record(self, writer: int, clock: int, fields: Any) -> None:
        number = next(self.copies)
        self.library.copy(writer, (clock * 1_000 + number, "elsewhere", number), fields)

    @rule(writer=st.integers(0, 1))
    def copy_again(self, writer: int) -> None:
        for order, fields in self.library.model.records.items():
            # Until a fold, a copy of what is stored counts again in the summary of its key.
            if order[1] == "elsewhere" and "readings" not in fields:
                self.library.copy(writer, order, fields)
                return

    @rule(
        writer=st.integers(0, 1),
        kind=st.sampled_from(["book", "shelf"]),
        which=st.integers(1, 3),
    )
    def remove(self, writer: int, kind: str, which: int) -> None:
        self.library.log(writer, {"removed": [{"kind": kind, "id": f"{kind[0]}{which}"}]})

    @rule(writer=st.integers(0, 1))
    def compact(self, writer: int) -> None:
        compact_lake(self.library.stores[writer].lake)

    @rule(writer=st.integers(0, 1))
    def reopen(self, writer: int) -> None:
        self.library.stores[writer].lake.close()
        self.library.stores[writer] = opened(self.library.uri)

    @rule()
    def search(self) -> None:
        self.library.search(self.library.stores[1])

    @rule(reader=st.integers(0, 1))
    def look(self, reader: int) -> None:
        self.library.check(self.library.stores[reader])

    @invariant()
    def things_are_what_the_model_says(self) -> None:
        if hasattr(self, "library"):
            self.library.check_things(self.library.stores[0])


def test_any_kind_behaves_as_its_declaration_says() -> None:
    run_state_machine_as_test(
        LibraryMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def library(uri: str) -> Iterator[Library]:
    library = Library(uri)
    yield library
    for store in library.stores:
        store.lake.close()


def test_parts_that_come_before_their_thing_join_it(library: Library) -> None:
    """The thing's own record is folded last."""
    library.log(0, {"marks": [{**about("b1"), "name": "red", "text": "x"}]})
    library.log(0, {"readings": [{**about("b1"), "room": "red", "day": 1, "minutes": 2.0}]})
    library.log(1, {"books": [row_of_book("b1", title="later")]})
    compact_lake(library.stores[0].lake)
    library.check(library.stores[1])
    assert not library.model.tables()["books"]
    library.log(1, {"books": [row_of_book("b1", bought=2000, title="first", price=1.0)]})
    library.check(library.stores[0])
    compact_lake(library.stores[1].lake)
    library.check(opened(library.uri))
    library.search(opened(library.uri))
    (row,) = library.model.tables()["books"]
    assert "later" in row


def test_what_is_removed_stays_away_with_what_it_owns(library: Library) -> None:
    for book in ("b1", "b2", "b3"):
        # Of the first one there are parts alone: nobody has made it.
        if book != "b1":
            library.log(0, {"books": [row_of_book(book, bought=2000, title="red")]})
        library.log(0, {"pages": [{**about(book), "page": 1, "text": "x"}]})
        library.log(0, {"visits": [{**about(book), "guest": "g", "note": None}]})
    compact_lake(library.stores[0].lake)
    library.log(1, {"removed": [{"kind": "shelf", "id": "s1"}]})
    library.check(library.stores[0])
    compact_lake(library.stores[0].lake)
    library.check(library.stores[1])
    late = {"marks": [{**about("b1"), "name": "red", "text": "late"}]}
    again = {"books": [row_of_book("b2", bought=2001, title="again")]}
    for fields in (late, again):
        library.log(0, fields)
    library.check(library.stores[1])
    compact_lake(library.stores[0].lake)
    library.check(library.stores[1])
    assert len(library.model.tables()["books"]) == 1


def test_an_older_lake_of_any_kind_is_seen_as_it_was(uri: str) -> None:
    library = Library(uri, count=0)
    library.stores = [opened(uri, Settings(auto_compact=False))]
    store = library.stores[0]
    seen = {}
    for number in range(3):
        library.log(0, {"marks": [{**about("b1"), "name": "red", "text": str(number)}]})
        library.log(0, {"books": [row_of_book("b1", bought=1, title=f"t{number}")]})
        compact_lake(store.lake)
        seen[store.lake.fold().number] = library.model.tables()
    for number, expected in seen.items():
        for name in ("marks", "books"):
            rows = store.columns.query(f"SELECT * FROM {name}", None, SnapshotId(number, 0))
            assert sorted(map(shown, rows.to_pylist())) == sorted(expected[name])


MISFITS = [
    '"marks":{"shelf_id":["s1"],"book_id":["b1"],"name":["a","b"],"text":["x"]}',
    '"marks":{"shelf_id":["s1"],"book_id":[null],"name":["a"],"text":["x"]}',
    '"marks":{"shelf_id":["s1"],"name":["a"],"text":["x"]}',
    '"marks":5',
    '"plates":{"shelf_id":["s1"],"book_id":["b1"],"name":["a"],"page":[null]}',
    '"readings":{"shelf_id":["s1"],"book_id":["b1"],"room":["a"],"day":[1]}',
    f'"editions":{{"shelf_id":["s1"],"book_id":["b1"],"year":[{2**63}],"text":["x"]}}',
    '"marks":{"shelf_id":["s1"],"book_id":["b1"],"name":["\\ud800"],"text":["x"]}',
    '"books":{"shelf_id":["s1"],"book_id":["b1"],"bought":[1]}',
    '"params":{"key":["a"],"value":["b"]}',
]


def test_lines_that_fit_no_declaration_are_set_aside_before_and_after_a_fold(
    library: Library,
) -> None:
    for number, line in enumerate(MISFITS):
        library.log(0, {"books": [row_of_book("b1", bought=2000, title=f"t{number}")]})
        library.stores[0].lake.append([line])
        # Each alone: another one could make up for what it does.
        library.check_things(library.stores[1])
    library.log(0, {"books": [row_of_book("b2", bought=2000, title="t")]})
    library.check(library.stores[1])
    report = compact_lake(library.stores[1].lake)
    assert report.rejected == len(MISFITS)
    library.check(library.stores[0])
    fs = library.stores[0].lake.fs
    kept = [fs.read(f"rejected/{each.name}").splitlines() for each in fs.list("rejected")]
    for line, whole in zip(MISFITS, itertools.chain(*kept), strict=True):
        assert line in json.loads(whole)["line"]
