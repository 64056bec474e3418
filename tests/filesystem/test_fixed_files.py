"""What is asked of a store for parts of files that never change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.filesystem.disk_cache import BLOCK_BYTES, BlockCache
from lakeflow.filesystem.fixed_files import HOLE_BYTES, MOST_WHOLE_BYTES, FixedFiles

if TYPE_CHECKING:
    from pathlib import Path


class Store:
    """Files of bytes that follow from where they are, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def fetch(self, path: str, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return bytes(place * 31 % 251 for place in range(start, end))


def files_on(store: Store, cache: BlockCache | None) -> FixedFiles:
    return FixedFiles("store://lake", cache, store.fetch, threads=lambda: None)  # type: ignore[arg-type,return-value]


def cache_in(folder: Path) -> BlockCache:
    return BlockCache(folder / "cache", 2**30)


def test_a_file_is_fetched_whole_once_requests_for_its_parts_have_cost_as_much(tmp_path: Path):
    store, size = Store(), 3 * HOLE_BYTES
    files = files_on(store, cache_in(tmp_path))

    found = [files.read("f", size, at, at + 5) for at in range(0, size, BLOCK_BYTES)]

    # Two parts, and all of it instead of a third one.
    assert store.asked == [(0, BLOCK_BYTES), (BLOCK_BYTES, 2 * BLOCK_BYTES), (0, size)]
    assert found == [Store().fetch("f", at, at + 5) for at in range(0, size, BLOCK_BYTES)]


def test_a_small_file_is_one_request(tmp_path: Path):
    store, size = Store(), HOLE_BYTES
    files = files_on(store, cache_in(tmp_path))

    files.prefetch("f", size, [(size - 8, size)])
    files.read("f", size, 0, 10)

    assert store.asked == [(0, size)]


def test_of_a_large_file_only_parts_are_fetched(tmp_path: Path):
    store, size = Store(), MOST_WHOLE_BYTES + 1
    files = files_on(store, cache_in(tmp_path))

    for at in range(0, size, 4 * BLOCK_BYTES):
        files.read("f", size, at, at + 5)

    assert {end - start for start, end in store.asked} == {BLOCK_BYTES, 1}


def test_without_a_place_for_copies_no_file_is_fetched_whole():
    store, size = Store(), HOLE_BYTES
    files = files_on(store, None)

    for _ in range(3):
        files.read("f", size, 0, 5)

    assert store.asked == 3 * [(0, BLOCK_BYTES)]


def test_where_nothing_can_be_kept_a_whole_file_is_not_fetched_each_time(tmp_path: Path):
    (tmp_path / "cache").write_text("not a folder")
    store, size = Store(), 4 * HOLE_BYTES
    files = files_on(store, cache_in(tmp_path))

    for _ in range(16):
        files.read("f", size, 0, 5)

    assert store.asked.count((0, size)) == 16 // 4
