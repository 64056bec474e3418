"""Live spans as rows and columns of the table ``spans``."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import json_text
from lakeflow.entities.live_span import Encoded
from lakeflow.entities.span import INPUTS, OUTPUTS, SPAN_TYPE, SpanType
from lakeflow.entities.trace_info import SESSION, USER
from lakeflow.printable import readable
from lakeflow.schema import SPANS
from lakeflow.tracing.conventions import lifted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opentelemetry.trace import SpanContext

    from lakeflow.entities import LiveSpan

Row = dict[str, Any]
"""A row of the table ``spans``, without its experiment and its day."""

COLUMNS = tuple(
    column.name for column in SPANS.columns if column.name not in {"experiment_id", "day"}
)
"""The columns that spans are logged by."""

_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
"""Flags of OTLP: whether it is known where the parent ran, and that it ran elsewhere."""


def columns_of(rows: list[Row]) -> dict[str, list[Any]]:
    """Return rows by column."""
    by_column = zip(*(row.values() for row in rows), strict=True)
    return {name: list(values) for name, values in zip(COLUMNS, by_column, strict=True)}


def row_of(span: LiveSpan, metadata: Mapping[str, Any]) -> Row:
    """Return the row of a span as it is now.

    Args:
        span: The span.
        metadata: That of its trace, which may say whose session it is.
    """
    otel = span._otel
    values = {**(otel.attributes or {}), **span._values}
    moved = {key: values.pop(key, None) for key in (INPUTS, OUTPUTS, SPAN_TYPE)}
    status = span.status
    row: Row = {
        **_NOTHING,
        "trace_id": span.trace_id,
        "start_time_ns": otel.start_time,
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "end_time_ns": otel.end_time,
        "name": readable(otel.name),
        "kind": otel.kind.name,
        "status": status.status_code.value,
        "status_message": readable(status.description) if status.description else None,
        "service_name": otel.resource.attributes.get("service.name"),
        "session_id": _text_or_none(metadata.get(SESSION)),
        "user_id": _text_or_none(metadata.get(USER)),
        "flags": int(otel.context.trace_flags) | _HAS_IS_REMOTE | _remote(otel.parent),
        "trace_state": otel.context.trace_state.to_header() or None,
        "resource": json_text(otel.resource.attributes) if otel.resource.attributes else None,
        "scope": _SCOPE,
        "events": _events(otel.events) if otel.events else None,
        "links": _links(otel.links) if otel.links else None,
        "span_type": SpanType.UNKNOWN,
    }
    # Attributes that are JSON already are found by name, and read where a column is of them.
    row.update(lifted({k: v.text if type(v) is Encoded else v for k, v in values.items()}))
    row["attributes"] = _object(values)
    if moved[SPAN_TYPE] not in {None, SpanType.UNKNOWN}:
        row["span_type"] = readable(moved[SPAN_TYPE])
    for key, column in ((INPUTS, "inputs"), (OUTPUTS, "outputs")):
        if key in span._values:
            row[column] = _json(moved[key])
    return row


_NOTHING = dict.fromkeys(COLUMNS)
_SCOPE = '{"name":"lakeflow"}'


def _text_or_none(value: Any) -> str | None:
    return None if value is None else readable(str(value))


def _remote(parent: SpanContext | None) -> int:
    return _IS_REMOTE if parent is not None and parent.is_remote else 0


def _json(value: Any) -> str:
    kind = type(value)
    if kind is Encoded:
        return value.text  # type: ignore[no-any-return]
    if kind is str:
        return encode_basestring(readable(value))
    return str(value) if kind is int else json_text(value)


def _object(values: Mapping[str, Any]) -> str:
    """Return values by name as a JSON object, of which some values are JSON already."""
    if not values:
        return "{}"
    pairs = (
        f"{encode_basestring(readable(key))}:{_json(each)}" for key, each in values.items()
    )
    return f"{{{','.join(pairs)}}}"


def _events(events: Iterable[Any]) -> str:
    return json_text(
        [
            {"name": each.name, "time_ns": each.timestamp, "attributes": each.attributes or {}}
            for each in events
        ]
    )


def _links(links: Iterable[Any]) -> str:
    return json_text(
        [
            {
                "trace_id": f"tr-{each.context.trace_id:032x}",
                "span_id": f"{each.context.span_id:016x}",
                "trace_state": each.context.trace_state.to_header() or None,
                "attributes": each.attributes or {},
            }
            for each in links
        ]
    )
