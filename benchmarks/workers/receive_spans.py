"""Sends spans to a receiver of its own, and times each step of what it does with them."""

from __future__ import annotations

import http.client
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library import parse, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

HEADERS = {"Content-Type": "application/x-protobuf"}
NAMES = (
    "gen_ai.request.model", "gen_ai.usage.input_tokens", "http.route", "server.address",
    "shop.order", "shop.items", "shop.price", "shop.is_new", "shop.note", "thread.name",
)  # fmt: skip
ROUNDS = 30
EXPORTED = 20_000


def main() -> None:
    options = parse(requests=1_000, spans=512, attributes=10, clients=50)
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    bodies = [body(options, seed) for seed in range(8)]
    found = steps(options, bodies)
    found |= received(options, bodies)
    found |= exported(options)
    report(found)


def body(options: argparse.Namespace, seed: int) -> bytes:
    """Return a request in which no two spans are alike."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
    )

    numbers = random.Random(seed)
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scoped = resource.scope_spans.add()
    scoped.scope.name = "lib"
    for place in range(options.spans):
        span = scoped.spans.add(
            trace_id=numbers.randbytes(16),
            span_id=numbers.randbytes(8),
            parent_span_id=numbers.randbytes(8),
            name=f"operation {place % 7}",
            kind=1,
            start_time_unix_nano=time.time_ns(),
            end_time_unix_nano=time.time_ns() + 1_000_000,
        )
        for key, value in attributes(options.attributes, numbers).items():
            said = span.attributes.add(key=key).value
            kind = {bool: "bool_value", int: "int_value", float: "double_value"}
            setattr(said, kind.get(type(value), "string_value"), value)
    return message.SerializeToString()


def attributes(count: int, numbers: random.Random) -> dict[str, Any]:
    """Return attributes: of ten, six texts, two whole numbers, a real one and a flag."""
    made: dict[str, Any] = {}
    for place in range(count):
        name = NAMES[place] if place < len(NAMES) else f"more.{place}"
        made[name] = f"a text of {numbers.randrange(10**12)}"
        if place in (1, 5):
            made[name] = numbers.randrange(10_000)
        elif place == 6:
            made[name] = numbers.random()
        elif place == 7:
            made[name] = True
    return made


def steps(options: argparse.Namespace, bodies: list[bytes]) -> dict[str, float]:
    """Time the steps in this process, each with all that are before it."""
    from lakeflow.open_store import open_store
    from lakeflow.tracing.otlp import bodies as forms
    from lakeflow.tracing.otlp.attributes import attributes_of
    from lakeflow.tracing.otlp.messages import Batch
    from lakeflow.tracing.otlp.signals import SIGNALS, Destination

    signal = SIGNALS["/v1/traces"]
    destination = Destination(open_store(f"{options.uri}-steps", create=True), "0")

    def parsed(data: bytes) -> Any:
        return forms.read(data, forms.PROTOBUF, signal.request)

    def columns(data: bytes) -> None:
        batch = Batch()
        for message in parsed(data).resource_spans:
            batch.add(message, attributes_of(message.resource.attributes))

    def logged(data: bytes) -> None:
        signal.store(parsed(data), destination, None)

    found = {}
    calls: dict[str, Callable[[bytes], Any]] = {
        "parse": parsed, "to columns": columns, "to the log": logged,
    }  # fmt: skip
    for name, call in calls.items():
        times = []
        for turn in range(ROUNDS):
            began = time.process_time()
            call(bodies[turn % len(bodies)])
            times.append(time.process_time() - began)
        # The least: what a neighbour takes from a core is not what a step costs.
        found[name] = min(times) / options.spans
    return found


def received(options: argparse.Namespace, bodies: list[bytes]) -> dict[str, float]:
    """Send from many clients at once to a receiver in a process of its own."""
    command = [sys.executable, "-m", "lakeflow", "otlp", options.uri, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().rpartition("//")[2].strip()
        # The first requests open the lake and load what is loaded once.
        send(address, bodies, options.clients, options.clients * 2)
        quarter = max(options.requests // 4, 1)
        send(address, bodies, options.clients, quarter)
        early, before, began = memory(process.pid), cpu(process.pid), time.perf_counter()
        send(address, bodies, options.clients, options.requests)
        took, used = time.perf_counter() - began, cpu(process.pid) - before
        late = memory(process.pid)
        process.terminate()
        assert process.wait() == 0
    count = options.requests // options.clients * options.clients * options.spans
    return {
        "acknowledged": used / count,
        "a second": count / took,
        "early MiB": early,
        "late MiB": late,
    }


def send(address: str, bodies: list[bytes], clients: int, requests: int) -> None:
    """Send requests by as many clients; each is acknowledged before its next one."""

    def work(number: int) -> None:
        connection = http.client.HTTPConnection(address, timeout=600)
        for turn in range(requests // clients):
            connection.request(
                "POST", "/v1/traces", bodies[(number + turn) % len(bodies)], HEADERS
            )
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cpu(pid: int) -> float:
    """Return the seconds of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """Return the most memory that a process had so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} does not say what it had")


def exported(options: argparse.Namespace) -> dict[str, float]:
    """Time spans of an application: of the SDK alone, gathered for nobody, and exported."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    from lakeflow.tracing import LakeflowSpanExporter, LakeflowSpanProcessor

    class Nothing(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    said = attributes(options.attributes, random.Random(0))
    exporter = LakeflowSpanExporter(f"{options.uri}-exported")
    processor = LakeflowSpanProcessor(exporter)
    gathering = BatchSpanProcessor(Nothing(), max_queue_size=2 * EXPORTED)
    least: dict[str, float] = {}
    for _ in range(6):
        for name, added in (("sdk", None), ("gathered", gathering), ("exported", processor)):
            provider = TracerProvider(shutdown_on_exit=False)
            if added is not None:
                provider.add_span_processor(added)
            tracer = provider.get_tracer("lib")
            whole, thread = time.process_time(), time.thread_time()
            for _ in range(EXPORTED):
                tracer.start_span("operation", attributes=said).end()
            on_path = time.thread_time() - thread
            assert provider.force_flush()
            off_path = time.process_time() - whole - on_path
            for key, took in ((name, on_path), (f"{name}, off", off_path)):
                least[key] = min(least.get(key, took / EXPORTED), took / EXPORTED)
    processor.shutdown()
    gathering.shutdown()
    assert exporter.lost == processor.lost == 0
    return least


if __name__ == "__main__":
    main()
