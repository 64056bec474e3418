"""The command that imports, in a process that dies at a write, and what is to be there in the end."""

from __future__ import annotations

import itertools
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from faults.test_processes import fork

import lakeflow
from lakeflow import cli, open_lakes
from lakeflow.filesystem.location import open_filesystem
from lakeflow.importing import importer
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from multiprocessing.context import ForkServerProcess
    from pathlib import Path

_CHARACTERS_A_WRITE = 600
"""So that small sources take several writes."""

COMMAND = """
import os, signal
from lakeflow import cli, open_lakes
from lakeflow.importing import importer
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

class Killing(FaultFilesystem):
    def write(self, *what):
        try:
            super().write(*what)
        except Killed:
            os.kill(os.getpid(), signal.SIGKILL)

opened = open_lakes.open_filesystem
open_lakes.open_filesystem = lambda *where: Killing(opened(*where), fault and Fault(*fault))
importer._CHARACTERS_A_WRITE = characters
os.environ["LAKEFLOW_AUTO_COMPACT"] = folds
raise SystemExit(cli.main(words))
"""


def imported(words: list[str], lake: Path, *, folds: bool = False) -> int:
    """Run the command in this process; return its status."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(importer, "_CHARACTERS_A_WRITE", _CHARACTERS_A_WRITE)
        patches.setenv("LAKEFLOW_AUTO_COMPACT", str(folds).lower())
        return cli.main(["import", *words, "--lake", str(lake)])


def started(
    words: list[str], lake: Path, *, folds: bool = False, fault: tuple[int, str] | None = None
) -> ForkServerProcess:
    """Run the command in a process that dies of a fault."""
    return fork(
        COMMAND,
        words=["import", *words, "--lake", str(lake)],
        folds=str(folds).lower(),
        fault=fault,
        characters=_CHARACTERS_A_WRITE,
    )


class Whole(NamedTuple):
    """What an import that nothing breaks brings into a new lake.

    Attributes:
        words: The command's.
        status: What the command ends with.
        writes: The kind of each write that it takes, where nothing is folded.
        asked: What asks for the rows of each view that has any then.
        rows: These rows.
    """

    words: list[str]
    status: int
    writes: list[str]
    asked: list[str]
    rows: Counter[tuple[str, str]]


_OF_ONE_IMPORT = {"clock", "event_id", "log_time", "log_time_at", "time", "time_at"}
"""Columns that each import has its own of: when it came, and as which change."""

_OF_THE_LAKE = {f"{of}_time{at}" for of in ("creation", "last_update") for at in ("", "_at")}
"""The same of experiments."""

_DERIVED = {"control_events", "model_lineage", "runs_wide", "span_events", "span_links"}
"""Views that say what others say."""


def _queries(lake: Path) -> dict[str, str]:
    """Return by view what asks for its rows, as texts that are the same in each lake."""
    columns = lakeflow.sql(
        "SELECT table_name AS view, list(column_name) AS columns "
        "FROM information_schema.columns WHERE table_schema = 'main' GROUP BY ALL",
        tracking_uri=lake,
    ).to_pylist()
    found = {}
    for view, names in ((each["view"], {*each["columns"]}) for each in columns):
        kept = names - _OF_ONE_IMPORT - (_OF_THE_LAKE if view == "experiments" else set())
        row = f"CAST(ROW({', '.join(sorted(kept))}) AS VARCHAR)"
        found[view] = f"SELECT '{view}' AS view, {row} AS row FROM {view}"
    return {view: query for view, query in found.items() if view not in _DERIVED}


def rows(lake: Path, asked: Iterable[str]) -> Counter[tuple[str, str]]:
    """Return the rows of some views: what is there twice is counted twice."""
    rows = lakeflow.sql(" UNION ALL ".join(asked), tracking_uri=lake).to_pylist()
    return Counter((row["view"], row["row"]) for row in rows)


def imported_whole(words: list[str], lake: Path) -> Whole:
    """Import into a new lake, where nothing breaks."""
    opened: list[FaultFilesystem] = []

    def opening(*where: Any) -> FaultFilesystem:
        opened.append(FaultFilesystem(open_filesystem(*where)))
        return opened[0]

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(open_lakes, "open_filesystem", opening)
        status = imported(words, lake)
    (fs,) = opened
    asked = _queries(lake)
    found = rows(lake, asked.values())
    held = sorted({view for view, _ in found})
    return Whole(words, status, fs.writes, [asked[view] for view in held], found)


def killed_on_the_way(whole: Whole, lake: Path, more: int = 1) -> list[int]:
    """Import into a new lake by processes each of which dies; the last one comes to the end.

    Each goes on where the one before it died, and makes more writes: all writes of an import are
    made by somebody who dies soon afterwards, and what one of them leaves twice stays.

    Args:
        whole: The import.
        lake: The lake.
        more: How many writes more than the one before it each makes.

    Returns:
        How many writes each has made.
    """
    made: list[int] = []
    for writes in itertools.count(1, more):
        # Every other one dies in the middle of its last write.
        fault = writes, "after" if len(made) % 2 else "torn"
        process = started(whole.words, lake, fault=fault)
        process.join()
        if process.exitcode == whole.status:
            return made
        assert process.exitcode == -signal.SIGKILL, fault
        made.append(writes)
    raise AssertionError
