"""The files of a version, wherever they are: what is in a folder, and how they come here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import canonical
from lakeflow.stores.artifacts import folders
from lakeflow.stores.artifacts.places import Place, place_around
from lakeflow.stores.artifacts.run_uris import of_run
from lakeflow.transfer import paths

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.entities import FileInfo
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.stores.store import Store


class VersionFiles(NamedTuple):
    """The folder of a version, or its only file.

    Attributes:
        around: The folder around it.
        name: Its path there; empty for the folder itself.
        recorded: Returns what is recorded of files by their paths in ``around``.
    """

    around: Place
    name: str
    recorded: Callable[[], dict[str, Recorded]]

    @classmethod
    def at(cls, location: str, run_id: str | None, runs: Callable[[], Store]) -> VersionFiles:
        """Return the files at a location.

        Those among the artifacts of a run are compared with what is recorded of them.

        Args:
            location: A path, a URL, or ``runs:/<run id>/<path>``.
            run_id: The run that has made them, as somebody says.
            runs: Opens the lake of the runs.

        Raises:
            NotFoundError: ``location`` names a run that there is not.
            InvalidInputError: It is no location.
        """
        named, path = of_run(location)
        if named is None and run_id is not None:
            try:
                named, path = _in_run(runs(), run_id, location)
            except (NotFoundError, InvalidInputError):
                # It is in another lake, or was never in one: nobody has checked its name.
                named = None
        if named is not None:
            artifacts = runs().artifacts
            _, place = artifacts.place(named)
            return cls(place, path, lambda: artifacts.recorded(named, path))
        return cls(*place_around(location), dict)

    def listed(self, below: str) -> list[FileInfo]:
        """Return what is in a folder, by its path below that of the version."""
        return folders.listed(self.folder, paths.checked(below, "artifact_uri"))

    def fetched(self, below: str, dst_path: Any) -> str:
        """Fetch a file or a folder, and return where it is; see ``folders.fetched``."""
        path = paths.checked(below, "artifact_uri")
        # A version that is a single file is fetched as that.
        if not path and self.name:
            entry = self.around.fs.entry(self.around.full(self.name))
            if entry is None:
                raise folders.missing(self.around, self.name)
            if not entry.is_folder:
                return folders.fetched(self.around, self.name, dst_path, self.recorded)
        return folders.fetched(self.folder, path, dst_path, self._recorded_below)

    @property
    def folder(self) -> Place:
        """The folder of the version, or its only file."""
        return Place(self.around.fs, self.around.full(self.name))

    def _recorded_below(self) -> dict[str, Recorded]:
        before = f"{self.name}/" if self.name else ""
        return {path.removeprefix(before): each for path, each in self.recorded().items()}


def _in_run(store: Store, run_id: str, location: str) -> tuple[str | None, str]:
    """Return the run if a location is among its artifacts, and the path there."""
    root = canonical(store.runs.get(run_id).info.artifact_uri)
    inside = canonical(location)
    if inside != root and not inside.startswith(f"{root}/"):
        return None, location
    return run_id, inside[len(root) :].lstrip("/")
