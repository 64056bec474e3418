"""Requests of spans in JSON as clients write them, read in a fraction of the time.

``json_format`` of protobuf reads any message by asking its description for each field, which
takes 200 microseconds a span. This knows the few messages that spans are made of, and gives up
at whatever is not as clients write it; ``json_format`` then says what it means.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    _Fields = dict[str, tuple[str, Callable[[Any], Any]]]


class OddError(ValueError):
    """Something is not as clients write it."""


def quickly_read(tree: Any) -> ExportTraceServiceRequest:
    """Return the request of a tree of JSON.

    Raises:
        OddError: It is to be read by ``json_format``.
    """
    try:
        return ExportTraceServiceRequest(**_message(tree, _REQUEST))
    # What protobuf says of a number that is too large, half of a character or another type.
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise OddError from error


def _message(found: Any, fields: _Fields) -> dict[str, Any]:
    values = {}
    for name, value in found.items():
        field = fields.get(name)
        if field is not None:
            values[field[0]] = field[1](value)
        elif "_" in name:
            # Fields may have the names that they have in protobuf.
            raise OddError
    return values


def _text(value: Any) -> str:
    if type(value) is not str:
        raise OddError
    return value


def _whole(value: Any) -> int:
    # To isinstance() true is a number too.
    if type(value) is int:
        return value
    if type(value) is str and value.removeprefix("-").isdecimal() and value.isascii():
        return int(value)
    raise OddError


def _real(value: Any) -> float:
    if type(value) not in (float, int):
        raise OddError
    return float(value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise OddError
    return value


def _id(value: Any) -> bytes:
    try:
        return binascii.unhexlify(value)
    # What is no id makes one span a bad one, and not the request.
    except (ValueError, TypeError):
        return b""


def _bytes(value: Any) -> bytes:
    return binascii.a2b_base64(_text(value), strict_mode=True)


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    def read_all(value: Any) -> list[Any]:
        if type(value) is not list:
            raise OddError
        return [read(each) for each in value]

    return read_all


def _message_of(fields: _Fields) -> Callable[[Any], dict[str, Any]]:
    def read(value: Any) -> dict[str, Any]:
        return _message(value, fields)

    return read


def _value(value: Any) -> dict[str, Any]:
    if not value:
        return {}
    # Of two the last one would count, and what has another name may be of a later version.
    ((name, said),) = value.items()
    if name not in _KINDS:
        raise OddError
    kind, read = _KINDS[name]
    return {kind: read(said)}


def _pair(pair: Any) -> dict[str, Any]:
    if len(pair) != 2:
        raise OddError
    return {"key": _text(pair.get("key")), "value": _value(pair.get("value"))}


_PAIRS = _list_of(_pair)
_KINDS: _Fields = {
    "stringValue": ("string_value", _text),
    "intValue": ("int_value", _whole),
    "doubleValue": ("double_value", _real),
    "boolValue": ("bool_value", _flag),
    "bytesValue": ("bytes_value", _bytes),
    "arrayValue": ("array_value", _message_of({"values": ("values", _list_of(_value))})),
    "kvlistValue": ("kvlist_value", _message_of({"values": ("values", _PAIRS)})),
}
_EVENT: _Fields = {
    "timeUnixNano": ("time_unix_nano", _whole),
    "name": ("name", _text),
    "attributes": ("attributes", _PAIRS),
}
_LINK: _Fields = {
    "traceId": ("trace_id", _id),
    "spanId": ("span_id", _id),
    "traceState": ("trace_state", _text),
    "attributes": ("attributes", _PAIRS),
}
_SPAN: _Fields = {
    "traceId": ("trace_id", _id),
    "spanId": ("span_id", _id),
    "parentSpanId": ("parent_span_id", _id),
    "traceState": ("trace_state", _text),
    "flags": ("flags", _whole),
    "name": ("name", _text),
    "kind": ("kind", _whole),
    "startTimeUnixNano": ("start_time_unix_nano", _whole),
    "endTimeUnixNano": ("end_time_unix_nano", _whole),
    "attributes": ("attributes", _PAIRS),
    "events": ("events", _list_of(_message_of(_EVENT))),
    "links": ("links", _list_of(_message_of(_LINK))),
    "status": (
        "status",
        _message_of({"code": ("code", _whole), "message": ("message", _text)}),
    ),
}
_SCOPE: _Fields = {
    "name": ("name", _text),
    "version": ("version", _text),
    "attributes": ("attributes", _PAIRS),
}
_SCOPE_SPANS: _Fields = {
    "scope": ("scope", _message_of(_SCOPE)),
    "spans": ("spans", _list_of(_message_of(_SPAN))),
}
_RESOURCE_SPANS: _Fields = {
    "resource": ("resource", _message_of({"attributes": ("attributes", _PAIRS)})),
    "scopeSpans": ("scope_spans", _list_of(_message_of(_SCOPE_SPANS))),
}
_REQUEST: _Fields = {
    "resourceSpans": ("resource_spans", _list_of(_message_of(_RESOURCE_SPANS)))
}
