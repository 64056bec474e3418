"""Runs of Neptune, as its ``neptune-exporter`` has written them: Parquet and files."""

from __future__ import annotations

import datetime
import itertools
import math
import os
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import temporary
from lakeflow.entities import LifecycleStage, RunStatus, tag_names
from lakeflow.exceptions import NotFoundError
from lakeflow.importing.items import ExperimentItem, FileItem, Problem, RunItem, made_id
from lakeflow.importing.keys import key_of
from lakeflow.importing.sources import logged_values
from lakeflow.importing.sources.gathered_curves import gathered
from lakeflow.importing.sources.made_files import MadeFiles, file_size, json_line
from lakeflow.importing.sources.neptune import rows as neptune_rows
from lakeflow.importing.sources.neptune.rows import FILES, HISTOGRAMS, PARAMETERS, POINTS, TEXTS
from lakeflow.importing.sources.repeated_reads import Complaints, KnownRuns
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lakeflow.importing.items import Curve
    from lakeflow.importing.sources.neptune.rows import Row

_PART = re.compile(r"(.+)_part_(\d+)\.parquet")
_UNFINISHED = ".parquet.tmp"

_ROWS_AT_ONCE = 10_000

_SYSTEM = "sys/"
"""Where Neptune keeps what it knows itself of a run."""


class _Run(NamedTuple):
    """A run: its id in the lake, its id there, and its files in order."""

    id: str
    project: str
    name: str
    parts: list[str]


@dataclass
class _Known:
    """What one look at the rows of a run tells.

    Attributes:
        values: Its single values.
        counts: Points of each metric.
        renamed: Names of metrics that a lake does not take.
        uneven: Metrics with steps that are no whole numbers.
        series: Series of texts and of histograms.
        files: Rows of its files.
        first: Time of its first point; None where there is none.
        last: Time of its last one.
    """

    values: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    renamed: set[str] = field(default_factory=set)
    uneven: set[str] = field(default_factory=set)
    series: set[str] = field(default_factory=set)
    files: list[Row] = field(default_factory=list)
    first: int | None = None
    last: int = 0


class NeptuneSource:
    """An export.

    Args:
        location: The folder of its Parquet, or the one above that has ``data`` and ``files``.
        files: The folder of its files; by default ``files`` beside the Parquet.
        step_multiplier: What steps are multiplied by, where they are no whole numbers.

    Raises:
        NotFoundError: There are no runs.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        files: str | os.PathLike[str] | None = None,
        step_multiplier: int = 1,
    ) -> None:
        location = os.fspath(location)
        self.name = f"the export of Neptune in {location}"
        inner = os.path.join(location, "data")
        data = os.path.abspath(inner if os.path.isdir(inner) else location)
        self._folder = os.path.abspath(files or os.path.join(os.path.dirname(data), "files"))
        self._multiplier = step_multiplier
        self._complaints = Complaints()
        self._complain = self._complaints.add
        self._runs = {run.id: run for run in self._found(data)}
        # Where there are broken files alone, these are told of.
        if not self._runs and not self._complaints.is_any:
            raise NotFoundError(
                f"no runs of neptune-exporter are in {location!r}",
                hint="give the folder that was its --data-path",
            )
        self._know = KnownRuns(self._learned)
        self._made = MadeFiles()

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """See ``Source``."""
        self._complaints.report_to(report)

    def close(self) -> None:
        """See ``Source``."""
        self._made.close()

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield the projects."""
        for project in dict.fromkeys(run.project for run in self._runs.values()):
            yield ExperimentItem(project, project)

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of a project; see ``Source``."""
        for run in self._runs.values():
            if run.project == experiment.key:
                known = self._know(run.id)
                item = _run_item(run, known)
                if since is None or item.start_time >= since:
                    self._say_what_is_lost(run, known)
                    yield item

    def counts(self, run: RunItem) -> dict[str, int]:
        """See ``Source``."""
        return self._know(run.run_id).counts

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """See ``Source``."""
        return gathered(
            self._know(run.run_id).counts,
            lambda keys: self._points(run.run_id, keys, run.start_time),
        )

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run; series of texts and of histograms become some."""
        known = self._know(run.run_id)
        for row in known.files:
            yield from self._files_of(self._runs[run.run_id], row)
        if known.series:
            yield from self._series(run.run_id)

    def _found(self, data: str) -> Iterator[_Run]:
        """Yield the runs of a folder, which has a folder for each project."""
        for above, folders, names in os.walk(data):
            # In place: os.walk() goes down in this order.
            folders.sort()
            parts: dict[str, list[tuple[int, str]]] = {}
            for name in sorted(names):
                path, match = os.path.join(above, name), _PART.fullmatch(name)
                if match:
                    # By number: as text part 10 comes before part 2.
                    parts.setdefault(match[1], []).append((int(match[2]), path))
                elif name.endswith(_UNFINISHED):
                    self._complain(path, "its export was broken off: export the run again")
            for numbered in parts.values():
                run = self._identified([path for _, path in sorted(numbered)])
                if run is not None:
                    yield run

    def _identified(self, parts: list[str]) -> _Run | None:
        for part in parts:
            try:
                project, name = neptune_rows.identity(part)
            except (OSError, ValueError) as error:
                self._complain(part, str(error))
            else:
                return _Run(made_id("neptune", project, name), project, name, parts)
        return None

    def _learned(self, run_id: str) -> _Known:
        known = _Known()
        for row in self._rows(run_id):
            self._learn(known, row)
        return known

    def _learn(self, known: _Known, row: Row) -> None:
        if row.type == POINTS:
            name = key_of(row.path)
            known.counts[name] = known.counts.get(name, 0) + 1
            if name != row.path:
                known.renamed.add(row.path)
            if row.step is not None and not (row.step * self._multiplier).is_integer():
                known.uneven.add(row.path)
        elif row.type in PARAMETERS:
            if row.value is not None:
                known.values[row.path] = row.value
        elif row.type in FILES:
            known.files.append(row)
        else:
            known.series.add(row.path)
        if row.timestamp is not None:
            # The epoch itself is a time: 0 is no lack of one.
            first = row.timestamp if known.first is None else known.first
            known.first = min(first, row.timestamp)
            known.last = max(known.last, row.timestamp)

    def _rows(self, run_id: str, types: Sequence[str] = ()) -> Iterator[Row]:
        for part in self._runs[run_id].parts:
            yield from neptune_rows.rows(part, types, partial(self._complain, part))

    def _points(
        self, run_id: str, keys: frozenset[str], begun: int
    ) -> Iterator[tuple[str, float, int, int]]:
        for row in self._rows(run_id, [POINTS]):
            name = key_of(row.path)
            if name in keys:
                # The exporter's pandas makes a missing value of NaN.
                value = math.nan if row.value is None else row.value
                time = begun if row.timestamp is None else row.timestamp
                yield name, value, time, self._step(row)

    def _step(self, row: Row) -> int:
        return math.floor((row.step or 0) * self._multiplier)

    def _files_of(self, run: _Run, row: Row) -> Iterator[FileItem]:
        inside = (row.value or {}).get("path")
        if inside is None:
            self._complain(run.parts[0], f"{row.path} was not downloaded")
            return
        location = os.path.join(self._folder, inside)
        path = _path_of(row, inside, self._step(row))
        if not (paths.is_safe(path) and paths.is_safe(inside.replace(os.sep, "/"))):
            self._complain(run.parts[0], f"{inside!r} is no path below the files of an export")
        else:
            yield from self._present(path, location, row.path)

    def _present(self, path: str, location: str, below: str) -> Iterator[FileItem]:
        """Yield a file, or those of the folder that it is."""
        found = {path: location}
        if os.path.isdir(location):
            found = {
                f"{below}/{os.path.relpath(each, location).replace(os.sep, '/')}": each
                for above, _, names in os.walk(location)
                for each in (os.path.join(above, name) for name in sorted(names))
            }
        for each, place in found.items():
            size = file_size(place)
            if size is None:
                self._complain(place, "the file is gone")
            else:
                yield FileItem(each, place, size)

    def _series(self, run_id: str) -> Iterator[FileItem]:
        """Yield a file of JSON lines for each series that is none of numbers."""
        made: dict[str, str] = {}
        parts = self._runs[run_id].parts
        rows = self._rows(run_id, [TEXTS, HISTOGRAMS])
        # Rows of one step after the other alternate between series.
        while held := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            held.sort(key=_attribute)
            for path, group in itertools.groupby(held, _attribute):
                location = made.get(path) or made.setdefault(path, self._made.new())
                with (
                    temporary.filling(location),
                    open(location, "a", encoding="utf-8", errors="replace") as file,
                ):
                    file.writelines(map(_line, group))
        for path, location in made.items():
            if paths.is_safe(path):
                yield self._made.finished(f"{path}.jsonl", location, parts[-1])
            else:
                self._complain(parts[0], f"{path!r} cannot name a file")

    def _say_what_is_lost(self, run: _Run, known: _Known) -> None:
        for name in sorted(known.renamed):
            kept = key_of(name)
            why = f"the metric {name!r} is called {kept!r} here"
            self._complain(run.parts[0], why, is_loss=False)
        for name in sorted(known.uneven):
            why = f"steps of {name!r} are rounded down to whole numbers"
            self._complain(run.parts[0], why)


def _run_item(run: _Run, known: _Known) -> RunItem:
    system = {
        path.removeprefix(_SYSTEM): value
        for path, value in known.values.items()
        if path.startswith(_SYSTEM)
    }
    params = {
        key_of(path): _text(value)
        for path, value in known.values.items()
        if not path.startswith(_SYSTEM)
    }
    created = neptune_rows.milliseconds(system.get("creation_time"))
    begun = (known.first or 0) if created is None else created
    running_s = system.get("running_time")
    lasted = int(running_s * 1000) if isinstance(running_s, float) else 0
    is_running = str(system.get("state", "")).lower() in ("running", "active")
    trashed = system.get("trashed") is True
    # Without a location of its files: they lie in one folder with those of all runs.
    return RunItem(
        run_id=run.id,
        experiment=run.project,
        start_time=begun,
        end_time=None if is_running else max(known.last, begun + lasted),
        status=RunStatus.to_string(_status(system, is_running)),
        name=str(system.get("name") or system.get("custom_run_id") or run.name),
        user_id=str(system.get("owner") or ""),
        lifecycle_stage=LifecycleStage.DELETED if trashed else LifecycleStage.ACTIVE,
        params=params,
        tags=_tags(run, system),
    )


def _status(system: dict[str, Any], is_running: bool) -> int:
    if is_running:
        return RunStatus.RUNNING
    return RunStatus.FAILED if system.get("failed") is True else RunStatus.FINISHED


def _tags(run: _Run, system: dict[str, Any]) -> dict[str, str]:
    tags = {key_of(f"neptune.{_SYSTEM}{name}"): _text(value) for name, value in system.items()}
    tags["neptune.run_id"] = run.name
    known = {tag_names.NOTE: system.get("description"), tag_names.USER: system.get("owner")}
    return tags | {key: str(value) for key, value in known.items() if value}


def _text(value: Any) -> str:
    return (
        value.isoformat() if isinstance(value, datetime.datetime) else logged_values.text(value)
    )


def _path_of(row: Row, inside: str, step: int) -> str:
    """Return the path of a file below the artifacts of its run: that of its attribute."""
    if row.type == "file_series":
        return f"{row.path}/step_{step}{os.path.splitext(inside)[1]}"
    end = os.path.splitext(inside)[1]
    return row.path if row.path.endswith(end) else row.path + end


def _attribute(row: Row) -> str:
    return row.path


def _line(row: Row) -> str:
    return json_line({"step": row.step, "timestamp": row.timestamp, "value": row.value})
