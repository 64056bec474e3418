"""A process that is killed while it adds rows to a table leaves a table, and no row twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lakeflow import LakeflowClient

PROGRAM = """
import os, signal, sys
from lakeflow import LakeflowClient
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.stores.artifacts.files import ArtifactStore
uri, run_id, where = sys.argv[1:]
client = LakeflowClient(uri)
client.log_table(run_id, {"n": [2]}, "t.json")
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "written":
    ArtifactStore.record = die
else:
    LocalFilesystem.upload = die
client.log_table(run_id, {"n": [3]}, "t.json")
"""


@pytest.mark.parametrize("where", ["written", "halfway"])
def test_a_killed_call_is_completed_by_a_second_one(tmp_path: Path, where: str) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    client.create_experiment("e")
    run_id = client.create_run("0").info.run_id
    client.log_table(run_id, {"n": [1]}, "t.json")
    died = subprocess.run([sys.executable, "-c", PROGRAM, uri, run_id, where], check=False)
    assert died.returncode == -signal.SIGKILL
    seen = json.loads(Path(client.download_artifacts(run_id, "t.json")).read_text())["data"]
    assert seen == [[1], [2], [3]][: 3 if where == "written" else 2]
    client.log_table(run_id, {"n": [3]}, "t.json")
    client.log_table(run_id, {"n": [4]}, "t.json")
    assert client.load_table("0", "t.json")["n"].tolist() == [1, 2, 3, 4]
    # Its digest is the one that is recorded.
    client.download_artifacts(run_id, "t.json", tmp_path)
