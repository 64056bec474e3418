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
from urllib.parse import unquote

from lakeflow.entities import LifecycleStage, RunStatus, tag_names, validation
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.importing.items import (
    Curve,
    DatasetItem,
    ExperimentItem,
    Problem,
    RunItem,
)
from lakeflow.importing.sources.artifact_files import files_below, local_path
from lakeflow.importing.sources.metric_lines import curve_of, points_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lakeflow.importing.items import FileItem

META = "meta.yaml"

_TRASH = ".trash"

_NO_EXPERIMENTS = frozenset({_TRASH, "models"})

_NO_RUNS = frozenset({"tags", "datasets", "traces", "models"})

_OF_RUNS = ("metrics", "params", "tags", "artifacts")

_BYTES_A_CHUNK = 256 * 1024
"""What is read of a file of points at once: some thousand of them."""


class MlflowFiles:
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
        self.root = os.path.abspath(root)
        self.name = f"the MLflow file store {self.root}"
        self._report: Callable[[Problem], None] = lambda _: None
        self._folders: dict[str, str] = {}
        if not any(_has_meta(each) for each in self._experiment_folders()):
            raise InvalidInputError(
                f"{self.root} holds no experiment of MLflow's: no folder in it has a {META}",
                hint="give the folder of the file store, which MLflow calls mlruns",
            )

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self._report = report

    def close(self) -> None:
        """Do nothing: no file stays open."""

    # Experiments

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield all experiments, deleted ones too."""
        for folder in self._experiment_folders():
            if not _has_meta(folder) and not _has_runs(folder):
                # The files of runs whose rows are in a database are in such folders.
                why = f"it is no experiment: it has no {META}, and no run in it has one"
                self._report(Problem(folder, why, is_loss=False))
                continue
            meta = self.meta(folder)
            if meta is None:
                continue
            key = os.path.basename(folder)
            self._folders[key] = folder
            stage = str(meta.get("lifecycle_stage") or LifecycleStage.ACTIVE)
            is_trash = os.path.basename(os.path.dirname(folder)) == _TRASH
            yield ExperimentItem(
                key,
                str(meta.get("name") or ""),
                self.texts(os.path.join(folder, "tags")),
                LifecycleStage.DELETED if is_trash else stage,
                self._whole(meta, "creation_time", folder),
                self._whole(meta, "last_update_time", folder),
                meta.get("artifact_location"),
            )

    def _experiment_folders(self) -> Iterator[str]:
        for parent in (self.root, os.path.join(self.root, _TRASH)):
            for name in _folders(parent):
                if name not in _NO_EXPERIMENTS:
                    yield os.path.join(parent, name)

    # Runs

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of an experiment, by id."""
        folder = self._folders[experiment.key]
        for name in _folders(folder):
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
        start = self._whole(meta, "start_time", path)
        if start is None:
            self._report(Problem(path, "it has no start_time, and gets 0"))
        if since is not None and (start or 0) < since:
            return None
        tags = self.texts(os.path.join(path, "tags"))
        datasets, used = self._inputs(path)
        made = {
            str(each.get("source_id")): int(each.get("step") or 0)
            for each in self._metas(os.path.join(path, "outputs"))
        }
        return RunItem(
            os.path.basename(path),
            experiment.key,
            start or 0,
            self._whole(meta, "end_time", path),
            self._status(meta, path),
            str(meta.get("run_name") or tags.get(tag_names.RUN_NAME, "")),
            str(meta.get("user_id") or ""),
            str(meta.get("lifecycle_stage") or LifecycleStage.ACTIVE),
            self.texts(os.path.join(path, "params")),
            tags,
            datasets,
            used,
            made,
            self._artifact_uri(path, str(meta.get("artifact_uri") or "")),
        )

    def _status(self, meta: Mapping[str, Any], path: str) -> str:
        status = meta.get("status", RunStatus.RUNNING)
        if isinstance(status, str):
            return status
        try:
            return RunStatus.to_string(status)
        except (LakeflowException, TypeError):
            self._report(Problem(path, f"its status is {status!r}, and becomes FINISHED"))
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
        for meta in self._metas(os.path.join(path, "inputs")):
            source = str(meta.get("source_id"))
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
        for key, path in self._files_of(self._metrics(run)):
            count = 0
            for block in self._blocks(path):
                count += block.count(b"\n")
            if count:
                found[key] = count
        return found

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run in the order in which they were logged."""
        for key, path in self._files_of(self._metrics(run)):
            yield from self.curve(key, path)

    def curve(self, key: str, path: str) -> Iterator[Curve]:
        """Yield the points of a file of them, in chunks."""
        rest, line = b"", 1
        for block in self._blocks(path):
            whole, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                lines = whole + newline
                found = curve_of(lines)
                if found is None:
                    found = points_of(lines, path, line, self._report)
                line += lines.count(b"\n")
                if found[0]:
                    yield Curve(key, *found)
        if rest:
            why = f"its last line is cut: {rest[:80].decode('utf-8', 'replace')!r}"
            self._report(Problem(path, why))

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run."""
        if run.artifact_uri is not None:
            yield from files_below(run.artifact_uri, self._report)

    def _metrics(self, run: RunItem) -> str:
        return os.path.join(self._folders[run.experiment], run.run_id, "metrics")

    # Files of the store

    def meta(self, folder: str) -> dict[str, Any] | None:
        """Return what the ``meta.yaml`` of a folder says; None if it says nothing."""
        import yaml

        path = os.path.join(folder, META)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            with open(path, "rb") as file:
                found = yaml.load(file, loader)
        except FileNotFoundError:
            self._report(Problem(folder, f"all of it is left out: it has no {META}"))
            return None
        except (OSError, ValueError, yaml.YAMLError) as error:
            text = " ".join(str(error).split())
            self._report(Problem(path, f"all of its folder is left out: {text}"))
            return None
        if type(found) is not dict:
            why = "it is empty" if found is None else "it is no mapping"
            self._report(Problem(path, f"all of its folder is left out: {why}"))
            return None
        return found

    def _metas(self, folder: str) -> Iterator[dict[str, Any]]:
        for name in _folders(folder):
            found = self.meta(os.path.join(folder, name))
            if found is not None:
                yield found

    def texts(self, folder: str) -> dict[str, str]:
        """Return the texts of the files of a folder by key."""
        found = {}
        for key, path in self._files_of(folder):
            try:
                with open(path, "rb") as file:
                    found[key] = file.read().decode()
            except (OSError, ValueError) as error:
                self._report(Problem(path, str(error)))
        return found

    def _files_of(self, folder: str, below: str = "") -> Iterator[tuple[str, str]]:
        """Yield the key and the path of each file below a folder, in order."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            self._report(Problem(folder, str(error)))
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._files_of(entry.path, f"{below}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield _key_of(f"{below}{entry.name}"), entry.path
            else:
                self._report(Problem(entry.path, "it is neither a file nor a folder"))

    def _blocks(self, path: str) -> Iterator[bytes]:
        try:
            with open(path, "rb", buffering=0) as file:
                while block := file.read(_BYTES_A_CHUNK):
                    yield block
        except OSError as error:
            self._report(Problem(path, str(error)))

    def _whole(self, meta: Mapping[str, Any], name: str, folder: str) -> int | None:
        value = meta.get(name)
        if value is None or type(value) is int:
            return value
        path = os.path.join(folder, META)
        self._report(Problem(path, f"{name} is {value!r}, and no whole number"))
        return None


def _has_meta(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, META))


def _has_runs(folder: str) -> bool:
    return any(_has_meta(os.path.join(folder, name)) for name in _folders(folder))


def _folders(parent: str) -> list[str]:
    """Return the names of the folders in a folder, in order; none if there is none."""
    try:
        entries = [*os.scandir(parent)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _is_run(path: str) -> bool:
    """Return whether a folder is, or has been, one of a run."""
    return _has_meta(path) or any(os.path.isdir(os.path.join(path, each)) for each in _OF_RUNS)


def _key_of(name: str) -> str:
    """Return the key that a file is of; some tools escape what is odd in a name."""
    if "%" not in name:
        return name
    try:
        return validation.key(unquote(name, errors="strict"))
    except (InvalidInputError, UnicodeDecodeError):
        return name


def _dataset(meta: Mapping[str, Any], tags: Any) -> DatasetItem:
    def text(name: str) -> str | None:
        value = meta.get(name)
        return None if value is None else str(value)

    uses = tags if type(tags) is dict else {}
    return DatasetItem(
        text("name") or "",
        text("digest") or "",
        text("source_type") or "",
        text("source") or "",
        text("schema"),
        text("profile"),
        {str(key): str(value) for key, value in uses.items()},
    )
