"""A process that has logged to an object store ends: at once, and with everything done."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from servers.s3 import S3Server

LIMIT_S = 40
"""Trying again takes a minute; starting and ending a process, a few seconds."""

BEGIN = """
import json, sys, threading, time
import lakeflow
uri, options = sys.argv[1], json.loads(sys.argv[2])
lakeflow.set_storage_options(uri, options)
lakeflow.set_tracking_uri(uri)
"""

PROGRAMS = {
    "an open run": "lakeflow.start_run()\nlakeflow.log_metric('m', 1.0)",
    "a queue": "lakeflow.start_run()\nlakeflow.log_metric('m', 1.0, synchronous=False)",
    "a compaction": "lakeflow.start_run()\nfor n in range(70): lakeflow.log_metric('m', n)",
    "a thread that goes on": """
lakeflow.start_run()
def work():
    time.sleep(1)
    lakeflow.MlflowClient().log_metric(run_id, 'm', 1.0)
run_id = lakeflow.active_run().info.run_id
threading.Thread(target=work).start()
""",
}


@pytest.fixture(scope="module")
def server(double: S3Server) -> S3Server:
    double.make_bucket("ending")
    return double


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_process_ends_with_everything_done(
    name: str, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3://ending/{name.replace(' ', '-')}"
    monkeypatch.setenv("LAKEFLOW_CACHE_FOLDER", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + PROGRAMS[name], uri, json.dumps(server.storage_options)],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    lakeflow.set_storage_options(uri, server.storage_options)
    lake = open_store(uri, create=False).lake
    (run,) = lakeflow.MlflowClient(uri).search_runs(["0"])
    assert "m" in run.data.metrics
    if name == "a thread that goes on":
        return
    assert run.info.status == "FINISHED"
    assert done.stderr == ""
    assert (lake.fold().number > 0) == (name == "a compaction")
