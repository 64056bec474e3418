"""The files of a version that is made, as the lake of its run has recorded them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import canonical
from lakeflow.stores.artifacts.run_uris import of_run
from lakeflow.stores.registry import model_uris

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.store import Store

File = dict[str, Any]
"""``path`` below the source, empty for the source itself; ``size`` in bytes; ``sha256``."""

_FOLDER = re.compile(r"/([^/]+)/artifacts(?=/|$)")
"""Of a run, or of a logged model."""

_CHARACTERS_OF_A_CHANGE = 512 * 1024
"""Half of what a change may have: the other half is for description, tags and history."""

# A SHA-256, a size, the ids of model and version.
_CHARACTERS_BESIDE_A_PATH = 160


class RecordedVersion(NamedTuple):
    """What is recorded of the files of a version.

    Attributes:
        name: Name of the model.
        version: Number of the version.
        location: Where the files are.
        run_id: Run that made them, as somebody says; None for none.
        file_count: How many there are; None if nobody has logged them to a lake.
        files: Those that are recorded; fewer where the registration was broken off.
        signature: The signature; None if nobody has signed them.
    """

    name: str
    version: int
    location: str
    run_id: str | None
    file_count: int | None
    files: Sequence[File]
    signature: str | None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file by its path."""
        return {each["path"]: each["sha256"] for each in self.files}


def recorded_files(tracking: Callable[[], Store], source: str) -> list[File] | None:
    """Return what a lake has recorded of the files below a source, by path.

    A source that is not below the artifacts of a run or the files of a logged model costs
    nothing; one that is, a look at that and a read of its files, for which no engine is loaded
    as long as they are hot.

    Args:
        tracking: Returns the lake that the process logs to.
        source: ``runs:/<run id>/<path>``, ``models:/<model id>/<path>``, or the location that
            one of these stands for.

    Returns:
        The files; None if the lake has recorded nothing there.

    Raises:
        StorageError: The lake cannot be read.
    """
    for identity, below in _things_in(source):
        try:
            beside = tracking().files_beside(identity)
            path = _path_in(beside.folder(identity), source) if below is None else below
            found = {} if path is None else beside.recorded(identity, path)
        except (InvalidInputError, NotFoundError):
            # It is one of another tracker, or any folder with such a name.
            continue
        if found:
            return [
                {
                    "path": each[len(path or "") :].lstrip("/"),
                    "size": record.size,
                    "sha256": record.sha256,
                }
                for each, record in sorted(found.items())
            ]
    return None


def _things_in(source: str) -> list[tuple[str, str | None]]:
    """Return what a source may be below, with the path there where it says that."""
    run_id, path = of_run(source)
    if run_id is not None:
        return [(run_id, path.strip("/"))]
    named = model_uris.logged_model(source)
    if named is not None:
        return [named]
    # The location says no more: each folder around one called artifacts may be such a thing.
    return [(each, None) for each in _FOLDER.findall(source)]


def _path_in(place: Place, source: str) -> str | None:
    """Return the path of a location below a place; None if it is elsewhere."""
    location = f"{canonical(source)}/"
    if not location.startswith(f"{place.uri}/"):
        return None
    return location[len(place.uri) :].strip("/")


def in_changes(files: Iterable[File]) -> list[list[File]]:
    """Return files in as few parts as fit a change each; at least one. Pure."""
    parts: list[list[File]] = [[]]
    room = _CHARACTERS_OF_A_CHANGE
    for file in files:
        size = _CHARACTERS_BESIDE_A_PATH + len(json.dumps(file["path"]))
        if parts[-1] and size > room:
            parts.append([])
            room = _CHARACTERS_OF_A_CHANGE
        parts[-1].append(file)
        room -= size
    return parts
