"""A disk that fails at any of its calls, whoever makes them: Python, DuckDB or Rust.

In processes of their own, with a library before the C library that counts the calls and lets one
fail, or all from then on. It stands for quotas, broken disks and mounts that few machines have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Each of so many calls fails once; 1 takes minutes.
STRIDE = int(os.environ.get("LAKEFLOW_TEST_CALLS", "11"))

HEAD = """
import ctypes, errno, itertools, os, sys, tempfile
import lakeflow
from lakeflow import LakeflowClient
from lakeflow.config import Settings
from lakeflow.entities import Metric, Param
from lakeflow.exceptions import StorageError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.stores.store import Store

READS, WRITES = 1, 2
CODES = {
    errno.EIO: "TEMPORARILY_UNAVAILABLE",
    errno.EDQUOT: "RESOURCE_EXHAUSTED",
    errno.EFBIG: "RESOURCE_EXHAUSTED",
}
lake, stride = sys.argv[1], int(sys.argv[2])
disk = ctypes.CDLL(os.environ["LD_PRELOAD"])
disk.fail_below.argtypes = [ctypes.c_char_p] + [ctypes.c_int] * 2 + [ctypes.c_long, ctypes.c_int]
found = set()


def another():
    return Store(Lake.on(open_filesystem(lake), Settings.from_environment()))


def failed(call, where, calls, after, lasting):
    "Make a call of which one to the disk fails; return whether it did, and what was raised."
    number, raised = [*CODES][after % len(CODES)] if calls == WRITES else errno.EIO, None
    disk.fail_below(where.encode(), calls, number, after, lasting)
    try:
        call()
    except StorageError as error:
        raised = error
    finally:
        did = disk.failures()
        disk.fail_below(b"", 0, 0, -1, 0)
    if raised is not None:
        assert did
        # Arrow does not say why a file could not be closed.
        if "error closing file" not in str(raised):
            assert raised.error_code == CODES[number], (os.strerror(number), raised)
            assert os.strerror(number) in str(raised)
            assert len(str(raised).splitlines()) == 2, f"and a hint: {raised}"
        found.add(str(raised).split(" in ")[0].split("/")[0])
    return did, raised


def each_call(make, where, calls, stride=stride):
    "Let each of so many calls fail once, alone or with all that come after it."
    for lasting in (0, 1):
        for after in itertools.count(lasting * stride // 2, stride):
            did, raised = failed(make(), where, calls, after, lasting)
            yield raised
            if not did:
                break
    assert len(found) > 1, found


client = LakeflowClient(lake)
run_id = client.create_run("0").info.run_id
numbers = itertools.count()


def log():
    number = next(numbers)
    points = [Metric("m", number, number, 10 * number + n) for n in range(10)]
    client.log_batch(run_id, metrics=points, params=[Param(f"p{number}", "v")])
    client.create_run("0")
    return number + 1
"""

FOLDS = """
def compaction():
    log()
    return lambda: lakeflow.compact(lake)


lakeflow.compact(lake)
# What is on no disk of its own is made ready among the temporary files.
where = tempfile.gettempdir() if "://" in lake else lake
for raised in each_call(compaction, where, WRITES, 3 * stride):
    lakeflow.compact(lake)
count = log()
for _ in range(2):
    store = another()
    assert len(store.runs.history(run_id, "m")) == 10 * count
    assert len(store.runs.get(run_id).data.params) == count
    assert len(store.runs.search(["0"], max_results=10_000)) == 1 + count
    assert lakeflow.compact(lake).rejected == 0
"""

LOG = """
acknowledged, experiments, runs = set(), set(), 1

def change():
    def make():
        global runs
        number = next(numbers)
        client.log_metric(run_id, "m", number, number, number)
        acknowledged.add(number)
        client.log_batch(run_id, [Metric("b", number, number, number)], [Param(f"p{number}", "v")])
        client.set_tag(run_id, "t", number)
        experiments.add(client.create_experiment(f"e{number}"))
        client.log_text(run_id, "text", f"{number}.txt")
    return make


for raised in each_call(change, lake, WRITES, max(1, stride // 5)):
    lakeflow.LakeflowClient(lake).log_metric(run_id, "between", 1)
for _ in range(2):
    store = another()
    steps = [point.step for point in store.runs.history(run_id, "m")]
    assert len(steps) == len(set(steps)), "a point is there twice"
    assert acknowledged <= set(steps)
    there = {each.experiment_id for each in store.experiments.search(max_results=10_000)}
    assert experiments <= there
    assert lakeflow.compact(lake).rejected == 0
"""

READ = """
log()
lakeflow.compact(lake)
log()


def read():
    store = another()

    def answers():
        assert len(store.runs.history(run_id, "m")) == 20
        assert len(store.runs.get(run_id).data.params) == 2
        assert len(store.runs.search(["0"], "metrics.m >= 0 OR status != 'x'".split(" OR")[0])) == 1
        assert store.columns.query("SELECT count(*) FROM metrics", None)[0].to_pylist() == [20]

    return answers


for raised in each_call(read, lake, READS):
    pass
lakeflow.compact(lake)
read()()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("to come between a process and its disk needs Linux and a compiler of C")
    made = tmp_path_factory.mktemp("failing") / "failing_disk.so"
    source = Path(__file__).parent / "failing_disk.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return made


@pytest.mark.parametrize(
    ("story", "lake", "durability"),
    [
        (FOLDS, "lake", "process"),
        (FOLDS, "memory://lake", "process"),
        (LOG, "lake", "fsync"),
        (READ, "lake", "process"),
    ],
    ids=["folds", "temporary files", "logging", "reading"],
)
def test_a_disk_that_fails_is_named_and_nothing_is_lost(
    story: str, lake: str, durability: str, library: Path, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    uri = lake if "://" in lake else str(tmp_path / lake)
    environment = {
        "LD_PRELOAD": str(library),
        "TMPDIR": str(tmp_path / "tmp"),
        "LAKEFLOW_AUTO_COMPACT": "false",
        "LAKEFLOW_DURABILITY": durability,
        "LAKEFLOW_SEGMENT_BYTES": "2000",
        "LAKEFLOW_VACUUM_GRACE_S": "0",
        "LAKEFLOW_RETENTION_S": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", HEAD + story, uri, str(STRIDE)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
