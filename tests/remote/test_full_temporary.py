"""The folder of temporary files is full beside a lake on a real object store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from faults.test_refusals import mounted, needs_root

if TYPE_CHECKING:
    from pathlib import Path

    from servers.ceph import CephServer

_FILES = {"text": ".txt", "dict": ".json", "image": ".png"}
_ONCE = ("before.txt", "large", "t.json", "t.parquet")
"""Files that each round logs, and files that all share."""

# A call that is refused is repeated once there is room, as its caller would do.
STORY = """
import json, os, sys, tempfile
import numpy as np
import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import StorageError

uri, left, there, out = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
tmp = os.environ["TMPDIR"]
assert tempfile.gettempdir() == tmp
lakeflow.set_tracking_uri(uri)
client = LakeflowClient()
run_id = client.create_run(client.create_experiment("e")).info.run_id
experiment = client.get_run(run_id).info.experiment_id
client.log_text(run_id, "before", "before.txt")

def downloaded():
    where = client.download_artifacts(run_id, "before.txt")
    with open(where) as file:
        return file.read()

def kept():
    where = client.download_artifacts(run_id, "before.txt", out)
    with open(where) as file:
        return file.read()

ROUND = 0
def steps():
    return [each.step for each in client.get_metric_history(run_id, "loss")]

CALLS = {
    "metric": lambda: client.log_metric(run_id, "loss", 1.0, step=ROUND),
    "text": lambda: client.log_text(run_id, f"text {ROUND}" * 10_000, f"text{ROUND}.txt"),
    "dict": lambda: client.log_dict(run_id, {"round": ROUND}, f"dict{ROUND}.json"),
    "artifact": lambda: client.log_artifact(run_id, there),
    "json": lambda: client.log_table(run_id, {"n": [ROUND]}, "t.json"),
    "parquet": lambda: client.log_table(run_id, {"n": [ROUND]}, "t.parquet"),
    "image": lambda: client.log_image(
        run_id, np.zeros((64, 64, 3), np.uint8), f"image{ROUND}.png"
    ),
    "search": lambda: len(client.search_runs([experiment], "metrics.loss > 0")),
    "steps": steps,
    "download": downloaded,
    "keep": kept,
    "list": lambda: len(client.list_artifacts(run_id)),
    "compact": lambda: lakeflow.compact(uri).records,
    "sql": lambda: lakeflow.sql(
        "SELECT count(*) FROM metrics", tracking_uri=uri, output_format="list"
    ),
}

def tried(names):
    errors = {}
    for name in names:
        try:
            CALLS[name]()
        except StorageError as error:
            errors[name] = [error.error_code, error.message]
    return errors

filler = os.path.join(tmp, "filler")
status = os.statvfs(tmp)
with open(filler, "wb") as file:
    file.write(b"x" * (status.f_bavail * status.f_bsize - left))
refused, again, rounds = {}, {}, []
for ROUND in range(2):
    rounds.append(tried(CALLS))
    refused |= rounds[-1]
os.unlink(filler)
for ROUND, names in enumerate([*rounds, CALLS]):
    again |= tried(names)
lakeflow.compact(uri)
print(json.dumps({
    "refused": refused,
    "again": again,
    "steps": steps(),
    "rows": [
        client.load_table(experiment, f"t.{end}")["n"].to_list() for end in ("json", "parquet")
    ],
    "files": sorted(each.path for each in client.list_artifacts(run_id)),
    "texts": [
        lakeflow.artifacts.load_text(f"runs:/{run_id}/text{n}.txt") == f"text {n}" * 10_000
        for n in range(3)
    ],
    "kept": [downloaded(), kept()],
    "findings": [str(each) for each in lakeflow.artifacts.verify(tracking_uri=uri).findings],
}))
"""


@needs_root
@pytest.mark.parametrize("left_bytes", [0, 4096, 64 * 1024])
def test_nothing_acknowledged_is_lost_or_doubled_and_all_goes_on(
    left_bytes: int, bucket: str, gateway: CephServer, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(b"l" * 9_000_000)
    (tmp_path / "out").mkdir()
    with mounted(tmp_path / "tmp", "size=4m") as small:
        told = os.environ | gateway.environment
        told |= {
            "TMPDIR": str(small),
            "LAKEFLOW_CACHE_FOLDER": str(tmp_path / "cache"),
            "LAKEFLOW_AUTO_COMPACT": "false",
        }
        given = [f"s3://{bucket}/lake", str(left_bytes), str(tmp_path / "large")]
        ended = subprocess.run(
            [sys.executable, "-c", STORY, *given, str(tmp_path / "out")],
            env=told,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert {"compact", "steps"} & set(found["refused"]) == {"compact"}
    for code, message in found["refused"].values():
        error, hint = message.splitlines()
        assert code == "RESOURCE_EXHAUSTED"
        assert "No space left on device" in error
        assert hint.startswith("Hint: ")
    assert found["again"] == {}
    assert found["steps"] == [0, 1, 2]
    assert [sorted(each) for each in found["rows"]] == [[0, 1, 2]] * 2
    assert found["texts"] == [True] * 3
    assert found["kept"] == ["before"] * 2
    assert found["files"] == sorted(
        [*(f"{name}{n}{end}" for n in range(3) for name, end in _FILES.items()), *_ONCE]
    )
    assert found["findings"] == []
