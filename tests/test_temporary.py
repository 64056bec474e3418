"""Temporary folders: whose they are, and what is left of them."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient, temporary
from lakeflow.exceptions import OutOfMemoryError, StorageError
from lakeflow.filesystem.disk_cache import BLOCK_BYTES, BlockCache, cache_folder
from lakeflow.query.engine.connection import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPILL = "CREATE TABLE t AS SELECT md5(i::VARCHAR) FROM range(500_000) r(i)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of temporary files, for a process that has made none yet."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(temporary, "_root", None)
    yield folder
    temporary._remove_root()


def python(script: str, place: Path) -> subprocess.Popen[str]:
    """Start a process with a folder of temporary files."""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=os.environ | {"TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_what_spills_is_this_users_alone(place: Path) -> None:
    before = os.umask(0)
    try:
        engine = Engine(memory_bytes=16 << 20)
        engine.cursor().run(SPILL)
    finally:
        os.umask(before)
    (root,) = place.iterdir()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert list(root.glob("spill-*/*"))
    engine.close()


LEAVES = """
import multiprocessing, os, tempfile
from lakeflow import temporary
from lakeflow.query.engine.connection import Engine

def in_a_child():
    child = multiprocessing.get_context("fork").Process(target=temporary.make, args=["log"])
    child.start()
    child.join()
    return child.exitcode, len(os.listdir(tempfile.gettempdir()))

temporary.make("log")
engine = Engine(memory_bytes=16 << 20)
engine.cursor().run("CREATE TABLE t AS SELECT md5(i::VARCHAR) FROM range(500_000) r(i)")
print(*in_a_child(), flush=True)
"""


def test_a_process_that_ends_leaves_nothing_and_a_forked_child_takes_nothing(
    place: Path,
) -> None:
    done = python(LEAVES, place)
    assert done.communicate()[0] == "0 1\n", "the child has removed its own"
    assert done.returncode == 0
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_one_and_nothing_else(
    place: Path,
) -> None:
    waits = """
import signal
from lakeflow import temporary
print(temporary.make("log"), flush=True)
signal.pause()
"""
    killed, alive = python(waits, place), python(waits, place)
    assert killed.stdout is not None
    assert alive.stdout is not None
    for process in (killed, alive):
        process.stdout.readline()  # type: ignore[union-attr]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    user = place / "lakeflow-demo"
    user.mkdir(0o700)
    target = place / "target"
    target.mkdir(0o700)
    (target / "precious").write_text("mine")
    (place / "lakeflow-planted1.lock.tmp").symlink_to(target)
    open_to_all = place / "lakeflow-planted2.lock.tmp"
    open_to_all.mkdir(0o755)
    (place / "lakeflow-planted3.lock.tmp").write_text("a file")
    try:
        temporary.make("log")
        left = {path.name for path in place.iterdir()}
        assert {"lakeflow-demo", "target", "lakeflow-planted1.lock.tmp"} < left
        assert {"lakeflow-planted2.lock.tmp", "lakeflow-planted3.lock.tmp"} < left
        assert len(left) == 7, "with that of this process and of the one that lives"
        assert (target / "precious").read_text() == "mine"
    finally:
        alive.kill()
        alive.wait()
        alive.stdout.close()
        killed.stdout.close()


def test_without_a_place_for_temporary_files_plain_statements_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(temporary, "_root", None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    client = LakeflowClient(tmp_path / "lake")
    client.create_run("0")
    assert lakeflow.sql("FROM runs", tracking_uri=tmp_path / "lake").num_rows == 1
    assert len(client.search_runs(["0"], "attributes.status = 'RUNNING'")) == 1
    with pytest.raises(OutOfMemoryError, match="TMPDIR") as raised:
        Engine(memory_bytes=16 << 20).cursor().run(SPILL)
    assert raised.value.error_code == "RESOURCE_EXHAUSTED"
    with pytest.raises(StorageError, match="TMPDIR"):
        temporary.make("log")


def test_a_folder_that_is_full_for_whatever_writes_there_says_so(place: Path) -> None:
    def write(error: OSError) -> None:
        with temporary.folder("figure") as folder:
            assert list(place.glob("*/*")) == [Path(folder)]
            raise error

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(StorageError, match=r"figure-.*No space left.*\n.*TMPDIR") as raised:
        write(full)
    assert raised.value.error_code == "RESOURCE_EXHAUSTED"
    for other in (FileNotFoundError(errno.ENOENT, "gone"), StorageError("the lake is full")):
        with pytest.raises(type(other)) as raised_too:
            write(other)
        assert raised_too.value is other
    assert list(place.glob("*/*")) == []


def test_a_cache_is_this_users_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = tmp_path / "own"
    cache = BlockCache(own, 1 << 20)
    cache.put("part", 0, b"x" * BLOCK_BYTES)
    assert cache.get("part", 0) is not None
    for folder in (own, *own.iterdir()):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not caplog.records
    own.chmod(0o777)
    other = BlockCache(own, 1 << 20)
    other.put("part", 1, b"y" * BLOCK_BYTES)
    assert other.get("part", 0) is other.get("part", 1) is None
    assert "LAKEFLOW_CACHE_FOLDER" in caplog.text


def test_a_folder_that_somebody_else_makes_after_the_first_look_is_no_cache(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "cache"
    cache = BlockCache(folder, 1 << 20)
    assert cache.get("part", 0) is None
    folder.mkdir()
    folder.chmod(0o777)
    cache.put("part", 0, b"x")
    assert not [*folder.iterdir()]
    cache._folder = tmp_path / "own"
    cache.put("part", 0, b"planted")
    (tmp_path / "own").chmod(0o777)
    assert cache.get("part", 0) is None


def test_the_folder_of_a_cache_is_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/kim")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    places = map(str, map(cache_folder, ("~/x", "x", "")))
    assert [*places] == ["/home/kim/x", f"{tmp_path}/x", "/home/kim/.cache/lakeflow"]


def test_a_forked_child_has_a_folder_of_its_own(
    place: Path, forked: Callable[[Callable[[], None]], int]
) -> None:
    mine = temporary.make("log")

    def work() -> None:
        with temporary.folder("staged") as folder:
            assert os.path.dirname(folder) != os.path.dirname(mine)
        temporary._remove_root()

    assert forked(work) == 0
    assert os.path.isdir(mine)
    assert len(list(place.iterdir())) == 1
