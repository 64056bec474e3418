"""Experiments of one lake in another one: found by their names, made where there are none.

What is set on them keeps its clock, so that of two values the later one stays in both lakes,
whichever way and however often they are synced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.entities import LifecycleStage
from lakeflow.kinds import EXPERIMENT
from lakeflow.schema import EXPERIMENT_TAGS, EXPERIMENTS
from lakeflow.stores.things import Thing
from lakeflow.syncing import things

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeflow.stores.control import Draft
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Order

_AT_ONCE = 50
"""Experiments of one change: their tags have to fit into it."""

_SETTABLE = ("lifecycle_stage", "last_update_time")
"""What is set by later records, but for the name: by that they are found."""


def matched(source: Store, target: Store, known: Mapping[str, str]) -> dict[str, str]:
    """Return for the id of each experiment of a lake the one in another lake.

    Args:
        source: The lake.
        target: The other one, which gets what is newer.
        known: What was returned before: an experiment that got another name stays what it is.
    """
    found: dict[str, str] = {}
    here = source.control.known()
    ids = here.ids(EXPERIMENT)
    for start in range(0, len(ids), _AT_ONCE):
        some = here.things(EXPERIMENT, ids[start : start + _AT_ONCE])

        def decide(
            draft: Draft, some: dict[str, Thing] = some
        ) -> tuple[list[str], dict[str, str]]:
            bodies: list[str] = []
            pairs = {}
            for identity, thing in some.items():
                pairs[identity], changes = _change(draft, thing, known.get(identity), source)
                # So that the next one gets neither its number nor its name.
                draft.add(changes)
                bodies += changes
            return bodies, pairs

        found |= target.control.change(decide)
    return found


def _change(
    draft: Draft, thing: Thing, known: str | None, source: Store
) -> tuple[str, list[str]]:
    """Return the id of an experiment in the other lake, and the records that it lacks there."""
    row = thing.row(EXPERIMENT)
    assert row is not None
    there = None if known is None else draft.thing(EXPERIMENT, known)
    # By its name where it was never matched, or is not there any more.
    there = there or draft.find(EXPERIMENT, "name", row["name"])
    if there is not None:
        return there.id, list(_later(there.id, thing, there))
    identity = str(draft.next_number(EXPERIMENT))
    location = row["artifact_location"]
    is_inside = source.lake.fs.resolve(location) != location
    made = {
        "experiment_id": identity,
        "name": row["name"],
        # A place within the lake is one within the other.
        "artifact_location": f"artifacts/{identity}" if is_inside else location,
        # A stage that was set since follows as a change, with its own clock.
        "lifecycle_stage": LifecycleStage.ACTIVE,
        "creation_time": row["creation_time"],
        "last_update_time": row["last_update_time"],
    }
    body = ",".join(records.table(EXPERIMENTS.name, [made]))
    return identity, [body, *_later(identity, thing, None)]


def _later(identity: str, thing: Thing, there: Thing | None) -> Iterator[str]:
    """Yield what is set on an experiment later than on the other one, by its clock."""
    new, tags = Thing(EXPERIMENT, (identity,)), EXPERIMENT_TAGS.name
    fields, others = (there.fields, there.parts[tags]) if there else ({}, {})
    new.fields = {
        name: each
        for name, each in thing.fields.items()
        if name in _SETTABLE and _is_later(each[0], fields.get(name))
    }
    new.parts[tags] = {
        key: each
        for key, each in thing.parts[tags].items()
        if _is_later(each[0], others.get(key))
    }
    for table, clock, rows in things.changes(EXPERIMENT, new):
        for copy in things.copies_of(EXPERIMENT, table, clock, rows):
            yield records.copied(*copy)


def _is_later(order: Order, there: tuple[Order, object] | None) -> bool:
    # Of what is stored only the clock is known.
    return there is None or order[0] > there[0][0]
