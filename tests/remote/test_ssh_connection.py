"""The one connection of an sftp lake hangs, or breaks."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from remote.operations import OPERATIONS
from servers import sftp
from servers.processes import HOST

from lakeflow.exceptions import StorageError
from lakeflow.filesystem import backends
from lakeflow.filesystem.location import open_filesystem
from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.config import Settings
    from lakeflow.filesystem.interface import Filesystem

LIMIT_S = 120
"""Whatever is not over after this time hangs."""


class Relay:
    """Passes bytes on between clients and a port, until it is told to hang."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server((HOST, 0))
        self._sockets: list[socket.socket] = []
        self.port = self._server.getsockname()[1]
        self.passes = threading.Event()
        self.passes.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection((HOST, self._target))
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self.passes.wait()
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Break every connection there is."""
        while self._sockets:
            each = self._sockets.pop()
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def close(self) -> None:
        self.passes.set()
        self._server.close()
        self.drop()


@pytest.fixture(scope="module")
def relay(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Relay, sftp.SftpServer]]:
    with sftp.server(tmp_path_factory.mktemp("sftp")) as server:
        relay = Relay(server.port)
        yield relay, server
        relay.close()


@pytest.fixture
def opened(
    relay: tuple[Relay, sftp.SftpServer], settings_of: Callable[..., Settings]
) -> Callable[..., Filesystem]:
    """Return a function that opens a new lake's folder with two files, through the relay."""
    between, server = relay

    def opened(**given: Any) -> Filesystem:
        options = server.storage_options | {"port": between.port}
        uri = f"sftp://{server.host}{server.folder}/{new_id()}"
        fs = open_filesystem(uri, options, settings_of(**given))
        for name in "ab":
            fs.create(name, b"content")
        return fs

    return opened


def test_no_operation_waits_for_ever_on_a_hung_ssh_server(
    relay: tuple[Relay, sftp.SftpServer],
    opened: Callable[..., Filesystem],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> None:
    """Each on a connection of its own; they wait at the same time."""
    between, _ = relay
    monkeypatch.setattr(backends, "READ_S", 1)
    lakes = {name: opened(remote_deadline_s=1) for name in OPERATIONS}
    between.passes.clear()
    with ThreadPoolExecutor(len(OPERATIONS)) as pool:
        asked = {
            name: pool.submit(call, lakes[name], tmp_path) for name, call in OPERATIONS.items()
        }
        for name, each in asked.items():
            with subtests.test("asked", operation=name):
                with pytest.raises(StorageError, match=lakes[name].uri) as caught:
                    each.result(LIMIT_S)
                assert caught.value.error_code in {
                    "DEADLINE_EXCEEDED",
                    "TEMPORARILY_UNAVAILABLE",
                }
    between.passes.set()
    for name, fs in lakes.items():
        with subtests.test("asked again", operation=name):
            assert fs.exists("a") or name.startswith("delete"), "it works once the server does"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_broken_ssh_connection_is_made_anew(
    operation: str,
    relay: tuple[Relay, sftp.SftpServer],
    opened: Callable[..., Filesystem],
    tmp_path: Path,
) -> None:
    between, _ = relay
    fs = opened()
    between.drop()
    OPERATIONS[operation](fs, tmp_path)
    assert fs.exists("b") or operation == "delete many"
