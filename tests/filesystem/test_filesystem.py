"""What filesystems promise beside the contracts that are shipped: see ``lakeflow.testing``."""

from __future__ import annotations

import errno
import multiprocessing
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lakeflow.config import Settings
from lakeflow.exceptions import DamagedLakeError, StorageError
from lakeflow.filesystem import remote
from lakeflow.filesystem.backends import Backend, create_by_condition
from lakeflow.filesystem.engine_filesystem import EngineFileSystem
from lakeflow.filesystem.interface import Entry, Filesystem
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.filesystem.location import open_filesystem
from lakeflow.filesystem.memory import MemoryFilesystem
from lakeflow.filesystem.remote import RemoteFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


class Nested(Filesystem):
    """Folders within one another, more than Python calls."""

    def list(self, path: str) -> list[Entry]:
        if path.count("/") < 2_000:
            return [Entry("a", 0, is_folder=True, modified_s=0)]
        return [Entry("file", 5, is_folder=False, modified_s=0)]


def test_folders_may_be_as_deep_as_somebody_made_them() -> None:
    assert Nested("", "nested://").sizes("log") == {"log" + 2_000 * "/a" + "/file": 5}


def test_an_advisory_lock_is_had_once(tmp_path: Path) -> None:
    fs = open_filesystem(tmp_path)
    with fs.exclusive("folds/lock") as mine, fs.exclusive("folds/lock") as theirs:
        assert (mine, theirs) == (True, False)
    with fs.exclusive("folds/lock") as mine:
        assert mine


@pytest.mark.parametrize(
    ("until", "is_held"),
    [
        (60, True),
        (10**9, False),
        ("Infinity", False),
        ("NaN", False),
        ("1" + "0" * 400, False),
        ("[" * 100_000, False),
        ("null", False),
    ],
)
def test_a_lease_is_held_no_longer_than_one_lasts(
    until: str | int, is_held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote.time, "sleep", lambda _: None)
    backend = Backend("m", create_by_condition, has_folders=False)
    fs = remote.RemoteFilesystem(
        lambda: fsspec.filesystem("memory"), "/leased", "m://leased", backend, Settings()
    )
    said = until if isinstance(until, str) else time.time() + until
    fs.put("folds/lock", f'{{"until": {said}}}'.encode())
    with fs.exclusive("folds/lock") as is_mine:
        assert is_mine is not is_held


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


@pytest.mark.parametrize("where", ["{}", "memory://{}", "local://{}"])
def test_no_path_leads_out_of_a_lake(tmp_path: Path, where: str) -> None:
    fs = open_filesystem(where.format(tmp_path / "lake"))
    for call in (fs.read, fs.list, fs.exists, fs.delete, partial(fs.put, data=b"x")):
        with pytest.raises(DamagedLakeError, match=re.escape("log/../../out")):
            call("log/../../out")
    assert not (tmp_path / "out").exists()
    fs.put("log/..a", b"x")
    assert fs.read("log/..a") == b"x"


class Held(MemoryFileSystem):
    """Refuses to delete a file, and is out of reach where asked for another."""

    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    cachable = False

    def rm_file(self, path: str) -> None:
        if path.endswith("held"):
            raise PermissionError(errno.EACCES, "held", path)
        if path.endswith("lost"):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "lost", path)
        super().rm_file(path)


class HeldInBulk(Held):
    """Has a call for many deletions, as s3fs has."""

    def _bulk_delete(self) -> None: ...


@pytest.mark.parametrize("kind", [Held, HeldInBulk])
def test_all_is_deleted_but_what_is_refused(kind: type[Held]) -> None:
    store = kind()
    fs = RemoteFilesystem(
        lambda: store,
        "/held",
        "held://held",
        Backend("held", create_by_condition, has_folders=False),
        Settings(exclusive_writer=True, cache_bytes=0, remote_deadline_s=0),
    )
    paths = [f"[{number}]" for number in range(40)]
    for path in ("[held", *paths, "lost"):
        fs.put(path, b"x")
    with pytest.raises(StorageError, match=r"cannot delete \[held"):
        fs.delete_many(["[held", *paths])
    assert sorted(fs.sizes("")) == ["[held", "lost"]
    # Each file would be waited for, as long as a store may be out of reach.
    with pytest.raises(StorageError, match="lost"):
        fs.delete_many(["[held", "[lost"])
