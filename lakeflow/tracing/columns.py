"""Spans by column, as the store logs them: a list for each column of the table ``spans``."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.entities.json_text import decoded_if_json, flat_text, json_text
from lakeflow.printable import readable
from lakeflow.schema import SPANS
from lakeflow.tracing.conventions import MOVED, UNKNOWN_TYPE, lifted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import Link, Status, TraceState

    T = TypeVar("T")
    R = TypeVar("R")

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
# Bit 8 says that bit 9 is known, and that one that the parent is in another process.
_FROM_HERE, _FROM_AFAR = 0x100, 0x300


def empty_columns(count: int) -> Columns:
    """Return the columns of spans of which nothing is known yet."""
    columns: Columns = {name: [None] * count for name in COLUMN_NAMES}
    columns["span_type"] = [UNKNOWN_TYPE] * count
    return columns


def set_attributes(columns: Columns, several: Sequence[dict[str, Any]]) -> None:
    """Set what the attributes of spans say: themselves, and the columns that they lift to.

    Args:
        columns: The columns of the spans.
        several: The attributes of each.
    """
    # MLflow writes every value as a text of JSON, and marks all of its spans.
    several = [_of_mlflow(each) if _MARK_OF_MLFLOW in each else each for each in several]
    lay_over(columns, lifted(several))
    if not MOVED.isdisjoint(chain.from_iterable(several)):
        several = [
            {name: value for name, value in each.items() if name not in MOVED}
            for each in several
        ]
    columns["attributes"] = [*map(flat_text, several)]


def lay_over(columns: Columns, found: Columns) -> None:
    """Set values of some columns; what is None stays as it is."""
    for name, values in found.items():
        columns[name] = [
            known if value is None else value
            for known, value in zip(columns[name], values, strict=True)
        ]


def _of_mlflow(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if name in MOVED else decoded_if_json(value)
        for name, value in attributes.items()
    }


def of_spans(spans: Sequence[ReadableSpan]) -> Columns:
    """Return the columns of spans that ended in this process.

    Args:
        spans: Spans of OpenTelemetry's SDK, all of which have a context.

    Returns:
        The columns. Times that a column cannot hold become the nearest ones.
    """
    columns = without_attributes(spans)
    # Copies: reading them through their proxies costs ten times as much.
    set_attributes(columns, [span.attributes.copy() for span in spans])  # type: ignore[union-attr]
    return columns


def without_attributes(spans: Sequence[ReadableSpan]) -> Columns:
    """Return the columns of spans as ``of_spans`` does, but for what attributes say."""
    columns = empty_columns(len(spans))
    if not spans:
        return columns
    # A context is a tuple, and to ask one for its parts by name takes as long as all else.
    trace_ids, span_ids, _, flags, states, *_ = zip(
        *[span.context for span in spans], strict=True
    )
    parents = [span.parent for span in spans]
    statuses = [span.status for span in spans]
    resources = [span.resource for span in spans]
    columns |= {
        "trace_id": [f"tr-{each:032x}" for each in trace_ids],
        "start_time_ns": [each or 0 for each in _times([span.start_time for span in spans])],
        "span_id": [f"{each:016x}" for each in span_ids],
        "parent_span_id": [each and f"{each.span_id:016x}" for each in parents],
        "end_time_ns": _times([span.end_time for span in spans]),
        "name": kept_texts([span.name for span in spans]),
        "kind": _shared([span.kind for span in spans], lambda each: each.name),
        "status": _shared(statuses, lambda each: each.status_code.name),
        "status_message": _shared(statuses, _description),
        "trace_state": _shared(states, _header),
        "flags": [
            each | (_FROM_AFAR if parent is not None and parent.is_remote else _FROM_HERE)
            for each, parent in zip(flags, parents, strict=True)
        ],
        "resource": _shared(resources, lambda each: json_text(dict(each.attributes))),
        "service_name": _shared(resources, _service_name),
        "scope": _shared([span.instrumentation_scope for span in spans], _scope),
    }
    # Most have none, and to ask for them copies them under a lock.
    columns["events"] = [
        json_text([*map(_event, span.events)]) if getattr(span, "_events", True) else None
        for span in spans
    ]
    columns["links"] = [
        json_text([*map(_link, span.links)]) if getattr(span, "_links", True) else None
        for span in spans
    ]
    return columns


def _shared(things: Sequence[T], of: Callable[[T], R]) -> list[R]:
    """Return what follows from each; most spans of a batch share the thing itself."""
    # By id: to hash a resource writes all of it as JSON.
    ids = [*map(id, things)]
    found = {key: of(each) for key, each in dict(zip(ids, things, strict=True)).items()}
    return [*map(found.__getitem__, ids)]


def _times(nanoseconds: list[int | None]) -> list[int | None]:
    # As for texts.
    known = [each for each in nanoseconds if type(each) is int]
    if known and len(known) == len(nanoseconds) and min(known) >= 0 and max(known) <= LATEST_NS:
        return nanoseconds
    return list(map(_time, nanoseconds))


def kept_texts(texts: Sequence[str]) -> list[str]:
    """Return what is kept of names or messages."""
    # Most batches have nothing odd in them, which is seen without a look at each.
    if (
        {*map(type, texts)} <= {str}
        and max(map(len, texts), default=0) <= _LONGEST_TEXT
        and "".join(texts).isascii()
    ):
        return [*texts]
    return [*map(_text, texts)]


def _time(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else min(max(int(nanoseconds), 0), LATEST_NS)


def _text(value: Any) -> str:
    text = shortened(value if type(value) is str else str(value))
    return text if text.isascii() else readable(text)


def shortened(text: str) -> str:
    """Return what is kept of a name or a message."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT]


def _header(state: TraceState | None) -> str | None:
    return state.to_header() if state else None


def _description(status: Status) -> str | None:
    return _text(status.description) if status.description else None


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
        "trace_state": _header(link.context.trace_state),
        "attributes": dict(link.attributes or {}),
    }
