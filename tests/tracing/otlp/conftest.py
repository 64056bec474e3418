"""A receiver, and requests as any client may send them."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from google.rpc.status_pb2 import Status

from lakeflow.tracing.otlp.serving import receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TRACES = "/v1/traces"


@dataclass
class Answer:
    """What a receiver answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        assert self.headers["Content-Type"] == JSON
        return json.loads(self.body)

    @property
    def error(self) -> Status:
        """The body, of an answer in protobuf."""
        assert self.headers["Content-Type"] == PROTOBUF
        return Status.FromString(self.body)


@pytest.fixture
def url(lake: Path) -> Iterator[str]:
    """Return where a receiver listens that writes to the lake."""
    with receiving(lake) as found:
        yield found


@pytest.fixture
def post(url: str) -> Callable[..., Answer]:
    """Return a function that sends a body to the receiver."""

    def send(
        body: Any,
        content_type: str = JSON,
        path: str = TRACES,
        method: str = "POST",
        **headers: str,
    ) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        connection.request(method, path, data, {"Content-Type": content_type, **named})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    return send


@pytest.fixture
def span() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a span in JSON."""

    def make(number: int = 1, **fields: Any) -> dict[str, Any]:
        return {
            "traceId": f"{number:032x}",
            "spanId": f"{number:016x}",
            "name": f"s{number}",
            "startTimeUnixNano": str(number),
            "endTimeUnixNano": str(number + 1),
            **fields,
        }

    return make


@pytest.fixture
def request_of() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a request of spans in JSON."""

    def make(*spans: Any, **resource: Any) -> dict[str, Any]:
        attributes = [{"key": key, "value": value} for key, value in resource.items()]
        return {
            "resourceSpans": [
                {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": list(spans)}]}
            ]
        }

    return make
