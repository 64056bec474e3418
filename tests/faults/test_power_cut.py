"""What is left on a disk whose power is cut: a real ext4 on a loop device, shut down unflushed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import deltalake
import pytest

from lakeflow.filesystem.location import open_filesystem
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.copying import copy_lake
from lakeflow.syncing.between_lakes import sync_lakes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.maintenance.report import Progress
    from lakeflow.stores.store import Store

# _IOR('X', 125, __u32), and the flag that says not to write anything that is still in memory.
_SHUTDOWN, _NO_FLUSH = 0x8004587D, 2


class Disk:
    """A small filesystem that can lose its power."""

    def __init__(self, folder: Path) -> None:
        self.image, self.path = folder / "image", folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(96 * 2**20)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(self.image))
        self.mount()

    def mount(self) -> None:
        # Commits of its journal by themselves are an hour apart: only what is synced is there.
        _run("mount", "-o", "loop,commit=3600", str(self.image), str(self.path))

    def cut(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_FLUSH))
        finally:
            os.close(descriptor)

    def cut_and_mount(self) -> None:
        self.cut()
        self.unmount()
        self.mount()

    def unmount(self) -> None:
        for _ in range(50):
            # Whoever had a file open may not be quite dead yet.
            if subprocess.run(["umount", str(self.path)], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError("the disk is still in use")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() or not Path("/dev/loop-control").exists():
        pytest.skip("a disk of one's own needs root and loop devices")
    try:
        disk = Disk(tmp_path)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a disk of one's own cannot be mounted here: {error}")
    yield disk
    with contextlib.suppress(AssertionError):
        disk.unmount()


WORKER = """
import sys
from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store

settings = Settings(auto_compact=False, durability=sys.argv[2], vacuum_grace_s=0, retention_s=0,
                    segment_bytes=2000, fold_bytes=4000)
store = Store(Lake.on(open_filesystem(sys.argv[1]), settings))

def say(*words):
    print(*words, flush=True)

number = 0
while True:
    experiment = store.experiments.create(f"e{number}")
    say("experiment", experiment, f"e{number}")
    run = store.runs.create(experiment).info.run_id
    say("run", run, experiment)
    for step in range(8):
        store.runs.log_metric(run, "loss", float(step), step, step)
        say("points", run, step + 1)
    if number % 2:
        compact_lake(store.lake)
        say("compacted")
    number += 1
"""


def worked(disk: Disk, durability: str, words: int, longer_s: float) -> list[list[str]]:
    """Let a process work until it has said so much and longer, cut the power, and return that."""
    lake = str(disk.path / "lake")
    command = [sys.executable, "-c", WORKER, lake, durability]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(words)]
        time.sleep(longer_s)
        disk.cut()
        process.kill()
        # What it said before the cut counts; after it nothing can be written.
        process.communicate()
    disk.unmount()
    disk.mount()
    return said


# After 20 words, and then after each 21, it compacts.
@pytest.mark.parametrize(
    ("words", "longer_s"),
    [(1, 0), (5, 0), (20, 0.05), (43, 0), (62, 0.1), (83, 0.02), (104, 0.2), (101, 0)],
)
def test_what_was_acknowledged_survives_a_power_cut_with_fsync(
    another_process: Callable[..., Store], disk: Disk, words: int, longer_s: float
) -> None:
    said = worked(disk, "fsync", words, longer_s)
    lake = str(disk.path / "lake")
    for _ in range(2):
        store = another_process(lake)
        for kind, *rest in said:
            if kind == "experiment":
                assert store.experiments.get(rest[0]).name == rest[1]
            elif kind == "run":
                assert store.runs.get(rest[0]).info.experiment_id == rest[1]
        points = {rest[0]: int(rest[1]) for kind, *rest in said if kind == "points"}
        for run_id, count in points.items():
            assert len(store.runs.history(run_id, "loss")) >= count
        new = store.experiments.create(f"after {time.time_ns()}")
        assert new not in {rest[0] for kind, *rest in said if kind == "experiment"}
        assert compact_lake(store.lake).rejected == 0
        store.lake.close()
    for table in (disk.path / "lake" / "tables").iterdir():
        deltalake.DeltaTable(table).to_pyarrow_table()


@pytest.mark.parametrize("is_logged_more", [False, True])
def test_what_was_on_the_disk_survives_a_compaction_and_a_power_cut(
    another_process: Callable[..., Store], disk: Disk, is_logged_more: bool
) -> None:
    """Without fsync too: what a compaction takes over is as safe there as it was in the log."""
    lake = str(disk.path / "lake")
    store = another_process(lake)
    run_id = store.runs.create("0").info.run_id
    for step in range(20):
        store.runs.log_metric(run_id, "loss", float(step), step, step)
    _run("sync", "-f", lake)
    compact_lake(store.lake)
    if is_logged_more:
        store.runs.create("0")
        compact_lake(store.lake)
    store.lake.seal()
    disk.cut_and_mount()
    for _ in range(2):
        store = another_process(lake, vacuum_grace_s=0, retention_s=0)
        assert len(store.runs.history(run_id, "loss")) == 20
        assert run_id in {run.info.run_id for run in store.runs.search(["0"])}
        store.runs.create("0")
        compact_lake(store.lake)
        store.lake.close()


def test_what_a_sync_has_brought_survives_a_power_cut_as_its_bookmark_does(
    another_process: Callable[..., Store], disk: Disk, tmp_path: Path
) -> None:
    lake = str(disk.path / "lake")
    source = another_process(str(tmp_path / "node"))
    run_id = source.runs.create("0").info.run_id
    target = another_process(lake)
    # The second bookmark takes the place of the first one, and ext4 writes it out for that.
    for name in ("first", "second"):
        source.artifacts.log_text(run_id, name, f"a/{name}.txt")
        sync_lakes(source, target)
    for each in (source, target):
        each.lake.close()
    disk.cut_and_mount()
    store = another_process(lake)
    uri = store.runs.get(run_id).info.artifact_uri
    for name in ("first", "second"):
        assert (Path(uri) / f"a/{name}.txt").read_text() == name
    store.lake.close()


def test_a_copy_that_was_killed_and_made_again_survives_a_power_cut(
    another_process: Callable[..., Store], disk: Disk, tmp_path: Path
) -> None:
    lake = str(disk.path / "lake")
    source = another_process(str(tmp_path / "node"))
    run_id = source.runs.create("0").info.run_id
    compact_lake(source.lake)
    source.runs.log_metric(run_id, "loss", 1.0, 0, 0)

    def die(progress: Progress) -> None:
        if progress.step == "copy log":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_lake(source.lake, open_filesystem(lake), die)
    copy_lake(source.lake, open_filesystem(lake))
    disk.cut_and_mount()
    store = another_process(lake)
    assert len(store.runs.history(run_id, "loss")) == 1
    store.lake.close()
