"""A proxy before an S3 server that counts, delays and breaks what passes.

In the process of a test, with the requests that were made and the faults to come:

    with Proxy(server.port) as proxy:
        proxy.faults.append(Fault("drop_after", method="PUT", path=r"_delta_log"))
        fs = fsspec.filesystem("s3", **server.through(proxy.endpoint_url).storage_options)

or for many client processes, with counts only:

    python -m servers.proxy --listen 9000 --upstream 127.0.0.1:8000 --delay-ms 30

    GET  /__proxy/         counts and bytes, as JSON
    POST /__proxy/reset    count from zero
    POST /__proxy/faults   JSON list of faults, in place of all earlier ones

The Host header is passed on as it is, so that what a client signed stays valid.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import socket
import struct
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from servers.messages import PIECE_BYTES, Body, Head, operation, read_head
from servers.processes import HOST, Processes, free_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Action = Literal["drop_before", "drop_after", "status", "delay", "truncate", "hang"]

CONTROL = "/__proxy/"

# Servers close connections that were idle for a minute or so. One that is closed while a
# request is on its way would look like a fault.
_IDLE_S = 5.0


@dataclass(slots=True)
class Fault:
    """What to do to some requests.

    Attributes:
        action: ``"drop_before"`` closes the connection before the server sees the request,
            ``"drop_after"`` resets it when the server has answered, ``"status"`` answers in
            place of the server, ``"delay"`` waits first, ``"truncate"`` closes the connection
            in the middle of the response's body, ``"hang"`` never answers.
        method: Regular expression that is the whole method.
        path: Regular expression to be found in the path with its query.
        nth: The first matching request that suffers, counting from 1.
        count: How many suffer from there on; None for all.
        arg: The status, the seconds of a delay, or the bytes left of a truncated body.
        code: The code of S3 that comes with the status.
    """

    action: Action
    method: str = ".*"
    path: str = ""
    nth: int = 1
    count: int | None = 1
    arg: float = 0
    code: str = "SlowDown"
    _seen: int = field(default=0, init=False, repr=False)

    def strikes(self, method: str, target: str) -> bool:
        """Return whether this request suffers; it is counted if it matches."""
        if not (re.fullmatch(self.method, method) and re.search(self.path, target)):
            return False
        self._seen += 1
        return self._seen >= self.nth and (
            self.count is None or self._seen < self.nth + self.count
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has been dealt with.

    Attributes:
        method: Its method.
        path: Its path, as it was encoded.
        query: Its query.
        operation: What S3 calls it, e.g. ``GetObject``.
        range: Its header ``Range``.
        condition: Its header ``If-None-Match``.
        status: What the server answered, or the fault in its place; 0 for nothing.
        sent_bytes: Size of its body.
        received_bytes: Size of the response's body, as far as the client was given it.
        seconds: From its head to the end of the response, delays included.
        fault: The action of the fault it suffered.
    """

    method: str
    path: str
    query: str
    operation: str
    range: str | None
    condition: str | None
    status: int
    sent_bytes: int
    received_bytes: int
    seconds: float
    fault: Action | None


@dataclass(slots=True)
class Summary:
    """Counts of requests.

    Attributes:
        methods: Requests by method.
        operations: Requests by what S3 calls them.
        statuses: Responses by status, as text; ``"0"`` for none.
        sent_bytes: Bodies of requests.
        received_bytes: Bodies of responses.
        seconds: What all of them took: over the time of a clock, the requests in flight.
    """

    methods: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    sent_bytes: int = 0
    received_bytes: int = 0
    seconds: float = 0.0

    def add(self, request: Request) -> None:
        """Count one more."""
        self.methods[request.method] += 1
        self.operations[request.operation] += 1
        self.statuses[str(request.status)] += 1
        self.sent_bytes += request.sent_bytes
        self.received_bytes += request.received_bytes
        self.seconds += request.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the counts by their names."""
        # dataclasses.asdict() would count the items of each counter.
        return {name: getattr(self, name) for name in self.__slots__}


class Proxy:
    """A proxy in a thread of this process.

    Args:
        upstream_port: Where the server listens on this machine.
        delay_s: How long every request waits before it is passed on.
        listen_port: Where to listen; by default a free port.

    Attributes:
        port: Where it listens.
        faults: The faults to come; the first that strikes is the only one.
        requests: Those dealt with, in the order of their ends. A request is in the list
            before its client has the last byte of the response.
        summary: Their counts.
        clears: How often it was told to forget them.
    """

    def __init__(
        self,
        upstream_port: int,
        delay_s: float = 0.0,
        *,
        listen_port: int = 0,
        upstream_host: str = HOST,
    ) -> None:
        self.port = listen_port
        self.delay_s = delay_s
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.summary = Summary()
        self.clears = 0
        self._upstream = upstream_host, upstream_port
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    @property
    def endpoint_url(self) -> str:
        """Where clients reach the server by way of the proxy."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Proxy:
        # Listen before the thread starts, so that nobody comes too early. asyncio sends small
        # pieces without delay only where the protocol is spelled out.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, self.port))
        self._socket.listen(1024)
        self.port = self._socket.getsockname()[1]
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def clear(self) -> None:
        """Forget the requests so far, with those under way: nobody may be waiting for them."""
        self.clears += 1
        self.requests.clear()
        self.summary = Summary()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            # Cancelled is how it is told to stop; asyncio would print that as an error.
            with contextlib.suppress(asyncio.CancelledError):
                await _Connection(self, reader, writer).serve()
            connections.discard(task)

        listening = await asyncio.start_server(connected, sock=self._socket, limit=PIECE_BYTES)
        await self._stop.wait()
        listening.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # closed connections are taken down in the next turn

    async def open_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the server."""
        return await asyncio.open_connection(*self._upstream, limit=PIECE_BYTES)

    def fault_for(self, head: Head) -> Fault | None:
        """Return the fault that strikes a request; all that match it count it."""
        striking = [each for each in self.faults if each.strikes(head.method, head.target)]
        return striking[0] if striking else None

    def record(self, request: Request) -> None:
        """Keep a request that has been dealt with."""
        self.requests.append(request)
        self.summary.add(request)


class SummingProxy(Proxy):
    """A proxy that keeps counts only, for more requests than fit in a list."""

    def record(self, request: Request) -> None:
        """Count a request."""
        self.summary.add(request)


class _Connection:
    """One connection of a client, with one connection to the server of its own."""

    def __init__(
        self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._idle_since = 0.0

    async def serve(self) -> None:
        """Answer one request after another."""
        try:
            while (head := await read_head(self._reader)) is not None:
                if not await self._answer(head):
                    break
        except ConnectionError:
            pass  # one of the two left; the other sees its connection closed below
        finally:
            self._leave_upstream()
            self._writer.close()

    async def _answer(self, head: Head) -> bool:
        """Answer a request; return whether the connection stays open."""
        if head.target.startswith(CONTROL):
            await self._control(head)
            return True
        exchange = _Exchange(self._proxy, head, Body.of_request(self._reader, head))
        fault = exchange.fault
        delay_s = self._proxy.delay_s
        if fault is not None and fault.action == "delay":
            delay_s += fault.arg
        if delay_s:
            await asyncio.sleep(delay_s)
        if fault is not None and fault.action in ("drop_before", "status", "hang"):
            await self._fail(exchange, fault)
            return False
        try:
            return await self._pass_on(exchange)
        finally:
            exchange.end()

    async def _fail(self, exchange: _Exchange, fault: Fault) -> None:
        """Let a request suffer that the server never sees."""
        if fault.action == "drop_before":
            exchange.end()
            return
        if not exchange.head.waits_for_continue:
            await exchange.body.drain()
        if fault.action == "hang":
            while await self._reader.read(PIECE_BYTES):
                pass
            exchange.end()
            return
        text = (
            '<?xml version="1.0" encoding="UTF-8"?><Error>'
            f"<Code>{fault.code}</Code><Message>a fault of the proxy</Message></Error>"
        ).encode()
        empty = exchange.head.method == "HEAD"
        exchange.status = int(fault.arg)
        exchange.received_bytes = 0 if empty else len(text)
        exchange.end()
        self._writer.write(
            f"HTTP/1.1 {exchange.status} Fault\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode()
        )
        self._writer.write(b"" if empty else text)
        await self._writer.drain()

    async def _pass_on(self, exchange: _Exchange) -> bool:
        """Pass a request on, and its response back."""
        reader, writer = await self._reach_upstream()
        response, whole = await self._ask(exchange, reader, writer)
        if response is None:
            return False
        exchange.status = response.status
        body = Body.of_response(reader, response, exchange.head.method)
        if exchange.fault is not None and exchange.fault.action == "drop_after":
            await body.drain()
            self._reset()
            return False
        if not await self._send_back(exchange, response, body):
            return False
        if response.closes:
            self._leave_upstream()
        self._idle_since = time.monotonic()
        return whole and not response.closes and not exchange.head.closes

    async def _ask(
        self, exchange: _Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Head | None, bool]:
        """Send a request; return the response, and whether the whole request was sent."""
        writer.write(exchange.head.raw)
        if exchange.head.waits_for_continue:
            interim = await read_head(reader)
            if interim is None or interim.status != 100:
                return interim, False
            self._writer.write(interim.raw)
        whole = await self._send_body(exchange, writer)
        response = await read_head(reader)
        while response is not None and response.status < 200:
            response = await read_head(reader)
        return response, whole

    async def _send_body(self, exchange: _Exchange, writer: asyncio.StreamWriter) -> bool:
        """Send the body of a request on; return whether the server took all of it."""
        try:
            while not exchange.body.is_done:
                writer.write(await exchange.body.piece())
                await writer.drain()
        except ConnectionError:
            # A server that refuses a request may close before it has read the body. Its
            # answer is still there to be read.
            return False
        return True

    async def _send_back(self, exchange: _Exchange, response: Head, body: Body) -> bool:
        """Send a response; return whether all of it was sent."""
        fault = exchange.fault
        limit = fault.arg if fault is not None and fault.action == "truncate" else None
        ready = response.raw
        while not body.is_done:
            piece = await body.piece()
            if limit is not None and body.size > limit:
                exchange.received_bytes = int(limit)
                exchange.end()
                self._writer.write(ready + piece[: len(piece) - int(body.size - limit)])
                await self._writer.drain()
                return False
            exchange.received_bytes = body.size
            if body.is_done:
                ready += piece
                break
            self._writer.write(ready + piece)
            await self._writer.drain()
            ready = b""
        exchange.end()
        self._writer.write(ready)
        await self._writer.drain()
        return True

    async def _reach_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream is not None:
            stale = time.monotonic() - self._idle_since > _IDLE_S
            if stale or self._upstream[0].at_eof():
                self._leave_upstream()
        if self._upstream is None:
            self._upstream = await self._proxy.open_upstream()
        return self._upstream

    def _leave_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream[1].close()
            self._upstream = None

    def _reset(self) -> None:
        # Closed without lingering: the kernel sends a reset in place of an orderly end.
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _control(self, head: Head) -> None:
        length = int(head.headers.get("content-length", 0))
        sent = await self._reader.readexactly(length)
        word = head.target.removeprefix(CONTROL)
        if word == "reset":
            self._proxy.clear()
        elif word == "faults":
            self._proxy.faults[:] = [Fault(**each) for each in json.loads(sent)]
        answer = json.dumps(self._proxy.summary.as_json()).encode()
        self._writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(answer), answer)
        )
        await self._writer.drain()


class _Exchange:
    """One request on its way."""

    def __init__(self, proxy: Proxy, head: Head, body: Body) -> None:
        self._proxy = proxy
        self._start = time.monotonic()
        self._clears = proxy.clears
        self._is_ended = False
        self.head = head
        self.body = body
        self.fault = proxy.fault_for(head)
        self.status = 0
        self.received_bytes = 0

    def end(self) -> None:
        """Record the request, once."""
        if self._is_ended or self._clears != self._proxy.clears:
            return
        self._is_ended = True
        method, headers = self.head.method, self.head.headers
        path, _mark, query = self.head.target.partition("?")
        copies = "x-amz-copy-source" in headers
        self._proxy.record(
            Request(
                method=method,
                path=path,
                query=query,
                operation=operation(method, path, query, copies=copies),
                range=headers.get("range"),
                condition=headers.get("if-none-match"),
                status=self.status,
                sent_bytes=self.body.size,
                received_bytes=self.received_bytes,
                seconds=time.monotonic() - self._start,
                fault=self.fault.action if self.fault else None,
            )
        )


@dataclass(frozen=True, slots=True)
class RemoteProxy:
    """A proxy in a process of its own.

    Attributes:
        endpoint_url: Where it listens.
    """

    endpoint_url: str

    def summary(self) -> Summary:
        """Return the counts since the last reset."""
        said = self._ask("", None)
        for name in ("methods", "operations", "statuses"):
            said[name] = Counter(said[name])
        return Summary(**said)

    def reset(self) -> None:
        """Count from zero."""
        self._ask("reset", b"")

    def set_faults(self, faults: Iterable[Fault]) -> None:
        """Put these faults in place of all earlier ones."""
        fields = ("action", "method", "path", "nth", "count", "arg", "code")
        plain = [{name: getattr(fault, name) for name in fields} for fault in faults]
        self._ask("faults", json.dumps(plain).encode())

    def _ask(self, word: str, body: bytes | None) -> dict[str, Any]:
        url = f"{self.endpoint_url}{CONTROL}{word}"
        with urllib.request.urlopen(url, data=body, timeout=60) as response:
            said: dict[str, Any] = json.load(response)
            return said


@contextlib.contextmanager
def process(folder: Path, upstream_port: int, delay_s: float = 0.0) -> Iterator[RemoteProxy]:
    """Run a proxy in a process of its own.

    Args:
        folder: Where it writes its log.
        upstream_port: Where the server listens on this machine.
        delay_s: How long every request waits before it is passed on.
    """
    port = free_port()
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    with Processes(folder, {**os.environ, "PYTHONPATH": path}) as processes:
        processes.start(
            "proxy",
            *[sys.executable, "-m", "servers.proxy", "--listen", str(port)],
            *["--upstream", f"{HOST}:{upstream_port}", "--delay-ms", str(delay_s * 1000)],
        )
        processes.wait_for_port("proxy", port)
        yield RemoteProxy(f"http://{HOST}:{port}")


def main() -> None:
    """Run the proxy until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m servers.proxy", description=__doc__)
    parser.add_argument("--listen", type=int, default=0, metavar="PORT")
    parser.add_argument("--upstream", required=True, metavar="HOST:PORT")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    arguments = parser.parse_args()
    host, _colon, port = arguments.upstream.rpartition(":")
    with (
        contextlib.suppress(KeyboardInterrupt),
        SummingProxy(
            int(port),
            arguments.delay_ms / 1000,
            listen_port=arguments.listen,
            upstream_host=host,
        ) as proxy,
    ):
        print(f"listening on {proxy.endpoint_url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
