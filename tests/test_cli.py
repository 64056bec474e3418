"""The command line: what it prints, and what it says when something is wrong."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from lakeflow import LakeflowClient, cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    for step in range(10):
        client.log_metric(run_id, "loss", step, step=step)
    return tmp_path / "lake"


def test_compact_prints_a_report(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compact", str(lake), "--dry-run"]) == 0
    assert "would fold" in capsys.readouterr().out
    assert cli.main(["compact", str(lake)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("folded 11 records")
    assert [line.split()[:3] for line in lines if line.startswith("metrics")] == [
        ["metrics", "10", "1"]
    ]
    assert cli.main(["compact", str(lake)]) == 0
    assert capsys.readouterr().out.startswith("folded 0 records")


def test_an_error_is_one_plain_text_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compact", str(tmp_path / "typo")]) == 1
    assert capsys.readouterr().err.startswith(
        "lakeflow: RESOURCE_DOES_NOT_EXIST: there is no lake"
    )


@pytest.mark.parametrize("every", ["0s", "1e3", "soon", "5 m"])
def test_a_time_that_is_none_is_refused(every: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["compact", "--every", every])
    assert "such as 30s, 5m or 1h" in capsys.readouterr().err


def test_every_goes_on_until_it_is_interrupted(lake: Path) -> None:
    command = [sys.executable, "-m", "lakeflow.cli", "compact", str(lake), "--every", "0.3s"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folded = []
    while len(folded) < 3:
        line = process.stdout.readline()
        assert line, "the command has ended"
        if line.startswith("folded"):
            folded.append(line)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert "11 records" in folded[0]
    assert "0 records" in folded[1]


def test_a_terminal_is_shown_progress(lake: Path) -> None:
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-m", "lakeflow.cli", "compact", str(lake)]
    subprocess.run(command, stderr=theirs, stdout=subprocess.DEVNULL, check=True, timeout=60)
    time.sleep(0.1)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    os.close(theirs)
    assert "fold metrics" in shown
