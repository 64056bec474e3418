"""Messages of OpenTelemetry's protocol: read from bytes, and by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import json_text
from lakeflow.tracing.columns import (
    COLUMN_NAMES,
    LATEST_NS,
    empty_columns,
    scope_text,
    set_attributes,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

    from lakeflow.tracing.columns import Columns

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


def of_key_values(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return attributes as values of Python; of a key that comes twice the last one."""
    # What is set is never false here, so that of the one that is set nothing else is asked.
    return {
        pair.key: (value := pair.value).string_value or value.int_value or of_value(value)
        for pair in pairs
    }


def of_value(value: AnyValue) -> Any:
    """Return a value as one of Python; None where nothing is set."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [of_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return of_key_values(value.kvlist_value.values)
    return getattr(value, kind)


class Batch:
    """Spans of one request that belong to one experiment, by column.

    Attributes:
        columns: The columns.
        refused: How many spans were left out, by the reason.
    """

    def __init__(self) -> None:
        self.columns: Columns = {name: [] for name in COLUMN_NAMES}
        self.refused: dict[str, int] = {}

    def add(self, message: ResourceSpans, resource: Mapping[str, Any]) -> None:
        """Add the spans of a resource.

        Args:
            message: The message.
            resource: The attributes of its resource.
        """
        text = json_text(resource)
        service = resource.get("service.name")
        for scoped in message.scope_spans:
            spans = self._good(scoped.spans)
            columns = _columns(spans, scoped)
            columns["resource"] = [text] * len(spans)
            columns["service_name"] = [service if type(service) is str else None] * len(spans)
            for name, values in self.columns.items():
                values += columns[name]

    def refuse(self, reason: str, count: int) -> None:
        """Count spans that were left out."""
        if count:
            self.refused[reason] = self.refused.get(reason, 0) + count

    def _good(self, spans: Sequence[Span]) -> Sequence[Span]:
        traces = [span.trace_id for span in spans]
        ids = [span.span_id for span in spans]
        # Most requests have nothing bad in them, which is seen without a look at each span.
        if (
            {*map(len, traces)} <= {16}
            and {*map(len, ids)} <= {8}
            and {len(span.parent_span_id) for span in spans} <= {0, 8}
            and max((span.start_time_unix_nano for span in spans), default=0) <= LATEST_NS
            and max((span.end_time_unix_nano for span in spans), default=0) <= LATEST_NS
            and _NO_TRACE not in traces
            and _NO_SPAN not in ids
        ):
            return spans
        good = []
        for span in spans:
            reason = _fault(span)
            if reason is None:
                good.append(span)
            else:
                self.refuse(reason, 1)
        return good


def _fault(span: Span) -> str | None:
    """Return why a span cannot be stored; None if it can."""
    if not is_trace_id(span.trace_id):
        return "a trace id that is not 16 bytes, or zeros"
    if not is_span_id(span.span_id):
        return "a span id that is not 8 bytes, or zeros"
    if len(span.parent_span_id) not in (0, 8):
        return "a parent id that is not 8 bytes"
    if span.start_time_unix_nano > LATEST_NS or span.end_time_unix_nano > LATEST_NS:
        return "a time after the year 2262"
    return None


def is_trace_id(value: bytes) -> bool:
    """Return whether these are the bytes of a trace id."""
    return len(value) == 16 and value != _NO_TRACE


def is_span_id(value: bytes) -> bool:
    """Return whether these are the bytes of a span id."""
    return len(value) == 8 and value != _NO_SPAN


def _columns(spans: Sequence[Span], scoped: ScopeSpans) -> Columns:
    columns = empty_columns(len(spans))
    scope = scoped.scope
    named = scope_text(scope.name, scope.version, of_key_values(scope.attributes))
    statuses = [span.status for span in spans]
    parents = [span.parent_span_id for span in spans]
    columns |= {
        "trace_id": [f"tr-{span.trace_id.hex()}" for span in spans],
        "start_time_ns": [span.start_time_unix_nano for span in spans],
        "span_id": [span.span_id.hex() for span in spans],
        "parent_span_id": [each.hex() if is_span_id(each) else None for each in parents],
        "end_time_ns": [span.end_time_unix_nano or None for span in spans],
        "name": [shortened(span.name) for span in spans],
        "kind": [_named(_KINDS, span.kind) for span in spans],
        "status": [_named(_STATUSES, each.code) for each in statuses],
        "status_message": [shortened(each.message) or None for each in statuses],
        "trace_state": [shortened(span.trace_state) or None for span in spans],
        "flags": [span.flags for span in spans],
        "scope": [named if scope.name else None] * len(spans),
    }
    for place, span in enumerate(spans):
        set_attributes(columns, place, of_key_values(span.attributes))
        if span.events:
            columns["events"][place] = _events(span)
        if span.links:
            columns["links"][place] = _links(span)
    return columns


def _named(names: tuple[str, ...], number: int) -> str:
    # An enumeration may grow, and may hold any number.
    return names[number] if 0 <= number < len(names) else names[0]


def _events(span: Span) -> str:
    return json_text(
        [
            {
                "name": event.name,
                "time_ns": min(event.time_unix_nano, LATEST_NS),
                "attributes": of_key_values(event.attributes),
            }
            for event in span.events
        ]
    )


def _links(span: Span) -> str:
    return json_text(
        [
            {
                "trace_id": f"tr-{link.trace_id.hex()}",
                "span_id": link.span_id.hex(),
                "trace_state": link.trace_state or None,
                "attributes": of_key_values(link.attributes),
            }
            for link in span.links
        ]
    )
