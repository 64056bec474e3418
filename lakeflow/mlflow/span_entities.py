"""Spans of MLflow as columns of the table ``spans``, and rows of it as spans of MLflow."""

from __future__ import annotations

import binascii
import hashlib
import json
from typing import TYPE_CHECKING, Any

from mlflow.entities import Span

from lakeflow.entities.span import as_mlflow
from lakeflow.tracing.columns import Columns, set_attributes, without_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import Span as StoredSpan

_OF_MLFLOW = "mlflow."
_USAGE, _COST = "mlflow.chat.tokenUsage", "mlflow.llm.cost"
_TAG = "mlflow.traceTag."
_JSON_IN_JSON = ('"{', '"[')


def columns_of(spans: Sequence[Span]) -> Columns:
    """Return spans of MLflow as columns.

    Attributes by the names of others get MLflow's besides, as in its own store: what its pages
    show is found by these.

    Args:
        spans: Spans of any traces, finished or not.
    """
    attributes = [
        _translated(span) if _is_foreign(span._span.attributes) else {**span._span.attributes}
        for span in spans
    ]
    columns = without_attributes([span._span for span in spans])
    set_attributes(columns, attributes)
    # Where it is not the id of OpenTelemetry, the trace goes by this one.
    columns["trace_id"] = [span.trace_id for span in spans]
    return columns


def _is_foreign(attributes: Mapping[str, Any]) -> bool:
    if _USAGE in attributes and _COST not in attributes:
        return True
    for name, value in attributes.items():
        # All conventions have a dot in their names; what people call their own often has none.
        if "." in name:
            if not name.startswith(_OF_MLFLOW):
                return True
        # And MLflow takes a text that is JSON itself for what it says.
        elif str(value)[:2] in _JSON_IN_JSON:
            return True
    return False


def _translated(span: Span) -> dict[str, Any]:
    from mlflow.tracing.otel.translation import translate_span_when_storing

    found: dict[str, Any] = translate_span_when_storing(span)["attributes"]
    return found


def tags_of(spans: Sequence[Span]) -> dict[str, dict[str, str]]:
    """Return the tags that spans carry for their traces, by trace.

    Those are the attributes of their resource, and on a root tags that a client has set before
    it sent the trace by OpenTelemetry's protocol.
    """
    found: dict[str, dict[str, str]] = {}
    for span in spans:
        resource = getattr(span._span, "resource", None)
        if resource is not None and resource.attributes:
            tags = _of_resource(resource.attributes)
            if tags:
                found.setdefault(span.trace_id, {}).update(tags)
        if span.parent_id is None:
            said = _set_by_client(span._span.attributes)
            if said:
                found.setdefault(span.trace_id, {}).update(said)
    return found


def _of_resource(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in attributes.items()
        if not key.startswith(("telemetry.sdk.", _OF_MLFLOW))
    }


def _set_by_client(attributes: Mapping[str, Any]) -> dict[str, str]:
    return {
        key.removeprefix(_TAG): _text(value)
        for key, value in attributes.items()
        if key.startswith(_TAG)
    }


def _text(value: Any) -> str:
    """Return the text that an attribute spells in JSON, or what it is."""
    try:
        return str(json.loads(value))
    except (TypeError, ValueError):
        return str(value)


def span_of(span: StoredSpan) -> Span:
    """Return a span as MLflow's."""
    return Span.from_dict(_dictionary_of(span))


def lazy_span_of(span: StoredSpan) -> Span:
    """Return a span as MLflow's, which is taken apart when it is asked for."""
    from mlflow.entities.span import LazySpan

    return LazySpan(_dictionary_of(span))


def _dictionary_of(span: StoredSpan) -> dict[str, Any]:
    """Return a span as MLflow 3 writes it."""
    status = span.status
    parent = span.parent_id
    return {
        "trace_id": _base64(_trace_bytes(span.trace_id)),
        "span_id": _base64(bytes.fromhex(span.span_id)),
        "parent_span_id": None if parent is None else _base64(bytes.fromhex(parent)),
        "name": span.name,
        "start_time_unix_nano": span.start_time_ns,
        "end_time_unix_nano": span.end_time_ns,
        "events": [
            {
                "name": each.name,
                "time_unix_nano": each.timestamp,
                "attributes": each.attributes,
            }
            for each in span.events
        ],
        "status": {
            "code": f"STATUS_CODE_{status.status_code.value}",
            "message": status.description,
        },
        "attributes": {key: as_mlflow(each) for key, each in span.attributes.items()},
        "links": [
            {
                "trace_id": each["trace_id"],
                "span_id": each["span_id"],
                "attributes": each.get("attributes") or None,
            }
            for each in span.links
        ],
    }


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _trace_bytes(trace_id: str) -> bytes:
    """Return the id of OpenTelemetry; of a trace that goes by another one, one that follows."""
    try:
        found = bytes.fromhex(trace_id.removeprefix("tr-"))
    except ValueError:
        found = b""
    return (
        found
        if len(found) == 16
        else hashlib.blake2b(trace_id.encode(), digest_size=16).digest()
    )
