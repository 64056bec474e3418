"""Files of the control log: read whole, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.filesystem.interface import Filesystem

_ATTEMPTS = 3


def read_event(
    fs: Filesystem, path: str, is_whole: Callable[[bytes], bool], data: bytes | None = None
) -> bytes:
    """Return the content of an event; an answer that was cut short is asked for again.

    Args:
        fs: The lake's filesystem.
        path: Its file.
        is_whole: Returns whether a content is all of it.
        data: What has come already; None for nothing.

    Raises:
        FileNotFoundError: There is no such event.
        DamagedLakeError: It is not whole.
    """
    for _ in range(_ATTEMPTS):
        found = fs.read(path) if data is None else data
        if is_whole(found):
            return found
        data = None
    raise DamagedLakeError(
        f"{path} in {fs.uri} is damaged: it is not whole",
        hint="restore this file from a backup; nothing else of the lake was touched",
    )
