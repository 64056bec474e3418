"""``lakeflow import``: what it prints, and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeflow.cli import main
from lakeflow.client import LakeflowClient

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """Return a file store with one run, written by hand."""
    run = tmp_path / "mlruns/1" / RUN_ID
    (run / "metrics").mkdir(parents=True)
    (run.parent / "meta.yaml").write_text("name: first\nexperiment_id: '1'\n")
    (run / "meta.yaml").write_text(f"run_id: {RUN_ID}\nstart_time: 5\nstatus: 3\n")
    (run / "metrics/loss").write_text("7 0.5 0\n8 0.25 1\n")
    return tmp_path / "mlruns"


def test_all_is_there(mlruns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = str(tmp_path / "lake")
    assert main(["import", "mlflow", str(mlruns), "--lake", lake, "--dry-run"]) == 0
    assert "nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "lake").exists()
    assert main(["import", "mlflow", str(mlruns), "--lake", lake]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "complete"
    assert [line.split() for line in lines if line.startswith("metrics")] == [
        ["metrics", "2", "2", "0.75", "0.75"]
    ]
    assert LakeflowClient(lake).get_run(RUN_ID).data.metrics == {"loss": 0.25}


def test_something_could_not_be_kept(
    mlruns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mlruns / "1" / RUN_ID / "metrics/bad\x1b[2J").write_text("7 1.0 0\n")
    assert main(["import", "mlflow", str(mlruns), "--lake", str(tmp_path / "lake")]) == 1
    output = capsys.readouterr().out
    assert f"lost: run {RUN_ID}: metric " in output
    assert "\x1b" not in output
    assert output.splitlines()[-1] == "not complete: 1 things could not be kept"


def test_a_wrong_place_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "mlflow", str(tmp_path / "nothing"), "--lake", "lake"]) == 1
    assert capsys.readouterr().err.startswith("lakeflow: RESOURCE_DOES_NOT_EXIST: ")
    assert not (tmp_path / "lake").exists()
