"""Questions, review queues and issues of a source, written so that each counts once."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.importing.destination.fitting import Fitting
from lakeflow.kinds import ISSUE, LABEL_SCHEMA, name_within
from lakeflow.records import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lakeflow.importing.items import Problem
    from lakeflow.importing.review_items import ReviewItem
    from lakeflow.kinds import Kind
    from lakeflow.stores.control import Draft
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Thing

_AT_ONCE = 20
"""Things of one change: they have to fit into it."""

_ROWS_AT_ONCE = 500
"""Rows of a part in one change, for the same reason."""

_NAMES = ("name", "full_name")


class ReviewCopies:
    """Writes what people review to a lake that may hold some of it.

    What the lake has keeps its name, and what was changed in it later; what it has removed
    stays removed.

    Args:
        store: The lake.
        experiments: The ids of experiments in the lake by key.
        report: Told of what it cannot hold.
    """

    def __init__(
        self,
        store: Store,
        experiments: Mapping[str, str],
        report: Callable[[Problem], None],
    ) -> None:
        self._store = store
        self._experiments = experiments
        self._fitting = Fitting(store.lake, report)
        self._schemas: dict[str, str] = {}

    def write(self, items: Iterable[ReviewItem]) -> None:
        """Write things; questions come before the queues that name them."""
        rest = iter(items)
        while some := [*islice(rest, _AT_ONCE)]:
            issues = [each for each in some if each.kind is ISSUE]
            if issues:
                self._write_issues(issues)
            for part in _in_parts(each for each in some if each.kind is not ISSUE):
                self._schemas |= self._store.control.change(partial(self._decide, some=part))

    def _write_issues(self, items: Sequence[ReviewItem]) -> None:
        found = self._store.reader.things(ISSUE, [each.id for each in items], look=True)
        known = {each.id: each for each in found}
        bodies = [
            body
            for item in items
            if item.id not in known or not known[item.id].is_gone
            for body in self._lacking(item, known.get(item.id), item.id, in_event=False)
        ]
        if bodies:
            self._store.lake.append(tuple(bodies))

    def _decide(
        self, draft: Draft, some: Sequence[ReviewItem]
    ) -> tuple[list[str], dict[str, str]]:
        """Return the records that the lake lacks, and its ids of questions by their own."""
        bodies: list[str] = []
        ids: dict[str, str] = {}
        for item in some:
            if draft.removed(item.kind, [item.id]):
                continue
            there = draft.thing(item.kind, item.id)
            name = self._full_name(item)
            there = there or draft.find(item.kind, "full_name", name)
            identity = item.id if there is None else there.id
            if item.kind is LABEL_SCHEMA:
                ids[item.id] = identity
            changes = [*self._lacking(item, there, identity, in_event=True)]
            # So that the next one does not get its name.
            draft.add(changes)
            bodies += changes
        return bodies, ids

    def _full_name(self, item: ReviewItem) -> str:
        name = str(item.row["name"])
        # The names of queues are unique in any case.
        name = name if item.kind is LABEL_SCHEMA else name.lower()
        return name_within(self._experiments[item.experiment], name)

    def _lacking(
        self, item: ReviewItem, there: Thing | None, identity: str, *, in_event: bool
    ) -> Iterator[str]:
        """Yield the records that a thing of the lake lacks."""
        kind = item.kind
        row = None if there is None else there.row(kind)
        owner = self._experiments[item.experiment] if row is None else row["experiment_id"]
        scope = {"experiment_id": owner, kind.id: identity}
        where = f"{kind.name} {item.id}"
        changed: dict[str, Any] = {}
        if row is None:
            changed = {**item.row} | (
                {} if kind is ISSUE else {"full_name": self._full_name(item)}
            )
        elif row[item.updated_in] < item.updated:
            changed = {
                name: item.row[name]
                for name in kind.settable
                if name in item.row and (kind is ISSUE or name not in _NAMES)
            }
        written = [(kind.row.name, item.updated, [changed | scope])] if changed else []
        for table, rows in item.parts.items():
            for each in rows:
                part = self._of_lake(each)
                clock = part.get("last_update_time", part["created_time"])
                if there is None or _is_later(kind, table, part, clock, there):
                    written.append((table, clock, [part | scope]))
        for table, time, rows in written:
            # Of such rows the last one of a key stays, whichever record it came with.
            origin = Origin("", 0, time * 1_000)
            bodies = records.bodies("", records.table(table, rows))
            copies = [records.copied(origin, body) for body in bodies]
            yield from self._fitting.those_of(copies, where, in_event=in_event)

    def _of_lake(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row of a part with the ids that questions have in the lake."""
        schema = row.get(LABEL_SCHEMA.id)
        return (
            {**row}
            if schema is None
            else {**row, LABEL_SCHEMA.id: self._schemas.get(schema, schema)}
        )


def _is_later(kind: Kind, table: str, row: Mapping[str, Any], time: int, there: Thing) -> bool:
    """Return whether a row of a part is not there, or was changed since."""
    (part,) = (each.table for each in kind.parts if each.table.name == table)
    (column,) = kind.key(part)
    known = there.parts[table].get(row[column])
    if known is None:
        return True
    _, values = known
    # What was removed stays removed.
    if values is None:
        return False
    before = dict(zip(kind.values(part), values, strict=True))
    return bool(before.get("last_update_time", time) < time)


def _in_parts(items: Iterable[ReviewItem]) -> Iterator[list[ReviewItem]]:
    """Yield things, as many at once as fit into a change; one with many rows several times."""
    some: list[ReviewItem] = []
    count = 0
    for item in items:
        rows = [(table, row) for table, each in item.parts.items() for row in each]
        # Once also where it has no rows at all.
        for start in range(0, max(len(rows), 1), _ROWS_AT_ONCE):
            parts: dict[str, list[Mapping[str, Any]]] = {}
            for table, row in rows[start : start + _ROWS_AT_ONCE]:
                parts.setdefault(table, []).append(row)
            some.append(replace(item, parts=parts))
            count += len(rows[start : start + _ROWS_AT_ONCE])
            if count >= _ROWS_AT_ONCE:
                yield some
                some, count = [], 0
    if some:
        yield some
