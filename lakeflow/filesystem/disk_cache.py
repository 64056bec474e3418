"""Blocks of remote files that never change, kept on a local disk.

Processes of one user share the folder, and nobody else may read or write what is in it. A block
is written under another name and moved into place, and says by a checksum whether it is whole;
whatever is wrong with it, it is fetched again. Past a limit the blocks that were not used for
longest are deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 64 * 1024
"""Size of a block. What is fetched is rounded to it: a column chunk of a curve is larger."""

_logger = logging.getLogger(__name__)

_CHECKSUM_BYTES = 4

# A sweep looks at every block. So it comes only after a sixteenth of the limit was written.
_SWEEP_SHARE = 16


class BlockCache:
    """Blocks by the name of their file and their number; threads and processes share it.

    Args:
        folder: Where they are. One that other users may write to is not used: they could plant
            blocks and links there.
        limit_bytes: Size of all blocks together after a sweep; a sixteenth may come on top.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        # Short processes write little each: some of them sweep, as if one wrote it all.
        self._unswept_bytes = random.randrange(limit_bytes // _SWEEP_SHARE + 1)
        self._is_warned = False

    def get(self, name: str, number: int) -> bytes | None:
        """Return a block; None if it is not there whole."""
        if not self._is_private():
            return None
        path = self._path(name, number)
        try:
            content = path.read_bytes()
            # The sweep goes by this time: many disks are mounted without times of access.
            os.utime(path)
        except OSError:
            return None
        checksum, data = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
        return data if checksum == _checksum(data) else None

    def put(self, name: str, number: int, data: bytes) -> None:
        """Keep a block; a disk that is full or read-only keeps none."""
        path = self._path(name, number)
        temporary = path.with_name(f".{new_id()}")
        # A cache that cannot be written only costs time, so it is no reason for an error.
        with contextlib.suppress(OSError):
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            if not self._is_private():
                return
            path.parent.mkdir(0o700, exist_ok=True)
            try:
                # Not synced: what a power cut leaves of it does not have its checksum.
                temporary.write_bytes(_checksum(data) + data)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        # Without a lock: what another thread adds meanwhile may be lost, and is swept later.
        self._unswept_bytes += len(data)
        if self._unswept_bytes > self._limit_bytes // _SWEEP_SHARE:
            self._unswept_bytes = 0
            self.sweep()

    def sweep(self) -> None:
        """Delete what was not used for longest, as far as there is too much."""
        blocks = sorted(self._blocks())
        excess = sum(size for _, size, _ in blocks) - self._limit_bytes
        for _, size, path in blocks:
            if excess <= 0:
                break
            # Another process may be sweeping the same folder: what it has deleted counts too.
            with contextlib.suppress(OSError):
                os.unlink(path)
            excess -= size

    def _blocks(self) -> Iterator[tuple[float, int, str]]:
        # What a killed process has left half written is among them, and goes as blocks do.
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):
                    status = os.stat(path)
                    yield status.st_mtime, status.st_size, path

    def _is_private(self) -> bool:
        """Return whether the folder is there, and only this user may write to it."""
        # At each use: who makes the folder may be somebody else, also after it was deleted.
        try:
            status = self._folder.stat()
        except OSError:
            return False
        others = stat.S_IWGRP | stat.S_IWOTH
        is_private = status.st_uid == os.geteuid() and not status.st_mode & others
        if not is_private and not self._is_warned:
            self._is_warned = True
            _logger.warning(
                "nothing is cached in %s, since other users may write to it; give this user's "
                "own folder in LAKEFLOW_CACHE_FOLDER",
                self._folder,
            )
        return is_private

    def _path(self, name: str, number: int) -> Path:
        digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        return self._folder / digest[:2] / f"{digest}-{number}"


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CHECKSUM_BYTES, "big")


def cache_folder(given: str) -> Path:
    """Return the folder of a cache, wherever the process goes; by default this user's."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.abspath(os.path.expanduser(given or f"{home}/lakeflow")))
