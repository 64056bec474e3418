"""A trace with something in every table and view of traces."""

from __future__ import annotations

from typing import Any

from lakeflow.entities import Feedback, TraceInfo, TraceState
from lakeflow.ids import new_id
from lakeflow.open_store import open_store
from lakeflow.schema import SPANS


def log_trace(uri: str, run_id: str) -> str:
    """Log spans of a trace, of which one is an error with an event and a link."""
    store, begun = open_store(uri, create=False), 1_700_000_000_123_456_789
    trace_id = f"tr-{new_id()}"
    spans: dict[str, list[Any]] = {
        name: [None, None]
        for name in SPANS.column_names
        if name not in {"experiment_id", "day"}
    }
    store.traces.log_spans(
        "0",
        spans
        | {
            "trace_id": [trace_id] * 2,
            "span_id": ["a" * 16, "b" * 16],
            "parent_span_id": [None, "a" * 16],
            "start_time_ns": [begun, begun + 5],
            "end_time_ns": [begun + 2_000_000, None],
            "name": ["root", "it's \N{SNOWMAN}"],
            "span_type": ["AGENT", "LLM"],
            "kind": ["INTERNAL"] * 2,
            "status": ["OK", "ERROR"],
            "input_tokens": [None, 7],
            "finish_reasons": [None, '["stop"]'],
            "attributes": ['{"a.b":1,"c":"x"}', "{no json"],
            "inputs": ['{"q":1}', None],
            "events": [None, '[{"name":"e","time_ns":5,"attributes":{"k":"v"}}]'],
            "links": [None, '[{"trace_id":"tr-1","span_id":"c","attributes":{}}]'],
        },
    )
    info = TraceInfo(trace_id, "0", 5, TraceState.IN_PROGRESS, None, {"m": run_id}, {"t": "1"})
    store.traces.start(info)
    first = store.traces.create_assessment(Feedback("right", value=False, trace_id=trace_id))
    other = Feedback("right", value=True, trace_id=trace_id, overrides=first.assessment_id)
    store.traces.create_assessment(other)
    store.traces.link_to_run([trace_id], run_id)
    store.traces.link_prompts(trace_id, ["greeting/1", "greeting/2"])
    return trace_id
