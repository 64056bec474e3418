"""The files of logged models: in the lake, or wherever their experiment says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from lakeflow.config import is_progress_shown
from lakeflow.exceptions import InvalidInputError
from lakeflow.stores.artifacts import folders
from lakeflow.transfer import paths, progress, sending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakeflow.entities import FileInfo
    from lakeflow.stores.artifacts.places import ArtifactPlaces, Place
    from lakeflow.stores.logged_models.store import LoggedModelStore
    from lakeflow.transfer.sending import Source


class LoggedModelFiles:
    """The files of the logged models of one lake; threads share it.

    Args:
        models: The models.
        places: What finds their folders.
    """

    def __init__(self, models: LoggedModelStore, places: ArtifactPlaces) -> None:
        self._models = models
        self._places = places

    def log(self, model_id: str, local_path: Any, artifact_path: Any = None) -> None:
        """Log a file of this machine, or a folder under its own name."""
        local, folder = os.fspath(local_path), paths.checked(artifact_path, "artifact_path")
        name = os.path.basename(os.path.abspath(local))
        path = paths.normal(paths.below(folder, name), "local_path")
        if os.path.isdir(local):
            self._send(model_id, sending.files_below(local, path))
        else:
            self._send(model_id, [sending.file_at(local, path)])

    def log_folder(self, model_id: str, local_dir: Any, artifact_path: Any = None) -> None:
        """Log the files of a folder of this machine."""
        local, folder = os.fspath(local_dir), paths.checked(artifact_path, "artifact_path")
        if not os.path.isdir(local):
            raise InvalidInputError(f"local_dir is {local!r}, which is no folder")
        self._send(model_id, sending.files_below(local, folder))

    def _send(self, model_id: str, sources: Iterable[Source]) -> None:
        place = self.place(model_id)
        # The whole folder first: a bad name in it is an error before anything is sent.
        found = list(sources)
        with progress.shown("uploaded", len(found), is_wanted=is_progress_shown()) as advance:
            # Nothing is recorded of a model's files by which one could be left out.
            for sent in sending.send(place.fs, place.folder, found, lambda *_: False):
                advance(sent.size)

    def listing(self, model_id: str, path: Any = None) -> list[FileInfo]:
        """Return what is in a folder of a model's files, by path."""
        return folders.listed(self.place(model_id), paths.checked(path, "path"))

    def download(self, model_id: str, path: Any, dst_path: Any = None) -> str:
        """Fetch a file or folder, and return where it is; see ``folders.fetched``."""
        below = paths.checked(path, "path")
        return folders.fetched(self.place(model_id), below, dst_path, dict)

    def place(self, model_id: str) -> Place:
        """Return the folder of a model's files.

        Raises:
            NotFoundError: There is no such model, or it is deleted.
        """
        return self._places.beside(model_id, self._models.location(model_id))
