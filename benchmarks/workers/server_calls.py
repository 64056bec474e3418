"""Asks MLflow's server over HTTP, as one client and as many at once."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from library import START_MS, parse, report
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from shapes import FILTER, ORDER, PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

METRICS = 10
SPANS = 100
EXPERIMENT = "0"
JSON = {"Content-Type": "application/json"}
OTLP = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": EXPERIMENT}


class Client:
    """One client that keeps its connection.

    Args:
        uri: The server's URL.
    """

    def __init__(self, uri: str) -> None:
        self._connection = http.client.HTTPConnection(uri.removeprefix("http://"), timeout=300)
        started = {"experiment_id": EXPERIMENT, "start_time": START_MS}
        made = self.post("/api/2.0/mlflow/runs/create", json.dumps(started), JSON)
        self._run_id = json.loads(made)["run"]["info"]["run_id"]

    def post(self, path: str, body: str | bytes, headers: dict[str, str]) -> bytes:
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {content[:500]!r}")
        return content

    def log_batch(self, number: int) -> None:
        metrics = [
            {"key": f"m{key}", "value": 0.5, "timestamp": START_MS, "step": number}
            for key in range(METRICS)
        ]
        body = json.dumps({"run_id": self._run_id, "metrics": metrics})
        self.post("/api/2.0/mlflow/runs/log-batch", body, JSON)

    def log_spans(self, number: int) -> None:
        self.post("/v1/traces", spans(), OTLP)

    def search(self, number: int) -> None:
        asked = {
            "experiment_ids": [EXPERIMENT],
            "filter": FILTER,
            "order_by": ORDER,
            "max_results": PAGE,
        }
        content = self.post("/api/2.0/mlflow/runs/search", json.dumps(asked), JSON)
        if content.count(b'"run_uuid"') != PAGE:
            raise SystemExit(f"a page of {content.count(b'run_uuid')} runs")


def spans() -> bytes:
    """Return a request with a trace: a root and what is below it."""
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    trace_id, root = os.urandom(16), os.urandom(8)
    for number in range(SPANS):
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=root if number == 0 else os.urandom(8),
            parent_span_id=b"" if number == 0 else root,
            name=f"step {number % 7}",
            start_time_unix_nano=START_MS * 10**6 + number,
            end_time_unix_nano=START_MS * 10**6 + number + 1000,
        )
        for key in range(5):
            span.attributes.add(key=f"attribute-{key}").value.string_value = f"value {number}"
    return request.SerializeToString()


CALLS: dict[str, Callable[[Client, int], None]] = {
    "log-batch": Client.log_batch,
    "spans": Client.log_spans,
    "search": Client.search,
}


def main() -> None:
    options = parse(clients=1, requests=100)
    call = CALLS[options.step]
    clients = [Client(options.uri) for _ in range(options.clients)]
    each = max(1, options.requests // options.clients)
    times: list[float] = []

    def ask(client: Client, warm: int) -> None:
        for number in range(warm, warm + (each if warm else 3)):
            began = time.perf_counter()
            call(client, number)
            if warm:
                times.append(time.perf_counter() - began)

    together(ask, clients, 0)
    began = time.perf_counter()
    together(ask, clients, 3)
    taken = time.perf_counter() - began
    if len(times) < each * len(clients):
        raise SystemExit(f"{len(times)} of {each * len(clients)} requests were answered")
    times.sort()
    report(
        {
            "mean": sum(times) / len(times),
            "p95": times[int(len(times) * 0.95)],
            "rate": len(times) / taken,
        }
    )


def together(ask: Callable[[Any, int], None], clients: list[Client], warm: int) -> None:
    threads = [threading.Thread(target=ask, args=(client, warm)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
