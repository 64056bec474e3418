"""A real object store, a proxy in front of it, and machines that open lakes on it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from servers import proxy

from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.ids import new_id
from lakeflow.lake import Lake
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.ceph import CephServer
    from servers.s3 import S3Server

    from lakeflow.filesystem.interface import Filesystem


@pytest.fixture
def bucket(gateway: CephServer) -> str:
    return gateway.make_bucket(f"remote-{new_id()}")


@pytest.fixture
def between(gateway: CephServer) -> Iterator[proxy.Proxy]:
    with proxy.Proxy(gateway.port) as running:
        yield running


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Settings]:
    """Return a function that makes the settings of a machine, with a cache of its own."""
    numbers = itertools.count()

    def made(**given: Any) -> Settings:
        own = {
            "auto_compact": False,
            "vacuum_grace_s": 0,
            "retention_s": 0,
            "cache_folder": str(tmp_path / f"cache-{next(numbers)}"),
        }
        return Settings(**own | given)

    return made


@pytest.fixture
def open_fs(bucket: str, settings_of: Callable[..., Settings]) -> Callable[..., Filesystem]:
    """Return a function that opens the bucket's lake as a user of a server."""

    def opened(server: S3Server, uri: str = "", **given: Any) -> Filesystem:
        location = uri or f"s3://{bucket}/lake"
        return open_filesystem(location, server.storage_options, settings_of(**given))

    return opened


@pytest.fixture
def open_store(
    open_fs: Callable[..., Filesystem], settings_of: Callable[..., Settings]
) -> Callable[..., Store]:
    """Return a function that does so and opens the lake."""

    def opened(server: S3Server, uri: str = "", **given: Any) -> Store:
        return Store(Lake.on(open_fs(server, uri, **given), settings_of(**given)))

    return opened
