"""Things out of their documents, which sum up all records up to a fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.kinds.kind import CLOCK, DERIVED, GONE, MADE
from lakeflow.stores.things import Summed, Thing, is_removal, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lakeflow.kinds import Kind, Part, Summary
    from lakeflow.stores.things import Order, Row


def thing_of(kind: Kind, document: Mapping[str, Any]) -> Thing:
    """Return the thing of a document: a record by column that sums up all before it.

    Fields and columns that the kind does not have are left out.
    """
    thing = Thing(kind, tuple([document[name] for name in kind.scope]))
    if GONE in document:
        thing.gone_at = document[GONE]
        return thing
    clocks: dict[str, int] = document["clocks"]
    # A later version may have more columns.
    known = {*kind.row.column_names}
    row = {name: each for name, each in document[kind.row.name].items() if name in known}
    if clocks.get(MADE) is not None:
        # What was set since stays out: should an older record come, it is no longer known
        # what the thing was made with, and what is set always comes first.
        thing.made = _stored_order(clocks[MADE]), row
    for name, clock in clocks.items():
        if name in kind.settable and clock is not None:
            thing.fields[name] = _stored_order(clock), row[name]
    thing.derived = _derived(kind, document)
    for part in kind.parts:
        if part.is_in_document:
            thing.parts[part.table.name] = _stored_rows(kind, part, document)
        if part.summary is not None:
            thing.summed[part.summary.table.name] = _stored_summaries(part.summary, document)
    return thing


def _derived(kind: Kind, document: Mapping[str, Any]) -> dict[str, Any] | None:
    values = document.get(DERIVED)
    if kind.derived is None or values is None:
        return None
    return {name: each for name in kind.derived.columns if (each := values[name]) is not None}


def _stored_order(clock: int) -> Order:
    """Return the order of what is stored: its writer is not known any more."""
    # Any writer's name is greater than the empty one: at the same clock the log is later.
    return clock, "", 0


def _stored_rows(
    kind: Kind, part: Part, document: Mapping[str, Any]
) -> dict[Any, tuple[Order, Row | None]]:
    columns = document.get(part.table.name)
    if not columns:
        return {}
    keys, names = keys_of(columns, kind.key(part.table)), kind.values(part.table)
    values: Iterable[Row] = zip(*(columns[name] for name in names), strict=True)
    if not names:
        values = [()] * len(columns[CLOCK])
    return {
        key: (_stored_order(clock), None if is_removal(part, row) else row)
        for key, clock, row in zip(keys, columns[CLOCK], values, strict=True)
    }


def _stored_summaries(summary: Summary, document: Mapping[str, Any]) -> dict[Any, Summed]:
    columns = document.get(summary.table.name)
    if not columns:
        return {}
    last = zip(*(columns[name] for name in summary.last), strict=True)
    rest = zip(last, columns["min"], columns["max"], columns["count"], strict=True)
    return {
        key: Summed(*each) for key, each in zip(keys_of(columns, summary.by), rest, strict=True)
    }
