"""What is answered to a request of OpenTelemetry's protocol: an ASGI application."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status

from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.tracing.otlp import bodies
from lakeflow.tracing.otlp.bodies import JSON, RefusedError
from lakeflow.tracing.otlp.counters import Counters
from lakeflow.tracing.otlp.signals import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from lakeflow.tracing.otlp.signals import Destination, Signal

    Receive = Callable[[], Awaitable[Mapping[str, Any]]]
    Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_logger = logging.getLogger(__name__)

_MOST_REQUESTS = 256
"""Requests that are read or wait at once; one more is asked to come again."""

_MOST_BYTES = 2 * bodies.LONGEST_BODY_BYTES
"""Bytes of bodies that are kept at once; of a request that would be more the same is asked."""

_BODY_SECONDS = 30
"""How long a client may take to send a body."""

# One reads a request while another waits for the disk. More would only hold more in memory:
# what takes the time is Python's.
_THREADS = 2

_TEXT = b"text/plain; charset=utf-8"
_CODES = {
    HTTPStatus.BAD_REQUEST: 3,  # INVALID_ARGUMENT
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 3,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: 3,
    HTTPStatus.TOO_MANY_REQUESTS: 8,  # RESOURCE_EXHAUSTED
    HTTPStatus.SERVICE_UNAVAILABLE: 14,  # UNAVAILABLE
    HTTPStatus.REQUEST_TIMEOUT: 14,
}
"""Codes of gRPC by HTTP status; any other is INTERNAL."""

_INTERNAL = 13


class GoneError(Exception):
    """The client has closed its connection."""


class Receiver:
    """Takes requests, stores what is in them, and answers.

    An answer of 200 is given after what was sent is durable in the log.

    Args:
        destination: Where spans go.

    Attributes:
        counters: What was done so far.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lakeflow-otlp")
        # Both are of the thread that serves, and of no other.
        self._requests = self._bytes = 0
        self.counters = Counters()

    def close(self) -> None:
        """Wait for what is being stored."""
        self._threads.shutdown()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.monotonic()
        path, method = scope["path"], scope["method"]
        signal = SIGNALS.get(path)
        if path == "/metrics" and method in ("GET", "HEAD"):
            # Asked for by machines all day long; it is not counted itself.
            await _answer(send, HTTPStatus.OK, _TEXT, self.counters.text().encode())
            return
        if signal is None:
            await _answer(send, HTTPStatus.NOT_FOUND, _TEXT, _NOT_FOUND)
            self._count("other", HTTPStatus.NOT_FOUND, began)
            return
        if method != "POST":
            allowed = {b"allow": b"POST"}
            await _answer(send, HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"POST only\n", allowed)
            self._count(path, HTTPStatus.METHOD_NOT_ALLOWED, began)
            return
        try:
            status = await self._answer_post(signal, _headers(scope), receive, send)
        except GoneError:
            return
        self._count(path, status, began)

    def _count(self, path: str, status: HTTPStatus, began: float) -> None:
        self.counters.add("requests", path=path, status=str(status.value))
        self.counters.add("request_seconds", time.monotonic() - began, path=path)

    async def _answer_post(
        self, signal: Signal, headers: Mapping[str, str], receive: Receive, send: Send
    ) -> HTTPStatus:
        # Errors are answered in the form of the request too; where it has none, as JSON.
        form = JSON
        try:
            form = bodies.media_type(headers.get("content-type", ""))
            answer = await self._taken(signal, headers, form, receive)
        except RefusedError as error:
            code = _CODES.get(error.status, _INTERNAL)
            answer = bodies.written(Status(code=code, message=error.message), form)
            again = error.retry_after_s
            more = {} if again is None else {b"retry-after": str(again).encode()}
            await _answer(send, error.status, form.encode(), answer, more)
            return error.status
        await _answer(send, HTTPStatus.OK, form.encode(), answer)
        return HTTPStatus.OK

    async def _taken(
        self, signal: Signal, headers: Mapping[str, str], form: str, receive: Receive
    ) -> bytes:
        if self._requests >= _MOST_REQUESTS:
            raise _busy()
        self._requests += 1
        held = 0
        try:
            _check_length(headers)
            parts: list[bytes] = []
            async for part in _parts(receive):
                held += len(part)
                self._bytes += len(part)
                if held > bodies.LONGEST_BODY_BYTES:
                    raise bodies.too_long()
                if self._bytes > _MOST_BYTES:
                    raise _busy()
                parts.append(part)
            self.counters.add("received_bytes", held)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._stored, signal, headers, form, parts
            )
        finally:
            self._requests -= 1
            self._bytes -= held

    def _stored(
        self, signal: Signal, headers: Mapping[str, str], form: str, parts: list[bytes]
    ) -> bytes:
        """Store what is in a body; return the answer."""
        body = bodies.inflated(b"".join(parts), headers.get("content-encoding", ""))
        # The caller holds the list, and the body would be in memory twice.
        parts.clear()
        self.counters.add("body_bytes", len(body))
        try:
            message = bodies.read(body, form, signal.request)
            outcome = signal.store(
                message, self._destination, headers.get("x-mlflow-experiment-id")
            )
        except LakeflowException as error:
            raise _of_lake(error) from error
        except RefusedError:
            raise
        # ``read`` leaves attributes as bytes: what is broken in them shows only now.
        except DecodeError as error:
            raise bodies.malformed(error, signal.request) from None
        except Exception:
            _logger.exception("a request could not be stored")
            raise RefusedError(
                "an error of the receiver; its log has more", HTTPStatus.INTERNAL_SERVER_ERROR
            ) from None
        self.counters.add(signal.counter, outcome.taken, outcome="taken")
        self.counters.add(signal.counter, outcome.refused_count, outcome="refused")
        return bodies.written(signal.answer(outcome), form)


_NOT_FOUND = (
    "Here are " + " and ".join(f"{path} ({each.meaning})" for path, each in SIGNALS.items())
    + ", for POST, and /metrics. Other signals are not stored.\n"
).encode()  # fmt: skip


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _check_length(headers: Mapping[str, str]) -> None:
    length = headers.get("content-length", "")
    # Refused before it is read. One that says nothing is counted while it comes.
    if length.isdecimal() and int(length) > bodies.LONGEST_BODY_BYTES:
        raise bodies.too_long()


async def _parts(receive: Receive) -> Any:
    # One time for all parts: a client that sends a byte now and then is cut off as well.
    deadline = asyncio.get_running_loop().time() + _BODY_SECONDS
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise RefusedError(
                f"no whole body came within {_BODY_SECONDS} s", HTTPStatus.REQUEST_TIMEOUT
            ) from None
        if message["type"] == "http.disconnect":
            raise GoneError
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _answer(
    send: Send,
    status: HTTPStatus,
    content_type: bytes,
    body: bytes,
    headers: Mapping[bytes, bytes] | None = None,
) -> None:
    named = {
        b"content-type": content_type,
        b"content-length": str(len(body)).encode(),
        **(headers or {}),
    }
    await send(
        {"type": "http.response.start", "status": status.value, "headers": [*named.items()]}
    )
    await send({"type": "http.response.body", "body": body})


def _busy() -> RefusedError:
    return RefusedError(
        "more is being stored than fits in memory", HTTPStatus.TOO_MANY_REQUESTS, 1
    )


def _of_lake(error: LakeflowException) -> RefusedError:
    """Return what is answered when the lake refuses."""
    # The lake may be back soon, and what a client is told to keep is not lost. Why is for
    # whoever runs the receiver: it names the lake.
    _logger.error("spans cannot be stored: %s: %s", error.error_code, error.message)
    if isinstance(error, InvalidInputError):
        return RefusedError("a span is longer than the log takes", HTTPStatus.BAD_REQUEST)
    return RefusedError(
        f"the lake cannot be written: {error.error_code}", HTTPStatus.SERVICE_UNAVAILABLE, 5
    )
