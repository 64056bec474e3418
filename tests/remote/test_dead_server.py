"""The store's server dies in the middle of a request, or never answers one."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from servers import ceph, sftp
from servers.processes import HOST
from servers.proxy import Fault, Proxy

from lakeflow.exceptions import StorageError
from lakeflow.maintenance.compact import compact_lake
from lakeflow.storage import kinds, remote
from lakeflow.storage.location import open_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.config import Settings
    from lakeflow.storage.filesystem import Filesystem
    from lakeflow.tracking.store import Store

POINTS = 90
DEATHS = (20, 50)
LIMIT_S = 120
"""Whatever is not over after this time hangs."""


def test_a_writer_outlives_the_death_of_the_server(
    tmp_path: Path, open_store: Callable[..., Store]
) -> None:
    folder = tmp_path / "ceph"
    folder.mkdir()
    with ceph.gateway(folder) as server:
        uri = f"s3://{server.make_bucket('mortal')}/lake"
        writer = open_store(server, uri)
        run_id = writer.runs.create("0", None, None, None).info.run_id
        reached = {count: threading.Event() for count in DEATHS}

        def log() -> None:
            for step in range(POINTS):
                writer.runs.log_metric(run_id, "loss", step, step, step)
                if step in reached:
                    reached[step].set()

        with ThreadPoolExecutor(1) as pool:
            logging = pool.submit(log)
            for event in reached.values():
                while not event.wait(0.1) and not logging.done():
                    pass
                server.kill("rgw")
                server.restart("rgw")
            logging.result()
        for store in (writer, open_store(server, uri)):
            assert steps(store, run_id) == list(range(POINTS))
        compact_lake(writer.lake)
        assert steps(open_store(server, uri), run_id) == list(range(POINTS))


def steps(store: Store, run_id: str) -> list[int]:
    return [point.step for point in store.runs.history(run_id, "loss")]


def upload(fs: Filesystem, folder: Path) -> None:
    part = folder / "part"
    part.write_bytes(b"x" * 100)
    fs.upload(str(part), "tables/part")


def lock(fs: Filesystem, _: Path) -> None:
    with fs.exclusive("folds/lock"):
        pass


OPERATIONS: dict[str, Callable[[Any, Any], object]] = {
    "read": lambda fs, _: fs.read("a"),
    "read a block": lambda fs, _: fs.read_fixed("a", 7, 0, 7),
    "read many": lambda fs, _: list(fs.read_many({"a": (0, 7), "b": (0, 7)})),
    "list": lambda fs, _: fs.list(""),
    "list below": lambda fs, _: fs.sizes(""),
    "exists": lambda fs, _: fs.exists("a"),
    "size": lambda fs, _: fs.size("a"),
    "create": lambda fs, _: fs.create("c", b"x"),
    "upload": upload,
    "delete": lambda fs, _: fs.delete("a"),
    "delete many": lambda fs, _: fs.delete_many(["a", "b"]),
    "lock": lock,
}


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


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_waits_for_ever_on_a_hung_ssh_server(
    operation: str,
    relay: tuple[Relay, sftp.SftpServer],
    settings_of: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    between, server = relay
    monkeypatch.setattr(kinds, "READ_S", 1)
    options = server.storage_options | {"port": between.port}
    uri = f"sftp://{server.host}{server.folder}/{operation.replace(' ', '-')}"
    fs = open_filesystem(uri, options, settings_of(remote_deadline_s=1))
    for name in "ab":
        fs.create(name, b"content")
    between.passes.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(OPERATIONS[operation], fs, tmp_path)
        with pytest.raises(StorageError, match=uri) as caught:
            asked.result(LIMIT_S)
    assert caught.value.error_code in {"DEADLINE_EXCEEDED", "TEMPORARILY_UNAVAILABLE"}
    between.passes.set()
    assert fs.exists("a") or operation.startswith("delete"), "it works once the server does"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_broken_ssh_connection_is_made_anew(
    operation: str,
    relay: tuple[Relay, sftp.SftpServer],
    settings_of: Callable[..., Settings],
    tmp_path: Path,
) -> None:
    between, server = relay
    options = server.storage_options | {"port": between.port}
    uri = f"sftp://{server.host}{server.folder}/broken-{operation.replace(' ', '-')}"
    fs = open_filesystem(uri, options, settings_of())
    for name in "ab":
        fs.create(name, b"content")
    between.drop()
    OPERATIONS[operation](fs, tmp_path)
    assert fs.exists("b") or operation == "delete many"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_operation_waits_for_ever(
    operation: str,
    gateway: ceph.CephServer,
    between: Proxy,
    bucket: str,
    settings_of: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "READ_S", 1)
    options = gateway.through(between.endpoint_url).storage_options
    options["config_kwargs"] = {"read_timeout": 1, "connect_timeout": 1}
    fs = open_filesystem(f"s3://{bucket}/lake", options, settings_of(remote_deadline_s=1))
    for name in "ab":
        fs.create(name, b"content")
    between.faults = [Fault("hang", count=None)]
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(OPERATIONS[operation], fs, tmp_path)
        with pytest.raises(StorageError, match=f"s3://{bucket}/lake") as caught:
            asked.result(LIMIT_S)
    assert caught.value.error_code in {"DEADLINE_EXCEEDED", "TEMPORARILY_UNAVAILABLE"}
    between.faults = []
    assert fs.exists("a") or operation.startswith("delete"), "it works once the server does"
