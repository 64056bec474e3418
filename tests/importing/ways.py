"""The ways in which any source is imported: tried, chosen of, stopped anywhere, and again."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import lakeflow
from lakeflow.config import Settings
from lakeflow.filesystem.location import open_filesystem
from lakeflow.importing.importer import import_source, try_source
from lakeflow.importing.source import Wanted
from lakeflow.lake import Lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.importing.report import ImportProgress, ImportReport
    from lakeflow.importing.source import Source

SETTINGS = Settings(auto_compact=False, vacuum_grace_s=0)
_LAKES = itertools.count()
_TABLES = ("runs", "params", "tags", "metrics", "inputs", "artifacts")


class Place:
    """A lake in memory, and what a source brings into it."""

    def __init__(self, opened: Callable[[], Source]) -> None:
        self.uri = f"memory://ways-{next(_LAKES)}"
        self.told: list[ImportProgress] = []
        self._opened = opened
        self.store(open_filesystem(self.uri))

    def store(self, fs: Filesystem) -> Store:
        """Open the lake as another process does."""
        return Store(Lake.on(fs, SETTINGS))

    def brought(self, wanted: Wanted = Wanted(), fs: Any = None) -> ImportReport:  # noqa: B008
        with contextlib.closing(self._opened()) as source:
            store = self.store(fs or open_filesystem(self.uri))
            return import_source(source, store, wanted, progress=self.told.append)

    def rows(self) -> dict[str, int]:
        counts = ", ".join(f"(SELECT count(*) FROM {each}) AS {each}" for each in _TABLES)
        (row,) = lakeflow.sql(f"SELECT {counts}", tracking_uri=self.uri, output_format="list")
        return dict(row)


def counted(report: ImportReport) -> dict[str, int]:
    """Return what a source has by table, of which it has anything."""
    found = {name: totals.source.count for name, totals in report.tables.items()}
    return {name: count for name, count in found.items() if count}


def check_ways(opened: Callable[[], Source], *, has_experiments: bool = True) -> None:
    """Import a source in all ways; all that it has arrives with each, once.

    Args:
        opened: Opens it.
        has_experiments: Whether it has names of experiments to choose by.
    """
    whole = Place(opened)
    report = whole.brought()
    rows = whole.rows()
    assert report.is_complete, report.problems
    assert counted(report)["runs"] == rows["runs"] > 0
    assert counted(report)["metrics"] == rows["metrics"] > 0
    assert whole.told, "somebody who looks on is told something"
    with contextlib.closing(opened()) as source:
        tried = try_source(source, None, Wanted())
    assert counted(tried) == counted(report)
    assert whole.brought().is_complete
    assert whole.rows() == rows
    late = Place(opened)
    assert "runs" not in counted(late.brought(Wanted(since=2**50)))
    assert late.rows()["runs"] == 0
    if has_experiments:
        chosen = Place(opened).brought(Wanted(experiments=frozenset({"no such"})))
        assert not chosen.is_complete
        assert [each.where for each in chosen.problems] == ["experiment no such"]
        assert not counted(chosen)
    for write in (1, 2, 3, 5):
        killed = Place(opened)
        with contextlib.suppress(Killed):
            killed.brought(
                fs=FaultFilesystem(open_filesystem(killed.uri), Fault(write, "torn"))
            )
        assert killed.brought().is_complete
        assert killed.rows() == rows
