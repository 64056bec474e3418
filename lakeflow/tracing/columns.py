"""Spans by column, as the store logs them: a list for each column of the table ``spans``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import decoded_if_json, flat_text, json_text
from lakeflow.printable import readable
from lakeflow.schema import SPANS
from lakeflow.tracing.conventions import MOVED, UNKNOWN_TYPE, lifted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, SpanContext

Columns = dict[str, list[Any]]
"""Equally long lists, one for each of ``COLUMN_NAMES``; None for what a span has not."""

COLUMN_NAMES = tuple(
    name for name in SPANS.column_names if name not in ("experiment_id", "day")
)
"""The columns in their order; the store adds the two others."""

_LONGEST_TEXT = 65_536
"""Characters of a name or a message that are kept."""

LATEST_NS = 2**63 - 1
"""The latest time that a column holds, in the year 2262."""

_MARK_OF_MLFLOW = "mlflow.traceRequestId"

# From the context of a span to what OTLP says of its parent.
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200


def empty_columns(count: int) -> Columns:
    """Return the columns of spans of which nothing is known yet."""
    columns: Columns = {name: [None] * count for name in COLUMN_NAMES}
    columns["span_type"] = [UNKNOWN_TYPE] * count
    return columns


def set_attributes(columns: Columns, place: int, attributes: dict[str, Any]) -> None:
    """Set what the attributes of a span say: themselves, and the columns that they lift to.

    Args:
        columns: The columns.
        place: The span's place in them.
        attributes: Its attributes.
    """
    # MLflow writes every value as a text of JSON, and marks all of its spans.
    if _MARK_OF_MLFLOW in attributes:
        attributes = {
            name: value if name in MOVED else decoded_if_json(value)
            for name, value in attributes.items()
        }
    found = lifted(attributes)
    if found:
        for name, value in found.items():
            columns[name][place] = value
        if not MOVED.isdisjoint(attributes):
            attributes = {name: each for name, each in attributes.items() if name not in MOVED}
    columns["attributes"][place] = flat_text(attributes) if attributes else "{}"


def of_spans(spans: Sequence[ReadableSpan]) -> Columns:
    """Return the columns of spans that ended in this process.

    Args:
        spans: Spans of OpenTelemetry's SDK, all of which have a context.

    Returns:
        The columns; about 5 microseconds for each span of 10 attributes. Times that a column
        cannot hold become the nearest ones.
    """
    columns = empty_columns(len(spans))
    contexts: list[Any] = [span.context for span in spans]
    parents = [span.parent for span in spans]
    statuses = [span.status for span in spans]
    columns |= {
        "trace_id": [f"tr-{each.trace_id:032x}" for each in contexts],
        "start_time_ns": [each or 0 for each in _times([span.start_time for span in spans])],
        "span_id": [f"{each.span_id:016x}" for each in contexts],
        "parent_span_id": [each and f"{each.span_id:016x}" for each in parents],
        "end_time_ns": _times([span.end_time for span in spans]),
        "name": _names([span.name for span in spans]),
        "kind": [span.kind.name for span in spans],
        "status": [each.status_code.name for each in statuses],
        "status_message": [
            _text(each.description) if each.description else None for each in statuses
        ],
        "trace_state": [_trace_state(each) for each in contexts],
        "flags": list(map(_flags, contexts, parents)),
    }
    resources = [span.resource for span in spans]
    columns["resource"] = _shared(resources, lambda each: json_text(dict(each.attributes)))
    columns["service_name"] = _shared(resources, _service_name)
    columns["scope"] = _shared([span.instrumentation_scope for span in spans], _scope)
    for place, span in enumerate(spans):
        # A copy: reading it through its proxy costs ten times as much.
        set_attributes(columns, place, span.attributes.copy())  # type: ignore[union-attr]
        if span.events:
            columns["events"][place] = json_text([_event(each) for each in span.events])
        if span.links:
            columns["links"][place] = json_text([_link(each) for each in span.links])
    return {name: columns[name] for name in COLUMN_NAMES}


def _shared(things: Iterable[Any], of: Callable[[Any], str | None]) -> list[str | None]:
    """Return a text of each; most spans of a batch share the thing itself."""
    texts: dict[int, str | None] = {}
    for each in things:
        if id(each) not in texts:
            texts[id(each)] = of(each)
    return [texts[id(each)] for each in things]


def _times(nanoseconds: list[int | None]) -> list[int | None]:
    # Most batches have no odd time in them, which is seen without a look at each.
    known = [each for each in nanoseconds if type(each) is int]
    if known and len(known) == len(nanoseconds) and min(known) >= 0 and max(known) <= LATEST_NS:
        return nanoseconds
    return list(map(_time, nanoseconds))


def _names(names: list[str]) -> list[str]:
    if {*map(type, names)} <= {str}:
        all_of_them = "".join(names)
        if all_of_them.isascii() and len(all_of_them) <= _LONGEST_TEXT:
            return names
    return list(map(_text, names))


def _time(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else min(max(int(nanoseconds), 0), LATEST_NS)


def _text(value: Any) -> str:
    text = shortened(value if type(value) is str else str(value))
    return text if text.isascii() else readable(text)


def shortened(text: str) -> str:
    """Return what is kept of a name or a message."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT]


def _trace_state(context: SpanContext) -> str | None:
    return context.trace_state.to_header() if context.trace_state else None


def _flags(context: SpanContext, parent: SpanContext | None) -> int:
    is_remote = _IS_REMOTE if parent is not None and parent.is_remote else 0
    return int(context.trace_flags) | _HAS_IS_REMOTE | is_remote


def _service_name(resource: Resource) -> str | None:
    name = resource.attributes.get("service.name")
    return None if name is None else _text(name)


def _scope(scope: InstrumentationScope | None) -> str | None:
    if scope is None:
        return None
    return scope_text(scope.name, scope.version or "", dict(scope.attributes or {}))


def scope_text(name: str, version: str, attributes: Mapping[str, Any]) -> str:
    """Return what made a span, as JSON."""
    return json_text({"name": name, "version": version or None, "attributes": attributes})


def _event(event: Event) -> dict[str, Any]:
    attributes = dict(event.attributes or {})
    return {"name": event.name, "time_ns": _time(event.timestamp), "attributes": attributes}


def _link(link: Link) -> dict[str, Any]:
    return {
        "trace_id": f"tr-{link.context.trace_id:032x}",
        "span_id": f"{link.context.span_id:016x}",
        "trace_state": _trace_state(link.context),
        "attributes": dict(link.attributes or {}),
    }
