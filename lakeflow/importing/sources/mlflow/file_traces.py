"""Traces of MLflow's file store, with spans and assessments."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from lakeflow.entities import Assessment, TraceInfo
from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.items import Problem
from lakeflow.importing.sources.mlflow.folders import StoreFolders, folders_in
from lakeflow.importing.sources.mlflow.trace_files import spans_beside
from lakeflow.importing.trace_items import TraceItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.importing.items import ExperimentItem

_INFO = "trace_info.yaml"


class FileTraces(StoreFolders):
    """What a file store holds of traces."""

    def traces(self, experiment: ExperimentItem, since: int | None) -> Iterator[TraceItem]:
        """Yield the traces of an experiment by id."""
        below = os.path.join(self.folders[experiment.key], "traces")
        for name in folders_in(below, self.report):
            folder = os.path.join(below, name)
            info = self._info(folder)
            if info is None or (since is not None and info.request_time < since):
                continue
            own = os.path.join(folder, "artifacts")
            at = own if os.path.isdir(own) else None
            found, columns = spans_beside(info, self.report, at)
            yield TraceItem(dataclasses.replace(found, experiment_id=experiment.key), columns)

    def _info(self, folder: str) -> TraceInfo | None:
        found = self.meta(folder, _INFO)
        if found is None:
            return None
        try:
            # Assessments are files of their own.
            info = TraceInfo.from_dict({**found, "assessments": []})
            # Any value of YAML may stand there.
            took = info.execution_duration
            numbers = int(info.request_time), None if took is None else int(took)
        except (InvalidInputError, ValueError, TypeError) as error:
            self.report(Problem(os.path.join(folder, _INFO), f"it is left out: {error}"))
            return None
        return dataclasses.replace(
            info,
            request_time=numbers[0],
            execution_duration=numbers[1],
            tags=self.texts(os.path.join(folder, "tags")),
            trace_metadata=self.texts(os.path.join(folder, "request_metadata")),
            assessments=list(self._assessments(os.path.join(folder, "assessments"))),
        )

    def _assessments(self, folder: str) -> Iterator[Assessment]:
        for name, path in self.files_of(folder):
            found = self.meta(folder, name)
            if found is None:
                continue
            try:
                yield Assessment.from_dictionary(found)
            except (InvalidInputError, ValueError) as error:
                self.report(Problem(path, str(error)))
