"""Records of every kind come to the same, whenever they were made, brought and folded.

What is logged follows from the declarations of the kinds, so that a new kind or part is tested
as soon as it is declared. One more lake has every record, and none of the syncs.
"""

from __future__ import annotations

import itertools
import math
import os
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from syncing.held import held

from lakeflow import records
from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import KINDS
from lakeflow.kinds.kind import CLOCK, LOGGED
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.records import Origin
from lakeflow.stores.store import Store
from lakeflow.syncing import bookmark, things
from lakeflow.syncing.between_lakes import sync_lakes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.kinds import Kind, Part
    from lakeflow.schema import Column

SETTINGS = Settings(vacuum_grace_s=0, retention_s=0, auto_compact=False)
EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "3"))
LAKES = 2
EXPERIMENTS = ("one", "two", "three")
IN_LOG = [kind for kind in KINDS if not kind.is_controlled]
_NUMBERS = itertools.count()

Rows = tuple["Kind", str, list[dict[str, Any]]]


def value_of(column: Column, draw: Random) -> Any:
    if column.is_object:
        return draw.choice(["{}", '{"k":"v"}'])
    return draw.choice({"long": [0, 1, 2], "double": [0.0, -1.5, math.nan, math.inf],
                        "string": ["x", "y", "☃"]}[column.type])  # fmt: skip


def scope_of(kind: Kind, draw: Random) -> dict[str, str]:
    """Return the ids of a thing, which is in one experiment for good; that by its name."""
    number = draw.randrange(2)
    owner = {"experiment_id": EXPERIMENTS[number]} if kind.owner else {}
    return owner | {kind.id: f"{number:032x}"}


def made_rows(kind: Kind, draw: Random) -> Rows:
    derived = kind.derived.columns if kind.derived else ()
    left_out = {*kind.clocks, *derived, *kind.scope} - {kind.makes}
    values = {
        each.name: value_of(each, draw)
        for each in kind.row.columns
        if each.name not in left_out
    }
    return kind, kind.row.name, [scope_of(kind, draw) | values]


def set_rows(kind: Kind, draw: Random) -> Rows:
    wanted = {name for name in kind.settable if draw.random() < 0.5}
    values = {
        each.name: value_of(each, draw) for each in kind.row.columns if each.name in wanted
    }
    return kind, kind.row.name, [scope_of(kind, draw) | values]


def part_rows(kind: Kind, part: Part, draw: Random) -> Rows:
    return (
        kind,
        part.table.name,
        [_part_row(kind, part, draw) for _ in range(2)][: draw.choice([1, 2])],
    )


def _part_row(kind: Kind, part: Part, draw: Random) -> dict[str, Any]:
    spec, key = part.table, kind.key(part.table)
    columns = [each for each in spec.columns if each.name not in {*LOGGED, *kind.scope}]
    row = scope_of(kind, draw) | {
        each.name: EXPERIMENTS[draw.randrange(3)]
        if each.name == "experiment_id"
        else value_of(each, draw)
        for each in columns
    }
    if part.in_columns:
        # Such rows do not change: what is said of a key is said again.
        draw = Random(repr([row[name] for name in spec.key]))
        row |= {
            each.name: value_of(each, draw) for each in columns if each.name not in spec.key
        }
        row |= {"day": 0, "attributes": "{}"} if "day" in row else {}
    if part.removable and draw.random() < 0.3:
        row |= dict.fromkeys(name for name in row if name not in {*key, *kind.scope})
    return row


def said(draw: Random) -> Rows | tuple[Kind, str]:
    """Return rows that a record has, or which thing it removes."""
    kind = draw.choice(IN_LOG)
    what = draw.randrange(12)
    if what == 0 and kind.is_removable:
        return kind, f"{draw.randrange(2):032x}"
    if what < 3:
        return made_rows(kind, draw)
    if what < 5 or not kind.parts:
        return set_rows(kind, draw)
    return part_rows(kind, draw.choice(kind.parts), draw)


class Place:
    """A lake, and the ids of the experiments in it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.store = Store(Lake.on(open_filesystem(f"memory://any-{next(_NUMBERS)}"), SETTINGS))
        self.ids = {name: self.store.experiments.named(name).experiment_id for name in names}

    def log(self, what: Any, origin: Origin) -> None:
        for number, body in enumerate(self.bodies(what)):
            assert number == 0, "a record of a few rows is one line"
            self.store.lake.append([records.copied(origin, body)])

    def bodies(self, what: Any) -> Iterator[str]:
        if len(what) == 2:
            kind, identity = what
            yield records.removed([(kind.name, identity)])
            return
        kind, table, rows = what
        # A line is about one thing where lines of its kind are.
        some = [row for row in rows if row[kind.id] == rows[0][kind.id]]
        yield from things.bodies(
            kind,
            table,
            [
                {
                    name: self.ids[each] if name == "experiment_id" else each
                    for name, each in row.items()
                    if name != CLOCK
                }
                for row in some
            ],
        )


places = st.integers(0, LAKES - 1)
steps = st.one_of(
    *[st.tuples(st.just("log"), places, st.integers(0, 2**32))] * 4,
    st.tuples(st.sampled_from(["fold", "seal"]), places, st.just(0)),
    st.tuples(st.sampled_from(["sync", "forget"]), places, places),
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(steps, min_size=15, max_size=40), st.integers(0, 2**32))
def test_any_order_of_records_folds_and_syncs_gives_the_same(
    story: list[tuple[str, int, int]], seed: int
) -> None:
    lakes = [Place(EXPERIMENTS[at:] + EXPERIMENTS[:at]) for at in range(LAKES)]
    whole = Place(EXPERIMENTS[::-1])
    clocks = [1_000_000 + 1_000 * number for number in range(len(story))]
    Random(seed).shuffle(clocks)
    for number, ((what, at, other), clock) in enumerate(zip(story, clocks, strict=True)):
        if what == "log":
            record = said(Random(other))
            for place in (lakes[at], whole):
                place.log(record, Origin(f"w{at}", number, clock))
        else:
            happen(what, lakes[at].store, lakes[other % LAKES].store)
    for one, other in itertools.permutations(lakes, 2):
        happen("sync", one.store, other.store)
    mine = held(whole.store)
    for place in (*lakes, whole):
        assert held(place.store) == mine
        compact_lake(place.store.lake)
        assert held(place.store) == mine


def happen(what: str, store: Store, other: Store) -> None:
    if what == "fold":
        compact_lake(store.lake)
    elif what == "seal":
        store.lake.seal()
    elif what == "forget":
        other.lake.fs.delete(bookmark.path_of(store.lake.file.lake_id))
    elif store is not other:
        assert sync_lakes(store, other, with_files=False).is_complete


def test_every_part_is_said_something_of() -> None:
    tables = {what[1] for seed in range(3_000) if len(what := said(Random(seed))) == 3}
    assert tables == {
        spec.name
        for kind in IN_LOG
        for spec in kind.tables
        if spec not in [each.table for each in kind.summaries]
    }
