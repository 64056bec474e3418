"""A filesystem for each test of the contract suite."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.ids import new_id
from lakeflow.lake import Lake
from lakeflow.stores.store import Store
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.filesystem.interface import Filesystem


@pytest.fixture
def opened(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Filesystem]]:
    """Return a function that opens the filesystem of this test as another machine would."""
    place = request.config.getoption("--lake-url")
    url = f"{place}{'' if place.endswith('/') else '/'}{new_id()}"
    options = json.loads(request.config.getoption("--lake-options"))
    made: list[Filesystem] = []

    def open_again(**given: object) -> Filesystem:
        settings = settings_of(tmp_path, len(made), **given)
        made.append(open_filesystem(url, options, settings))
        return made[-1]

    yield open_again
    if made:
        # One of them for all, which are of one location.
        made[0].delete_many(list(made[0].sizes("")))
        delete_folders(made[0], "")


def delete_folders(fs: Filesystem, path: str) -> None:
    """Delete the empty folders below one and that one itself, where there are folders."""
    for entry in fs.list(path):
        if entry.is_folder:
            delete_folders(fs, f"{path}/{entry.name}".lstrip("/"))
    fs.delete_folder(path)


def settings_of(folder: Path, machine: int, **given: object) -> Settings:
    """Return the settings of one machine: a cache of its own."""
    own: dict[str, Any] = {
        # A fold is made where a test asks for one, and not in the background as well.
        "auto_compact": False,
        "cache_folder": str(folder / f"cache-{machine}"),
        # What is folded may go at once: no test waits for a grace.
        "vacuum_grace_s": 0,
    }
    return replace(Settings.from_environment(), **own | given)


@pytest.fixture
def fs(opened: Callable[..., Filesystem]) -> Filesystem:
    """Return the filesystem of this test."""
    return opened()


@pytest.fixture
def open_store(
    opened: Callable[..., Filesystem], tmp_path: Path
) -> Iterator[Callable[..., Store]]:
    """Return a function that opens the lake of this test as another machine would."""
    stores: list[Store] = []

    def open_again(**given: object) -> Store:
        settings = settings_of(tmp_path, len(stores), **given)
        stores.append(Store(Lake.on(opened(**given), settings)))
        return stores[-1]

    yield open_again
    for store in stores:
        store.lake.close()
