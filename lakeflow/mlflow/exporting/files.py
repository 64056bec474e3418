"""Files beside runs and logged models, by a temporary folder from the lake to MLflow."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.exceptions import MlflowException

from lakeflow import temporary
from lakeflow.exceptions import LakeflowException
from lakeflow.mlflow.plain_errors import said

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.mlflow.exporting.target import Export
    from lakeflow.query.engine.connection import Cursor

# In one order, since a digest of it is kept.
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


def copied(export: Export, where: str, uri: str, send: Callable[[str], None]) -> bool:
    """Copy what is below a place, by a folder of this machine; returns whether all is there.

    Args:
        export: The export.
        where: What they belong to, for people.
        uri: The place, as MLflow is told it. By that, since MLflow 2 remembers of a run's id
            where its files are, and an imported run has the id that it had elsewhere.
        send: Sends what is in a folder.
    """
    try:
        # A folder in which nothing is may not be there, and not be fetched.
        if mlflow.artifacts.list_artifacts(artifact_uri=uri):
            with temporary.folder("exported") as folder:
                mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder)
                # MLflow puts the folder there under its own name.
                (below,) = Path(folder).iterdir()
                send(str(below))
                export.report.written["files"] += _files_below(folder)
    except (MlflowException, LakeflowException, OSError) as error:
        export.report.miss(f"{where}, files", said(error))
        return False
    return True


def _files_below(folder: str) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))
