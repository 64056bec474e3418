"""What a source holds of traces, in the terms of a lake. Pure; see ``items``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities.json_text import json_text
from lakeflow.entities.span import REQUEST_ID, row_of
from lakeflow.tracing.columns import empty_columns, set_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import TraceInfo
    from lakeflow.tracing.columns import Columns


class TraceItem(NamedTuple):
    """A trace with all that belongs to it.

    Attributes:
        info: What is known of it, its assessments among that. Its experiment is the key of
            the source's.
        spans: Its spans, a list for each column.
        runs: When it was linked to runs besides the one that it began in, by run.
        prompts: When it was linked to versions of prompts, by name, a slash, and the version.
    """

    info: TraceInfo
    spans: Columns
    runs: Mapping[str, int] = {}
    prompts: Mapping[str, int] = {}


_OF_THE_ROW = (
    "span_id", "parent_span_id", "name", "start_time_ns", "end_time_ns", "status",
    "status_message",
)  # fmt: skip


def span_columns(trace_id: str, spans: Sequence[Mapping[str, Any]]) -> Columns:
    """Return spans that are dictionaries of MLflow 2 or 3 as columns.

    Args:
        trace_id: Their trace.
        spans: The dictionaries.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: One is no span.
    """
    columns = empty_columns(len(spans))
    columns["trace_id"] = [trace_id] * len(spans)
    # What MLflow's own client makes is nothing else.
    columns["kind"] = ["INTERNAL"] * len(spans)
    said = [{**span["attributes"], REQUEST_ID: json.dumps(trace_id)} for span in spans]
    for place, (span, attributes) in enumerate(zip(spans, said, strict=True)):
        row = row_of({**span, "attributes": attributes})
        for name in _OF_THE_ROW:
            columns[name][place] = row[name]
        if span.get("events"):
            columns["events"][place] = row["events"]
        if span.get("links"):
            columns["links"][place] = json_text(list(map(_link, span["links"])))
    set_attributes(columns, said)
    return columns


def _link(link: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": link["trace_id"],
        "span_id": link["span_id"],
        "trace_state": None,
        "attributes": dict(link.get("attributes") or {}),
    }
