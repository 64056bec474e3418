"""The folder that an artifact URI names: of a run of a lake, or any other one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import canonical
from lakeflow.mlflow.locations import is_lakeflow
from lakeflow.open_store import open_store
from lakeflow.stores.artifacts.places import place_at
from lakeflow.transfer import paths, sending

if TYPE_CHECKING:
    from lakeflow.stores.artifacts.files import ArtifactStore
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.stores.store import Store

# The folder of a run is no lake, and nobody may have said how one would be opened there.
_IN_A_LAKE = re.compile(r"(?<!/[0-9a-f]{32})/artifacts(?=/\d+(?:/|$)|$)")
_OF_A_RUN = re.compile(r"/([0-9a-f]{32})/artifacts(?:/(.*))?$", re.DOTALL)


class RunPart(NamedTuple):
    """A folder among the artifacts of a run, of which a lake has records.

    Attributes:
        artifacts: The artifacts of the lake.
        run_id: The run.
        below: Path of the folder among them; empty for all of them.
    """

    artifacts: ArtifactStore
    run_id: str
    below: str


class ArtifactFolder(NamedTuple):
    """A folder of artifacts.

    Attributes:
        place: Where it is.
        run: What it is among the artifacts of a run; None if it is not among any.
        lake: The lake that it is in; None if it is in none.
    """

    place: Place
    run: RunPart | None = None
    lake: Store | None = None

    def part(self, path: str) -> RunPart | None:
        """Return what a folder in it is among the artifacts of a run; None if it is not.

        The folder may be above those of all runs, as the one that MLflow's server keeps
        what it is sent in.
        """
        if self.run is not None:
            return self.run._replace(below=paths.below(self.run.below, path))
        if self.lake is None:
            return None
        inside = self.place._replace(folder=self.place.full(path))
        found = _of_a_run(self.lake, canonical(inside.uri))
        return found and found.run

    def log(self, local: str, path: str) -> None:
        """Log a file of this machine, or a folder under its own name, into a folder."""
        if (part := self.part(path)) is not None:
            part.artifacts.log(part.run_id, local, part.below or None)
            return
        target = paths.normal(paths.below(path, os.path.basename(local)), "local_file")
        if os.path.isdir(local):
            self._send_folder(local, target)
        else:
            self._send([sending.file_at(local, target)])

    def log_folder(self, local: str, path: str) -> None:
        """Log the files of a folder of this machine into a folder."""
        if (part := self.part(path)) is not None:
            part.artifacts.log_folder(part.run_id, local, part.below or None)
            return
        if not os.path.isdir(local):
            raise InvalidInputError(f"local_dir is {local!r}, which is no folder")
        self._send_folder(local, path)

    def recorded(self, path: str) -> dict[str, Recorded]:
        """Return what is recorded of a file, or of those of a folder, by path."""
        part = self.part(path)
        if part is None:
            return {}
        known = part.artifacts.recorded(part.run_id, part.below)
        return {
            paths.below(path, each[len(part.below) :].lstrip("/")): found
            for each, found in known.items()
        }

    def delete(self, path: str) -> None:
        """Delete a file or a folder; it is fine if there is none."""
        fs, target = self.place.fs, self.place.full(path)
        files = [target] if fs.exists(target) else list(fs.sizes(target))
        fs.delete_many(files)
        emptied = {target} | {each[:cut] for each in files for cut in _cuts(each, target)}
        # The deepest first: only an empty folder is deleted.
        for each in sorted(emptied, key=len, reverse=True):
            fs.delete_folder(each)

    def _send_folder(self, local: str, path: str) -> None:
        # The whole folder first: a bad name in it is an error before anything is sent.
        self._send([*sending.files_below(local, path)])

    def _send(self, sources: list[sending.Source]) -> None:
        for _ in sending.send(self.place.fs, self.place.folder, sources, lambda *_: False):
            pass


def _cuts(path: str, folder: str) -> list[int]:
    """Return where the folders of a file end that are below another folder."""
    return [at for at, each in enumerate(path) if each == "/" and at > len(folder)]


def folder_at(artifact_uri: str, tracking_uri: str) -> ArtifactFolder:
    """Return the folder that a URI names.

    One among the artifacts of a run is found by its path: in the lake that it is in, or else in
    that of the tracking store. Costs a request for ``lake.json`` on an object store, unless
    this process has the lake open.

    Args:
        artifact_uri: The folder.
        tracking_uri: Where MLflow has its runs; it need not be a lake.

    Raises:
        InvalidInputError: The URI is no location.
        InvalidStateError: It is in a lake of another format.
        StorageError: The lake cannot be read.
    """
    location = canonical(artifact_uri)
    around = _lake_around(location)
    for store in (around, _opened(tracking_uri) if is_lakeflow(tracking_uri) else None):
        found = store and _of_a_run(store, location)
        if found:
            return found
    if around is not None:
        return ArtifactFolder(around.artifacts.places.at(location, ""), lake=around)
    return ArtifactFolder(place_at(location))


def _lake_around(location: str) -> Store | None:
    for match in _IN_A_LAKE.finditer(location):
        store = _opened(location[: match.start()])
        if store is not None:
            return store
    return None


def _opened(location: str) -> Store | None:
    try:
        return open_store(location, create=False)
    except (NotFoundError, InvalidInputError):
        return None


def _of_a_run(store: Store, location: str) -> ArtifactFolder | None:
    """Return a folder among the artifacts of a run of a lake; None if it is none."""
    named = _OF_A_RUN.search(location)
    if named is None:
        return None
    run_id, below = validation.run_id(named[1]), named[2] or ""
    try:
        _, place = store.artifacts.place(run_id)
    except NotFoundError:
        return None
    part = place._replace(folder=place.full(below))
    # A run may have its artifacts elsewhere: then this folder only looks like its own.
    if canonical(part.uri) != location:
        return None
    return ArtifactFolder(part, RunPart(store.artifacts, run_id, below))
