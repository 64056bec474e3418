"""Small files of a lake read whole: others may have written one that takes all memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakeflow.filesystem.interface import Filesystem

_LARGEST_JSON_BYTES = 32 * 1024 * 1024
"""Larger files are none of ours: this is room for fifty thousand files of tables."""


def read_at_most(fs: Filesystem, path: str, most: int) -> bytes:
    """Return the content of a file.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It has more bytes than that.
    """
    data = fs.read(path, 0, most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return data


def read_json(fs: Filesystem, path: str) -> Any:
    """Return the content of a file; an answer that was cut short is asked for again.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It does not parse.
    """
    try:
        return _parsed(fs, path)
    # Only once more: if it still does not parse, the file itself is damaged.
    except ValueError:
        return _parsed(fs, path)


def _parsed(fs: Filesystem, path: str) -> Any:
    data = read_at_most(fs, path, _LARGEST_JSON_BYTES)
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it has too much within one another") from error
