"""Spans of OpenTelemetry's SDK become columns, and nothing of them is lost or changes its type."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from lakeflow.entities.json_text import flat_text, json_text, typed
from lakeflow.stores.traces.spans import pieces_of
from lakeflow.tracing.columns import COLUMN_NAMES, LATEST_NS, empty_columns, of_spans
from lakeflow.tracing.conventions import MOVED


@pytest.fixture(scope="module")
def tracing():
    """Return a tracer, and a function that returns the columns of what it has traced."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "replica": 3}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("lib", "1.2", attributes={"a": True})

    def columns():
        found = of_spans(exporter.get_finished_spans())
        exporter.clear()
        return found

    return tracer, columns


def test_a_span_with_everything_is_a_row_with_everything(tracing):
    tracer, columns = tracing
    remote = SpanContext(
        0xABC,
        0xDEF,
        is_remote=True,
        trace_flags=TraceFlags(1),
        trace_state=TraceState([("k", "v")]),
    )
    with tracer.start_as_current_span(
        "ask",
        set_span_in_context(NonRecordingSpan(remote)),
        kind=SpanKind.CLIENT,
        attributes={
            "n": 1,
            "x": 1.0,
            "raw": b"\x00\xff",
            "list": [1, 2],
            "gen_ai.system": "openai",
        },
        links=[Link(remote, {"why": "retry"})],
        start_time=10,
        end_on_exit=False,
    ) as span:
        span.add_event("found", {"rows": 7}, timestamp=11)
        span.set_status(StatusCode.ERROR, "no luck")
        span.end(12)
    found = columns()
    assert tuple(found) == COLUMN_NAMES
    row = {name: values[0] for name, values in found.items() if values[0] is not None}
    assert row.pop("span_id") == f"{span.get_span_context().span_id:016x}"
    assert row == {
        "trace_id": f"tr-{0xABC:032x}",
        "start_time_ns": 10,
        "parent_span_id": f"{0xDEF:016x}",
        "end_time_ns": 12,
        "name": "ask",
        "span_type": "UNKNOWN",
        "kind": "CLIENT",
        "status": "ERROR",
        "status_message": "no luck",
        "service_name": "shop",
        "provider": "openai",
        "attributes": '{"n":1,"x":1.0,"raw":{"$bytes":"AP8="},"list":[1,2],"gen_ai.system":"openai"}',
        "events": '[{"name":"found","time_ns":11,"attributes":{"rows":7}}]',
        "links": f'[{{"trace_id":"tr-{0xABC:032x}","span_id":"{0xDEF:016x}","trace_state":"k=v",'
        '"attributes":{"why":"retry"}}]',
        "resource": '{"service.name":"shop","replica":3}',
        "scope": '{"name":"lib","version":"1.2","attributes":{"a":true}}',
        "trace_state": "k=v",
        "flags": 0x301,
    }


def test_what_mlflow_wrote_is_read_as_values(tracing):
    tracer, columns = tracing
    values = {
        "mlflow.traceRequestId": '"tr-1"',
        "mlflow.spanType": '"TOOL"',
        "mlflow.spanInputs": '{"q": "a"}',
        "mlflow.spanOutputs": '"42"',
        "count": "3",
        "plain": "no json",
        "real": 2,
    }
    tracer.start_span("s", attributes=values).end()
    found = columns()
    assert found["span_type"] == ["TOOL"]
    assert found["inputs"] == ['{"q":"a"}']
    assert found["outputs"] == ['"42"']
    assert json.loads(found["attributes"][0]) == {
        "mlflow.traceRequestId": "tr-1",
        "count": 3,
        "plain": "no json",
        "real": 2,
    }


@pytest.mark.parametrize("time_ns", [-1, 0, 2**63 - 1, 2**63, 10**30])
def test_any_time_fits_its_column(tracing, time_ns):
    tracer, columns = tracing
    span = tracer.start_span("s", start_time=time_ns)
    span.add_event("e", timestamp=time_ns)
    span.end(time_ns)
    found = columns()
    assert 0 <= found["start_time_ns"][0] <= LATEST_NS
    assert 0 <= found["end_time_ns"][0] <= LATEST_NS
    assert json.loads(found["events"][0])[0]["time_ns"] <= LATEST_NS


@pytest.mark.parametrize(
    "text", ["\0", "\ud800", "a\udfffb", "\x1b[31m", "\U0001f600", "'\"\\", "\u2028"]
)
def test_any_text_can_be_written_to_a_file(tracing, text):
    tracer, columns = tracing
    span = tracer.start_span(
        text, attributes={text: text, "session.id": text, "input.value": text}
    )
    span.set_status(StatusCode.ERROR, text)
    span.add_event(text)
    span.end()
    for name, (value,) in columns().items():
        if isinstance(value, str):
            value.encode()
            assert "\ufffd" in value or name not in ("name", "session_id") or value == text


def test_a_long_name_is_cut_and_a_long_input_is_not(tracing):
    tracer, columns = tracing
    tracer.start_span(
        "n" * 10**6, attributes={"input.value": "i" * 10**6, "user.id": "u" * 10**6}
    ).end()
    found = columns()
    assert len(found["name"][0]) == 65_536
    assert len(found["inputs"][0]) == 10**6 + 2
    assert found["user_id"] == [None]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text()
    | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    # An object with one such key is how JSON has what it has not.
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key[:1] != "$"), inner)
    ),
    max_leaves=8,
)


def same(one, other):
    """Return whether two values are the same and of the same types."""
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


@given(st.dictionaries(st.text(), VALUES))
@example({"mlflow.spanInputs": None})
def test_attributes_come_back_as_they_were(attributes):
    from lakeflow.tracing.columns import empty_columns, set_attributes

    columns = empty_columns(1)
    set_attributes(columns, [dict(attributes)])
    (text,) = columns["attributes"]
    if "mlflow.traceRequestId" not in attributes:
        # Those that move to columns of their own are no attributes any more.
        kept = {name: value for name, value in attributes.items() if name not in MOVED}
        assert same(kept, typed(text))


@given(st.dictionaries(st.text(), SCALARS | st.floats() | st.integers()))
def test_the_quick_way_writes_what_the_other_one_does(values):
    assert same(typed(flat_text(values)), typed(json_text(values)))


def test_a_column_in_which_no_span_says_anything_is_not_logged():
    columns = empty_columns(2) | {"name": ["a", "b"], "inputs": [None, "1"]}

    (piece,) = pieces_of(columns)

    assert json.loads(f"{{{piece}}}") == {
        "spans": {
            "name": ["a", "b"],
            "span_type": ["UNKNOWN", "UNKNOWN"],
            "inputs": [None, "1"],
        }
    }
