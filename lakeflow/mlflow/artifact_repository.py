"""Files below a folder of any fsspec filesystem, as MLflow asks for them."""

from __future__ import annotations

import asyncio
import os
import posixpath
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact import artifact_repo
from mlflow.store.artifact.artifact_repo import ArtifactRepository

from lakeflow import temporary
from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.location import canonical
from lakeflow.mlflow.artifact_folders import folder_at
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.stores.artifacts import folders
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from typing import BinaryIO

    from lakeflow.mlflow.artifact_folders import ArtifactFolder

_READ_AT_ONCE = 1024 * 1024


# Without presigned URLs: what a bucket gets behind our back has no digest in the lake.
@raises_mlflow
class LakeArtifactRepository(ArtifactRepository):
    """The files below a folder, in a lake or not.

    What is logged to the artifacts of a run of a lake is recorded there with its size and its
    digest, as ``lakeflow.log_artifact`` does, and compared with that when it is downloaded.
    Every path is below the folder: others are refused with INVALID_PARAMETER_VALUE.

    Args:
        artifact_uri: The folder: ``lakeflow:///folder``, or ``lakeflow+`` and its URL.
        tracking_uri: Where the runs are; that of the process by default.
        registry_uri: Taken as MLflow passes it.
    """

    def __init__(
        self,
        artifact_uri: str,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        **_: Any,
    ) -> None:
        # A URI that is no location is an error here, and not at the first call.
        canonical(artifact_uri)
        # 2.19 takes the first alone.
        super().__init__(artifact_uri)
        self.tracking_uri = tracking_uri
        self.registry_uri = registry_uri

    @cached_property
    def _folder(self) -> ArtifactFolder:
        from mlflow.tracking import get_tracking_uri

        return folder_at(self.artifact_uri, self.tracking_uri or get_tracking_uri())

    def log_artifact(self, local_file: Any, artifact_path: Any = None) -> None:
        """Log a file, or a folder under its own name; each is whole or not there at all."""
        self._folder.log(os.path.abspath(local_file), _new(artifact_path))

    def log_artifacts(self, local_dir: Any, artifact_path: Any = None) -> None:
        """Log the files of a folder, several at once where each is a request."""
        self._folder.log_folder(os.fspath(local_dir), _new(artifact_path))

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Log what is read from a stream; nothing of it is logged unless it ends well."""
        with temporary.folder("streamed") as folder:
            local = os.path.join(folder, _name(artifact_file_name))
            with open(local, "wb") as file:
                while data := stream.read(_READ_AT_ONCE):
                    file.write(data)
            self.log_artifact(local, artifact_path)

    async def log_artifact_from_async_stream(
        self,
        chunks: AsyncIterable[bytes],
        artifact_file_name: str,
        artifact_path: str | None = None,
    ) -> None:
        """Do the same with what comes in chunks."""
        with temporary.folder("streamed") as folder:
            local = os.path.join(folder, _name(artifact_file_name))
            with open(local, "wb") as file:
                async for data in chunks:
                    # MLflow's server answers all other requests in this loop.
                    await asyncio.to_thread(file.write, data)
            await asyncio.to_thread(self.log_artifact, local, artifact_path)

    def list_artifacts(self, path: Any = None) -> list[FileInfo]:
        """Return what is in a folder, by path; a file has nothing in it."""
        found = folders.listed(self._folder.place, self._inside(path))
        return [FileInfo(each.path, each.is_dir, each.file_size) for each in found]

    def _is_directory(self, artifact_path: Any) -> bool:
        return bool(self.list_artifacts(artifact_path))

    def get_local_path(self, artifact_path: Any) -> str | None:
        """Return where an artifact is on this machine; None if it is on no disk here."""
        below = self._inside(artifact_path)
        place = self._folder.place
        if place.fs.local_path(place.full(below)) is None:
            return None
        return folders.fetched(place, below, None, dict)

    def download_artifacts(self, artifact_path: Any, dst_path: Any = None) -> str:
        """Fetch a file or folder, several files at once, and return where it is.

        What is recorded is compared with its digest. Without ``dst_path``, files on this
        machine stay where they are.
        """
        target = None
        if dst_path:
            target = os.path.abspath(dst_path)
            if not os.path.exists(target):
                raise MlflowException(
                    f"the folder {target!r} for what is downloaded does not exist",
                    RESOURCE_DOES_NOT_EXIST,
                )
        below = self._inside(artifact_path)
        return folders.fetched(
            self._folder.place, below, target, lambda: self._folder.recorded(below)
        )

    def _download_file(self, remote_file_path: Any, local_path: Any) -> None:
        below = self._inside(remote_file_path)
        folders.fetched_file(
            self._folder.place,
            below,
            os.path.abspath(local_path),
            lambda: self._folder.recorded(below),
        )

    def delete_artifacts(self, artifact_path: Any = None) -> None:
        """Delete a file or a folder; it is fine if there is none.

        What is recorded of it stays: ``lakeflow.artifacts.verify`` says that it is missing.
        """
        self._folder.delete(self._inside(artifact_path))

    def _inside(self, path: Any) -> str:
        """Return a path below the folder, which no link leads out of."""
        below = _below(path)
        place = self._folder.place
        here, root = place.fs.local_path(place.full(below)), place.fs.local_path(place.folder)
        if here is not None and root is not None:
            real = os.path.realpath(root)
            if os.path.commonpath([real, os.path.realpath(here)]) != real:
                raise InvalidInputError(f"{below!r} leads out of {self.artifact_uri}")
        return below


def _below(path: Any) -> str:
    """Return a path below a folder, in its shortest spelling; empty for the folder itself.

    Raises:
        InvalidInputError: It leads elsewhere, however often its characters are quoted.
    """
    text = unquoted = os.fspath(path or "")
    while (decoded := unquote(unquoted)) != unquoted:
        unquoted = decoded
    if ".." in unquoted.split("/"):
        raise InvalidInputError(
            f"Invalid artifact path: {text!r} leads out of the folder of artifacts",
            hint="give the path below it, without '..'",
        )
    # For its errors alone: the path stays as it was given.
    _shortest(unquoted)
    return _shortest(text)


def _shortest(text: str) -> str:
    short = posixpath.normpath(text) if text else "."
    return paths.checked("" if short == "." else short, "artifact_path")


def _new(path: Any) -> str:
    """Return the path of a folder for new artifacts; as MLflow has it, spelt in one way."""
    return _below(paths.checked(path, "artifact_path"))


def _name(file_name: str) -> str:
    """Return the last part of the name of a file that is streamed here."""
    return paths.normal(posixpath.basename(file_name), "artifact_file_name")


# MLflow's server streams what is uploaded to a repository that is one of these; 2.19 has none.
if hasattr(artifact_repo, "StreamUploadMixin"):
    artifact_repo.StreamUploadMixin.register(LakeArtifactRepository)
