"""From one filesystem to another one: each file whole or not at all, and by its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.filesystem.interface import Filesystem

_CHUNK_BYTES = 16 * 1024 * 1024
"""What is held in memory of one file."""


def send(source: Filesystem, path: str, size: int, target: Filesystem, to: str) -> str:
    """Copy a file up to a size, and return the digest of what was copied.

    Whoever reads the copy meanwhile sees the old one, or all of it.

    Args:
        source: Where the file is.
        path: Its path there.
        size: Bytes that are copied.
        target: Where it goes.
        to: Its path there.

    Raises:
        FileNotFoundError: There is no such file, or it is shorter.
        StorageError: It cannot be read, or not be written.
    """
    digest = hashlib.sha256()
    with target.staging() as folder:
        staged = Path(folder, "file")
        with staged.open("wb") as file:
            for data in _chunks(source, path, size):
                digest.update(data)
                file.write(data)
        target.put_file(str(staged), to)
    return digest.hexdigest()


def digest_of(fs: Filesystem, path: str, size: int) -> str:
    """Return the digest of a file, of which so many bytes are read.

    Raises:
        FileNotFoundError: There is no such file, or it is shorter.
        StorageError: It cannot be read.
    """
    digest = hashlib.sha256()
    for data in _chunks(fs, path, size):
        digest.update(data)
    return digest.hexdigest()


def _chunks(fs: Filesystem, path: str, size: int) -> Iterator[bytes]:
    for start in range(0, size, _CHUNK_BYTES):
        end = min(start + _CHUNK_BYTES, size)
        data = fs.read(path, start, end)
        if len(data) != end - start:
            # As if it were gone: whoever goes by a listing of the lake lists it anew then.
            raise FileNotFoundError(f"{path}: {len(data)} bytes at {start}")
        yield data
