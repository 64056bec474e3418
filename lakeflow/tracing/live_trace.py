"""Traces of this process that go on."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.tracing import active, switches

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.entities import Assessment, LiveSpan, TraceState
    from lakeflow.tracing.origin import Origin

MOST_TRACES = 10_000
"""Traces that may go on at once; of more the oldest is given up."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class LiveTrace:
    """A trace that goes on, or the part of one that runs in this process.

    Attributes:
        trace_id: Its id.
        origin: Where it begins.
        ended: Called once with it, when its first span has ended.
        root: The span that began first: when it ends, the trace does.
        is_part: Whether its root is elsewhere: in another service, in the parent of this
            process, or over.
        is_stored: Whether it is in the lake already, as one that goes on.
        experiment_id: The experiment, if it is known already.
        spans: Its spans by their ids, in the order in which they began.
        tags: Its tags.
        metadata: Its metadata.
        client_request_id: Id that the application has given it.
        request_preview: Beginning of what was asked, if somebody has said it.
        response_preview: Beginning of what was answered, if somebody has said it.
        state: How it went, if somebody has said it.
        assessments: What was said of it meanwhile.
    """

    trace_id: str
    origin: Origin
    ended: Callable[[LiveTrace], None]
    root: LiveSpan = field(init=False)
    is_part: bool = False
    is_stored: bool = False
    experiment_id: str | None = None
    spans: dict[str, LiveSpan] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    client_request_id: str | None = None
    request_preview: str | None = None
    response_preview: str | None = None
    state: TraceState | None = None
    assessments: list[Assessment] = field(default_factory=list)

    def add(self, span: LiveSpan) -> None:
        """Take a span in that has begun."""
        # A part may get its first spans from two threads at once: one of them is the root.
        if not self.spans:
            self.root = span
        self.spans[span.span_id] = span

    def span_ended(self, span: LiveSpan) -> None:
        """Take note of the end of a span; with the first one the trace ends."""
        # Before the trace is taken: what they mask must not be stored.
        for process in switches.processors():
            _processed(process, span)
        # In a forked child another part of it may go on, and this one is the parent's.
        if span is self.root and _traces.get(self.trace_id) is self:
            forget(self.trace_id)
            try:
                self.ended(self)
            # Who ends a span is the application, which goes on.
            except Exception as error:  # noqa: BLE001
                _logger.warning("trace %s is not recorded: %s", self.trace_id, error)


def _processed(process: Callable[[LiveSpan], object], span: LiveSpan) -> None:
    try:
        process(span)
    except Exception:
        _logger.warning("a processor of spans failed for %r", span.name, exc_info=True)


# Each step on it is one of Python's, so that no lock is held where somebody waits for a span.
_traces: OrderedDict[str, LiveTrace] = OrderedDict()
_last_trace_id: str | None = None


def begun(trace: LiveTrace) -> LiveTrace | None:
    """Take a trace in; return the one that has to go for it, if there are too many."""
    _traces[trace.trace_id] = trace
    if len(_traces) <= MOST_TRACES:
        return None
    # Others may have ended all of them since.
    with contextlib.suppress(KeyError):
        return _traces.popitem(last=False)[1]
    return None


def find(trace_id: str) -> LiveTrace | None:
    """Return the trace of an id that goes on here."""
    return _traces.get(trace_id)


def forget(trace_id: str) -> None:
    """Let go of a trace."""
    _traces.pop(trace_id, None)


def take_all() -> list[LiveTrace]:
    """Return all traces that go on, which are let go of."""
    taken = []
    with contextlib.suppress(KeyError):
        while True:
            taken.append(_traces.popitem()[1])
    return taken


def note_last(trace_id: str) -> None:
    """Note that a trace has ended here."""
    global _last_trace_id
    _last_trace_id = trace_id
    active.LAST_TRACE_ID.set(trace_id)


def last_trace_id(*, is_of_thread: bool = False) -> str | None:
    """Return the id of the trace that has ended last in this process, or in this thread."""
    return active.LAST_TRACE_ID.get() if is_of_thread else _last_trace_id


# What goes on is the parent's to end: what a child adds is a part of its own.
os.register_at_fork(after_in_child=_traces.clear)
