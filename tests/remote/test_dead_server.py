"""The store's server dies in the middle of a request, or never answers one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from remote.operations import OPERATIONS
from servers import ceph
from servers.proxy import Fault, Proxy

from lakeflow.exceptions import StorageError
from lakeflow.filesystem import remote
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.config import Settings
    from lakeflow.filesystem.interface import Filesystem

QUICKLY = {"read_timeout": 1, "connect_timeout": 1}
UNANSWERED = {"DEADLINE_EXCEEDED", "TEMPORARILY_UNAVAILABLE"}
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
        run_id = writer.runs.create("0").info.run_id
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


def test_calls_end_while_the_server_stands_still_and_work_once_it_goes_on(
    tmp_path: Path, settings_of: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "READ_S", 1)
    folder = tmp_path / "ceph"
    folder.mkdir()
    with ceph.gateway(folder) as server:
        uri = f"s3://{server.make_bucket('still')}/lake"
        options = server.storage_options | {"config_kwargs": QUICKLY}
        settings = settings_of(remote_deadline_s=1)
        store = Store(Lake.on(open_filesystem(uri, options, settings), settings))
        run_id = store.runs.create("0").info.run_id
        store.runs.log_metric(run_id, "loss", 0, 0, 0)
        variables = {"FSSPEC_S3": json.dumps(options), "LAKEFLOW_REMOTE_DEADLINE_S": "1"}
        variables["LAKEFLOW_CACHE_FOLDER"] = str(tmp_path / "cache")
        with compacting(uri, variables) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline().startswith("folded ")
            os.kill(server.pids["rgw"], signal.SIGSTOP)
            for call in (
                lambda: store.runs.log_metric(run_id, "loss", 1, 1, 1),
                lambda: store.runs.search(["0"]),
                lambda: store.runs.history(run_id, "loss"),
                lambda: compact_lake(store.lake),
            ):
                with pytest.raises(StorageError, match=uri) as caught:
                    call()
                assert caught.value.error_code in UNANSWERED
            line = process.stderr.readline()
            assert line.split(": ")[1] in UNANSWERED, line
            assert line.endswith("; trying again\n")
            os.kill(server.pids["rgw"], signal.SIGCONT)
            while not process.stdout.readline().startswith("folded "):
                assert process.poll() is None
        store.runs.log_metric(run_id, "loss", 2, 2, 2)
        assert [run.info.run_id for run in store.runs.search(["0"])] == [run_id]
        compact_lake(store.lake)
        # Of the one whose call failed nobody knows; it is there once, or it is not.
        assert steps(store, run_id) in ([0, 2], [0, 1, 2])


@contextlib.contextmanager
def compacting(uri: str, variables: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "lakeflow", "compact", uri, "--every", "0.5s"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env=os.environ | variables, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answered(fs: Filesystem, path: str) -> bool:
    """Return whether a file is there, however late a busy machine answers."""
    for _ in range(LIMIT_S):
        with contextlib.suppress(StorageError):
            return fs.exists(path)
    return fs.exists(path)


def steps(store: Store, run_id: str) -> list[int]:
    return [point.step for point in store.runs.history(run_id, "loss")]


def test_no_operation_waits_for_ever(
    gateway: ceph.CephServer,
    between: Proxy,
    bucket: str,
    settings_of: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    subtests: pytest.Subtests,
) -> None:
    """Each on a lake of its own; they wait at the same time."""
    monkeypatch.setattr(remote, "READ_S", 1)
    options = gateway.through(between.endpoint_url).storage_options
    options["config_kwargs"] = QUICKLY
    lakes = {}
    for name in OPERATIONS:
        uri = f"s3://{bucket}/{name.replace(' ', '-')}"
        # Patiently, on a machine that is busy; then with a second for every answer.
        patient = open_filesystem(uri, gateway.storage_options, settings_of())
        for file in "ab":
            patient.create(file, b"content")
        lakes[name] = open_filesystem(uri, options, settings_of(remote_deadline_s=1))
    between.faults = [Fault("hang", count=None)]
    with ThreadPoolExecutor(len(OPERATIONS)) as pool:
        asked = {
            name: pool.submit(call, lakes[name], tmp_path) for name, call in OPERATIONS.items()
        }
        for name, each in asked.items():
            with subtests.test("asked", operation=name):
                with pytest.raises(StorageError, match=lakes[name].uri) as caught:
                    each.result(LIMIT_S)
                assert caught.value.error_code in UNANSWERED
    between.faults = []
    for name, fs in lakes.items():
        with subtests.test("asked again", operation=name):
            assert answered(fs, "a") or name.startswith("delete"), (
                "it works once the server does"
            )
