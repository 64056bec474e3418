"""A disk is full in the middle of an import: it says so, and run again it is complete.

As in ``test_failing_disk`` a library before the C library lets calls fail, whoever makes them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from faults.test_failing_disk import library  # noqa: F401 - a fixture
from importing.killing import imported_whole, rows
from importing.test_killed import words_of

if TYPE_CHECKING:
    from pathlib import Path

STORY = """
import ctypes, errno, json, os, sys, tempfile
from lakeflow import cli

full, *words = json.loads(sys.argv[1])
disk = ctypes.CDLL(os.environ["LD_PRELOAD"])
disk.fail_below.argtypes = [ctypes.c_char_p] + [ctypes.c_int] * 2 + [ctypes.c_long, ctypes.c_int]
calls, times = 0, 0
# Else Python would look for another folder where it cannot write to this one.
assert tempfile.gettempdir() == os.environ["TMPDIR"]
while True:
    # So many calls that write go well, and none after them.
    disk.fail_below(full.encode(), 2, errno.ENOSPC, calls, 1)
    status = cli.main(words)
    disk.fail_below(b"", 0, 0, -1, 0)
    if status == 0:
        break
    times += 1
    calls += 1 + calls
print(times, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("name", "place"), [("mlflow sqlite", "lake"), ("csv", "tmp"), ("tensorboard", "tmp")]
)
def test_what_a_full_disk_has_stopped_is_complete_when_there_is_room(
    name: str,
    place: str,
    library: Path,  # noqa: F811 - the fixture
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    words = words_of(name, request)
    whole = imported_whole(words, tmp_path / "whole")
    assert whole.status == 0
    (tmp_path / "tmp").mkdir()
    lake = tmp_path / "lake"
    given = [str(tmp_path / place), "import", *words, "--lake", str(lake)]
    environment = {
        "LD_PRELOAD": str(library),
        "TMPDIR": str(tmp_path / "tmp"),
        # What a disk does to folds is told there.
        "LAKEFLOW_AUTO_COMPACT": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", STORY, json.dumps(given)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    *told, end = done.stderr.splitlines() or [""]
    assert done.returncode == 0, done.stderr
    assert int(end) > 2, "it was full at the beginning, on the way, and at the end"
    errors = [line for line in told if line.startswith("lakeflow: RESOURCE_EXHAUSTED: ")]
    assert len(errors) == int(end), done.stderr
    assert "Traceback" not in done.stderr
    assert rows(lake, whole.asked) == whole.rows
    assert not [*(tmp_path / "tmp").iterdir()]
