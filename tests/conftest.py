"""What every kind of test shares: a lake, a client, and a place to look at tables."""

from __future__ import annotations

import gc
import itertools
import os
import sys
from typing import TYPE_CHECKING, Any

import deltalake
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lakeflow import context, open_lakes
from lakeflow.client import LakeflowClient
from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.fluent import active_runs, endings
from lakeflow.lake import Lake
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.ceph import CephServer
    from servers.s3 import S3Server

_NUMBERS = itertools.count()

_LONG = {"stateful", "contracts", "kinds", "faults"}
"""Rooms with tests that take many seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin where tests take longest: all other cores would wait for one that comes last."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Give each test an own working directory, an own context, and no open lakes after."""
    monkeypatch.chdir(tmp_path)
    for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID", "REGISTRY_URI", "RUN_ID"):
        monkeypatch.delenv(f"LAKEFLOW_{name}", raising=False)
        monkeypatch.delenv(f"MLFLOW_{name}", raising=False)
    # As if the process had begun here.
    context._first_known.cache_clear()
    open_before = set(open_lakes._OPEN)
    stored, folders = {*MemoryFileSystem.store}, [*MemoryFileSystem.pseudo_dirs]
    yield
    while active_runs.pop("FINISHED") is not None:
        pass
    # Those that tasks and threads have left open; no later test is to find or to end them.
    active_runs.after_fork()
    active_runs._thread.last = None
    active_runs._last.set(None)
    endings._is_standing = False
    endings.unguard()
    for key in open_lakes._OPEN.keys() - open_before:
        open_lakes._OPEN[key].close()
    context.set_experiment(None)
    context.choose("REGISTRY_URI", None)
    context.set_tracking_uri(None)
    # fsspec keeps all that was ever written, and each listing goes through the whole of it: in a
    # process of a thousand lakes that took most of a compaction.
    for path in MemoryFileSystem.store.keys() - stored:
        del MemoryFileSystem.store[path]
    MemoryFileSystem.pseudo_dirs[:] = folders


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the location of a lake that is not there yet, on each kind of filesystem."""
    if request.param == "file":
        return str(tmp_path / "the lake")
    return f"memory://lake-{next(_NUMBERS)}"


@pytest.fixture
def client(uri: str) -> LakeflowClient:
    """Return a client of an empty lake, which another process has made."""
    Lake.on(open_filesystem(uri), Settings())
    return LakeflowClient(uri)


@pytest.fixture
def run_id(client: LakeflowClient) -> str:
    """Return the id of a run without anything."""
    return client.create_run("0").info.run_id


@pytest.fixture
def another_process() -> Callable[..., Store]:
    """Return a function that opens a lake as another process would: nothing shared."""

    def open_again(uri: str, **settings: Any) -> Store:
        return Store(Lake.on(open_filesystem(uri), Settings(**settings)))

    return open_again


@pytest.fixture(scope="session")
def double() -> Iterator[S3Server]:
    """The quick double of an S3 server; each module has a bucket of its own."""
    from servers import moto_double

    with moto_double.server() as running:
        yield running


@pytest.fixture(scope="session")
def gateway() -> Iterator[CephServer]:
    """A real S3 server, which takes seconds to start: it stays until the last test has run."""
    from servers import ceph

    with ceph.shared_gateway() as server:
        yield server


@pytest.fixture
def forked() -> Callable[[Callable[[], None]], int]:
    """Return a function that does some work in a forked child and returns its exit code."""

    def run(work: Callable[[], None]) -> int:
        # What earlier tests left is taken down here, where its threads are.
        gc.collect()
        child = os.fork()
        if child == 0:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - a child must never return
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return run


@pytest.fixture
def table_rows() -> Callable[[Path | str, str], list[dict[str, Any]]]:
    """Return a function that reads a table of a local lake with deltalake alone."""

    def read(lake: Path | str, table: str) -> list[dict[str, Any]]:
        found = deltalake.DeltaTable(f"{lake}/tables/{table}").to_pyarrow_table()
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    return read
