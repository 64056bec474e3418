"""Real clients in other processes send to a real receiver, which dies, and to a proxy that fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
from servers import npm
from servers.processes import free_port, is_listening
from servers.proxy import Fault, Proxy

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SDK = """
import sys
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, StatusCode

url, compression, count = sys.argv[1:]
provider = TracerProvider(resource=Resource({"service.name": "shop", "replica": 3}))
exporter = OTLPSpanExporter(f"{url}/v1/traces", compression=Compression(compression), timeout=60)
provider.add_span_processor(BatchSpanProcessor(exporter, max_export_batch_size=100))
tracer = provider.get_tracer("lib", "1.2", attributes={"a": True})
with tracer.start_as_current_span("outer", kind=SpanKind.SERVER) as outer:
    outer.set_attributes({"n": 2**53 + 1, "x": 1.0, "raw": b"\\x00", "list": ["a", "b"]})
    outer.add_event("found", {"rows": 7})
    outer.set_status(StatusCode.ERROR, "no luck")
    for number in range(int(count) - 1):
        tracer.start_span(f"s{number}", links=[Link(outer.get_span_context())]).end()
provider.shutdown()
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done


@contextlib.contextmanager
def command(lake: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; yield its process and its URL."""
    arguments = ["otlp", str(lake), "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-m", "lakeflow", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("receiving OTLP at http://127.0.0.1:")
            yield process, line.split()[-1]
        finally:
            process.kill()


def send(url: str, tree: object) -> int:
    request = urllib.request.Request(
        f"{url}/v1/traces", json.dumps(tree).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.status


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_the_exporter_of_the_sdk_in_another_process(url, stored, compression):
    run(SDK, url, compression, "250")
    found = stored()
    outer = found[0]
    assert len({row["span_id"] for row in found}) == len(found) == 250
    assert (outer["name"], outer["kind"], outer["status"]) == ("outer", "SERVER", "ERROR")
    assert outer["status_message"] == "no luck"
    assert outer["attributes"] == (
        '{"n":9007199254740993,"x":1.0,"raw":{"$bytes":"AA=="},"list":["a","b"]}'
    )
    assert json.loads(outer["events"])[0]["attributes"] == {"rows": 7}
    assert json.loads(outer["resource"]) == {"service.name": "shop", "replica": 3}
    assert json.loads(outer["scope"]) == {
        "name": "lib",
        "version": "1.2",
        "attributes": {"a": True},
    }
    assert {row["parent_span_id"] for row in found[1:]} == {outer["span_id"]}
    assert json.loads(found[1]["links"])[0]["span_id"] == outer["span_id"]


def test_the_exporter_in_process_and_the_protocol_give_the_same_row(url, stored):
    program = SDK + textwrap.dedent(
        """
        from lakeflow.tracing.columns import of_spans
        import json
        columns = of_spans([outer])
        print(json.dumps({name: values[0] for name, values in columns.items()}))
        """
    )
    expected = json.loads(run(program, url, "none", "1").stdout)
    (row,) = stored()
    del row["experiment_id"], row["day"]
    # The SDK sends of the flags of a span only those about its parent.
    assert row.pop("flags") & 0x300 == expected.pop("flags") & 0x300
    assert row == expected


def test_an_answer_that_is_lost_makes_no_span_twice(lake, url, rows):
    with Proxy(int(url.rpartition(":")[2])) as proxy:
        proxy.faults.append(Fault("drop_after", method="POST", count=2))
        proxy.faults.append(Fault("status", method="POST", arg=503, nth=2))
        run(SDK, proxy.endpoint_url, "gzip", "150")
        assert len(proxy.requests) > 3
    query = "SELECT count(*) AS n, count(DISTINCT span_id) AS ids FROM spans"
    assert rows(query) == [{"n": 150, "ids": 150}]
    lakeflow.compact(lake)
    assert rows(query) == [{"n": 150, "ids": 150}]


def test_what_was_acknowledged_is_there_once_after_a_kill(lake, rows, span, request_of):
    port = free_port()
    sent: list[str] = []
    for life in range(3):
        with command(lake, port) as (process, url):
            for place in range(4):
                number = 10 * life + place + 1
                # A client that was not answered repeats, also to the next life.
                again = [span(each) for each in ([number - 10] if number > 10 else [])]
                assert send(url, request_of(span(number), *again)) == 200
                sent.append(f"s{number}")
            process.kill()
            process.wait()
        if life == 1:
            lakeflow.compact(lake)
    assert sorted(row["name"] for row in rows()) == sorted(sent)
    lakeflow.compact(lake)
    assert sorted(row["name"] for row in rows()) == sorted(sent)


def test_it_ends_when_it_is_asked_to_and_answers_first(lake, rows, span, request_of):
    with command(lake) as (process, url):
        body = json.dumps(request_of(span())).encode()
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as client:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
            client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[:10])
            # Answered, the request before it is one that the server knows of.
            assert send(url, {}) == 200
            process.send_signal(signal.SIGTERM)
            while is_listening(int(port)):
                time.sleep(0.01)
            client.sendall(body[10:])
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        assert process.wait(60) == 0
    assert [row["name"] for row in rows()] == ["s1"]


def test_two_cannot_listen_on_one_port(lake, tmp_path):
    with command(lake) as (_, url):
        port = url.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow", "otlp", str(tmp_path / "b"), "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "lakeflow: INVALID_PARAMETER_VALUE: cannot listen on 127.0.0.1:"
    )


FASTAPI = """
import sys
import urllib.request
import threading
import uvicorn
from fastapi import FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from lakeflow.tracing.exporter import LakeflowSpanExporter, LakeflowSpanProcessor

app = FastAPI()

@app.get("/answer/{question}")
async def answer(question: str) -> dict[str, int]:
    with provider.get_tracer("app").start_as_current_span("think"):
        return {question: 42}

provider = TracerProvider()
provider.add_span_processor(LakeflowSpanProcessor(LakeflowSpanExporter(sys.argv[1])))
FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)

server = uvicorn.Server(uvicorn.Config(app, port=int(sys.argv[2]), log_level="error"))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    pass
trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
for name in ("a", "b"):
    request = urllib.request.Request(
        f"http://127.0.0.1:{sys.argv[2]}/answer/{name}", headers={"traceparent": trace}
    )
    urllib.request.urlopen(request).read()
server.should_exit = True
thread.join()
provider.shutdown()
"""


def test_an_instrumented_application_of_fastapi(lake, rows):
    run(FASTAPI, str(lake), str(free_port()))
    found = rows()
    servers = [row for row in found if row["kind"] == "SERVER"]
    assert [row["name"] for row in servers] == ["GET /answer/{question}"] * 2
    assert {row["trace_id"] for row in found} == {"tr-0af7651916cd43dd8448eb211c80319c"}
    assert {row["parent_span_id"] for row in servers} == {"b7ad6b7169203331"}
    thoughts = [row for row in found if row["name"] == "think"]
    assert {row["parent_span_id"] for row in thoughts} == {row["span_id"] for row in servers}
    attributes = json.loads(servers[0]["attributes"])
    status = attributes.get("http.status_code", attributes.get("http.response.status_code"))
    assert status == 200


JAVASCRIPT = """
const { BasicTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { SpanKind, SpanStatusCode } = require("@opentelemetry/api");
const [, , form, url] = process.argv;
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${form}`);
const exporter = new OTLPTraceExporter({ url: `${url}/v1/traces`, compression: "gzip" });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ "service.name": "web" }),
  spanProcessors: [new BatchSpanProcessor(exporter)],
});
const span = provider.getTracer("lib", "1").startSpan("click", { kind: SpanKind.CLIENT });
span.setAttributes({
  whole: 12, real: 0.5, flag: true, list: ["a", "b"], "gen_ai.usage.input_tokens": 7,
});
span.addEvent("moved", { x: 3 });
span.setStatus({ code: SpanStatusCode.ERROR, message: "missed" });
span.end();
provider.shutdown();
"""
PACKAGES = {
    "@opentelemetry/api": "1.9.0",
    "@opentelemetry/exporter-trace-otlp-http": "0.205.0",
    "@opentelemetry/exporter-trace-otlp-proto": "0.205.0",
    "@opentelemetry/resources": "2.1.0",
    "@opentelemetry/sdk-trace-base": "2.1.0",
}


@pytest.mark.parametrize("form", ["http", "proto"])
def test_the_exporters_of_javascript(tmp_path, url, stored, form):
    packages = npm.installed("opentelemetry", PACKAGES) / "node_modules"
    program = tmp_path / "program.js"
    program.write_text(JAVASCRIPT)
    done = subprocess.run(
        [npm.node(), program, form, url],
        env={**os.environ, "NODE_PATH": str(packages)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = stored()
    assert (row["name"], row["kind"], row["service_name"]) == ("click", "CLIENT", "web")
    assert (row["status"], row["status_message"]) == ("ERROR", "missed")
    assert row["input_tokens"] == 7
    assert json.loads(row["attributes"]) == {
        "whole": 12,
        "real": 0.5,
        "flag": True,
        "list": ["a", "b"],
        "gen_ai.usage.input_tokens": 7,
    }
    assert json.loads(row["events"])[0]["attributes"] == {"x": 3}
    assert row["end_time_ns"] >= row["start_time_ns"] > 1_700_000_000 * 10**9
