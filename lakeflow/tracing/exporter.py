"""Spans of any application's TracerProvider, written to a lake off the path of its requests."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
import weakref
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from lakeflow.open_store import open_store
from lakeflow.shutdown import at_shutdown
from lakeflow.tracing.columns import of_spans
from lakeflow.tracing.experiments import experiment_named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from lakeflow.stores.store import Store

_logger = logging.getLogger(__name__)

_FIRST_SECONDS = 0.1
_SECONDS = 1.0
_MOST_IN_A_BATCH = 2_048
_MOST_QUEUED = 65_536
_LAST_SECONDS = 10.0
"""How long a process that ends waits for its last spans."""


class _Losses:
    """Spans that were not written: the first is reported at once, their number at the end."""

    def __init__(self) -> None:
        # The handler of a signal may end a span while this very thread has the lock.
        self._lock = threading.RLock()
        self.count = 0
        self._said = 0

    def add(self, count: int, why: str) -> None:
        with self._lock:
            is_first = self.count == 0
            self.count += count
        if is_first and count:
            _logger.warning(
                "spans are lost: %s; how many is logged when tracing ends, and this is not "
                "said again",
                why,
            )

    def say(self) -> None:
        with self._lock:
            lost, self._said = self.count - self._said, self.count
        if lost:
            _logger.warning("%d spans were lost", lost)


class LakeflowSpanExporter(SpanExporter):
    """Writes spans to a lake: one append a batch, and no span fails the application.

    It belongs behind a processor with a queue, ``LakeflowSpanProcessor`` or OpenTelemetry's
    ``BatchSpanProcessor``. The lake is opened, and the experiment made, with the first batch.

    Args:
        tracking_uri: Location of the lake, which is made if there is none; that of the process
            by default.
        experiment_name: The experiment, which is made if there is none; by default that of the
            process, else the experiment 0.

    Examples:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from lakeflow.tracing.exporter import LakeflowSpanExporter, LakeflowSpanProcessor
        >>> provider = TracerProvider()
        >>> exporter = LakeflowSpanExporter("memory://doc-exporter")
        >>> provider.add_span_processor(LakeflowSpanProcessor(exporter))
        >>> with provider.get_tracer("app").start_as_current_span("answer"):
        ...     pass
        >>> provider.force_flush(), exporter.lost
        (True, 0)
        >>> provider.shutdown()
    """

    def __init__(
        self,
        tracking_uri: str | os.PathLike[str] | None = None,
        experiment_name: str | None = None,
    ) -> None:
        self._uri = tracking_uri
        self._experiment_name = experiment_name
        self._target: tuple[Store, str] | None = None
        self._losses = _Losses()

    @property
    def lost(self) -> int:
        """How many spans could not be written."""
        return self._losses.count

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write spans; they are durable on success.

        Args:
            spans: Spans that have ended.

        Returns:
            FAILURE where the lake could not be written, which is logged once and counted.
        """
        # What writes to the lake may be instrumented itself, and would never come to an end.
        token = otel_context.attach(
            otel_context.set_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY, True)
        )
        try:
            self._log(spans)
        # Whatever it is, the application goes on.
        except Exception as error:  # noqa: BLE001
            self._losses.add(len(spans), f"{type(error).__name__}: {error}")
            return SpanExportResult.FAILURE
        finally:
            otel_context.detach(token)
        return SpanExportResult.SUCCESS

    def _log(self, spans: Sequence[ReadableSpan]) -> None:
        if not spans:
            return
        if self._target is None:
            store = open_store(self._uri, create=True)
            self._target = store, experiment_named(store, self._experiment_name)
        store, experiment_id = self._target
        store.traces.log_spans(experiment_id, of_spans(spans))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: nothing is kept back."""
        return True

    def shutdown(self) -> None:
        """Log how many spans were lost, if any. The lake stays open for others."""
        self._losses.say()


class _Mark:
    """Stands in the queue behind what is to be written before somebody goes on."""

    def __init__(self) -> None:
        self.is_done = threading.Event()


class LakeflowSpanProcessor(SpanProcessor):
    """Gathers spans that have ended, and gives them to an exporter in a thread.

    The first spans are written after 100 ms; as long as more come, once a second or in batches
    of 2,048. Ending a span costs about a microsecond, and never waits. A forked child goes on
    with an empty queue: what was in it is its parent's.

    Args:
        exporter: Where they go.
        most_queued: How many spans may wait. More of them are lost, which is logged once and
            counted.
    """

    def __init__(self, exporter: SpanExporter, *, most_queued: int = _MOST_QUEUED) -> None:
        self._exporter = exporter
        self._most_queued = most_queued
        self._losses = _Losses()
        self._has_ended = False
        self._reset()
        # Weakly: neither can be taken back, and a processor would live as long as the process.
        forget = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: _call(forget))
        end = weakref.WeakMethod(self.shutdown)
        at_shutdown(lambda: _call(end))

    def _reset(self) -> None:
        # These queues take what the handler of a signal puts while the same thread is putting.
        self._spans: queue.SimpleQueue[ReadableSpan | _Mark] = queue.SimpleQueue()
        self._hurry: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None

    @property
    def lost(self) -> int:
        """How many spans found the queue full, or came after the end."""
        return self._losses.count

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: only spans that have ended are written."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span in, if it is sampled."""
        # As OpenTelemetry's own: such a span may be recorded, and is not to be exported.
        if span.context is None or not span.context.trace_flags.sampled:
            return
        waiting = self._spans.qsize()
        if waiting >= self._most_queued or self._has_ended:
            self._losses.add(1, "the queue is full" if not self._has_ended else "it has ended")
            return
        self._spans.put(span)
        if self._thread is None:
            self._start()
        elif waiting >= _MOST_IN_A_BATCH and self._hurry.empty():
            self._hurry.put(None)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                # A daemon: a lake that does not answer keeps no process alive.
                self._thread = threading.Thread(
                    target=self._work, name="lakeflow-spans", daemon=True
                )
                try:
                    self._thread.start()
                except RuntimeError:
                    # None can be started any more when the interpreter ends, or for now.
                    self._thread = None

    def _work(self) -> None:
        # So that the very first span is one that comes after a rest.
        latest = -_SECONDS
        while True:
            found = self._spans.get()
            if isinstance(found, _Mark):
                found.is_done.set()
                continue
            is_first = time.monotonic() - latest >= _SECONDS
            with contextlib.suppress(queue.Empty):
                self._hurry.get(timeout=_FIRST_SECONDS if is_first else _SECONDS)
            self._write([found])
            latest = time.monotonic()

    def _write(self, batch: list[ReadableSpan]) -> None:
        """Write a batch with what waits, and tell who waits for it."""
        mark = self._drained(batch)
        self._export(batch)
        if mark is not None:
            mark.is_done.set()

    def _drained(self, batch: list[ReadableSpan]) -> _Mark | None:
        """Take what waits, up to a mark or to the size of a batch."""
        with contextlib.suppress(queue.Empty):
            while len(batch) < _MOST_IN_A_BATCH:
                found = self._spans.get_nowait()
                if isinstance(found, _Mark):
                    return found
                batch.append(found)
        if not self._spans.empty() and self._hurry.empty():
            self._hurry.put(None)
        return None

    def _export(self, batch: list[ReadableSpan]) -> None:
        try:
            self._exporter.export(batch)
        # An exporter of somebody else may raise; the thread goes on.
        except Exception as error:  # noqa: BLE001
            self._losses.add(len(batch), f"{type(error).__name__}: {error}")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what has ended so far was given to the exporter.

        Where no thread can be started, this one gives it.

        Args:
            timeout_millis: How long to wait at most.

        Returns:
            Whether it was done in that time.
        """
        if self._spans.empty() and self._thread is None:
            return True
        self._start()
        if self._thread is None:
            return self._write_here(time.monotonic() + timeout_millis / 1000)
        mark = _Mark()
        # Behind all that has ended so far: the queue is in the order of ending.
        self._spans.put(mark)
        self._hurry.put(None)
        return mark.is_done.wait(timeout_millis / 1000)

    def _write_here(self, until: float) -> bool:
        while not self._spans.empty():
            if time.monotonic() >= until:
                return False
            self._write([])
        return True

    def shutdown(self) -> None:
        """Write what waits, for at most 10 seconds, and take nothing more."""
        if self._has_ended:
            return
        self._has_ended = True
        self.force_flush(int(_LAST_SECONDS * 1000))
        # Taken out while they are counted, so that the thread does not write them after all.
        left = sum(not isinstance(each, _Mark) for each in _left(self._spans))
        self._losses.add(left, "the lake did not answer in time")
        self._losses.say()
        self._exporter.shutdown()


def _left(spans: queue.SimpleQueue[ReadableSpan | _Mark]) -> list[ReadableSpan | _Mark]:
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(spans.get_nowait())
    return found


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    found = method()
    if found is not None:
        found()
