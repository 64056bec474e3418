"""Files that a source does not have as such: made of its rows, gone when it is closed."""

from __future__ import annotations

import itertools
import json
import os
import stat
from typing import TYPE_CHECKING, Any

from lakeflow import temporary
from lakeflow.importing.items import FileItem

if TYPE_CHECKING:
    from collections.abc import Iterable


def json_line(row: dict[str, Any]) -> str:
    """Return a row as a line of JSON."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def file_size(path: str) -> int | None:
    """Return the bytes of a file; None where there is none, or something else."""
    try:
        found = os.stat(path)
    # What a stranger calls a path may have a zero byte, which is a ValueError.
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


class MadeFiles:
    """Files in a temporary folder of their own."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._numbers = itertools.count()
        self._owner = os.getpid()

    def new(self) -> str:
        """Return a path at which nothing is yet.

        Raises:
            StorageError: There is no room for temporary files.
        """
        if self._folder is None:
            self._folder = temporary.make("import")
        return os.path.join(self._folder, str(next(self._numbers)))

    def written(self, path: str, lines: Iterable[str], source: str) -> FileItem:
        """Write lines to a new file.

        Args:
            path: Its path below the artifacts of its run.
            lines: What it holds, with their ends.
            source: The file that it is made of.
        """
        location = self.new()
        # Lines have their ends already, which Python would write otherwise on Windows.
        with (
            temporary.filling(location),
            open(location, "w", encoding="utf-8", errors="replace", newline="") as file,
        ):
            file.writelines(lines)
        return self.finished(path, location, source)

    def finished(self, path: str, location: str, source: str) -> FileItem:
        """Return a file that was written.

        It is as old as what it is made of: an importer sees that it has copied it before.
        """
        age = os.stat(source)
        os.utime(location, ns=(age.st_atime_ns, age.st_mtime_ns))
        return FileItem(path, location, os.path.getsize(location))

    def close(self) -> None:
        """Delete them."""
        if self._folder is not None:
            temporary.remove(self._folder, self._owner)
            self._folder = None
