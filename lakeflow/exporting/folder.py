"""A new folder on any filesystem that is whole once it is there.

On this machine it gets its name at the end, by one rename. A store of objects has no renames:
there, what is written last says that the rest is there.
"""

from __future__ import annotations

import contextlib
import math
import os
from typing import TYPE_CHECKING

from lakeflow.exceptions import ConflictError, InvalidInputError
from lakeflow.filesystem.interface import STAGING
from lakeflow.filesystem.location import canonical, open_filesystem
from lakeflow.stores.artifacts.places import place_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lakeflow.filesystem.interface import Filesystem

README = "README.md"
"""The file that is written last."""

_LOCK = ".lock"


@contextlib.contextmanager
def new_folder(
    location: str | os.PathLike[str], parts: Collection[str]
) -> Iterator[Filesystem]:
    """Give the filesystem of a folder to write; it is there if the block ends well.

    Nothing is left of a local one that fails. What is left of one that was killed, or of one on
    a store of objects, is to be cleared by whoever writes.

    Args:
        location: A folder that is empty or not there, or one that was begun and not finished.
        parts: Names of the folders that are going to be in it.

    Raises:
        InvalidInputError: It holds something, or is no location.
        ConflictError: Another process is writing the same.
        StorageError: It cannot be written.
    """
    found = canonical(location)
    if "://" not in found:
        with _renamed(found, parts) as fs:
            yield fs
        return
    fs = place_at(found).fs
    # A README is a stranger here: where there is one, an export is whole and stays.
    _require_empty(fs, parts)
    yield fs


@contextlib.contextmanager
def _renamed(folder: str, parts: Collection[str]) -> Iterator[Filesystem]:
    parent, name = os.path.split(folder)
    # Beside the folder and so on its disk: a rename goes no further.
    begun = open_filesystem(os.path.join(parent, f".{name}.partial"))
    try:
        with begun.exclusive(_LOCK) as is_held:
            # Who had the lock may just have deleted it, with all that is beside it.
            if not is_held or not begun.exists(_LOCK):
                raise ConflictError(f"another process is writing {folder}")
            try:
                # Under the lock: who held it may just have finished.
                _require_empty(open_filesystem(folder), ())
                # Who was killed had the lock, and nobody else stages here.
                begun.clear_staging(math.inf)
                yield begun
                begun.delete_folder(STAGING)
                with begun.errors("rename to", folder):
                    # It takes the place of an empty folder, and is refused where something is
                    # in it.
                    os.rename(begun.full(""), folder)
            except BaseException:
                # Where the disk is full, nobody would look for it in a folder that is hidden.
                with contextlib.suppress(OSError):  # the reason why is raised already
                    _delete(begun, parts)
                raise
            # Not before the rename: until then it keeps others away.
            open_filesystem(folder).delete(_LOCK)
    finally:
        # Only where it is there and empty: without a lock in it, it is nobody's.
        begun.delete_folder("")


def _delete(fs: Filesystem, parts: Collection[str]) -> None:
    """Delete a folder that was begun, but for what others have put into it."""
    clear(fs, parts)
    fs.clear_staging(math.inf)
    for name in (*parts, STAGING):
        fs.delete_folder(name)
    fs.delete_many([README, _LOCK])


def _require_empty(fs: Filesystem, parts: Collection[str]) -> None:
    names = [entry.name for entry in fs.list("")]
    strangers = [name for name in names if name not in parts]
    if strangers:
        raise InvalidInputError(
            f"{fs.uri} is not empty: it holds {strangers[0]!r}",
            hint="choose an empty or new folder",
        )


def clear(fs: Filesystem, parts: Collection[str]) -> None:
    """Delete what an export that was stopped has left in a folder.

    Args:
        fs: Its filesystem.
        parts: Names of the folders in it.
    """
    for part in parts:
        fs.delete_many([*fs.sizes(part)])
