"""Runs of Trackio: from its databases, one a project, or from its Parquet."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities import tag_names
from lakeflow.exceptions import NotFoundError, StorageError
from lakeflow.importing.items import (
    DatasetItem,
    ExperimentItem,
    FileItem,
    Problem,
    RunItem,
    made_id,
)
from lakeflow.importing.keys import key_of
from lakeflow.importing.sources import logged_values
from lakeflow.importing.sources.gathered_curves import gathered
from lakeflow.importing.sources.made_files import MadeFiles, file_size, json_line
from lakeflow.importing.sources.repeated_reads import Complaints, KnownRuns
from lakeflow.importing.sources.trackio import projects
from lakeflow.importing.sources.trackio.tables import Tables, made_of_parquet, milliseconds
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.importing.items import Curve
    from lakeflow.importing.sources.trackio.projects import Project
    from lakeflow.importing.sources.trackio.tables import Linked, Row

_OTHERS = "trackio-history.jsonl"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OWN_KEYS = frozenset({"_Username", "_Created", "_Group"})

_LEFT_OUT = {"traces": True, "alerts": False}
"""Tables of which nothing is imported, and whether that is a loss."""


class _Place(NamedTuple):
    """Where a run is: its project, and its id there, or its name where that has no ids."""

    project: Project
    run: str


@dataclass
class _Known:
    """What one look at the rows of a run tells.

    Attributes:
        counts: Points of each metric.
        renamed: Names of metrics that a lake does not take.
        has_others: Whether it has logged what is no number.
        media: Files that it has logged, below the folder of media.
        first: Time of the first row; None where there is none.
        last: Time of the last one.
    """

    counts: dict[str, int] = field(default_factory=dict)
    renamed: set[str] = field(default_factory=set)
    has_others: bool = False
    media: dict[str, None] = field(default_factory=dict)
    first: int | None = None
    last: int = 0


class TrackioSource:
    """Projects of Trackio.

    Args:
        location: Trackio's folder, a folder with its Parquet, or a database.

    Raises:
        InvalidInputError: A newer Trackio has written a database.
        NotFoundError: There is no project.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        location = os.fspath(location)
        self.name = f"the Trackio projects in {location}"
        self._made = MadeFiles()
        self._databases: dict[str, str] = {}
        self._places: dict[str, _Place] = {}
        self._know = KnownRuns(self._learned)
        self._complaints = Complaints()
        self._complain = self._complaints.add
        self._projects: dict[str, Project] = {}
        for project in _found(location):
            try:
                # A newer version than is known is to be refused before anything is written.
                self._open(project).close()
                self._projects[project.name] = project
            except StorageError as error:
                self._complain(project.where, error.message)

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """See ``Source``."""
        self._complaints.report_to(report)

    def close(self) -> None:
        """See ``Source``."""
        self._made.close()

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield the projects that can be read."""
        for name in self._projects:
            yield ExperimentItem(name, name)

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of a project; see ``Source``."""
        project = self._projects[experiment.key]
        with closing(self._open(project)) as tables:
            self._say_what_is_left_out(project, tables)
            for run, name in tables.runs().items():
                run_id = made_id("trackio", project.name, run)
                self._places[run_id] = _Place(project, run)
                config, known = tables.config(run), self._know(run_id)
                begun = milliseconds(config.get("_Created")) or known.first or 0
                if since is None or begun >= since:
                    used = [each for each in tables.artifacts(run) if each.is_input]
                    self._say_what_is_renamed(project, known)
                    yield _run_item(self._places[run_id], name, config, begun, known, used)

    def counts(self, run: RunItem) -> dict[str, int]:
        """See ``Source``."""
        return self._know(run.run_id).counts

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """See ``Source``."""
        return gathered(
            self._know(run.run_id).counts, lambda keys: self._points(run.run_id, keys)
        )

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the media of a run, its artifacts, and what it logged as no number."""
        project, name = self._places[run.run_id]
        known = self._know(run.run_id)
        for path in known.media:
            yield from self._file(project, f"media/{path}", os.path.join("media", path))
        with closing(self._open(project)) as tables:
            for artifact in tables.artifacts(name):
                if not artifact.is_input:
                    yield from self._artifact_files(project, artifact)
        if known.has_others:
            lines = map(json_line, self._others(run.run_id))
            yield self._made.written(_OTHERS, lines, project.where)

    def _open(self, project: Project) -> Tables:
        database = project.database or self._databases.get(project.name)
        if database is None:
            database = self._made.new()
            made_of_parquet(project.parquet, database)
            self._databases[project.name] = database
        return Tables(database, lambda why: self._complain(project.where, why))

    def _learned(self, run_id: str) -> _Known:
        known = _Known()
        for row in self._rows(run_id):
            _learn(known, row)
        return known

    def _rows(self, run_id: str) -> Iterator[Row]:
        place = self._places[run_id]
        with closing(self._open(place.project)) as tables:
            yield from tables.rows(place.run)

    def _points(
        self, run_id: str, keys: frozenset[str]
    ) -> Iterator[tuple[str, float, int, int]]:
        for row in self._rows(run_id):
            for name, value in _named(row):
                number, kept = logged_values.number(value), key_of(name)
                if number is not None and kept in keys:
                    yield kept, number, row.timestamp, row.step

    def _others(self, run_id: str) -> Iterator[dict[str, Any]]:
        for row in self._rows(run_id):
            others = {name: value for name, value in _named(row) if _is_other(value)}
            if others:
                yield {"step": row.step, "timestamp": row.timestamp, **others}

    def _file(self, project: Project, path: str, inside: str) -> Iterator[FileItem]:
        location = os.path.join(project.folder, inside)
        size = file_size(location)
        if not paths.is_safe(path):
            self._complain(project.where, f"{path!r} is no path below the artifacts of a run")
        elif size is None:
            self._complain(location, "the file is gone")
        else:
            yield FileItem(path, location, size)

    def _artifact_files(self, project: Project, artifact: Linked) -> Iterator[FileItem]:
        for file in artifact.files:
            path = f"artifacts/{artifact.name}/v{artifact.version}/{file.get('path')}"
            digest = str(file.get("digest"))
            # It becomes a path, and a stranger may have written it.
            if _DIGEST.fullmatch(digest):
                blobs = os.path.join("artifacts", project.name, "blobs", "sha256")
                inside = os.path.join(blobs, digest[:2], digest)
                yield from self._file(project, path, inside)
            else:
                self._complain(project.where, f"{path} is only a reference")

    def _say_what_is_left_out(self, project: Project, tables: Tables) -> None:
        for table, is_loss in _LEFT_OUT.items():
            count = tables.count(table)
            if count:
                self._complain(project.where, f"{count:,} {table} are left out", is_loss)

    def _say_what_is_renamed(self, project: Project, known: _Known) -> None:
        for name in sorted(known.renamed):
            kept = key_of(name)
            why = f"the metric {name!r} is called {kept!r} here"
            self._complain(project.where, why, is_loss=False)


def _found(location: str) -> list[Project]:
    """Return the projects of a location.

    Raises:
        NotFoundError: There are none.
    """
    found = list(projects.found(location)) if os.path.exists(location) else []
    if not found:
        raise NotFoundError(
            f"no projects of Trackio are in {location!r}",
            hint="give its folder: TRACKIO_DIR, or ~/.cache/huggingface/trackio",
        )
    return found


def _run_item(
    place: _Place,
    name: str,
    config: dict[str, Any],
    begun: int,
    known: _Known,
    used: list[Linked],
) -> RunItem:
    user, group = config.get("_Username"), config.get("_Group")
    tags = {"trackio.run_id": place.run, "trackio.group": group, tag_names.USER: user}
    # Without a location of its files: they lie in one folder with those of all runs.
    return RunItem(
        run_id=made_id("trackio", place.project.name, place.run),
        experiment=place.project.name,
        start_time=begun,
        end_time=max(known.last, begun),
        name=name,
        user_id=str(user or ""),
        params=logged_values.params(
            {key: value for key, value in config.items() if key not in _OWN_KEYS}
        ),
        tags={key: str(value) for key, value in tags.items() if value},
        datasets=[
            DatasetItem(
                each.name,
                f"v{each.version}",
                "trackio",
                json.dumps({"project": place.project.name, "artifact": each.name}),
            )
            for each in used
        ],
    )


def _learn(known: _Known, row: Row) -> None:
    """Add what a row says of its run."""
    if known.first is None:
        known.first = row.timestamp
    known.last = max(known.last, row.timestamp)
    for name, value in _named(row):
        if logged_values.number(value) is not None:
            kept = key_of(name)
            known.counts[kept] = known.counts.get(kept, 0) + 1
            if kept != name:
                known.renamed.add(name)
        elif _is_other(value):
            known.has_others = True
            known.media.update(dict.fromkeys(_media(value)))


def _named(row: Row) -> Iterator[tuple[str, Any]]:
    """Yield what a row has logged, by the names of metrics."""
    return logged_values.leaves(row.values, "system/" if row.is_sample else "")


def _is_other(value: Any) -> bool:
    return value is not None and logged_values.number(value) is None


def _media(value: Any) -> Iterator[str]:
    """Yield the files of a logged value: of an image, or of those in a table."""
    if isinstance(value, dict):
        path = value.get("file_path")
        if isinstance(path, str) and str(value.get("_type")).startswith("trackio."):
            yield path
        for each in value.values():
            yield from _media(each)
    elif isinstance(value, list):
        for each in value:
            yield from _media(each)
