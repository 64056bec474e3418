"""Blocks of remote files on the local disk: what they save, and that they never do harm."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lakeflow.filesystem.disk_cache import BLOCK_BYTES, BlockCache
from lakeflow.testing.flaky import FlakyFileSystem, lake_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.config import Settings
    from lakeflow.filesystem.remote import RemoteFilesystem

CONTENT = os.urandom(3 * BLOCK_BYTES + 1000)


@pytest.fixture
def flaky(tmp_path: Path) -> FlakyFileSystem:
    flaky = FlakyFileSystem(MemoryFileSystem())
    flaky.inner.pipe_file(f"{tmp_path}/tables/part", CONTENT)
    return flaky


@pytest.fixture
def opened(
    flaky: FlakyFileSystem, tmp_path: Path, settings_of: Callable[..., Settings]
) -> Callable[..., RemoteFilesystem]:
    """Return a function that opens the filesystem as a process of one machine would."""
    cache = str(tmp_path / "cache")

    def open_again(**given: object) -> RemoteFilesystem:
        settings = settings_of(**{"cache_folder": cache} | given)
        return lake_filesystem(flaky, str(tmp_path), settings)

    return open_again


def whole(fs: RemoteFilesystem) -> bytes:
    return fs.read_fixed("tables/part", len(CONTENT), 0, len(CONTENT))


def blocks(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_is_fetched_is_fetched_once_a_machine(
    flaky: FlakyFileSystem, opened: Callable[..., RemoteFilesystem]
) -> None:
    first, second = opened(), opened()
    assert first.read_fixed("tables/part", len(CONTENT), 10, 20) == CONTENT[10:20]
    assert whole(second) == whole(first) == CONTENT
    assert flaky.calls["cat_file"] == 1, "a small file, with one call"


@pytest.mark.parametrize("damage", ["flipped", "short", "long", "empty", "folder"])
def test_a_damaged_block_is_fetched_again(
    damage: str,
    flaky: FlakyFileSystem,
    opened: Callable[..., RemoteFilesystem],
    tmp_path: Path,
) -> None:
    whole(opened())
    for path in blocks(tmp_path / "cache"):
        content = path.read_bytes()
        path.unlink()
        match damage:
            case "flipped":
                middle = len(content) // 2
                flipped = bytes([content[middle] ^ 1])
                path.write_bytes(content[:middle] + flipped + content[middle + 1 :])
            case "short":
                path.write_bytes(content[:-1])
            case "long":
                path.write_bytes(content + b"x")
            case "empty":
                path.write_bytes(b"")
            case "folder":
                path.mkdir()
    before = flaky.calls["cat_file"]
    assert whole(opened()) == CONTENT
    assert flaky.calls["cat_file"] == before + 1
    if damage != "folder":
        assert whole(opened()) == CONTENT
        assert flaky.calls["cat_file"] == before + 1, "what was fetched again is kept"


def test_a_lake_made_again_at_one_place_does_not_read_blocks_of_another_size(
    flaky: FlakyFileSystem, opened: Callable[..., RemoteFilesystem], tmp_path: Path
) -> None:
    whole(opened())
    flaky.inner.pipe_file(f"{tmp_path}/tables/part", b"new")
    assert opened().read_fixed("tables/part", 3, 0, 3) == b"new"


@pytest.mark.parametrize("kind", ["a file", "read-only"])
def test_a_cache_that_cannot_be_written_is_no_error(
    kind: str, opened: Callable[..., RemoteFilesystem], tmp_path: Path
) -> None:
    folder = tmp_path / "no folder"
    if kind == "a file":
        folder.write_bytes(b"")
    else:
        # Where tests run as root no mode keeps them out, but the kernel's own files do.
        folder.symlink_to("/proc/self/map_files" if os.geteuid() == 0 else "/")
    for _ in range(2):
        assert whole(opened(cache_folder=str(folder))) == CONTENT


def test_without_a_cache_everything_is_fetched(
    flaky: FlakyFileSystem, opened: Callable[..., RemoteFilesystem], tmp_path: Path
) -> None:
    for _ in range(2):
        assert whole(opened(cache_bytes=0)) == CONTENT
    assert flaky.calls["cat_file"] == 2
    assert blocks(tmp_path / "cache") == []


def test_the_blocks_used_last_stay_within_the_limit(tmp_path: Path) -> None:
    limit = 64 * BLOCK_BYTES
    cache = BlockCache(tmp_path, limit)
    for number in range(300):
        cache.put("part", number, bytes([number % 256]) * BLOCK_BYTES)
        assert cache.get("part", 0) == b"\0" * BLOCK_BYTES, "it is used all the time"
    size = sum(path.stat().st_size for path in blocks(tmp_path))
    assert size <= limit + limit // 16 + 2 * BLOCK_BYTES
    cache.sweep()
    assert sum(path.stat().st_size for path in blocks(tmp_path)) <= limit
    assert cache.get("part", 299) is not None


def _share(folder: str, seed: int) -> int:
    """Put, get and sweep beside others; return how often a wrong block came."""
    cache = BlockCache(Path(folder), 16 * BLOCK_BYTES)
    wrong = 0
    for turn in range(200):
        number = (turn * 7 + seed) % 32
        content = bytes([number]) * BLOCK_BYTES
        found = cache.get("part", number)
        wrong += found is not None and found != content
        cache.put("part", number, content)
    return wrong


def test_processes_share_a_folder_and_never_read_a_wrong_block(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(_share, [(str(tmp_path), 0), (str(tmp_path), 3)]) == [0, 0]
    BlockCache(tmp_path, 16 * BLOCK_BYTES).sweep()
    left = blocks(tmp_path)
    assert all(not path.name.startswith(".") for path in left), "temporary files are left"
    assert sum(path.stat().st_size for path in left) <= 16 * BLOCK_BYTES
