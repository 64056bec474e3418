"""Attributes come back as they were sent, in either form of a message."""

from __future__ import annotations

import base64
import json
import math

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lakeflow.entities.json_text import typed
from lakeflow.tracing.otlp import bodies
from lakeflow.tracing.otlp.attributes import attributes_of
from lakeflow.tracing.otlp.json_spans import OddError, quickly_read
from lakeflow.tracing.otlp.messages import Batch

# Protobuf's texts have no half of a pair.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | TEXTS
    | st.binary(max_size=20)
)
# An object with one such key is how JSON has what it has not.
KEYS = TEXTS.filter(lambda key: key[:1] != "$")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=6,
)
# MLflow's marks say that texts are JSON, or are taken out.
ATTRIBUTES = st.dictionaries(KEYS.filter(lambda key: not key.startswith("mlflow")), VALUES)


def in_json(value):
    """Return a value as the protocol has it in JSON."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            # Both are allowed.
            return {"intValue": str(value) if value % 2 else value}
        case float():
            odd = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
            return {"doubleValue": odd.get(repr(value), value)}
        case str():
            return {"stringValue": value}
        case bytes():
            return {"bytesValue": base64.b64encode(value).decode()}
        case list():
            return {"arrayValue": {"values": [in_json(each) for each in value]}}
    return {"kvlistValue": {"values": pairs(value)}}


def pairs(attributes):
    return [{"key": key, "value": in_json(value)} for key, value in attributes.items()]


def _in_base64(tree):
    """Return a request with its ids as protobuf has bytes in JSON."""
    made = json.loads(json.dumps(tree))
    span = made["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name in ("traceId", "spanId"):
        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return made


def plain(value):
    """Return a value in which what is equal to itself is the same."""
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return (type(value).__name__, value)


@settings(max_examples=60)
@given(ATTRIBUTES)
def test_attributes_come_back_as_they_were(attributes):
    span = {
        "traceId": "0A" * 16,
        "spanId": "0b" * 8,
        "attributes": pairs(attributes),
        "events": [{"attributes": pairs(attributes)}],
    }
    tree = {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(attributes)},
                "scopeSpans": [
                    {"scope": {"name": "a", "attributes": pairs(attributes)}, "spans": [span]}
                ],
            }
        ]
    }
    message = bodies.read(json.dumps(tree).encode(), bodies.JSON, ExportTraceServiceRequest)
    slow = json_format.ParseDict(_in_base64(tree), ExportTraceServiceRequest())
    data = message.SerializeToString(deterministic=True)
    assert data == slow.SerializeToString(deterministic=True)
    again = bodies.read(data, bodies.PROTOBUF, ExportTraceServiceRequest)
    (found,) = again.resource_spans
    batch = Batch()
    batch.add(found, attributes_of(found.resource.attributes))
    (scope,), (events,) = batch.columns["scope"], batch.columns["events"]
    for text in (
        batch.columns["attributes"][0],
        batch.columns["resource"][0],
        json.dumps(json.loads(scope)["attributes"]),
        json.dumps(json.loads(events)[0]["attributes"]),
    ):
        assert plain(typed(text)) == plain(attributes)


@given(st.binary(max_size=200), st.sampled_from([bodies.PROTOBUF, bodies.JSON]))
def test_any_bytes_are_a_message_or_are_refused(data, form):
    try:
        message = bodies.read(data, form, ExportTraceServiceRequest)
    except bodies.RefusedError:
        return
    for each in message.resource_spans:
        Batch().add(each, attributes_of(each.resource.attributes))


def test_what_clients_write_takes_the_quick_way_and_what_is_odd_the_other():
    span = {"traceId": "0a" * 16, "kind": 3, "startTimeUnixNano": "5", "new": [], "status": {}}
    tree = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    (found,) = quickly_read(tree).resource_spans[0].scope_spans[0].spans
    assert (found.trace_id, found.kind, found.start_time_unix_nano) == (b"\n" * 16, 3, 5)
    for odd in ({"kind": "SPAN_KIND_CLIENT"}, {"trace_id": ""}, {"name": None}, {"flags": 1.0}):
        with pytest.raises(OddError):
            quickly_read({"resourceSpans": [{"scopeSpans": [{"spans": [span | odd]}]}]})


def _pair(key: bytes, value: bytes | None) -> bytes:
    """Return the bytes of an attribute; without a value it has none at all."""
    said = b"" if value is None else b"\x12" + bytes([len(value)]) + value
    return b"\n" + bytes([len(key)]) + key + said


@pytest.mark.parametrize(
    ("odd", "value"),
    [
        (_pair(b"k", None), None),
        (_pair(b"k", b""), None),
        # Of two kinds the last one counts.
        (_pair(b"k", b"\n\x01a\x18\x05"), 5),
        # The value before the key, and a field that is not known.
        (b"\x12\x02\x18\x07\n\x01k", 7),
        (_pair(b"k", b"\x18\x07\xc2\x3e\x01x"), 7),
        (_pair(b"k", b"\xc2\x3e\x01x\x18\x07"), 7),
        # Of a field that comes twice the last one counts.
        (b"\n\x01j" + _pair(b"k", b"\x18\x07"), 7),
    ],
)
def test_attributes_that_no_client_writes_are_read_as_protobuf_reads_them(odd, value):
    usual = [_pair(b"key %d" % number, b"\x18\x01") for number in range(30)]
    found = attributes_of([*usual[:15], odd, *usual[15:]])
    assert found == {f"key {number}": 1 for number in range(30)} | {"k": value}


@pytest.mark.parametrize("cut", [b"\n\x05ab", b"\n\x01k\x12\x05\n\x01a", b"\n\x01\xff"])
def test_an_attribute_that_is_none_is_an_error_among_few_and_among_many(cut):
    usual = [_pair(b"key %d" % number, b"\n\x01a") for number in range(30)]
    for several in ([cut], [cut, *usual], [*usual, cut], [*usual[:15], cut, *usual[15:]]):
        with pytest.raises(DecodeError):
            attributes_of(several)
