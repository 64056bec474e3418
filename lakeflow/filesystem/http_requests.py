"""Requests by HTTP whose bodies are small, on connections that are kept.

Nothing is asked again here, nothing redirected, and no proxy is known. Python's own client
takes the headers of an answer through a parser of e-mail, a third of its processor time.
"""

from __future__ import annotations

import select
import socket
import time
import weakref
from collections import defaultdict
from http.client import HTTPException
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

_LONGEST_LINE = 64 * 1024
_MOST_HEADERS = 100


class Host(NamedTuple):
    """Who is asked.

    Attributes:
        name: Its name or address.
        port: Its port.
        is_secure: Whether by TLS.
    """

    name: str
    port: int
    is_secure: bool


class Answer(NamedTuple):
    """What was said.

    Attributes:
        status: Of HTTP.
        headers: Beside the body, names in lower case.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(NamedTuple):
    """A socket, and what is read from it."""

    socket: socket.socket
    received: BinaryIO

    def close(self) -> None:
        self.received.close()
        self.socket.close()


class Connections:
    """Connections of which each serves one request after another; threads share them.

    Args:
        tls: How hosts that are asked by TLS are known.
        connect_s: Seconds that it may take to connect.
        read_s: Seconds that a host may be silent.
    """

    def __init__(self, tls: ssl.SSLContext, connect_s: float, read_s: float) -> None:
        self._tls = tls
        self._connect_s = connect_s
        self._read_s = read_s
        self._idle: defaultdict[Host, list[_Connection]] = defaultdict(list)
        weakref.finalize(self, _close, self._idle)

    def ask(
        self,
        host: Host,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        until: float,
    ) -> Answer:
        """Send a request, and return the answer.

        Args:
            host: Who is asked.
            method: Of HTTP.
            path: Of the URL, quoted.
            headers: All but the length of the body; ``host`` is among them.
            body: What is sent.
            until: When the whole answer must be here, by ``time.monotonic``.

        Raises:
            TimeoutError: It took too long.
            OSError: There is no connection, or it broke.
            HTTPException: What came is no answer, or not all of one.
        """
        connection = self._kept(host) or self._connected(host)
        is_kept = False
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            length = f"content-length: {len(body)}\r\n" if body or method == "PUT" else ""
            head = f"{method} {path} HTTP/1.1\r\n{lines}{length}\r\n"
            # In one piece: of two the second would wait for the first to be acknowledged.
            connection.socket.sendall(head.encode("latin-1") + body)
            answer, is_kept = _answer(connection.received, until)
            return answer
        finally:
            # Also where the handler of a signal raises in the middle: the rest of an answer
            # would be taken for the beginning of the next one.
            if is_kept:
                self._idle[host].append(connection)
            else:
                connection.close()

    def _kept(self, host: Host) -> _Connection | None:
        """Return a connection that the host has not closed meanwhile, the one used last."""
        idle = self._idle[host]
        while True:
            try:
                connection = idle.pop()
            except IndexError:
                return None
            look = select.poll()
            look.register(connection.socket, select.POLLIN)
            if not look.poll(0):
                return connection
            connection.close()

    def _connected(self, host: Host) -> _Connection:
        plain = socket.create_connection((host.name, host.port), self._connect_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected = plain
            if host.is_secure:
                connected = self._tls.wrap_socket(plain, server_hostname=host.name)
            connected.settimeout(self._read_s)
            return _Connection(connected, connected.makefile("rb"))
        except BaseException:
            plain.close()
            raise


def _close(idle: Mapping[Host, list[_Connection]]) -> None:
    for connections in idle.values():
        for each in connections:
            each.close()


def _answer(received: BinaryIO, until: float) -> tuple[Answer, bool]:
    """Return an answer, and whether the connection may be asked again."""
    status = 100
    # Before an answer may come others, which say that it will.
    while status < 200:
        version, _, rest = _line(received).partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise HTTPException(f"no answer by HTTP begins with {version[:20]!r}")
        status, headers = int(rest[:3]), _headers(received)
    is_kept = version != "HTTP/1.0" and "close" not in headers.get("connection", "").lower()
    length = headers.get("content-length", "")
    if status in (204, 304):
        pieces: Iterator[bytes] = iter(())
    elif headers.get("transfer-encoding", "").lower() == "chunked":
        pieces = _chunks(received)
    elif length.isdecimal():
        pieces = _pieces(received, int(length))
    else:
        pieces, is_kept = iter(received.read1, b""), False  # type: ignore[attr-defined]
    body = []
    # Piece by piece: a body may trickle, and each of its bytes come in time.
    for piece in pieces:
        body.append(piece)
        if time.monotonic() > until:
            raise TimeoutError("the answer did not end in time")
    return Answer(status, headers, b"".join(body)), is_kept


def _line(received: BinaryIO) -> str:
    line = received.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise HTTPException("the answer was cut off, or has a line without an end")
    return line.decode("latin-1").rstrip("\r\n")


def _headers(received: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = _line(received)
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    raise HTTPException("the answer has no end of headers")


def _pieces(received: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        piece = received.read1(length)  # type: ignore[attr-defined]
        if not piece:
            raise HTTPException("the answer was cut off")
        length -= len(piece)
        yield piece


def _chunks(received: BinaryIO) -> Iterator[bytes]:
    while True:
        size = _line(received).partition(";")[0]
        try:
            length = int(size, 16)
        except ValueError:
            raise HTTPException(f"no chunk begins with {size[:20]!r}") from None
        if not length:
            # What may follow is like headers.
            _headers(received)
            return
        yield from _pieces(received, length)
        _line(received)
