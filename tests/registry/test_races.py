"""Processes that register versions of one model at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient

if TYPE_CHECKING:
    from pathlib import Path

    from servers.ceph import CephServer

PROCESSES, VERSIONS = 8, 6
REGISTER = """
import sys
from lakeflow import MlflowClient
client, count = MlflowClient(sys.argv[1]), int(sys.argv[2])
sys.stdin.readline()
for number in range(count):
    version = client.create_model_version("model", f"s3://{sys.argv[3]}/{number}").version
    client.set_registered_model_alias("model", "newest", version)
    print(version, flush=True)
"""


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """Return a location, and the environment of who opens it."""
    if request.param == "local":
        return str(tmp_path / "lake"), {}
    server: CephServer = request.getfixturevalue("gateway")
    bucket = server.make_bucket(f"races-{os.getpid()}")
    return f"s3://{bucket}/lake", {"FSSPEC_S3": json.dumps(server.storage_options)}


def test_versions_have_no_gap_and_are_never_given_twice(
    place: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, variables = place
    variables |= {"LAKEFLOW_CACHE_FOLDER": str(tmp_path / "cache")}
    processes, count = (PROCESSES, VERSIONS) if "://" not in uri else (4, 4)
    if "FSSPEC_S3" in variables:
        lakeflow.set_storage_options(uri, json.loads(variables["FSSPEC_S3"]))
    client = LakeflowClient(uri)
    client.create_registered_model("model")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", REGISTER, uri, str(count), str(number)],
            env=os.environ | variables,
            **pipes,
        )
        for number in range(processes)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * processes
    # Each process was given numbers that grow, and all of them together each number once.
    given = [list(map(int, lines.split())) for lines in told]
    assert all(numbers == sorted(numbers) for numbers in given)
    assert sorted(number for numbers in given for number in numbers) == [
        *range(1, processes * count + 1)
    ]
    model = client.get_registered_model("model")
    assert [each.version for each in model.latest_versions] == [processes * count]
    events = lakeflow.registry.history("model", registry_uri=uri, output_format="list")
    moved = [each["version"] for each in events if each["key"] == "newest"]
    assert sorted(moved) == [*range(1, processes * count + 1)]
    assert model.aliases == {"newest": moved[-1]}
