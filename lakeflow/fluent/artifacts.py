"""Files beside the active run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.fluent.logged import target

if TYPE_CHECKING:
    import os


def log_artifact(
    local_path: str | os.PathLike[str],
    artifact_path: str | None = None,
    run_id: str | None = None,
) -> None:
    """Log a file of this machine; see ``LakeflowClient.log_artifact``.

    Args:
        local_path: The file, or a folder.
        artifact_path: Folder among the run's artifacts to put it into.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    store.artifacts.log(run, local_path, artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str],
    artifact_path: str | None = None,
    run_id: str | None = None,
) -> None:
    """Log the files of a folder of this machine; see ``LakeflowClient.log_artifacts``.

    Args:
        local_dir: The folder.
        artifact_path: Folder among the run's artifacts to put them into.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    store.artifacts.log_folder(run, local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Log a text as an artifact; see ``LakeflowClient.log_text``.

    Args:
        text: The text.
        artifact_file: Path of the file below the run's artifacts.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    store.artifacts.log_text(run, text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Log what JSON or YAML can say as an artifact; see ``LakeflowClient.log_dict``.

    Args:
        dictionary: A dictionary, or a list.
        artifact_file: Path of the file below the run's artifacts.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    store.artifacts.log_dict(run, dictionary, artifact_file)
