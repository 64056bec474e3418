"""Spans of blocks: begun, active within, ended with them."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from lakeflow.entities import LiveSpan, NoOpSpan, SpanStatus, SpanStatusCode, SpanType
from lakeflow.entities.trace_info import SOURCE_RUN
from lakeflow.tracing import active, live_trace, switches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import ModuleType, TracebackType

    from lakeflow.entities.trace_location import MlflowExperimentLocation

_logger = logging.getLogger(__name__)


@functools.cache
def recorder() -> ModuleType:
    """Return the module in which spans begin; it loads OpenTelemetry."""
    from lakeflow.tracing import recorder

    return recorder


class SpanBlock:
    """A block with a span of its own: entered it begins and is active, left it ends.

    Nothing that tracing does raises in the block.

    Args:
        name: Its name.
        span_type: What it does.
        attributes: Its attributes.
        experiment_id: The experiment of a new trace.
        run_id: The run that a new trace is of.
        ratio: The share of new traces that are recorded, from 0 to 1.
    """

    __slots__ = ("_begin", "_span", "_token")

    def __init__(
        self,
        name: str,
        span_type: str = SpanType.UNKNOWN,
        attributes: Mapping[str, Any] | None = None,
        experiment_id: str | None = None,
        run_id: str | None = None,
        ratio: float | None = None,
    ) -> None:
        self._begin = (name, span_type, attributes, experiment_id, run_id, ratio)
        self._span: LiveSpan | None = None
        self._token: Token[Any] | None = None

    def __enter__(self) -> LiveSpan | NoOpSpan:
        try:
            if switches.is_enabled():
                self._start()
        # Whatever it is: the block is the application's, and has to run.
        except Exception as error:
            _logger.warning("span %r is not recorded: %s", self._begin[0], error)
            _logger.debug("span %r", self._begin[0], exc_info=True)
        return NoOpSpan() if self._span is None else self._span

    def _start(self) -> None:
        name, span_type, attributes, experiment_id, run_id, ratio = self._begin
        parent = active.SPAN.get()
        span = recorder().begin(
            name, span_type, parent, experiment_id=experiment_id, ratio=ratio
        )
        self._token = active.SPAN.set(span)
        if not isinstance(span, LiveSpan):
            return
        self._span = span
        if attributes:
            span.set_attributes(attributes)
        if run_id is not None and parent is None:
            trace = live_trace.find(span.trace_id)
            assert trace is not None
            trace.metadata[SOURCE_RUN] = run_id

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            leave(self._token)
        if self._span is not None:
            end(self._span, error)


def leave(token: Token[Any]) -> None:
    """Let what was active before be active again."""
    try:
        active.SPAN.reset(token)
    except ValueError:
        # An asynchronous generator that is closed by the loop is closed in another context.
        _logger.debug("a block is left in another context than it was entered in")


def end(span: LiveSpan, error: BaseException | None, outputs: object = None) -> None:
    """End a span, with the exception that has ended it if there is one; never raises."""
    try:
        # A generator of which nobody wants more has done what was wanted.
        if error is not None and not isinstance(error, GeneratorExit):
            span._otel.record_exception(error)
            span.set_status(
                SpanStatus(SpanStatusCode.ERROR, f"{type(error).__name__}: {error}")
            )
        span.end(outputs)
    except Exception as failure:  # noqa: BLE001
        _logger.warning("the end of span %r is not recorded: %s", span.name, failure)


def start_span(
    name: str = "span",
    span_type: str | None = SpanType.UNKNOWN,
    attributes: Mapping[str, Any] | None = None,
    trace_destination: MlflowExperimentLocation | None = None,
    run_id: str | None = None,
) -> SpanBlock:
    """Record a block as a span: within the active one, or as the root of a new trace.

    Use it with ``with``, which gives the ``LiveSpan``. An exception in the block is recorded
    and goes on. What cannot be recorded is a warning: tracing never raises in the block. A
    trace is stored in the background when its root has ended.

    Cost: no read, no write and no wait; about what a span of OpenTelemetry takes.

    Args:
        name: Its name.
        span_type: What it does, a ``SpanType`` or any text.
        attributes: Its attributes; any values.
        trace_destination: The experiment of a new trace; by default that of
            ``set_destination``, of the active run, or the one for new runs.
        run_id: The run that a new trace is of; by default the active one.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-start-span-block")
        >>> with lakeflow.start_span("ask", attributes={"model": "m-1"}) as span:
        ...     span.set_inputs({"question": "why?"})
        ...     with lakeflow.start_span("read", span_type="RETRIEVER"):
        ...         pass
        ...     span.set_outputs("so")
        >>> spans = lakeflow.get_trace(span.trace_id).data.spans
        >>> [(each.name, each.span_type, each.outputs) for each in spans]
        [('ask', 'UNKNOWN', 'so'), ('read', 'RETRIEVER', None)]
    """
    experiment_id = getattr(trace_destination, "experiment_id", None)
    return SpanBlock(name, span_type or SpanType.UNKNOWN, attributes, experiment_id, run_id)


def start_span_no_context(
    name: str,
    span_type: str = SpanType.UNKNOWN,
    parent_span: LiveSpan | NoOpSpan | None = None,
    inputs: object = None,
    attributes: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    experiment_id: str | None = None,
    start_time_ns: int | None = None,
) -> LiveSpan | NoOpSpan:
    """Begin a span that does not become the active one; ``span.end()`` ends it.

    Args:
        name: Its name.
        span_type: What it does, a ``SpanType`` or any text.
        parent_span: The span within which it runs; None for the root of a new trace.
        inputs: What goes in; any value; nothing is set for None.
        attributes: Its attributes; any values.
        tags: Tags of a new trace.
        metadata: Metadata of a new trace.
        experiment_id: The experiment of a new trace; by default as for ``start_span``.
        start_time_ns: When, nanoseconds since the Unix epoch, UTC; now by default.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-no-context")
        >>> root = lakeflow.start_span_no_context("ask", inputs={"question": "why?"})
        >>> child = lakeflow.start_span_no_context("read", parent_span=root)
        >>> child.end()
        >>> root.end(outputs="so")
        >>> [span.name for span in lakeflow.get_trace(root.trace_id).data.spans]
        ['ask', 'read']
    """
    if not switches.is_enabled() or isinstance(parent_span, NoOpSpan):
        return NoOpSpan()
    try:
        span = recorder().begin(
            name,
            span_type,
            parent_span,
            start_time_ns=start_time_ns,
            experiment_id=experiment_id,
        )
        if not isinstance(span, LiveSpan):
            return NoOpSpan()
        if attributes:
            span.set_attributes(attributes)
        if inputs is not None:
            span.set_inputs(inputs)
        trace = live_trace.find(span.trace_id)
        if parent_span is None and trace is not None:
            trace.tags.update(tags or {})
            trace.metadata.update(metadata or {})
    except Exception as error:  # noqa: BLE001
        _logger.warning("span %r is not recorded: %s", name, error)
        return NoOpSpan()
    return span


def get_current_active_span() -> LiveSpan | None:
    """Return the active span of this thread or task; None if there is none.

    Spans of the client and of ``start_span_no_context`` do not become active.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-active-span")
        >>> with lakeflow.start_span("ask"):
        ...     lakeflow.get_current_active_span().set_attribute("model", "m-1")
        >>> lakeflow.get_last_active_trace().data.spans[0].get_attribute("model")
        'm-1'
    """
    span = active.SPAN.get()
    return span if isinstance(span, LiveSpan) and not span._is_over else None
