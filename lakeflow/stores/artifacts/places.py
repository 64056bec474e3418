"""Where the artifacts of runs are: in the lake, or wherever an experiment says."""

from __future__ import annotations

import functools
import re
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from lakeflow import context
from lakeflow.config import Settings
from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.interface import STAGING
from lakeflow.filesystem.location import canonical, open_filesystem
from lakeflow.filesystem.names import is_plain
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.lake import Lake

_STALE_S = 24 * 3600
_ID = re.compile(r"[0-9a-f]{32}")


class Place(NamedTuple):
    """A folder of artifacts.

    Attributes:
        fs: The filesystem that it is on.
        folder: Its path there.
    """

    fs: Filesystem
    folder: str

    @property
    def uri(self) -> str:
        """The location of the folder."""
        return f"{self.fs.uri}/{self.folder}".rstrip("/")

    def full(self, path: str) -> str:
        """Return a path below the folder as one of the filesystem; empty for the folder."""
        return paths.below(self.folder, path)

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the size of every file below a path, by its own path below the folder."""
        found = self.fs.sizes(self.full(below))
        return {
            full[len(self.folder) :].lstrip("/"): size
            for full, size in found.items()
            # Where the folder is a filesystem of its own, what is being written is in it too.
            if not full.startswith(f"{STAGING}/")
        }


class ArtifactPlaces:
    """Finds them; threads share it.

    Args:
        lake: The lake, whose own folder has the artifacts that are nowhere else.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._opened: dict[str, Filesystem] = {}
        self._tidied = {lake.fs.uri}
        self._lock = threading.RLock()
        lake.on_fork(self._reset)

    def _reset(self) -> None:
        self._lock = threading.RLock()

    def beside(self, identity: str, artifact_uri: str) -> Place:
        """Return where the artifacts of a run are, or the files of a logged model.

        Args:
            identity: Id of the run or the model.
            artifact_uri: Their location, as it is stored.

        Raises:
            DamagedLakeError: The location cannot be one.
            InvalidInputError: No filesystem is known for it.
            InvalidStateError: It is in the lake, which was moved or deleted.
        """
        # A folder of the lake is stored relative to it; any other location stays as it is.
        if self._lake.fs.resolve(artifact_uri) == artifact_uri:
            # All runs of an experiment are below one folder, and share its filesystem.
            place = self.at(artifact_uri, f"/{identity}/artifacts")
            self._tidy(place.fs)
            return place
        # Whoever writes to the log could name a folder outside of the lake.
        if not _is_below(artifact_uri):
            raise DamagedLakeError(
                f"{identity} of {self._lake.fs.uri} says that its artifacts are in "
                f"{artifact_uri!r}, which is no folder of the lake",
                hint="somebody else has written that; log to another run or model",
            )
        return self._inside(artifact_uri)

    def at(self, uri: str, below: str) -> Place:
        """Return a folder at any location.

        Args:
            uri: A folder of this machine, or a URL.
            below: An end of it that is not part of where the filesystem begins.

        Raises:
            InvalidInputError: No filesystem is known for it.
            InvalidStateError: It is in the lake, which was moved or deleted.
        """
        location = canonical(uri)
        root = location.removesuffix(below)
        if root == self._lake.fs.uri or root.startswith(f"{self._lake.fs.uri}/"):
            return self._inside(location[len(self._lake.fs.uri) + 1 :])
        return Place(self._filesystem(root), location[len(root) + 1 :])

    def _inside(self, folder: str) -> Place:
        # Else files would go to where a lake was that has moved, and be found nowhere.
        self._lake.file.require_in_place()
        return Place(self._lake.fs, folder)

    def _filesystem(self, root: str) -> Filesystem:
        with self._lock:
            fs = self._opened.get(root)
            if fs is None:
                fs = self._opened[root] = _opened(root, self._lake.settings)
            return fs

    def _tidy(self, fs: Filesystem) -> None:
        """Delete what killed processes left beside the runs of an experiment, once a process.

        Within the lake a compaction does that. Here the folder may also be another program's.
        """
        if fs.uri in self._tidied or fs.local_path("") is None:
            return
        self._tidied.add(fs.uri)
        for each in fs.list(STAGING):
            is_stale = each.modified_s < time.time() - _STALE_S
            if is_stale and not each.is_folder and _ID.fullmatch(each.name):
                fs.delete(f"{STAGING}/{each.name}")


# Each file of a run asks.
@functools.lru_cache
def _is_below(location: str) -> bool:
    """Return whether a relative location leads nowhere but into the lake."""
    return all(map(is_plain, location.split("/")))


def place_at(uri: str) -> Place:
    """Return a folder at any location, of which no lake needs to know.

    Args:
        uri: A folder of this machine, or a URL.

    Raises:
        InvalidInputError: No filesystem is known for it.
    """
    return Place(_opened(canonical(uri), Settings.from_environment()), "")


def place_around(uri: str) -> tuple[Place, str]:
    """Return the folder around a file or folder at any location, and its name in there.

    See ``place_at``.
    """
    # Absolute first: "model" is in the working directory, and not in the root.
    location = canonical(uri)
    scheme, separator, path = location.rpartition("://")
    around, slash, name = path.rpartition("/")
    # Around a bucket there is nothing.
    if separator and scheme != "memory" and not slash:
        return place_at(location), ""
    return place_at(f"{scheme}{separator}{around}" or "/"), name


def _opened(root: str, settings: Settings) -> Filesystem:
    return open_filesystem(root, context.storage_options_below(root), settings)
