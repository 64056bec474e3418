"""The spans of traces: how they are logged, and how they are read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.exceptions import InvalidInputError
from lakeflow.kinds import TRACE
from lakeflow.query.engine.comparisons import among, binding
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import SPANS
from lakeflow.stores.things import ranges_of
from lakeflow.stores.traces.rows import day_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.stores.reader import Reader
    from lakeflow.stores.snapshots import SnapshotId
    from lakeflow.stores.things import Thing

_LONG_TEXTS = ("inputs", "outputs", "attributes", "events", "links", "resource", "scope")
"""Columns whose texts may be so long that a span takes more than a line of the log."""

# All of them fit into a line then, though escapes may make seven bytes of a character.
_CUT_CHARACTERS = 256 * 1024
"""What is left of each of them then."""


def pieces_of(columns: Mapping[str, list[Any]]) -> records.Pieces:
    """Return spans as fields of records; of a span that would fit none the texts are cut."""
    try:
        return records.columns(SPANS.name, _said(columns))
    except InvalidInputError:
        return records.columns(SPANS.name, _said(_cut(columns)))


def _said(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the columns in which any span says something.

    Most spans say nothing in half of them, which would be a sixth of what everybody parses.
    """
    return {
        name: values
        for name, values in columns.items()
        # To count takes a look at each value, and most columns say something at once.
        if values[0] is not None or values.count(None) < len(values)
    }


def _cut(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    cut = {name: list(values) for name, values in columns.items()}
    for name in _LONG_TEXTS:
        cut[name] = [
            text if text is None or len(text) <= _CUT_CHARACTERS else _beginning(name, text)
            for text in cut[name]
        ]
    return cut


def _beginning(name: str, text: str) -> str:
    """Return the beginning of a JSON text as a JSON value of the column."""
    # What was in a list or an object is a text now: half a list would say what nobody said.
    kept = {"cut": text[:_CUT_CHARACTERS], "characters": len(text)}
    value: Any = [] if name in {"events", "links"} else kept
    return json.dumps(value, ensure_ascii=False)


def spans_of(
    reader: Reader, traces: Sequence[Thing], snapshot_id: SnapshotId | None
) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the spans of some traces by trace, the one that began first first.

    Args:
        reader: What reads the lake.
        traces: The traces.
        snapshot_id: To read them as they were then; None for now.
    """
    found: dict[str, list[dict[str, Any]]] = {thing.id: [] for thing in traces}
    assert TRACE.derived is not None
    ranges = ranges_of(TRACE.derived, traces)
    if not ranges:
        return found
    ids = [thing.id for thing in traces]
    experiments = sorted({thing.scope[0] for thing in traces})
    values: dict[str, Any] = {}
    bind = binding(values)
    # By all that rows are sorted by, and each value by itself: so the engine sees by the bounds
    # of row groups which of them to read.
    least, most = min(first for first, _ in ranges), max(last for _, last in ranges)
    conditions = [
        among("trace_id", ids, bind),
        among("experiment_id", experiments, bind),
        f"day BETWEEN {bind(day_of(least))} AND {bind(day_of(most))}",
        f"start_time_ns BETWEEN {bind(least)} AND {bind(most)}",
    ]
    statement = Statement(
        f"SELECT * FROM {SPANS.name} WHERE {' AND '.join(conditions)} "  # noqa: S608
        "ORDER BY start_time_ns, span_id",
        values,
        (SPANS.name,),
        within={SPANS.name: {"start_time_ns": ranges}},
        named={SPANS.name: ("trace_id", ids)},
    )
    (rows,) = reader.tables([statement], experiments, snapshot_id)
    for row in rows.to_pylist():
        found[row["trace_id"]].append(row)
    return found
