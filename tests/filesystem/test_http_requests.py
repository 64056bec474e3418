"""Answers by HTTP, in all the ways that one may be written and broken off."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest

from lakeflow.filesystem.http_requests import Answer, Connections, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOREVER = float("inf")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Says what it is told to, one answer a request, on as many connections as are made."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.asked: list[bytes] = []
        self.connected: list[socket.socket] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.host = Host("127.0.0.1", self.listening.getsockname()[1], is_secure=False)

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connected.append(connection)
            threading.Thread(target=self.answer, args=(connection,)).start()

    def answer(self, connection: socket.socket) -> None:
        with connection:
            while self.answers and (asked := connection.recv(65536)):
                self.asked.append(asked)
                said = self.answers.pop(0)
                connection.sendall(said)
                # Closed after the last of them, as of a server that has waited long enough.


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve)
    thread.start()
    yield running
    running.listening.shutdown(socket.SHUT_RDWR)
    running.listening.close()
    thread.join()


@pytest.fixture
def ask(server: Server) -> Iterator[Callable[..., Answer]]:
    connections = Connections(ssl.create_default_context(), 5, 5)

    def asked(body: bytes = b"", until: float = FOREVER) -> Answer:
        headers = {"host": "a", "x": "y"}
        return connections.ask(server.host, "PUT", "/a%20b", headers, body, until)

    yield asked
    for each in connections._idle[server.host]:
        each.close()
    connections._idle.clear()


def test_a_request_is_what_it_was_told_to_be(
    server: Server, ask: Callable[..., Answer]
) -> None:
    server.answers = [OK]
    assert ask(b"\x00\xff") == Answer(200, {"content-length": "2"}, b"ok")
    assert server.asked == [
        b"PUT /a%20b HTTP/1.1\r\nhost: a\r\nx: y\r\ncontent-length: 2\r\n\r\n\x00\xff"
    ]


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nA:b \r\n\r\nno!", b"no!"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n", b"ab0123456789"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 412\r\nContent-Length: 0\r\n\r\n", b""),
    ],
    ids=lambda said: said[:20],
)  # fmt: skip
def test_after_a_whole_answer_the_connection_is_asked_again(
    said: bytes, body: bytes, server: Server, ask: Callable[..., Answer]
) -> None:
    server.answers = [said, OK]
    assert ask().body == body
    assert ask().body == b"ok"
    assert len(server.connected) == 1


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_what_says_that_it_closes_is_not_asked_again(
    said: bytes, server: Server, ask: Callable[..., Answer]
) -> None:
    server.answers = [said, OK]
    assert ask().body == b"ok"
    assert ask().body == b"ok"
    assert len(server.connected) == 2


def test_an_answer_without_a_length_goes_on_to_the_end(
    server: Server, ask: Callable[..., Answer]
) -> None:
    server.answers = [b"HTTP/1.1 200 OK\r\n\r\nall of it"]
    assert ask().body == b"all of it"


def test_a_connection_that_was_closed_meanwhile_is_not_asked(
    server: Server, ask: Callable[..., Answer]
) -> None:
    server.answers = [OK]
    ask()
    # It is closed by the server after its last answer.
    deadline = time.monotonic() + 10
    while server.connected[0].fileno() != -1 and time.monotonic() < deadline:
        time.sleep(0.001)
    server.answers = [OK]
    assert ask().body == b"ok"
    assert len(server.connected) == 2


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200,
        b"HTTP/1.1 200 " + b"x" * 70_000,
    ],
    ids=lambda said: said[:60],
)
def test_half_an_answer_is_none(
    said: bytes, server: Server, ask: Callable[..., Answer]
) -> None:
    server.answers = [said]
    with pytest.raises(HTTPException):
        ask()


def test_a_late_answer_is_an_error(server: Server, ask: Callable[..., Answer]) -> None:
    server.answers = [OK]
    with pytest.raises(TimeoutError):
        ask(until=time.monotonic())
