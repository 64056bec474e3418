"""MLflow's file store, as MLflow 2 and 3 write it: read directly, without MLflow.

    mlruns/<experiment>/meta.yaml, tags/<key>, datasets/<id>/meta.yaml
    mlruns/<experiment>/<run>/meta.yaml
        metrics/<key>                 a line a point: time, value, step
        params/<key>, tags/<key>      the value
        inputs/<id>/meta.yaml         a dataset or a logged model that it used
        outputs/<id>/meta.yaml        a logged model that it made
        artifacts/
    mlruns/.trash/<experiment>        deleted experiments

What is broken is reported with its path; the rest is read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lakeflow.entities import LifecycleStage, RunStatus, tag_names
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.importing.items import (
    Curve,
    DatasetItem,
    ExperimentItem,
    Problem,
    RunItem,
)
from lakeflow.importing.sources.artifact_files import files_below, local_path
from lakeflow.importing.sources.mlflow.file_models import FileModels
from lakeflow.importing.sources.mlflow.file_traces import FileTraces
from lakeflow.importing.sources.mlflow.folders import META, folders_in
from lakeflow.importing.sources.mlflow.metric_lines import curve_of, points_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lakeflow.importing.items import FileItem

_TRASH = ".trash"

_NO_EXPERIMENTS = frozenset({_TRASH, "models"})

_NO_RUNS = frozenset({"tags", "datasets", "traces", "models"})

_OF_RUNS = ("metrics", "params", "tags", "artifacts")


class MlflowFiles(FileModels, FileTraces):
    """A reader of a file store.

    Args:
        root: Its folder.

    Attributes:
        name: What it is, for people.
        root: Its folder.

    Raises:
        InvalidInputError: There is no experiment in the folder.
    """

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.name = f"the MLflow file store {self.root}"
        # Else any folder with a slip in its path would be an empty store.
        if not any(_has_meta(each) for each in self._experiment_folders()):
            raise InvalidInputError(
                f"{self.root} holds no experiment of MLflow's: no folder in it has a {META}",
                hint="give the folder of the file store, which MLflow calls mlruns",
            )

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self.report = report

    def close(self) -> None:
        """Do nothing: no file stays open."""

    # Experiments

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield all experiments, deleted ones too."""
        for folder in self._experiment_folders():
            if not _has_meta(folder) and not _has_runs(folder):
                # The files of runs whose rows are in a database are in such folders.
                why = f"it is no experiment: it has no {META}, and no run in it has one"
                self.report(Problem(folder, why, is_loss=False))
                continue
            meta = self.meta(folder)
            if meta is None:
                continue
            key = os.path.basename(folder)
            self.folders[key] = folder
            stage = _text(meta, "lifecycle_stage") or LifecycleStage.ACTIVE
            is_trash = os.path.basename(os.path.dirname(folder)) == _TRASH
            yield ExperimentItem(
                key,
                _text(meta, "name"),
                self.texts(os.path.join(folder, "tags")),
                LifecycleStage.DELETED if is_trash else stage,
                self.whole(meta, "creation_time", folder),
                self.whole(meta, "last_update_time", folder),
                _text(meta, "artifact_location") or None,
            )

    def _experiment_folders(self) -> Iterator[str]:
        for parent in (self.root, os.path.join(self.root, _TRASH)):
            for name in folders_in(parent, self.report):
                if name not in _NO_EXPERIMENTS:
                    yield os.path.join(parent, name)

    # Runs

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of an experiment, by id."""
        folder = self.folders[experiment.key]
        for name in folders_in(folder, self.report):
            path = os.path.join(folder, name)
            if name in _NO_RUNS or not _is_run(path):
                continue
            meta = self.meta(path)
            if meta is not None:
                run = self._run(experiment, path, meta, since)
                if run is not None:
                    yield run

    def _run(
        self, experiment: ExperimentItem, path: str, meta: Mapping[str, Any], since: int | None
    ) -> RunItem | None:
        start = self.whole(meta, "start_time", path)
        if start is None:
            self.report(Problem(path, "it has no start_time, and gets 0"))
        if since is not None and (start or 0) < since:
            return None
        tags = self.texts(os.path.join(path, "tags"))
        datasets, used = self._inputs(path)
        made = {
            _text(each, "source_id"): self.whole(each, "step", path) or 0
            for each in self.metas(os.path.join(path, "outputs"))
        }
        return RunItem(
            os.path.basename(path),
            experiment.key,
            start or 0,
            self.whole(meta, "end_time", path),
            self._status(meta, path),
            # MLflow itself takes the tag where an older version has left no name.
            _text(meta, "run_name") or tags.get(tag_names.RUN_NAME, ""),
            _text(meta, "user_id"),
            _text(meta, "lifecycle_stage") or LifecycleStage.ACTIVE,
            self.texts(os.path.join(path, "params")),
            tags,
            datasets,
            used,
            made,
            self._artifact_uri(path, _text(meta, "artifact_uri")),
        )

    def _status(self, meta: Mapping[str, Any], path: str) -> str:
        # MLflow writes its number, and takes one that has none for a run that goes on.
        status = meta.get("status", RunStatus.RUNNING)
        if isinstance(status, str):
            return status
        try:
            return RunStatus.to_string(status)
        except (LakeflowException, TypeError):
            self.report(Problem(path, f"its status is {status!r}, and becomes FINISHED"))
            return RunStatus.to_string(RunStatus.FINISHED)

    def _artifact_uri(self, path: str, uri: str) -> str:
        """Return where the files of a run are: the folder of the store may have been moved."""
        beside = os.path.join(path, "artifacts")
        local = local_path(uri)
        if local is None:
            return uri
        is_there = os.path.isabs(local) and os.path.isdir(local)
        return local if is_there and not os.path.isdir(beside) else beside

    def _inputs(self, path: str) -> tuple[list[DatasetItem], list[str]]:
        datasets, models = [], []
        for meta in self.metas(os.path.join(path, "inputs")):
            source = _text(meta, "source_id")
            if meta.get("source_type") != "DATASET":
                models.append(source)
                continue
            folder = os.path.join(os.path.dirname(path), "datasets", os.path.basename(source))
            found = self.meta(folder)
            if found is not None:
                datasets.append(_dataset(found, meta.get("tags")))
        return datasets, models

    # Points and files

    def counts(self, run: RunItem) -> dict[str, int] | None:
        """Return how many lines each file of points has."""
        found = {}
        for key, path in self.files_of(self._metrics(run)):
            count = 0
            # A line that is broken counts: such a curve is read again, and nothing is missed.
            for block in self.blocks(path):
                count += block.count(b"\n")
            if count:
                found[key] = count
        return found

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run in the order in which they were logged."""
        for key, path in self.files_of(self._metrics(run)):
            yield from self.curve(key, path)

    def curve(self, key: str, path: str) -> Iterator[Curve]:
        """Yield the points of a file of them, in chunks."""
        for first, lines in self.lines(path):
            found = curve_of(lines)
            if found is None:
                found = points_of(lines, path, first, self.report)
            if found[0]:
                yield Curve(key, *found)

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run."""
        if run.artifact_uri is not None:
            yield from files_below(run.artifact_uri, self.report)

    def _metrics(self, run: RunItem) -> str:
        return os.path.join(self.folders[run.experiment], run.run_id, "metrics")


def _has_meta(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, META))


def _has_runs(folder: str) -> bool:
    return any(_has_meta(os.path.join(folder, name)) for name in folders_in(folder))


def _is_run(path: str) -> bool:
    """Return whether a folder is, or has been, one of a run."""
    return _has_meta(path) or any(os.path.isdir(os.path.join(path, each)) for each in _OF_RUNS)


def _text(meta: Mapping[str, Any], name: str) -> str:
    """Return a field of a ``meta.yaml`` as text; empty where it has none, or lists and such."""
    value = meta.get(name)
    # A few lines of aliases in YAML may stand for a list of gigabytes, were it written as text.
    return str(value) if isinstance(value, str | int | float) else ""


def _dataset(meta: Mapping[str, Any], tags: Any) -> DatasetItem:
    uses = tags if type(tags) is dict else {}
    return DatasetItem(
        _text(meta, "name"),
        _text(meta, "digest"),
        _text(meta, "source_type"),
        _text(meta, "source"),
        _text(meta, "schema") or None,
        _text(meta, "profile") or None,
        {str(key): _text(uses, key) for key in uses},
    )
