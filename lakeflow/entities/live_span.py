"""Spans while they go on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import json_text, typed
from lakeflow.entities.span import (
    DESCRIPTION,
    INPUTS,
    LOG_LEVEL,
    OUTPUTS,
    REQUEST_ID,
    SPAN_TYPE,
    Span,
)
from lakeflow.entities.span_event import SpanEvent
from lakeflow.entities.span_log_level import SpanLogLevel
from lakeflow.entities.span_status import SpanStatus, SpanStatusCode
from lakeflow.entities.span_type import SpanType

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import Span as OTelSpan

_logger = logging.getLogger(__name__)

_SCALARS = {str, int, float, bool, type(None)}


_UNSET = SpanStatus(SpanStatusCode.UNSET)
# One object: by it ``set_status`` knows that this was said, and lets it stay.
OK = SpanStatus(SpanStatusCode.OK)
"""The status of a span that has ended, and of which nothing else was said."""


class Encoded:
    """A value that has become JSON already, because it may change.

    Attributes:
        text: The JSON.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class LiveSpan(Span):
    """A span that goes on, over a span of OpenTelemetry.

    What is set is kept as it is at that moment: a list that changes later does not change in
    the span. Nothing raises because of a value: what is no JSON becomes text.

    Args:
        otel_span: The span of OpenTelemetry's SDK.
        trace_id: Id of its trace.
        span_type: What it does.
        ended: Called once with the span, when it has ended.
    """

    __slots__ = (
        "_ended",
        "_is_over",
        "_name",
        "_otel",
        "_span_id",
        "_status",
        "_trace_id",
        "_values",
    )

    def __init__(
        self,
        otel_span: OTelSpan,
        trace_id: str,
        span_type: str = SpanType.UNKNOWN,
        ended: Callable[[LiveSpan], None] | None = None,
    ) -> None:
        self._otel = otel_span
        self._trace_id = trace_id
        self._span_id = f"{otel_span.context.span_id:016x}"
        self._name = otel_span.name
        self._values: dict[str, Any] = {SPAN_TYPE: span_type}
        self._ended = ended
        self._is_over = False
        # Here and not in OpenTelemetry's span, where to set it takes as long as to end that.
        self._status = _UNSET

    @property
    def trace_id(self) -> str:
        """Id of its trace: ``tr-`` and 32 hexadecimal digits."""
        return self._trace_id

    @property
    def span_id(self) -> str:
        """Its id, 16 hexadecimal digits, unique within its trace."""
        return self._span_id

    @property
    def parent_id(self) -> str | None:
        """Id of the span within which it runs; None for a root."""
        parent = self._otel.parent
        return None if parent is None else f"{parent.span_id:016x}"

    @property
    def name(self) -> str:
        """Its name; one of several with that name gets a number when the trace ends."""
        return self._name

    @property
    def start_time_ns(self) -> int:
        """When it began, nanoseconds since the Unix epoch, UTC."""
        return self._otel.start_time or 0

    @property
    def end_time_ns(self) -> int | None:
        """When it ended, nanoseconds since the Unix epoch, UTC; None while it goes on."""
        return self._otel.end_time

    @property
    def status(self) -> SpanStatus:
        """How it goes."""
        return self._status

    @property
    def span_type(self) -> str:
        """What it does: a ``SpanType``, or any text."""
        return self._values[SPAN_TYPE]  # type: ignore[no-any-return]

    @property
    def events(self) -> list[SpanEvent]:
        """What has happened in it."""
        return [
            SpanEvent(each.name, each.timestamp, dict(each.attributes or {}))
            for each in self._otel.events
        ]

    @property
    def links(self) -> list[dict[str, Any]]:
        """Other spans that it names: their trace_id, span_id, trace_state and attributes."""
        return [
            {
                "trace_id": f"tr-{each.context.trace_id:032x}",
                "span_id": f"{each.context.span_id:016x}",
                "trace_state": each.context.trace_state.to_header() or None,
                "attributes": dict(each.attributes or {}),
            }
            for each in self._otel.links
        ]

    def get_attribute(self, key: str) -> Any:
        """Return an attribute; None if there is none."""
        return self._decoded().get(key)

    def set_inputs(self, inputs: object) -> None:
        """Set what goes in.

        Args:
            inputs: Any value; a dictionary of arguments is what others look for.
        """
        self.set_attribute(INPUTS, inputs)

    def set_outputs(self, outputs: object) -> None:
        """Set what comes out."""
        self.set_attribute(OUTPUTS, outputs)

    def set_span_type(self, span_type: str) -> None:
        """Set what it does."""
        self.set_attribute(SPAN_TYPE, str(span_type))

    def set_description(self, description: str) -> None:
        """Set what it is about."""
        self.set_attribute(DESCRIPTION, str(description))

    def set_log_level(self, level: SpanLogLevel | str) -> None:
        """Set how grave it is.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: there is no such level.
        """
        self.set_attribute(LOG_LEVEL, int(SpanLogLevel.from_value(level)))

    def set_attributes(self, attributes: object) -> None:
        """Set attributes besides those that there are; of one name the last one stays.

        What is no dictionary is left out, with a warning.
        """
        if not isinstance(attributes, Mapping):
            _logger.warning("attributes of a span are a dictionary, not %r", type(attributes))
            return
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def set_attribute(self, key: str, value: object) -> None:
        """Set an attribute; the last value stays. Once it has ended nothing happens."""
        if not self._is_over:
            self._values[str(key)] = captured(value)

    def set_status(self, status: SpanStatus | SpanStatusCode | str) -> None:
        """Set how it went; ``OK`` stays, as OpenTelemetry has it.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: there is no such status.
        """
        given = status if isinstance(status, SpanStatus) else SpanStatus(status)  # type: ignore[arg-type]
        is_error = given.status_code is SpanStatusCode.ERROR
        if given.status_code is SpanStatusCode.UNSET or self._status is OK or self._is_over:
            return
        self._status = given if is_error else OK

    def add_event(self, event: SpanEvent) -> None:
        """Add something that happened."""
        attributes = {str(key): _of_otel(value) for key, value in event.attributes.items()}
        self._otel.add_event(event.name, attributes, event.timestamp)

    def record_exception(self, exception: BaseException | str) -> None:
        """Add the event of an exception, and set the status to ``ERROR``.

        Args:
            exception: The exception, or a text.
        """
        error = exception if isinstance(exception, BaseException) else Exception(exception)
        self.add_event(SpanEvent.from_exception(error))
        self.set_status(SpanStatus(SpanStatusCode.ERROR, f"{type(error).__name__}: {error}"))

    def end(
        self,
        outputs: object = None,
        attributes: Mapping[str, Any] | None = None,
        status: SpanStatus | SpanStatusCode | str | None = None,
        end_time_ns: int | None = None,
    ) -> None:
        """End it; the end of a root is the end of its trace. The second time nothing happens.

        Args:
            outputs: What came out, unless it is None.
            attributes: Set besides those that there are.
            status: How it went; without one it is ``OK``, unless it is ``ERROR`` already.
            end_time_ns: When, nanoseconds since the Unix epoch, UTC; now, unless it is given.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: there is no such status.
        """
        # While its end is told to others, it has its time and is not over yet.
        if self._is_over or self._otel.end_time is not None:
            return
        if attributes:
            self.set_attributes(attributes)
        if outputs is not None:
            self.set_outputs(outputs)
        if status is not None:
            self.set_status(status)
        if self._status is _UNSET:
            self._status = OK
        self._otel.end(end_time_ns)
        # A trace has its spans: with nothing left that leads back, all of it goes at once when
        # nobody wants it any more, and Python's collector has no circle to look for.
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(self)
        # Not before: whoever is told of the end may still set something.
        self._is_over = True

    def _decoded(self) -> dict[str, Any]:
        values = {**(self._otel.attributes or {}), **self._values}
        return {REQUEST_ID: self._trace_id} | {
            key: typed(value.text if type(value) is Encoded else json_text(value))
            for key, value in values.items()
        }


def captured(value: Any) -> Any:
    """Return what keeps a value as it is now, for the least work at once.

    Scalars, and dictionaries and lists of nothing else, are copied and become JSON when
    somebody has the time; others become JSON here.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is dict and _SCALARS.issuperset(map(type, value.values())):
        return value.copy()
    if (kind is list or kind is tuple) and _SCALARS.issuperset(map(type, value)):
        return value[:]
    return Encoded(json_text(value))


def _of_otel(value: Any) -> Any:
    """Return a value of an event, as text if OpenTelemetry would drop it."""
    if isinstance(value, str | bool | int | float | bytes):
        return value
    # Lists of one type are all that OpenTelemetry has.
    kinds = {type(each) for each in value} if isinstance(value, list | tuple) else _SCALARS
    is_kept = len(kinds) <= 1 and kinds <= {str, bool, int, float}
    return list(value) if is_kept else json_text(value)
