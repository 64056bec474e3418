"""What the files of folds say, checked where it is read: others may have written it.

Each name is plain, and each number one that can be. What is not so is a ValueError, or where a
value has another shape a TypeError or one of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.names import plain
from lakeflow.log.positions import Position, beyond_its_end
from lakeflow.tables.blocks import BlockFile
from lakeflow.tables.data_file import TABLES, DataFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.tables.folds import Fold

INDEXES = "index"
"""Folder of the indexes within a lake."""


def require_log(fs: Filesystem, fold: Fold, segments: Mapping[str, int]) -> None:
    """Make sure that a fold says nothing of the log that cannot be.

    Args:
        fs: The lake's filesystem.
        fold: The fold.
        segments: Size of every segment, as listed after the fold.

    Raises:
        DamagedLakeError: It has folded more of a segment than there is.
    """
    segment = beyond_its_end(segments, fold.positions)
    if segment is not None:
        raise DamagedLakeError(
            f"fold {fold.number} of {fs.uri} says that more of {segment} is folded than the "
            f"{segments[segment]:,} bytes that it has",
            hint="restore both from a backup; what the segment had more may be lost",
        )


def whole(value: Any, least: int = 0) -> int:
    """Return a whole number of 63 bits."""
    # Not isinstance: for Python True is an int.
    if type(value) is not int or not least <= value < 2**63:
        raise ValueError(f"{value!r} is no whole number from {least} on")
    return value


def base(content: Mapping[str, Any], fold: int) -> int:
    """Return the number of the fold that one stands on."""
    number = whole(content["base"])
    if number >= fold:
        raise ValueError(f"it stands on fold {number}, which is none before it")
    return number


def positions(content: Mapping[str, Any]) -> dict[str, Position]:
    """Return the position of each writer."""
    return {
        plain(writer): Position(whole(segment, 1), whole(offset), whole(fold))
        for writer, (segment, offset, fold) in content["positions"].items()
    }


def numbers(content: Any, least: int = 0) -> dict[str, int]:
    """Return whole numbers by name."""
    return {name: whole(value, least) for name, value in content.items()}


def data_file(path: Any, size: Any, rows: Any, bounds: Any) -> DataFile:
    """Return a file of a table."""
    for pair in bounds.values():
        least, most = pair
        if type(least) is not type(most) or type(least) not in {str, int, float}:
            raise ValueError(f"{pair!r} are no bounds of {path!r}")
    return DataFile(plain(path), whole(size), whole(rows), bounds)


def block_file(
    folder: str, name: Any, size: Any, entries: Any, least: Any, most: Any
) -> BlockFile:
    """Return a file of the index in a folder."""
    if type(least) is not str or type(most) is not str:
        raise ValueError(f"{least!r} and {most!r} are no keys of {name!r}")
    return BlockFile(f"{folder}/{plain(name)}", whole(size), whole(entries), least, most)


def folder(path: Any) -> str:
    """Return a folder of files of a table or an index, which a fold may replace."""
    around, _, name = str(path).partition("/")
    if around not in {TABLES, INDEXES}:
        raise ValueError(f"{path!r} is no folder of tables or indexes")
    return f"{around}/{plain(name)}"
