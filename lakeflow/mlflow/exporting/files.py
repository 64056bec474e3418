"""Files beside runs and logged models, by a temporary folder from the lake to MLflow."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import mlflow

from lakeflow import temporary

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run

    from lakeflow.mlflow.exporting.target import Export
    from lakeflow.query.engine.connection import Cursor

_RECORDED = """
    SELECT run_id, path, sha256 FROM lakeflow.artifacts
    SEMI JOIN wanted_runs USING (run_id) ORDER BY ALL
"""


def recorded(cursor: Cursor) -> dict[str, list[Any]]:
    """Return path and SHA-256 of what was logged beside the runs of ``points.counts``."""
    found: dict[str, list[Any]] = defaultdict(list)
    for run_id, *file in cursor.run(_RECORDED):
        found[run_id].append(file)
    return found


def copy_of_run(export: Export, run: Run, run_id: str) -> None:
    """Copy the files of a run, one run at a time on this machine.

    Args:
        export: The export.
        run: The run of the lake.
        run_id: Its id in MLflow.
    """
    if not export.source.list_artifacts(run.info.run_id):
        return
    with temporary.folder("exported") as folder:
        export.source.download_artifacts(run.info.run_id, "", folder)
        export.target.log_artifacts(run_id, folder)
        export.report.written["files"] += _files_below(folder)


def copy_of_model(export: Export, model: LoggedModel, model_id: str) -> None:
    """Copy the files of a logged model; arguments as for ``copy_of_run``."""
    if not export.source.list_logged_model_artifacts(model.model_id):
        return
    with temporary.folder("exported") as folder:
        mlflow.artifacts.download_artifacts(
            artifact_uri=model.artifact_location, dst_path=folder
        )
        export.target.log_model_artifacts(model_id, folder)
        export.report.written["files"] += _files_below(folder)


def _files_below(folder: str) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))
