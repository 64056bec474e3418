"""Files where a location is a bucket itself, with nothing below it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient, artifacts

if TYPE_CHECKING:
    from servers.ceph import CephServer

_SIZE = 9 * 1024 * 1024
"""Bytes of a file that goes in parts."""


@pytest.fixture(params=["s3://{}", "s3://{}/", "memory://"])
def location(
    request: pytest.FixtureRequest,
    bucket: str,
    gateway: CephServer,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Return the root of a store, which this process can open."""
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    return str(request.param.format(bucket))


def _names(uri: str) -> list[str]:
    return [each.path for each in artifacts.list_artifacts(uri)]


def test_files_of_runs_come_and_go(tmp_path: Path, location: str) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    experiment = client.create_experiment("e", artifact_location=location)
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "a", "a.txt")
    for row in range(2):
        client.log_table(run_id, {"n": [row]}, "t.json")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/big").write_bytes(b"b" * _SIZE)
    client.log_artifacts(run_id, str(tmp_path / "d"), "d")
    assert [each.path for each in client.list_artifacts(run_id)] == ["a.txt", "d", "t.json"]
    (big,) = client.list_artifacts(run_id, "d")
    assert (big.path, big.file_size) == ("d/big", _SIZE)
    there = Path(client.download_artifacts(run_id, "", str(tmp_path)))
    assert (there / "d/big").read_bytes() == b"b" * _SIZE
    assert client.load_table(experiment, "t.json")["n"].tolist() == [0, 1]
    lakeflow.compact(lake)
    report = artifacts.verify(tracking_uri=lake)
    assert (report.files, report.findings) == (3, [])


def test_files_of_logged_models_come_and_go(tmp_path: Path, location: str) -> None:
    client = LakeflowClient(tmp_path / "lake")
    experiment = client.create_experiment("e", artifact_location=location)
    model_id = client.create_logged_model(experiment).model_id
    (tmp_path / "d").mkdir()
    (tmp_path / "d/MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model_id, str(tmp_path / "d"))
    assert [each.path for each in client.list_logged_model_artifacts(model_id)] == ["MLmodel"]
    report = artifacts.verify(tracking_uri=tmp_path / "lake")
    assert (report.files, report.findings) == (1, [])


def test_a_bucket_is_listed_and_downloaded_as_any_folder_is(
    tmp_path: Path, location: str
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    experiment = client.create_experiment("e", artifact_location=location)
    run = client.create_run(experiment)
    client.log_text(run.info.run_id, "a", "a.txt")
    assert run.info.run_id in _names(location)
    assert _names(run.info.artifact_uri) == ["artifacts/a.txt"]
    around = run.info.artifact_uri.removesuffix("/artifacts")
    assert _names(around) == [f"{run.info.run_id}/artifacts"]
    there = Path(artifacts.download_artifacts(location, dst_path=str(tmp_path / "down")))
    assert (there / run.info.run_id / "artifacts/a.txt").read_text() == "a"
