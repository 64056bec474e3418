"""Which finished fold a lake still holds whole, and tables that are made to hold it again.

Files of a lake are copied one by one, restored from backups, and deleted by hand. So a fold may
be finished whose files are not there, and tables may carry a fold that nobody knows. As long as
the log has what came after an older fold, the next fold stands on that one and folds it anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.bounded import read_json
from lakeflow.tables import checked, folds
from lakeflow.tables.data_file import TABLES
from lakeflow.tables.past_folds import standing_folds
from lakeflow.tables.rewritten import as_rewritten

if TYPE_CHECKING:
    from lakeflow.lake import Lake
    from lakeflow.tables.folds import Fold

CLOCK = f"{folds.FOLDS}/clock"
"""An empty file that every vacuum writes: the store says when it did."""

DELETED = f"{folds.FOLDS}/deleted.json"
"""Says up to which fold a vacuum has deleted log; the first one that deletes some makes it."""


def standing_fold(lake: Lake, newest: int) -> Fold:
    """Return the newest finished fold that the lake holds whole.

    One listing of each folder of files, the first time that a process asks about a fold.

    Args:
        lake: The lake.
        newest: Number of the newest finished fold.

    Raises:
        DamagedLakeError: The newest one lacks a file, and the log no longer has what is in it.
    """
    lacking = None
    for fold in standing_folds(lake.fs, newest):
        whole = whole_fold(lake, fold)
        # On an older fold all that came after it is folded again, so the log must have it.
        if whole is not None and (lacking is None or log_is_whole_beyond(lake, fold.number)):
            return whole
        lacking = lacking or missing_file(lake, fold)
    raise DamagedLakeError(
        f"{lacking} of {lake.fs.uri} is not there as a fold left it, and the log no longer has "
        "what is in it",
        hint="restore this file from a backup; nothing else of the lake was touched",
    )


def whole_fold(lake: Lake, fold: Fold) -> Fold | None:
    """Return a fold as the lake holds it whole; None if a file of it is gone.

    Another tool may have put other files with the same rows in the place of some.
    """
    if missing_file(lake, fold) is None:
        return fold
    rewritten = as_rewritten(fold, lake.tables)
    return rewritten if _missing(lake, rewritten) is None else None


def missing_file(lake: Lake, fold: Fold) -> str | None:
    """Return a file of a fold that is not there, or of another size; None if all are there."""
    if fold.number == lake.whole_fold:
        return None
    missing = _missing(lake, fold)
    if missing is None:
        lake.whole_fold = fold.number
    return missing


def _missing(lake: Lake, fold: Fold) -> str | None:
    sizes = sizes_of(lake, fold)
    found = {
        f"{folder}/{entry.name}": entry.size
        for folder in {path.rpartition("/")[0] for path in sizes}
        for entry in lake.fs.list(folder)
    }
    return next((path for path, size in sizes.items() if found.get(path) != size), None)


def sizes_of(lake: Lake, fold: Fold) -> dict[str, int]:
    """Return the size of every file that a fold has, of tables and indexes, by its path."""
    sizes = {
        f"{lake.tables[name].folder}/{file.path}": file.size
        for name, files in fold.files.items()
        # A later version may have more of them.
        if name in lake.tables
        for file in files
    }
    return sizes | {file.path: file.size for files in fold.indexes.values() for file in files}


def log_is_whole_beyond(lake: Lake, number: int) -> bool:
    """Return whether no vacuum has deleted log beyond a fold; False if that is unknown."""
    try:
        deleted_up_to = checked.whole(read_json(lake.fs, DELETED)["fold"])
    except FileNotFoundError:
        # Nothing was deleted; or both files were, with what else is in their folder.
        return lake.fs.exists(CLOCK)
    except (ValueError, TypeError, KeyError):
        return False
    return number >= deleted_up_to


def say_deleted(lake: Lake, number: int) -> None:
    """Write down that log is about to be deleted which is folded by a fold of that number."""
    # Else it says so already, and a smaller number would be false.
    if log_is_whole_beyond(lake, number - 1):
        lake.fs.put(DELETED, json.dumps({"fold": number}).encode())
        lake.fs.sync(DELETED)


def restore_tables(lake: Lake, fold: Fold, mark: int | None = None) -> None:
    """Make every table hold what a fold left in it, or what the fold after it has committed.

    A look at each table where nothing is to be done.

    Args:
        lake: The lake.
        fold: A fold that the lake holds whole.
        mark: Mark of the fold after it that is under way; None if there is none.

    Raises:
        DamagedLakeError: A table carries a fold that nobody knows, and the log may not have
            what is in it any more.
    """
    unknown = lake.tables.keys() - fold.versions.keys()
    there = {entry.name for entry in lake.fs.list(TABLES)} if unknown else set()
    begun = []
    for name, table in lake.tables.items():
        # The first fold makes the tables, and not who makes the lake: dozens of files would be
        # written for a job that logs a number.
        if name in unknown and table.create(is_known_to_be_new=name not in there):
            begun.append(table.commit_path(0))
            continue
        # A look: the mark is that of the version last looked at.
        if table.version() == 0 and name in unknown:
            begun.append(table.commit_path(0))
        expected = fold.marks.get(name, 0)
        found = table.mark()
        if found in {expected, mark}:
            continue
        if not log_is_whole_beyond(lake, fold.number):
            raise DamagedLakeError(
                f"{table.folder} in {lake.fs.uri} carries a fold {folds.number_of(found)} that "
                f"{folds.FOLDS}/ does not know, and the log may lack what is in it",
                hint=f"restore {folds.FOLDS}/ from a backup of the same time as the tables",
            )
        table.restore(fold.files.get(name, ()), expected)
    # On the disk before the end of the fold, which names these versions. At once: each of them
    # alone would sync the folders of the lake as well.
    lake.fs.sync(*begun)
