"""A process that is stopped between its decision and its event, while others go on for long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import lakeflow
from lakeflow import LakeflowClient

if TYPE_CHECKING:
    from pathlib import Path

import pytest

STOPS = """
import os, signal, sys
import lakeflow
from lakeflow.exceptions import LakeflowException
from lakeflow.filesystem.local import LocalFilesystem

client = lakeflow.MlflowClient(sys.argv[1])
client.get_experiment("0")
create = LocalFilesystem.create

def stopped(fs, path, data):
    if "control" in path:
        LocalFilesystem.create = create
        print("stopping", path, flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    create(fs, path, data)

LocalFilesystem.create = stopped
try:
    print("made", client.create_experiment(sys.argv[2]), flush=True)
except LakeflowException as error:
    print("refused", error.error_code, flush=True)
"""


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a lake that keeps no folded event: any pause is longer than that."""
    monkeypatch.setenv("LAKEFLOW_VACUUM_GRACE_S", "0")
    monkeypatch.setenv("LAKEFLOW_AUTO_COMPACT", "false")
    LakeflowClient(tmp_path / "lake").create_experiment("first")
    return tmp_path / "lake"


def said_after_a_pause(lake: Path, name: str, theirs: list[str]) -> str:
    """Return what a process says that wants a name, and is stopped while others take names."""
    command = [sys.executable, "-c", STOPS, str(lake), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline().split()
    assert said[0] == "stopping"
    wait_until_stopped(process.pid)
    client = LakeflowClient(lake)
    for each in theirs:
        client.create_experiment(each)
    lakeflow.compact(lake)
    assert not (lake / said[1]).exists(), "its number is folded, and free again"
    os.kill(process.pid, signal.SIGCONT)
    answer, _ = process.communicate(timeout=60)
    return answer.strip()


def wait_until_stopped(pid: int) -> None:
    while True:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "T":
                return
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="the state of a process is in /proc")
def test_a_name_that_was_taken_meanwhile_is_refused(lake: Path) -> None:
    assert said_after_a_pause(lake, "mine", ["mine"]) == "refused RESOURCE_ALREADY_EXISTS"
    names = [each.name for each in LakeflowClient(lake).search_experiments()]
    assert sorted(names) == ["Default", "first", "mine"]


@pytest.mark.skipif(sys.platform != "linux", reason="the state of a process is in /proc")
def test_a_number_that_was_taken_meanwhile_is_not_given_twice(lake: Path) -> None:
    assert said_after_a_pause(lake, "mine", ["theirs", "other"]) == "made 4"
    for _ in range(2):
        found = {
            each.name: each.experiment_id for each in LakeflowClient(lake).search_experiments()
        }
        assert found == {"Default": "0", "first": "1", "theirs": "2", "other": "3", "mine": "4"}
        lakeflow.compact(lake)
    rows = lakeflow.sql(
        "SELECT number FROM control_events ORDER BY number",
        tracking_uri=lake,
        output_format="list",
    )
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5]
