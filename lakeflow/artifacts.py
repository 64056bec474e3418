"""Artifacts by their URIs; MLflow's ``mlflow.artifacts``."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow import context, temporary
from lakeflow.config import is_progress_shown
from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.media import images
from lakeflow.open_store import open_store
from lakeflow.stores.arguments import several
from lakeflow.stores.artifacts import folders
from lakeflow.stores.artifacts.places import place_around
from lakeflow.stores.artifacts.run_uris import of_run
from lakeflow.stores.registry import model_uris
from lakeflow.stores.registry.version_files import VersionFiles
from lakeflow.system_errors import loading, refused
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    import PIL.Image

    from lakeflow.entities import FileInfo
    from lakeflow.maintenance.report import VerificationReport
    from lakeflow.stores.artifacts.images import LoggedImage

__all__ = [
    "download_artifacts",
    "list_artifacts",
    "load_dict",
    "load_image",
    "load_images",
    "load_text",
    "verify",
]


def download_artifacts(
    artifact_uri: str | os.PathLike[str] | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    dst_path: str | os.PathLike[str] | None = None,
    tracking_uri: str | os.PathLike[str] | None = None,
) -> str:
    """Fetch a file or a folder of artifacts, and return where it is.

    Args:
        artifact_uri: ``runs:/<run id>/<path>``, a path of this machine, any URL that fsspec
            opens, or a version of a registered model, with or without a path behind it:
            ``models:/<name>/<version>``, ``models:/<name>@<alias>``,
            ``models:/<name>/<stage>`` or ``models:/<name>/latest``; or a logged model:
            ``models:/<model id>``.
        run_id: The run whose artifacts they are, instead.
        artifact_path: With ``run_id``: the file or folder among them; all by default.
        dst_path: Folder of this machine to fetch it into; made where it is not there. By
            default as for ``LakeflowClient.download_artifacts``.
        tracking_uri: Location of the lake; that of the process by default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run, model or version.
        InvalidInputError: INVALID_PARAMETER_VALUE, both or neither of ``artifact_uri`` and
            ``run_id``, a path beside a URI, a path that leads elsewhere, no such alias.
        DamagedLakeError: DATA_LOSS, a file is not what was logged.
        StorageError: RESOURCE_DOES_NOT_EXIST, no such artifact; or it could not be read.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-artifacts")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_text("price", "texts/labels.txt")
        >>> path = lakeflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/texts")
        >>> os.listdir(path)
        ['labels.txt']
    """
    uri = _uri(artifact_uri, run_id, artifact_path)
    # First: who names what can be no folder does not wait for a lake.
    if dst_path is not None:
        _make(dst_path)
    if uri is not None and model_uris.is_model_uri(uri):
        files, below = _of_version(uri, tracking_uri)
        return files.fetched(below, dst_path)
    run, path = of_run(uri) if uri is not None else (run_id, artifact_path)
    if run is not None:
        store = open_store(tracking_uri, create=False)
        return store.artifacts.download(run, path, dst_path)
    around, name = place_around(path or "")
    return folders.fetched(around, paths.checked(name, "artifact_uri"), dst_path, dict)


def list_artifacts(
    artifact_uri: str | os.PathLike[str] | None = None,
    run_id: str | None = None,
    artifact_path: str | None = None,
    tracking_uri: str | os.PathLike[str] | None = None,
) -> list[FileInfo]:
    """Return what is in a folder of artifacts, by path.

    Args:
        artifact_uri: As for ``download_artifacts``.
        run_id: The run whose artifacts they are, instead.
        artifact_path: With ``run_id``: the folder among them; that of all by default.
        tracking_uri: Location of the lake; that of the process by default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
        InvalidInputError: INVALID_PARAMETER_VALUE, as for ``download_artifacts``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-artifacts-list")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_text("price", "labels.txt")
        >>> lakeflow.artifacts.list_artifacts(f"runs:/{run.info.run_id}")
        [FileInfo(path='labels.txt', is_dir=False, file_size=5)]
    """
    uri = _uri(artifact_uri, run_id, artifact_path)
    if uri is not None and model_uris.is_model_uri(uri):
        files, below = _of_version(uri, tracking_uri)
        return files.listed(below)
    run, path = of_run(uri) if uri is not None else (run_id, artifact_path)
    if run is not None:
        return open_store(tracking_uri, create=False).artifacts.listing(run, path)
    around, name = place_around(path or "")
    return folders.listed(around, paths.checked(name, "artifact_uri"))


def load_text(artifact_uri: str | os.PathLike[str]) -> str:
    """Return the text of an artifact, which is in UTF-8.

    Raises:
        InvalidInputError: BAD_REQUEST, it is no such text.
        LakeflowException: As for ``download_artifacts``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-load-text")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_text("This is a sentence", "file.txt")
        >>> lakeflow.artifacts.load_text(run.info.artifact_uri + "/file.txt")
        'This is a sentence'
    """
    content = _content(artifact_uri)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{artifact_uri} is no text in UTF-8: {error}", "BAD_REQUEST"
        ) from error


def load_dict(artifact_uri: str | os.PathLike[str]) -> Any:
    """Return what the JSON of an artifact says.

    Raises:
        InvalidInputError: BAD_REQUEST, it is no JSON.
        LakeflowException: As for ``download_artifacts``.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-load-dict")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_dict({"n_cores": "10"}, "config.json")
        >>> lakeflow.artifacts.load_dict(run.info.artifact_uri + "/config.json")
        {'n_cores': '10'}
    """
    content = _content(artifact_uri)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{artifact_uri} is no JSON: {error}", "BAD_REQUEST") from error


def load_image(artifact_uri: str | os.PathLike[str]) -> PIL.Image.Image:
    """Return the image of an artifact.

    Raises:
        InvalidInputError: BAD_REQUEST, it is no image that Pillow knows.
        LakeflowException: As for ``download_artifacts``.
    """
    import PIL.Image

    content = _content(artifact_uri)
    try:
        return images.opened(content)
    # The last one is of an image that would take all of the memory.
    except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise InvalidInputError(
            f"{artifact_uri} is no image: {error}", "BAD_REQUEST"
        ) from error


def load_images(
    run_id: str, key: str, tracking_uri: str | os.PathLike[str] | None = None
) -> list[LoggedImage]:
    """Return the images that ``log_image`` has logged to a run under a key, by step and time.

    Each has its ``step``, its ``timestamp`` in milliseconds, its ``path``, and an ``image`` and
    a ``thumbnail``, which are fetched whenever they are looked at. Cost: one read of what is
    recorded, and one request a look. Images that are still queued are not among them; see
    ``flush_async_logging``.

    Args:
        run_id: Id of the run.
        key: Name of the images; an unknown one has none.
        tracking_uri: Location of the lake; that of the process by default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.

    Examples:
        >>> import lakeflow, numpy
        >>> lakeflow.set_tracking_uri("memory://doc-load-images")
        >>> with lakeflow.start_run() as run:
        ...     for step in (1, 2):
        ...         pixels = numpy.full((20, 30), step, dtype=numpy.uint8)
        ...         lakeflow.log_image(pixels, key="digits", step=step)
        >>> images = lakeflow.load_images(run.info.run_id, "digits")
        >>> [(each.step, each.image.size, each.image.getpixel((0, 0))) for each in images]
        [(1, (30, 20), 1), (2, (30, 20), 2)]
    """
    return open_store(tracking_uri, create=False).images.load(run_id, key)


def verify(
    run_ids: Sequence[str] | None = None,
    experiment_ids: Sequence[str] | None = None,
    *,
    model_ids: Sequence[str] | None = None,
    quick: bool = False,
    tracking_uri: str | os.PathLike[str] | None = None,
) -> VerificationReport:
    """Compare the files of artifacts with what was recorded when they were logged.

    Those of runs and of logged models. What is deleted has its files still, which are looked
    at too; ``lakeflow.registry.verify_model_version`` looks at those of a version. A file that
    is being logged meanwhile may be found to be there and not recorded.

    Cost: a listing of the folder of each run and model, one request a thousand files on an
    object store; and unless it is ``quick`` each file is read once, several at a time where
    that is a request, never more than 48 MiB of them in memory. The records of 20,000 files, or
    of one run or model that has more, are in memory at a time.

    Args:
        run_ids: Only the artifacts of these runs.
        experiment_ids: Only those of the runs and logged models of these experiments.
        model_ids: Only the files of these logged models; beside ``run_ids``, those of both.
        quick: Whether to compare sizes alone, and read no file.
        tracking_uri: Location of the lake; that of the process by default.

    Returns:
        A ``VerificationReport``: numbers of runs, models, files and bytes, and ``findings``,
        one for each file that is ``missing``, ``changed`` in size or SHA-256, ``unreadable``,
        or ``unrecorded``: there, without having been logged. ``is_good`` says whether all that
        was logged is there.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run, model or experiment, or no
            lake.
        InvalidInputError: INVALID_PARAMETER_VALUE, this is no list of ids.
        StorageError: The lake cannot be read, or a store is out of reach.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-verify")
        >>> with lakeflow.start_run() as run:
        ...     lakeflow.log_text("price", "labels.txt")
        >>> report = lakeflow.artifacts.verify([run.info.run_id])
        >>> report.files, report.bytes, report.findings
        (1, 5, [])
    """
    with loading("what verifies artifacts"):
        from lakeflow.maintenance.verification import verify_artifacts

    lists = {"run_ids": run_ids, "experiment_ids": experiment_ids, "model_ids": model_ids}
    # Of an array or a column nobody can say whether it is true.
    run_ids, experiment_ids, model_ids = (
        None if values is None else several(name, values) for name, values in lists.items()
    )
    store = open_store(tracking_uri, create=False)
    # An id that is mistyped would be all right: it has no artifacts.
    for place, run_id in enumerate(run_ids or ()):
        path = f"run_ids[{place}]"
        store.runs.reader.run(validation.run_id(run_id, path), path)
    for each in model_ids or ():
        store.logged_models.get(each, allow_deleted=True)
    experiments = [store.experiments.get(each).experiment_id for each in experiment_ids or ()]
    return verify_artifacts(
        store,
        run_ids,
        None if experiment_ids is None else experiments,
        model_ids,
        is_quick=quick,
        is_shown=is_progress_shown(),
    )


def _content(artifact_uri: str | os.PathLike[str]) -> bytes:
    # By way of a file: only what is fetched into one is compared with what was logged.
    with temporary.folder("loaded") as folder:
        path = Path(download_artifacts(artifact_uri, dst_path=folder))
        if path.is_dir():
            raise InvalidInputError(f"{artifact_uri} is a folder", "BAD_REQUEST")
        return path.read_bytes()


def _make(folder: str | os.PathLike[str]) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        name = os.fspath(folder)
        raise refused(f"make the folder {name}", error) or InvalidInputError(
            f"dst_path is {name!r}, which cannot be a folder: {error.strerror}"
        ) from error


def _uri(
    artifact_uri: str | os.PathLike[str] | None, run_id: str | None, artifact_path: str | None
) -> str | None:
    """Return the URI as text, once it is one of two that is given."""
    if (artifact_uri is None) == (run_id is None):
        raise InvalidInputError(
            "one of run_id and artifact_uri is to be specified, and one only"
        )
    if artifact_uri is not None and artifact_path is not None:
        raise InvalidInputError(
            "artifact_path is specified beside artifact_uri, which has the whole path"
        )
    return None if artifact_uri is None else os.fspath(artifact_uri)


def _of_version(
    uri: str, tracking_uri: str | os.PathLike[str] | None
) -> tuple[VersionFiles, str]:
    """Return the files of the version or logged model that a URI names, and the path below."""
    logged = model_uris.logged_model(uri)
    if logged is not None:
        model_id, below = logged
        files = open_store(tracking_uri, create=False).model_files
        recorded = functools.partial(files.recorded, model_id)
        return VersionFiles(files.folder(model_id), "", recorded), below
    version_uri, below = model_uris.split(uri)
    registry = open_store(context.registry_uri() or tracking_uri, create=False)
    location, run_id = registry.model_versions.located(version_uri)
    runs = functools.partial(open_store, tracking_uri, create=False)
    return VersionFiles.at(location, run_id, runs), below
