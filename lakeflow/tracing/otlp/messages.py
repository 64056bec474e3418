"""Spans of OpenTelemetry's protocol by column."""

from __future__ import annotations

from itertools import chain, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from lakeflow.entities.json_text import json_text
from lakeflow.tracing.columns import (
    COLUMN_NAMES,
    LATEST_NS,
    empty_columns,
    kept_texts,
    scope_text,
    set_attributes,
    shortened,
)
from lakeflow.tracing.otlp.attributes import attributes_of, attributes_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.tracing.columns import Columns

    T = TypeVar("T")
    R = TypeVar("R")

_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)

_fields = attrgetter(
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "name",
    "kind",
    "status",
    "trace_state",
    "flags",
    "attributes",
    "events",
    "links",
)
"""Returns what a span has: to ask it for one after the other takes three times as long."""

_Fields = tuple[Any, ...]


class Batch:
    """Spans of one request that belong to one experiment, by column.

    Attributes:
        columns: The columns.
        refused: How many spans were left out, by the reason.
    """

    def __init__(self) -> None:
        self.columns: Columns = {name: [] for name in COLUMN_NAMES}
        self.refused: dict[str, int] = {}

    def add(self, message: Any, resource: Mapping[str, Any]) -> None:
        """Add the spans of a resource.

        Args:
            message: ``ResourceSpans``, as ``attributes.as_read`` has it.
            resource: The attributes of its resource.

        Raises:
            DecodeError: An attribute is none.
        """
        text = json_text(resource)
        service = resource.get("service.name")
        for scoped in message.scope_spans:
            spans = self._good([*map(_fields, scoped.spans)])
            if not spans:
                continue
            columns = _columns(spans)
            scope = scoped.scope
            named = scope_text(scope.name, scope.version, attributes_of(scope.attributes))
            columns["scope"] = [named if scope.name else None] * len(spans)
            columns["resource"] = [text] * len(spans)
            columns["service_name"] = [service if type(service) is str else None] * len(spans)
            for name, values in self.columns.items():
                values += columns[name]

    def refuse(self, reason: str, count: int) -> None:
        """Count spans that were left out."""
        if count:
            self.refused[reason] = self.refused.get(reason, 0) + count

    def _good(self, spans: list[_Fields]) -> list[_Fields]:
        if not spans:
            return spans
        traces, ids, parents, starts, ends, *_ = zip(*spans, strict=True)
        # Most requests have nothing bad in them, which is seen without a look at each span.
        if (
            {*map(len, traces)} == {16}
            and {*map(len, ids)} == {8}
            and {*map(len, parents)} <= {0, 8}
            and max(starts) <= LATEST_NS
            and max(ends) <= LATEST_NS
            and _NO_TRACE not in traces
            and _NO_SPAN not in ids
        ):
            return spans
        good = []
        for span in spans:
            reason = _fault(*span)
            if reason is None:
                good.append(span)
            else:
                self.refuse(reason, 1)
        return good


def _fault(
    trace_id: bytes, span_id: bytes, parent_id: bytes, start_ns: int, end_ns: int, *_: object
) -> str | None:
    """Return why a span cannot be stored; None if it can."""
    if not is_trace_id(trace_id):
        return "a trace id that is not 16 bytes, or zeros"
    if not is_span_id(span_id):
        return "a span id that is not 8 bytes, or zeros"
    if len(parent_id) not in (0, 8):
        return "a parent id that is not 8 bytes"
    if start_ns > LATEST_NS or end_ns > LATEST_NS:
        return "a time after the year 2262"
    return None


def is_trace_id(value: bytes) -> bool:
    """Return whether these are the bytes of a trace id."""
    return len(value) == 16 and value != _NO_TRACE


def is_span_id(value: bytes) -> bool:
    """Return whether these are the bytes of a span id."""
    return len(value) == 8 and value != _NO_SPAN


def _columns(spans: Sequence[_Fields]) -> Columns:
    columns = empty_columns(len(spans))
    (
        traces,
        ids,
        parents,
        starts,
        ends,
        names,
        kinds,
        statuses,
        states,
        flags,
        attributes,
        events,
        links,
    ) = zip(*spans, strict=True)
    columns |= {
        "trace_id": [f"tr-{each.hex()}" for each in traces],
        "start_time_ns": [*starts],
        "span_id": [each.hex() for each in ids],
        "parent_span_id": [
            each.hex() if each and each != _NO_SPAN else None for each in parents
        ],
        # A number of protobuf's that was not set is 0.
        "end_time_ns": [each or None for each in ends],
        "name": kept_texts(names),
        "kind": _of_few(kinds, lambda kind: _named(_KINDS, kind)),
        "status": _of_few(
            statuses, lambda each: _named(_STATUSES, Status.FromString(each).code)
        ),
        "status_message": _of_few(
            statuses, lambda each: shortened(Status.FromString(each).message) or None
        ),
        "trace_state": [shortened(each) if each else None for each in states],
        "flags": [*flags],
    }
    set_attributes(columns, attributes_of_each(attributes))
    columns["events"] = _texts(events, _event)
    columns["links"] = _texts(links, _link)
    return columns


def _of_few(values: Sequence[T], of: Callable[[T], R]) -> list[R]:
    """Return what follows from each value; most spans of a request share a few."""
    found = {each: of(each) for each in {*values}}
    return [found[each] for each in values]


def _named(names: tuple[str, ...], number: int) -> str:
    # An enumeration may grow, and may hold any number.
    return names[number] if 0 <= number < len(names) else names[0]


def _texts(
    lists: Sequence[Sequence[Any]], of: Callable[[Any, dict[str, Any]], dict[str, Any]]
) -> list[str | None]:
    """Return lists of messages with attributes as JSON; None for one that is empty."""
    if not any(map(len, lists)):
        return [None] * len(lists)
    messages = [*chain.from_iterable(lists)]
    attributes = attributes_of_each(each.attributes for each in messages)
    values = map(of, messages, attributes)
    return [json_text([*islice(values, len(each))]) if each else None for each in lists]


def _event(event: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    time_ns = min(event.time_unix_nano, LATEST_NS)
    return {"name": event.name, "time_ns": time_ns, "attributes": attributes}


def _link(link: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "trace_id": f"tr-{link.trace_id.hex()}",
        "span_id": link.span_id.hex(),
        "trace_state": link.trace_state or None,
        "attributes": attributes,
    }
