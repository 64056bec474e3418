"""Files that a source does not have as such: made of its rows, gone when it is closed."""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from lakeflow import temporary

if TYPE_CHECKING:
    from collections.abc import Iterable


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

    def json_lines(self, rows: Iterable[dict[str, Any]]) -> str:
        """Write rows as JSON, one a line, and return the file's path."""
        path = self.new()
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return path

    def close(self) -> None:
        """Delete them."""
        if self._folder is not None:
            temporary.remove(self._folder, self._owner)
            self._folder = None
