"""A folder of artifacts, wherever it is: what is in it, and how it comes to this machine."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from lakeflow import temporary
from lakeflow.config import is_progress_shown
from lakeflow.entities import FileInfo
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, StorageError
from lakeflow.filesystem.interface import STAGING
from lakeflow.filesystem.parts import PART_BYTES
from lakeflow.transfer import fetching, paths, progress
from lakeflow.transfer.fetching import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.artifacts.recorded import Recorded

_SECONDS_UNTIL_RECORDED = 1.0
"""Seconds after which a file that was logged anew is recorded anew."""


def listed(place: Place, below: str) -> list[FileInfo]:
    """Return what is in a folder, by path; a file has nothing in it."""
    source = place.full(below)
    # To list a file is an error on this machine, where a look costs nothing.
    entry = place.fs.entry(source) if place.fs.can_append else None
    if entry is not None and not entry.is_folder:
        return []
    return [
        FileInfo(
            paths.below(below, each.name), each.is_folder, None if each.is_folder else each.size
        )
        for each in place.fs.list(source)
        # An object store may list names that lead elsewhere.
        if each.name not in {"", ".", ".."} and (source or each.name != STAGING)
    ]


def fetched(
    place: Place,
    below: str,
    dst_path: Any,
    recorded: Callable[[], Mapping[str, Recorded]],
) -> str:
    """Fetch a file or folder, and return where it is on this machine.

    Args:
        place: The folder that its path is below.
        below: Its path; empty for the whole folder.
        dst_path: Folder of this machine, which must be there; None for a temporary one, or
            for none where the files are on this machine.
        recorded: Returns what is known of the files by path.

    Raises:
        DamagedLakeError: A file is not what was recorded.
        InvalidInputError: There is no such folder here, or a name would lead elsewhere.
        StorageError: There is no such file, or it could not be read, or written here.
    """
    source = place.full(below)
    here = place.fs.local_path(source)
    if dst_path is None and here is not None:
        if place.fs.entry(source) is None:
            raise missing(place, below)
        return here
    target = temporary.make("download") if dst_path is None else os.fspath(dst_path)
    if not os.path.isdir(target):
        raise InvalidInputError(
            f"dst_path is {target!r}, which is no folder", hint="make it first"
        )
    _checked(recorded, lambda known: _fetch(place, below, _wanted(place, below, target, known)))
    return os.path.join(target, below) if below else target


def fetched_file(
    place: Place, path: str, local: str, recorded: Callable[[], Mapping[str, Recorded]]
) -> None:
    """Fetch a file under a name of its own.

    Args:
        place: The folder that its path is below.
        path: Its path.
        local: Where it goes on this machine.
        recorded: Returns what is known of it by path.

    Raises:
        DamagedLakeError: It is not what was recorded.
        StorageError: There is no such file, or it could not be read, or written here.
    """

    def fetch(known: Mapping[str, Recorded]) -> None:
        wanted = _wanted_file(place, path, local, known)
        if wanted is None:
            raise missing(place, path)
        _fetch(place, path, [wanted])

    _checked(recorded, fetch)


def _checked(
    recorded: Callable[[], Mapping[str, Recorded]],
    fetch: Callable[[Mapping[str, Recorded]], None],
) -> None:
    """Fetch files that are to be what is recorded of them."""
    known = recorded()
    while True:
        try:
            return fetch(known)
        except DamagedLakeError:
            # It may have been logged anew since, and is recorded right after.
            time.sleep(_SECONDS_UNTIL_RECORDED)
            before, known = known, recorded()
            if known == before:
                raise


def _fetch(place: Place, below: str, wanted: Sequence[Wanted]) -> None:
    with progress.shown("downloaded", len(wanted), is_wanted=is_progress_shown()) as advance:
        try:
            for each in fetching.fetch(place.fs, place.folder, wanted):
                advance(each.size)
        except FileNotFoundError as error:
            raise missing(place, below) from error


def _wanted(
    place: Place, below: str, target: str, recorded: Mapping[str, Recorded]
) -> list[Wanted]:
    # As a file first: for most downloads that one request is all.
    only = _wanted_file(place, below, os.path.join(target, below), recorded) if below else None
    if only is not None:
        return [only]
    sizes = place.sizes(below)
    # A run to which nothing was logged has an empty folder, and that is no error.
    if not sizes and below:
        raise missing(place, below)
    wanted = []
    for path, size in sizes.items():
        if not paths.is_safe(path):
            raise InvalidInputError(
                f"{path!r} in {place.uri} has a name that would lead elsewhere on this machine",
                hint="fetch the other files one by one",
            )
        known = recorded.get(path)
        wanted.append(
            Wanted(path, os.path.join(target, path), size, known.sha256 if known else None)
        )
    return wanted


def _wanted_file(
    place: Place, path: str, local: str, recorded: Mapping[str, Recorded]
) -> Wanted | None:
    """Return a file that is to be fetched; None if it is no file."""
    source = place.full(path)
    begun = fetching.first_part(place.fs, source)
    if begun is None:
        return None
    known = recorded.get(path)
    size = len(begun)
    # Less than a whole part is all of the file; else its size is known, or is one more request.
    if size == PART_BYTES:
        size = known.size if known else place.fs.size(source)
    return Wanted(path, local, size, known.sha256 if known else None, begun)


def missing(place: Place, below: str) -> StorageError:
    """Return the error of an artifact that is not there."""
    return StorageError(
        f"No such artifact: {below!r} in {place.uri}",
        "RESOURCE_DOES_NOT_EXIST",
        hint="list_artifacts shows what there is",
    )
