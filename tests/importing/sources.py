"""What a source yields, gathered; and sources that were made by the real packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lakeflow.importing.items import ExperimentItem, FileItem, Problem, RunItem
    from lakeflow.importing.source import Source

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".venv-trackers" / "bin" / "python"
"""Where Trackio and an old W&B are."""


class File(NamedTuple):
    """A file of a run; those that are made are gone when their source is closed."""

    item: FileItem
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


class Read(NamedTuple):
    """All that a source has; points are values, timestamps and steps by run and metric."""

    experiments: list[ExperimentItem]
    runs: dict[str, RunItem]
    points: dict[str, dict[str, list[tuple[float, int, int]]]]
    files: dict[str, dict[str, File]]
    problems: list[Problem]

    @property
    def losses(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.is_loss]


def read(source: Source, since: int | None = None) -> Read:
    """Read a source to its end, by names of runs."""
    found = Read([], {}, {}, {}, [])
    source.report_to(found.problems.append)
    for experiment in source.experiments():
        found.experiments.append(experiment)
        for run in source.runs(experiment, since):
            found.runs[run.name] = run
            points: dict[str, list[tuple[float, int, int]]] = {}
            for key, *columns in source.curves(run):
                points.setdefault(key, []).extend(zip(*columns, strict=True))
            assert {key: len(each) for key, each in points.items()} == source.counts(run)
            found.points[run.name] = points
            files = {item.path: _file(item) for item in source.files(run)}
            found.files[run.name] = files
    source.close()
    return found


def _file(item: FileItem) -> File:
    content = Path(item.location).read_bytes()
    assert item.size == len(content)
    return File(item, content)


def make(script: str, *arguments: str | Path, python: str | Path = sys.executable) -> int:
    """Run a script that makes a source, and return its status."""
    made = subprocess.run(
        [python, HERE / script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode <= 0, made.stderr
    return made.returncode
