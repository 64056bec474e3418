"""Traces of a source, written as copies: each counts once, whatever is imported again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import TraceState
from lakeflow.importing.destination.fitting import Fitting
from lakeflow.importing.items import writer_of
from lakeflow.kinds import TRACE
from lakeflow.records import Origin
from lakeflow.schema import (
    ASSESSMENTS,
    TRACE_METADATA,
    TRACE_PROMPTS,
    TRACE_RUNS,
    TRACE_TAGS,
    TRACES,
)
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.traces import rows
from lakeflow.stores.traces.spans import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.entities import TraceInfo
    from lakeflow.importing.items import Problem
    from lakeflow.importing.trace_items import TraceItem
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Order, Row, Thing

TRACES_AT_ONCE = 200
"""Traces that are looked up together."""


class TraceCopies:
    """Writes traces to a lake that may hold some of them.

    Args:
        store: The lake.
        append: Takes records for it.
        report: Told of what it cannot hold.
    """

    def __init__(
        self,
        store: Store,
        append: Callable[[Sequence[str]], None],
        report: Callable[[Problem], None],
    ) -> None:
        self._store = store
        self._append = append
        self._fitting = Fitting(store.lake, report)

    def write(self, experiment_id: str, items: Sequence[TraceItem]) -> set[str]:
        """Write what the lake lacks of some traces, and return the experiments they are in.

        Args:
            experiment_id: The experiment of those that the lake does not have.
            items: The traces; at most ``TRACES_AT_ONCE``.
        """
        ids = [each.info.trace_id for each in items]
        # As this process saw them last: what is written here need not be read back.
        known = {each.id: each for each in self._store.runs.reader.things(TRACE, ids)}
        found = set()
        for item in items:
            there = known.get(item.info.trace_id)
            # Its experiment may have got another name in the lake.
            at = experiment_id if there is None else there.scope[0]
            found.add(at)
            bodies = _bodies(_of(at, item), there)
            self._append(self._fitting.those_of(bodies, f"trace {item.info.trace_id}"))
        return found


def _of(experiment_id: str, item: TraceItem) -> TraceItem:
    return item._replace(info=dataclasses.replace(item.info, experiment_id=experiment_id))


def _bodies(item: TraceItem, known: Thing | None) -> list[str]:
    """Return the records of what a lake lacks of a trace; none if it lacks nothing."""
    info = item.info
    clock = (info.request_time + (info.execution_duration or 0)) * 1000
    spans = _spans(item, known)
    fields = [*_row(info, known), *_parts(item, known, clock), *([spans] if spans else [])]
    if not fields:
        return []
    # Of what two imports say of one key the later one counts; what was changed in the lake
    # has a later clock than both.
    origin = Origin(writer_of(info.trace_id), now_ms(), clock)
    return [records.copied(origin, body) for body in records.bodies("", *fields)]


def _row(info: TraceInfo, known: Thing | None) -> list[records.Pieces]:
    has_ended = info.state != TraceState.IN_PROGRESS
    row = rows.ended(info) if has_ended else {}
    if known is None or known.row(TRACE) is None:
        row = rows.begun(info) | row
    elif rows.info_of(known).state == info.state:
        return []
    made = rows.of_trace(info, row)
    return [records.table(TRACES.name, [made])] if row else []


def _parts(item: TraceItem, known: Thing | None, clock: int) -> list[records.Pieces]:
    """Return tags, metadata, assessments and links that are not there as they are here."""
    info = item.info
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {
        TRACE_TAGS.name: [(key, {"value": value}) for key, value in info.tags.items()],
        TRACE_METADATA.name: [
            (key, {"value": value}) for key, value in info.trace_metadata.items()
        ],
        TRACE_RUNS.name: [(run, {"linked_time": at}) for run, at in item.runs.items()],
        TRACE_PROMPTS.name: [(each, {"linked_time": at}) for each, at in item.prompts.items()],
        ASSESSMENTS.name: [
            (row["assessment_id"], row) for row in map(rows.assessment_row, info.assessments)
        ],
    }
    specs = {part.table.name: part.table for part in TRACE.parts}
    lines = []
    for table, named in found.items():
        values, (key,) = TRACE.values(specs[table]), TRACE.key(specs[table])
        there = {} if known is None else known.parts[table]
        new = [
            {"experiment_id": info.experiment_id, "trace_id": info.trace_id, key: each}
            | {name: row[name] for name in values}
            for each, row in named
            if each not in there
            or _gives_way(there[each], clock, [row[name] for name in values])
        ]
        if new:
            lines.append(records.table(table, new))
    return lines


def _gives_way(there: tuple[Order, Row | None], clock: int, here: Sequence[Any]) -> bool:
    """Return whether a row of the lake is an older one than that of the source."""
    (changed, _, _), values = there
    # What was removed in the lake stays removed.
    return changed <= clock and values is not None and list(values) != here


def _spans(item: TraceItem, known: Thing | None) -> records.Pieces:
    there = None if known is None else known.row(TRACE)
    if there is not None:
        # Spans that went on may have ended since.
        has_ended = there["state"] == TraceState.IN_PROGRESS != item.info.state
        if not has_ended and len(item.spans["trace_id"]) <= (there["span_count"] or 0):
            return []
    elif not item.spans["trace_id"]:
        return []
    within = [item.info.experiment_id] * len(item.spans["trace_id"])
    return pieces_of(rows.of_experiments(within, item.spans))
