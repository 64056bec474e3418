"""What experiments have in the control log: scorers, label schemas and review queues.

Each is found by its id, or by its name where lakes give numbers. As with experiments, what is
set on it keeps its clock, so that the later value stays in both lakes. What is removed goes by
its id in the other lake too; of a scorer, whose id is another one there, the versions go.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.kinds import EXPERIMENT, LABEL_SCHEMA, name_within
from lakeflow.stores.things import Thing
from lakeflow.syncing import things

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.stores.control import Draft
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Order

_AT_ONCE = 20
"""Things of one change: they have to fit into it."""

_NAMES = ("name", "full_name")
"""By these they are found: a thing that both lakes have keeps the names that it has."""


def bring(source: Store, target: Store, experiments: Mapping[str, str]) -> None:
    """Bring what another lake lacks, or has in an older state; what it removed stays removed.

    Args:
        source: Where it is.
        target: The other lake.
        experiments: For the id of each experiment of the source the one in the target.
    """
    here = source.control.known()
    # Queues name the questions that they ask, which come before them.
    schemas: dict[str, str] = {}
    for kind in source.lake.kinds:
        if kind.owner is not EXPERIMENT or not kind.is_controlled:
            continue
        # First: their names are free for others.
        _remove(kind, here.all_removed(kind), target)
        ids = here.ids(kind)
        for start in range(0, len(ids), _AT_ONCE):
            some = [*here.things(kind, ids[start : start + _AT_ONCE]).values()]
            mine = [
                _renamed(kind, thing, experiments[thing.scope[0]], schemas)
                for thing in some
                if thing.scope[0] in experiments
            ]
            found = target.control.change(partial(_decide, kind=kind, some=mine))
            if kind is LABEL_SCHEMA:
                schemas |= found


def _remove(kind: Kind, gone: set[str], target: Store) -> None:
    """Remove in another lake what is there of some ids that were removed."""

    def decide(draft: Draft) -> tuple[list[str], None]:
        there = [(kind.name, each) for each in draft.things(kind, sorted(gone))]
        return ([records.removed(there)] if there else []), None

    # A number is that of another thing there.
    if gone and not kind.is_numbered and target.control.known().things(kind, [*gone]):
        target.control.change(decide)


def _renamed(kind: Kind, thing: Thing, experiment_id: str, schemas: Mapping[str, str]) -> Thing:
    """Return a thing with the ids of the other lake, but for its own."""
    row = thing.row(kind)
    assert row is not None
    assert thing.made is not None
    # Out of the full name: in that of a queue it stands in small letters.
    _, _, name = row["full_name"].partition("/")
    names = {"name": row["name"], "full_name": name_within(experiment_id, name)}
    order, fields = thing.made
    new = Thing(kind, (experiment_id, thing.id))
    new.made = order, {**fields, **names}
    new.fields = {each: value for each, value in thing.fields.items() if each not in names}
    for part in kind.parts:
        table, rows = part.table, thing.parts[part.table.name]
        is_about_schemas = kind.key(table) == (LABEL_SCHEMA.id,)
        new.parts[table.name] = {
            schemas.get(key, key) if is_about_schemas else key: value
            for key, value in rows.items()
        }
    return new


def _decide(
    draft: Draft, kind: Kind, some: Sequence[Thing]
) -> tuple[list[str], dict[str, str]]:
    """Return the records that a lake lacks, and for the id of each thing the one there."""
    bodies: list[str] = []
    ids: dict[str, str] = {}
    for thing in some:
        changes = [*_lacking(draft, kind, thing, ids)]
        # So that the next one gets neither its number nor its name.
        draft.add(changes)
        bodies += changes
    return bodies, ids


def _lacking(draft: Draft, kind: Kind, thing: Thing, ids: dict[str, str]) -> Iterator[str]:
    assert thing.made is not None
    there = None
    # Where lakes give numbers as ids, one number is another thing in each of them.
    if not kind.is_numbered:
        if draft.removed(kind, [thing.id]):
            return
        there = draft.thing(kind, thing.id)
    there = there or draft.find(kind, "full_name", thing.made[1]["full_name"])
    ids[thing.id] = thing.id
    if there is not None:
        ids[thing.id] = there.id
    elif kind.is_numbered:
        ids[thing.id] = str(draft.next_number(kind))
    new = Thing(kind, (thing.scope[0] if there is None else there.scope[0], ids[thing.id]))
    new.made = thing.made if there is None else None
    new.fields = _later(thing.fields, there.fields if there else {})
    for table, rows in thing.parts.items():
        new.parts[table] = _later(rows, there.parts[table] if there else {})
    for table, clock, changed in (*things.made(kind, new), *things.changes(kind, new)):
        for copy in things.copies_of(kind, table, clock, changed):
            yield records.copied(*copy)


def _later(
    mine: Mapping[Any, tuple[Order, Any]], theirs: Mapping[Any, tuple[Order, Any]]
) -> dict[Any, tuple[Order, Any]]:
    """Return what was set later than what the other lake has, by the clocks."""
    # Of what is stored only the clock is known.
    return {
        key: (order, value)
        for key, (order, value) in mine.items()
        if key not in theirs or order[0] > theirs[key][0][0]
    }
