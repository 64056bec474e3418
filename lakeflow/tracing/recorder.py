"""Spans begin here, whoever wants them: the decorator, blocks, the client.

1. ``begin`` asks OpenTelemetry for a span, and puts it into the trace of its parent, or into a
   new one.
2. The span ends by itself (``LiveSpan.end``), and tells its trace.
3. The end of the first span is the end of the trace: ``_finish`` hands it to the outbox, or
   stores it at once where the client has begun it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from lakeflow.entities import LiveSpan
from lakeflow.entities.trace_info import SOURCE_RUN, TRACE_NAME
from lakeflow.shutdown import at_shutdown
from lakeflow.tracing import (
    active,
    finished,
    live_trace,
    origin,
    outbox,
    provider,
    switches,
)
from lakeflow.tracing.live_trace import LiveTrace

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

_SCHEMA_VERSION = {"mlflow.trace_schema.version": "2"}


def begin(
    name: str,
    span_type: str,
    parent: LiveSpan | Span | None,
    *,
    start_time_ns: int | None = None,
    experiment_id: str | None = None,
    location: str | None = None,
    ratio: float | None = None,
    ended: Callable[[LiveTrace], None] | None = None,
) -> LiveSpan | NonRecordingSpan:
    """Begin a span within another one, or a trace.

    Args:
        name: Its name.
        span_type: What it does.
        parent: The span around it, of this process or of another one; None for a new trace.
        start_time_ns: When, nanoseconds since the Unix epoch, UTC; now, unless it is given.
        experiment_id: The experiment of a new trace.
        location: The lake of a new trace; by default that of the process.
        ratio: The share of new traces that are recorded, from 0 to 1; None for the setting.
        ended: Called when the trace ends; by default it is stored in the background.

    Returns:
        The span; OpenTelemetry's where it is not sampled.
    """
    within = provider.ROOT
    if parent is not None:
        around = parent._otel if isinstance(parent, LiveSpan) else parent
        within = set_span_in_context(around, within)
    tracer = provider.tracer(ratio if parent is None else None)
    otel = tracer.start_span(name, within, start_time=start_time_ns)
    # With its ids it stands around what begins within, which is not sampled either then.
    if not otel.is_recording():
        return NonRecordingSpan(otel.get_span_context())
    trace_id = f"tr-{otel.get_span_context().trace_id:032x}"
    trace = None if parent is None else live_trace.find(trace_id)
    if trace is None:
        trace = _begin_trace(trace_id, name, parent, experiment_id, location, ended or _finish)
    span = LiveSpan(otel, trace_id, span_type, trace.span_ended)  # type: ignore[arg-type]
    trace.add(span)
    return span


def _begin_trace(
    trace_id: str,
    name: str,
    parent: object,
    experiment_id: str | None,
    location: str | None,
    ended: Callable[[LiveTrace], None],
) -> LiveTrace:
    begins = origin.here(location)
    trace = LiveTrace(trace_id, begins, ended, is_part=parent is not None)
    trace.experiment_id = experiment_id or switches.destination()
    # Of a part these are said where the root is.
    if not trace.is_part:
        trace.tags[TRACE_NAME] = name
        trace.metadata.update(_SCHEMA_VERSION)
        if begins.run_id is not None:
            trace.metadata[SOURCE_RUN] = begins.run_id
    scope = active.SCOPE.get()
    if scope is not None:
        trace.tags.update(scope.tags)
        trace.metadata.update(scope.metadata)
    given_up = live_trace.begun(trace)
    if given_up is not None:
        outbox.lost(1, f"more than {live_trace.MOST_TRACES:,} traces go on at once")
    return trace


def _finish(trace: LiveTrace) -> None:
    """Store a trace that has ended, in the background."""
    live_trace.note_last(trace.trace_id)
    outbox.put(finished.frozen(trace))
    if not switches.is_asynchronous():
        outbox.flush()


def end_open_traces() -> None:
    """Store what there is of the traces that go on: the process ends."""
    for trace in live_trace.take_all():
        if not trace.is_stored:
            outbox.put(finished.frozen(trace))


def current() -> LiveSpan | None:
    """Return the active span; None if there is none, or none that is recorded."""
    span = active.SPAN.get()
    return span if isinstance(span, LiveSpan) and not span._is_over else None


# Registered after that of the outbox, so that it is called before.
at_shutdown(end_open_traces)
