"""The files of logged models: in the lake, or wherever their experiment says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.kinds import LOGGED_MODEL
from lakeflow.schema import LOGGED_MODEL_FILES
from lakeflow.stores.artifacts import files_beside
from lakeflow.stores.artifacts.files_beside import FilesBeside
from lakeflow.stores.artifacts.recorded import Label, Recorded
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.logged_models import rows
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeflow.entities import LoggedModel
    from lakeflow.lake import Lake
    from lakeflow.stores.artifacts.places import ArtifactPlaces, Place
    from lakeflow.stores.logged_models.scopes import ModelScopes
    from lakeflow.stores.logged_models.store import LoggedModelStore
    from lakeflow.stores.reader import Reader
    from lakeflow.transfer.sending import Sent, Source


class LoggedModelFiles(FilesBeside):
    """The files of the logged models of one lake; threads share it.

    Args:
        lake: The lake.
        models: The models.
        scopes: What is remembered of them.
        places: What finds their folders.
        reader: What reads what is recorded.
    """

    def __init__(
        self,
        lake: Lake,
        models: LoggedModelStore,
        scopes: ModelScopes,
        places: ArtifactPlaces,
        reader: Reader,
    ) -> None:
        self._lake = lake
        self._models = models
        self._scopes = scopes
        self._places = places
        self._reader = reader

    def log_files(self, identity: str, sources: Iterable[Source]) -> None:
        """Log files of this machine; those that arrive before an error stay."""
        place = self.folder(identity)
        scope = self._scopes.experiment_of(identity), identity
        known: dict[str, Recorded] | None = None

        def is_there(path: str, size: int, sha256: str) -> bool:
            nonlocal known
            # Not before there is a file, and once for all of them.
            if known is None:
                known = self.known(scope)
            return files_beside.is_there(place, known.get(path), path, size, sha256)

        files_beside.send(
            place,
            sources,
            is_there,
            lambda arrived: self._lake.append(self.records(scope, place, arrived)),
            fsync=self._lake.is_durable,
        )

    def records(self, scope: Sequence[str], place: Place, files: Sequence[Sent]) -> list[str]:
        """Return the records of files that have arrived.

        Args:
            scope: The ids of the experiment and the model.
            place: Where the files are.
            files: The files.
        """
        found = files_beside.rows_of(place, files, now_ms(), fsync=self._lake.is_durable)
        return records.bodies("", rows.files(scope, found))

    def recorded(self, identity: str, path: str = "") -> dict[str, Recorded]:
        """Return what is recorded of files by path: of all of a model, or of one folder."""
        return self.known(self._scopes.thing(identity).scope, path)

    def known(self, scope: Sequence[str], path: str = "") -> dict[str, Recorded]:
        """Return the same of a model that need not be there, as this process saw it last."""
        found = self._reader.rows_beside(LOGGED_MODEL, LOGGED_MODEL_FILES, scope)
        return {
            row["path"]: Recorded(row["size"], row["sha256"], row["log_time"], Label())
            for row in files_beside.below(found, path)
        }

    def located(self, model_id: str, path: str) -> tuple[LoggedModel, str]:
        """Return a model, and the location of a path below its files.

        Raises:
            NotFoundError: There is no such model, or it is deleted.
            InvalidInputError: The path leads elsewhere.
        """
        model = self._models.get(model_id)
        below = paths.looked_for(path, "path")
        return model, "/".join(filter(None, [model.artifact_location, below]))

    def folder(self, identity: str) -> Place:
        """Return the folder of a model's files.

        Raises:
            NotFoundError: There is no such model, or it is deleted.
        """
        return self._places.beside(identity, self._models.location(identity))
