"""What a span costs before it is in the log, in functions: a timing would decide nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from budget.entered import functions_entered
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import lakeflow
from lakeflow.open_store import open_store
from lakeflow.tracing import LakeflowSpanExporter, outbox
from lakeflow.tracing.otlp import bodies
from lakeflow.tracing.otlp.signals import SIGNALS, Destination

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 50, 150


def more(call_of: Callable[[int], Callable[[], object]]) -> dict[str, float]:
    """Return how many functions each thing more enters, by name."""
    few, many = (Counter(functions_entered(call_of(count))) for count in (FEW, MANY))
    many.subtract(few)
    return {name: count / (MANY - FEW) for name, count in many.items() if count}


def request(spans: int, attributes: int) -> bytes:
    """Return a request whose spans have so many attributes each."""
    message = ExportTraceServiceRequest()
    scoped = message.resource_spans.add().scope_spans.add()
    for number in range(spans):
        span = scoped.spans.add(
            trace_id=(number + 1).to_bytes(16),
            span_id=(number + 1).to_bytes(8),
            name="ask",
            start_time_unix_nano=5,
        )
        for place in range(attributes):
            span.attributes.add(key=f"key.{place}").value.int_value = number
    return message.SerializeToString()


def test_a_span_that_is_received_enters_few_functions_and_its_attributes_none(uri: str) -> None:
    signal = SIGNALS["/v1/traces"]
    destination = Destination(open_store(uri, create=True), "0")

    def received(spans: int, attributes: int) -> Callable[[], object]:
        data = request(spans, attributes)

        def receive() -> None:
            message = bodies.read(data, bodies.PROTOBUF, signal.request)
            signal.store(message, destination, None)

        return receive

    received(FEW, 1)()
    a_span = more(lambda spans: received(spans, 10))
    assert sum(a_span.values()) <= 1.1, a_span
    an_attribute = more(lambda attributes: received(20, attributes))
    assert an_attribute == {}


def test_a_span_that_is_exported_enters_few_functions(uri: str) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("app")
    for number in range(MANY):
        tracer.start_span("ask", attributes={"model": "m-1", "k": number}).end()
    spans = kept.get_finished_spans()
    exporter = LakeflowSpanExporter(uri)
    exporter.export(spans)
    a_span = more(lambda count: lambda: exporter.export(spans[:count]))
    assert sum(a_span.values()) <= 15, a_span


def test_a_trace_that_is_stored_with_others_enters_few_functions(
    uri: str, monkeypatch: Any
) -> None:
    lakeflow.set_tracking_uri(uri)
    waiting: list[Any] = []

    @lakeflow.trace
    def add(x: int) -> int:
        return x + 1

    add(1)
    lakeflow.flush_trace_async_logging()
    store = outbox._outbox._store
    monkeypatch.setattr(outbox._outbox, "_store", waiting.extend)
    for number in range(MANY):
        add(number)
    lakeflow.flush_trace_async_logging()
    store(waiting)
    a_trace = more(lambda count: lambda: store(waiting[:count]))
    assert sum(a_trace.values()) <= 150, a_trace


def test_a_call_that_is_traced_enters_few_functions(
    uri: str,
) -> None:
    lakeflow.set_tracking_uri(uri)

    @lakeflow.trace
    def add(x: int) -> int:
        return x + 1

    add(1)
    lakeflow.flush_trace_async_logging()
    entered = functions_entered(lambda: add(1))
    assert len(entered) <= 110, entered
