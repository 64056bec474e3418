"""Registered models and logged models of MLflow's file store."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.entities import LifecycleStage
from lakeflow.importing.items import Problem
from lakeflow.importing.model_items import (
    LoggedModelItem,
    ModelPoint,
    ModelVersionItem,
    RegisteredModelItem,
)
from lakeflow.importing.sources.artifact_files import files_below
from lakeflow.importing.sources.mlflow.folders import META, StoreFolders, folders_in
from lakeflow.importing.sources.mlflow.statuses import DELETED_VERSION, logged_model_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lakeflow.importing.items import ExperimentItem, FileItem

T = TypeVar("T")

_MODELS = "models"
_VERSION = "version-"
_POINTS_AT_ONCE = 5_000


class FileModels(StoreFolders):
    """What a file store holds of models."""

    # Registered models

    def registered_models(self) -> Iterator[RegisteredModelItem]:
        """Yield the registered models by name."""
        for folder in self._folders_below(os.path.join(self.root, _MODELS)):
            found = self._read(folder, self._model)
            if found is not None:
                yield found

    def _folders_below(self, parent: str) -> Iterator[str]:
        for name in folders_in(parent, self.report):
            yield os.path.join(parent, name)

    def _read(self, folder: str, item_of: Callable[[str, dict[str, Any]], T]) -> T | None:
        """Return what the document of a folder says; None where it cannot be read."""
        meta = self.meta(folder)
        try:
            return None if meta is None else item_of(folder, meta)
        except (LookupError, TypeError, ValueError) as error:
            why = f"it lacks something: {type(error).__name__}: {error}"
            self.report(Problem(os.path.join(folder, META), why))
            return None

    def _model(self, folder: str, meta: dict[str, Any]) -> RegisteredModelItem:
        made = int(meta["creation_timestamp"])
        aliases = self.texts(os.path.join(folder, "aliases"))
        return RegisteredModelItem(
            str(meta["name"]),
            made,
            int(meta.get("last_updated_timestamp") or made),
            meta.get("description"),
            self.texts(os.path.join(folder, "tags")),
            {alias: int(version) for alias, version in aliases.items()},
            # Those that were deleted among them: their numbers are not given again.
            max(_numbers(folder), default=0),
        )

    def model_versions(self, model: RegisteredModelItem) -> Iterator[ModelVersionItem]:
        """Yield the versions of a model in the order of their numbers."""
        folder = os.path.join(self.root, _MODELS, model.name)
        for number in _numbers(folder):
            of_version = os.path.join(folder, f"{_VERSION}{number}")
            found = self._read(of_version, self._version)
            if found is not None and found.stage != DELETED_VERSION:
                yield found

    def _version(self, folder: str, meta: dict[str, Any]) -> ModelVersionItem:
        made = int(meta["creation_timestamp"])
        return ModelVersionItem(
            int(meta["version"]),
            made,
            int(meta.get("last_updated_timestamp") or made),
            meta.get("source") or "",
            meta.get("storage_location"),
            meta.get("current_stage") or "None",
            meta.get("description"),
            meta.get("user_id"),
            meta.get("run_id") or None,
            meta.get("run_link") or None,
            meta.get("status") or "READY",
            meta.get("status_message"),
            self.texts(os.path.join(folder, "tags")),
        )

    # Logged models

    def logged_models(self, experiments: Iterable[ExperimentItem]) -> Iterator[LoggedModelItem]:
        """Yield the logged models of some experiments."""
        for experiment in experiments:
            below = os.path.join(self.folders[experiment.key], _MODELS)
            for folder in self._folders_below(below):
                found = self._read(folder, self._logged)
                if found is not None:
                    yield dataclasses.replace(found, experiment=experiment.key)

    def _logged(self, folder: str, meta: dict[str, Any]) -> LoggedModelItem:
        return LoggedModelItem(
            str(meta["model_id"]),
            str(meta["experiment_id"]),
            str(meta["name"]),
            int(meta["creation_timestamp"]),
            int(meta["last_updated_timestamp"]),
            str(meta["artifact_location"]),
            logged_model_status(meta.get("status")),
            meta.get("status_message"),
            meta.get("model_type"),
            meta.get("source_run_id"),
            meta.get("lifecycle_stage") or LifecycleStage.ACTIVE,
            self.texts(os.path.join(folder, "params")),
            self.texts(os.path.join(folder, "tags")),
        )

    def model_points(self, model: LoggedModelItem) -> Iterator[list[ModelPoint]]:
        """Yield the points of a logged model, some thousands at once."""
        points = []
        for key, path in self.files_of(os.path.join(self._folder(model), "metrics")):
            for point in self._points(key, path):
                points.append(point)
                if len(points) == _POINTS_AT_ONCE:
                    yield points
                    points = []
        if points:
            yield points

    def model_files(self, model: LoggedModelItem) -> Iterator[FileItem]:
        """Yield the files of a logged model: the folder of the store may have been moved."""
        own = os.path.join(self._folder(model), "artifacts")
        location = own if os.path.isdir(own) else model.artifact_location
        yield from files_below(location, self.report)

    def _folder(self, model: LoggedModelItem) -> str:
        return os.path.join(self.folders[model.experiment], _MODELS, model.model_id)

    def _points(self, key: str, path: str) -> Iterator[ModelPoint]:
        for first, lines in self.lines(path):
            # Not by str.splitlines(): a name may hold what ends a line to Unicode.
            for number, line in enumerate(
                lines.decode("utf-8", "replace").split("\n")[:-1], first
            ):
                try:
                    yield _point(key, line)
                except ValueError as error:
                    self.report(Problem(f"{path}, line {number}", f"it is no point: {error}"))


def _numbers(folder: str) -> list[int]:
    """Return the numbers of the versions of a model that have a folder, in order."""
    names = [each.removeprefix(_VERSION) for each in folders_in(folder)]
    return sorted(int(each) for each in names if each.isdecimal())


def _point(key: str, line: str) -> ModelPoint:
    """Return the point of a line.

    Raises:
        ValueError: It is none.
    """
    timestamp, value, step, run_id, *dataset = line.split()
    if len(dataset) not in {0, 2}:
        raise ValueError(f"it has {4 + len(dataset)} fields")
    return ModelPoint(key, float(value), int(timestamp), int(step), run_id, *dataset)
