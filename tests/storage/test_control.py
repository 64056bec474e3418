"""Tables of one file: read by the thread that asks."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import os, sys
import pyarrow.parquet
from lakeflow.storage.lake import Lake

def threads():
    return len(os.listdir("/proc/self/task"))

table = Lake.open(sys.argv[1]).control["experiments"]
version = table.table.version()
before = threads()
rows = table._read(version)
print(len(rows), threads() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_reading_leaves_no_thread_that_outlives_the_interpreter(tmp_path: Path) -> None:
    """One that still holds a Python object then aborts the process, once in thirty times."""
    lakeflow.MlflowClient(tmp_path).create_experiment("other")
    done = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "0"]
