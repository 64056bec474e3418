"""A lake's files as an fsspec filesystem that several threads may read at once.

DuckDB seeks and reads one open file from several threads. So here each thread has a position
of its own, and every read names its offset.
"""

from __future__ import annotations

import datetime
import io
import threading
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractFileSystem

from lakeflow.filesystem.interface import ENGINE_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lakeflow.filesystem.interface import Filesystem


FOOTER_BYTES = 192 * 1024
"""What is fetched of the end of a file at once; most footers are smaller."""


class _File:
    """One open file; every thread has its own position in it."""

    def __init__(self, lake: Filesystem, path: str, size: int) -> None:
        self._lake = lake
        self._path = path
        self._size = size
        self.closed = False
        # A shared position would give a thread the bytes that another one has asked for.
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
        data = b""
        if end > start:
            data = self._lake.read_fixed(self._path, self._size, start, end)
        self._local.position = start + len(data)
        return data

    def size(self) -> int:
        return self._size

    def prefetch(self, spans: Iterable[tuple[int, int]]) -> None:
        """Get ready for reading several stretches."""
        self._lake.prefetch(self._path, self._size, spans)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class EngineFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Read-only view of one lake, under ``lake://``.

    Args:
        lake: Its filesystem.
        sizes: Sizes of files by path, as far as they are known without asking.
    """

    protocol = ENGINE_PROTOCOL
    # fsspec would keep every instance for ever, and with it the lake.
    cachable = False

    def __init__(self, lake: Filesystem, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self._lake = lake
        self._sizes = sizes

    def open(self, path: str, mode: str = "rb", **_: object) -> Any:
        """Open a file for reading; the lake is never written through the query engine."""
        if mode != "rb":
            raise PermissionError(f"{path} is opened for reading only")
        name = self._strip_protocol(path)
        file = _File(self._lake, name, self._size_of(name))
        # Readers ask for eight bytes first, then for the footer that those measure.
        file.prefetch([(max(0, file.size() - FOOTER_BYTES), file.size())])
        return file

    def _size_of(self, name: str) -> int:
        size = self._sizes.get(name)
        return self._lake.size(name) if size is None else size

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Return size and kind of a file."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._size_of(name), "type": "file"}

    def modified(self, path: str) -> datetime.datetime:
        """Return a constant."""
        # DuckDB drops what it has cached of a file whose time changes; ours never change.
        return datetime.datetime.fromtimestamp(0, tz=datetime.UTC)
