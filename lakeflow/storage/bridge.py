"""A lake's files as an fsspec filesystem that several threads may read at once.

DuckDB seeks and reads one open file from several threads. A handle with one shared position
would fail there, or hand a thread the wrong bytes; here each thread has a position of its
own and every read names its offset.
"""

from __future__ import annotations

import datetime
import io
import threading
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractFileSystem

from lakeflow.storage.filesystem import ENGINE_PROTOCOL

if TYPE_CHECKING:
    from lakeflow.storage.filesystem import Filesystem


class _File:
    """One open file; every thread has its own position in it."""

    def __init__(self, lake: Filesystem, path: str) -> None:
        self._lake = lake
        self._path = path
        self._size = lake.size(path)
        self.closed = False
        self._local = threading.local()

    def tell(self) -> int:
        return getattr(self._local, "position", 0)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: self._size}[whence]
        self._local.position = base + offset
        return base + offset

    def read(self, size: int = -1) -> bytes:
        start = self.tell()
        end = self._size if size < 0 else min(start + size, self._size)
        data = self._lake.read(self._path, start, end) if end > start else b""
        self._local.position = start + len(data)
        return data

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class LakeFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Read-only view of one lake, under ``lake://``."""

    protocol = ENGINE_PROTOCOL
    cachable = False

    def __init__(self, lake: Filesystem) -> None:
        super().__init__()
        self._lake = lake

    def open(self, path: str, mode: str = "rb", **_: object) -> Any:
        """Open a file for reading; the lake is never written through the query engine."""
        if mode != "rb":
            raise PermissionError(f"{path} is opened for reading only")
        return _File(self._lake, self._strip_protocol(path))

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Return size and kind of a file."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._lake.size(name), "type": "file"}

    def modified(self, path: str) -> datetime.datetime:
        """Return a constant: the files that engines read never change."""
        return datetime.datetime.fromtimestamp(0, tz=datetime.UTC)
