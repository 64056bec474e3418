"""``lakeflow compact --every`` on a disk that is full, and gets room again."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from faults.test_refusals import full_but_for, mounted, needs_root

from lakeflow import LakeflowClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_SECONDS = 60


@contextlib.contextmanager
def _compacting(lake: Path) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "lakeflow", "compact", str(lake), "--every", "1s"]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    # Whoever waits for a line that never comes gets the end of the output.
    late = threading.Timer(_MOST_SECONDS, process.kill)
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str], begins: str) -> str:
    """Return the next line that begins so."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith(begins):
            return line
    pytest.fail(f"no line begins with {begins!r}: {seen}")


@needs_root
@pytest.mark.parametrize("left_bytes", [0, 16 * 1024])
def test_it_says_so_and_goes_on_by_itself(tmp_path: Path, left_bytes: int) -> None:
    with mounted(tmp_path / "small", "size=8m") as small:
        lake = small / "lake"
        client = LakeflowClient(lake)
        run_id = client.create_run("0").info.run_id

        def log(steps: range) -> None:
            for step in steps:
                client.log_metric(run_id, "loss", 1.0, step=step)

        def steps(reader: LakeflowClient) -> list[int]:
            return [each.step for each in reader.get_metric_history(run_id, "loss")]

        log(range(10))
        with _compacting(lake) as process:
            _line(process, "folded ")
            # It is not to fold them before the disk is full.
            process.send_signal(signal.SIGSTOP)
            log(range(10, 20))
            with full_but_for(small, left_bytes):
                process.send_signal(signal.SIGCONT)
                for _ in range(2):
                    said = _line(process, "lakeflow: ")
                    assert said.startswith("lakeflow: RESOURCE_EXHAUSTED: "), said
                    assert said.endswith("; trying again\n"), said
                assert steps(client) == [*range(20)]
            while "folded 10 records" not in _line(process, "folded "):
                pass
            log(range(20, 30))
            _line(process, "folded 10 records")
            process.send_signal(signal.SIGINT)
            assert process.wait(_MOST_SECONDS) in {130, -signal.SIGINT}
        assert steps(LakeflowClient(lake)) == [*range(30)]
