"""What filesystems promise beside the contracts that are shipped: see ``lakeflow.testing``."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from lakeflow.exceptions import StorageError
from lakeflow.filesystem.engine_filesystem import EngineFileSystem
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.filesystem.location import open_filesystem
from lakeflow.filesystem.memory import MemoryFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.filesystem.interface import Filesystem


@pytest.fixture
def fs(uri: str) -> Filesystem:
    return open_filesystem(uri)


def attempt(fs: Filesystem, path: str, content: bytes) -> bool:
    try:
        fs.create(path, content)
    except FileExistsError:
        return False
    return True


def _race(folder: str, writer: int, start: float, rounds: int) -> list[int]:
    fs = open_filesystem(folder)
    while os.times().elapsed < start:
        pass
    return [n for n in range(rounds) if attempt(fs, f"race/{n}", str(writer).encode())]


def test_of_many_processes_that_create_a_file_one_wins(tmp_path: Path) -> None:
    rounds = 200
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        start = os.times().elapsed + 2
        tasks = [(str(tmp_path), writer, start, rounds) for writer in range(4)]
        won = pool.starmap(_race, tasks)
    assert sorted(number for numbers in won for number in numbers) == list(range(rounds))
    fs = open_filesystem(tmp_path)
    for writer, numbers in enumerate(won):
        assert all(fs.read(f"race/{number}") == str(writer).encode() for number in numbers)
    assert len(list((tmp_path / "race").iterdir())) == rounds, "temporary files are left"


def test_an_open_segment_is_held_until_it_is_closed(fs: Filesystem) -> None:
    file = fs.open_append("log/w/1")
    file.write(b"one\n")
    assert fs.is_held("log/w/1")
    assert (fs.read("log/w/1"), file.size) == (b"one\n", 4)
    file.write(b"two\n")
    file.close()
    assert not fs.is_held("log/w/1")
    assert fs.read("log/w/1") == b"one\ntwo\n"
    with pytest.raises(FileExistsError):
        fs.open_append("log/w/1")


def test_a_lake_may_be_the_root_of_a_disk(tmp_path: Path) -> None:
    fs, made = open_filesystem("/"), tmp_path / "made"
    made.write_bytes(b"")
    assert isinstance(fs, LocalFilesystem)
    fs._share(str(made))
    assert fs.users()


def test_a_child_does_not_wait_for_a_thread_of_its_parent(
    forked: Callable[[Callable[[], None]], int],
) -> None:
    fs = open_filesystem("memory://forked")

    def work() -> None:
        signal.alarm(20)  # what waits for ever is ended
        fs.put("a", b"of the child")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(MemoryFilesystem._lock.acquire).result()
        try:
            assert forked(work) == 0
        finally:
            pool.submit(MemoryFilesystem._lock.release).result()


def test_threads_read_one_bridged_file_by_position(fs: Filesystem) -> None:
    content = os.urandom(100_000)
    fs.create("file", content)
    file = EngineFileSystem(fs, {}).open("lake://file")

    def read(start: int) -> bool:
        file.seek(start)
        return file.read(100) == content[start : start + 100]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(0, 100_000, 97)))
    file.seek(-5, os.SEEK_END)
    assert file.read() == content[-5:]
    with pytest.raises(PermissionError):
        EngineFileSystem(fs, {}).open("lake://file", "wb")


def test_an_advisory_lock_is_had_once(tmp_path: Path) -> None:
    fs = open_filesystem(tmp_path)
    with fs.exclusive("folds/lock") as mine, fs.exclusive("folds/lock") as theirs:
        assert (mine, theirs) == (True, False)
    with fs.exclusive("folds/lock") as mine:
        assert mine


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "RESOURCE_EXHAUSTED"),
        (errno.EACCES, "PERMISSION_DENIED"),
        (errno.EROFS, "PERMISSION_DENIED"),
        (errno.EIO, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_errors_name_operation_and_object(tmp_path: Path, number: int, code: str) -> None:
    fs = open_filesystem(tmp_path)
    with (
        pytest.raises(StorageError, match="append to log/1") as caught,
        fs.errors("append to", "log/1"),
    ):
        raise OSError(number, os.strerror(number))
    assert caught.value.error_code == code
    assert str(tmp_path) in str(caught.value)


def test_a_kind_that_cannot_create_exclusively_reads_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    fs = open_filesystem(f"dir::file://{tmp_path}")
    assert (fs.read("a", 1, 3), fs.can_write) == (b"on", False)
    with pytest.raises(StorageError, match="exactly once"):
        fs.create("b", b"")
