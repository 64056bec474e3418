"""The folder that an artifact URI names: of a run or a model of a lake, or any other one."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import canonical
from lakeflow.mlflow.locations import is_lakeflow
from lakeflow.open_store import open_store
from lakeflow.stores.artifacts.places import place_at
from lakeflow.transfer import paths, sending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakeflow.stores.artifacts.files_beside import FilesBeside
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.stores.store import Store

# The folder of a run is no lake, and nobody may have said how one would be opened there.
_IN_A_LAKE = re.compile(r"(?<!/[0-9a-f]{32})/artifacts(?=/\d+(?:/|$)|$)")
_OF_A_THING = re.compile(r"/((?:m-)?[0-9a-f]{32})/artifacts(?:/(.*))?$", re.DOTALL)


class Part(NamedTuple):
    """A folder among the files of a run or a logged model, of which a lake has records.

    Attributes:
        beside: What records files beside such things.
        identity: The run or the model.
        below: Path of the folder among its files; empty for all of them.
    """

    beside: FilesBeside
    identity: str
    below: str


class ArtifactFolder(NamedTuple):
    """A folder of artifacts.

    Attributes:
        place: Where it is.
        part: What it is among the files of a run or a logged model; None if it is not.
        lake: The lake that it is in; None if it is in none.
    """

    place: Place
    part: Part | None = None
    lake: Store | None = None

    def part_at(self, path: str) -> Part | None:
        """Return what a folder in it is among the files of such a thing; None if it is not.

        The folder may be above those of all runs, as the one that MLflow's server keeps
        what it is sent in.
        """
        if self.part is not None:
            return self.part._replace(below=paths.below(self.part.below, path))
        if self.lake is None:
            return None
        inside = self.place._replace(folder=self.place.full(path))
        found = _of_a_thing(self.lake, canonical(inside.uri))
        return found and found.part

    def log(self, local: str, path: str) -> None:
        """Log a file of this machine, or a folder under its own name, into a folder."""
        if (part := self.part_at(path)) is not None:
            part.beside.log(part.identity, local, part.below or None)
            return
        target = paths.normal(paths.below(path, os.path.basename(local)), "local_file")
        self._send(sending.sources_at(local, target))

    def log_folder(self, local: str, path: str) -> None:
        """Log the files of a folder of this machine into a folder."""
        if (part := self.part_at(path)) is not None:
            part.beside.log_folder(part.identity, local, part.below or None)
            return
        if not os.path.isdir(local):
            raise InvalidInputError(f"local_dir is {local!r}, which is no folder")
        self._send(sending.files_below(local, path))

    def recorded(self, path: str) -> dict[str, Recorded]:
        """Return what is recorded of a file, or of those of a folder, by path."""
        part = self.part_at(path)
        if part is None:
            return {}
        known = part.beside.recorded(part.identity, part.below)
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

    def _send(self, sources: Iterable[sending.Source]) -> None:
        # All of them first: a bad name in a folder is an error before anything is sent.
        found = list(sources)
        # Nothing is recorded of these files, so all of them are sent.
        sent = [*sending.send(self.place.fs, self.place.folder, found, lambda *_: False)]
        if self.lake is not None and self.lake.lake.is_durable:
            self.place.fs.sync(*(self.place.full(each.path) for each in sent))


def _cuts(path: str, folder: str) -> list[int]:
    """Return where the folders of a file end that are below another folder."""
    return [at for at, each in enumerate(path) if each == "/" and at > len(folder)]


def folder_at(artifact_uri: str, tracking_uri: str) -> ArtifactFolder:
    """Return the folder that a URI names.

    One among the files of a run or a logged model is found by its path: in the lake that it is
    in, or else in that of the tracking store. Costs a request for ``lake.json`` on an object
    store, unless this process has the lake open.

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
        found = store and _of_a_thing(store, location)
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


def _of_a_thing(store: Store, location: str) -> ArtifactFolder | None:
    """Return a folder among the files of a run or a model of a lake; None if it is none."""
    named = _OF_A_THING.search(location)
    if named is None:
        return None
    identity, below = named[1], named[2] or ""
    beside = store.files_beside(identity)
    try:
        place = beside.folder(identity)
    except NotFoundError:
        return None
    inside = place._replace(folder=place.full(below))
    # Its files may be elsewhere: then this folder only looks like its own.
    if canonical(inside.uri) != location:
        return None
    return ArtifactFolder(inside, Part(beside, identity, below))
