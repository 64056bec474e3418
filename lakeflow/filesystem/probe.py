"""Does a store create an object once, however many try? Tried once a lake and store."""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from lakeflow.exceptions import StorageError
from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBES = "probes"
"""Folder of a lake that says on which stores it was tried."""

_ROUNDS = 4
_RACERS = 8
_ID_BYTES = len(new_id())


class Creating(Protocol):
    """What is tried."""

    uri: str

    def create_unproven(self, path: str, data: bytes) -> None:
        """Make a file if there is none."""

    def read_fixed(self, path: str, size: int, start: int, end: int) -> bytes:
        """Return bytes of a file that never changes."""

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""

    def delete_many(self, paths: Sequence[str]) -> None:
        """Delete files."""


def check_creates_once(fs: Creating, store: str) -> None:
    """Let writers race for files, unless the lake remembers that this store was tried.

    One look where it does, some 70 requests where not.

    Args:
        fs: The lake's filesystem.
        store: What tells the store from others.

    Raises:
        StorageError: Several writers won, or the winner's content is not what is there.
    """
    import hashlib

    digest = hashlib.blake2b(store.encode(), digest_size=8).hexdigest()
    marker = f"{PROBES}/{digest}.json"
    if fs.exists(marker):
        return
    paths = [f"{PROBES}/race-{new_id()}" for _ in range(_ROUNDS)]
    try:
        # At once: there are stores that refuse a second writer in turn, but not in a race.
        with ThreadPoolExecutor(_RACERS) as pool:
            for path in paths:
                winners = _race(fs, pool, path)
                # A winner whose content somebody has replaced did not win either.
                if len(winners) != 1 or winners[0] != fs.read_fixed(
                    path, _ID_BYTES, 0, _ID_BYTES
                ):
                    raise StorageError(
                        f"{fs.uri} cannot be written: of {_RACERS} writers that created one "
                        f"file at once {len(winners)} were told that they did ({store})",
                        "NOT_IMPLEMENTED",
                        hint="the store ignores the condition If-None-Match; keep the lake on "
                        "one that knows it, or set LAKEFLOW_EXCLUSIVE_WRITER=true where a "
                        "single process writes",
                    )
    finally:
        with contextlib.suppress(StorageError):
            fs.delete_many(paths)
    # Only a store that has passed is remembered; another process may have been faster.
    memory = {"store": store, "tried": time.time_ns() // 1_000_000}
    with contextlib.suppress(FileExistsError):
        fs.create_unproven(marker, json.dumps(memory).encode())


def _race(fs: Creating, pool: ThreadPoolExecutor, path: str) -> list[bytes]:
    """Let writers create one file at once; return the contents of those that were told yes."""

    def wins(content: bytes) -> bool:
        try:
            fs.create_unproven(path, content)
        except FileExistsError:
            return False
        return True

    contents = [new_id().encode() for _ in range(_RACERS)]
    won = pool.map(wins, contents)
    return [content for content, is_won in zip(contents, won, strict=True) if is_won]
