"""The store's server dies in the middle of a request, or never answers one."""

from __future__ import annotations

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
from lakeflow.maintenance.compact import compact_lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.config import Settings
    from lakeflow.stores.store import Store

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


def steps(store: Store, run_id: str) -> list[int]:
    return [point.step for point in store.runs.history(run_id, "loss")]


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
