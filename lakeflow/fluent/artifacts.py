"""Files beside the active run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.fluent import active_runs
from lakeflow.fluent.logged import target
from lakeflow.transfer import paths

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


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return where the artifacts of the active run are, or where one of them is or would be.

    Nothing is read.

    Args:
        artifact_path: Path of the artifact below the run's folder; None for the folder.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a path that leads elsewhere.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-artifact-uri")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.get_artifact_uri("plots/loss.png").removeprefix(run.info.artifact_uri)
        '/plots/loss.png'
    """
    path = paths.checked((artifact_path or "").strip("/"), "artifact_path")
    # As in MLflow, a run is started where none is active.
    target()
    folder = active_runs.active()[-1].run.info.artifact_uri
    return f"{folder}/{path}" if path else folder
