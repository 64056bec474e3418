"""What a lake has of another one, so that the next sync brings what is new alone.

It says nothing that must be true: without it, or with an old one, records come once more, and
count once. It lies in the lake that they are brought to, a file for each that they come from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.bounded import read_json
from lakeflow.filesystem.names import is_plain, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.filesystem.interface import Filesystem

SYNC = "sync"
"""Folder of the bookmarks within a lake."""

Reached = tuple[int, int]
"""Number of a segment, and bytes of it that were brought; those before it are brought whole."""

BEGINNING: Reached = (1, 0)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Up to where another lake was read.

    Attributes:
        reached: Up to where the log of each of its writers was read.
        fold: Number of the fold that it stood on; -1 for none.
        files: Names of that fold's files with rows or documents, by table or index.
        events: Number of its last event of the control log.
        experiments: For the id of each of its experiments the one here.
    """

    reached: Mapping[str, Reached] = field(default_factory=dict)
    fold: int = -1
    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    events: int = 0
    experiments: Mapping[str, str] = field(default_factory=dict)


def path_of(lake_id: str) -> str:
    """Return the path of the bookmark for a lake.

    Raises:
        DamagedLakeError: That is no id, but may lead elsewhere.
    """
    try:
        return f"{SYNC}/{plain(lake_id)}.json"
    except ValueError as error:
        raise DamagedLakeError(
            f"lake.json of the source says that its id is {lake_id!r}",
            hint="restore it from a backup",
        ) from error


def read(fs: Filesystem, lake_id: str) -> Bookmark:
    """Return the bookmark for a lake; one at the beginning where there is none."""
    try:
        content = read_json(fs, path_of(lake_id))
        return Bookmark(
            {
                writer: (int(segment), int(offset))
                for writer, (segment, offset) in content["reached"].items()
                if is_plain(writer)
            },
            int(content["fold"]),
            {name: frozenset(map(str, each)) for name, each in content["files"].items()},
            int(content["events"]),
            {str(each): str(other) for each, other in content["experiments"].items()},
        )
    except (
        FileNotFoundError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
    ):  # fmt: skip
        # There is none, or somebody else has written it: from the beginning, then.
        return Bookmark()


def write(fs: Filesystem, lake_id: str, bookmark: Bookmark) -> None:
    """Keep a bookmark; of several syncs at once that of the last one stays."""
    content = {
        "reached": bookmark.reached,
        "fold": bookmark.fold,
        "files": {name: sorted(each) for name, each in bookmark.files.items()},
        "events": bookmark.events,
        "experiments": bookmark.experiments,
    }
    fs.put(path_of(lake_id), json.dumps(content).encode())
