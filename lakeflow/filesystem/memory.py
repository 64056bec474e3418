"""A lake in ``memory://``: one process, gone with it; for tests and examples."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any, ClassVar

from lakeflow.filesystem.interface import AppendFile, Entry, Filesystem
from lakeflow.filesystem.listing import entry_of


class MemoryFilesystem(Filesystem):
    """fsspec's ``memory://``, made safe for threads."""

    can_write: ClassVar[bool] = True
    can_append: ClassVar[bool] = True

    # fsspec keeps one open BytesIO a file, which everybody who opens the file shares.
    _lock: ClassVar[threading.RLock] = threading.RLock()
    # Of the class, since fsspec has one store for the whole process.
    _held: ClassVar[set[str]] = set()

    def __init__(self, fs: Any, root: str, uri: str) -> None:
        super().__init__(root, uri)
        self._fs = fs

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Copy a slice of the stored bytes, leaving the shared position alone."""
        with self._lock:
            try:
                stored = self._fs.store[self.full(path)]
            except KeyError:
                raise FileNotFoundError(self.full(path)) from None
            data: bytes = stored.getvalue()[start:end]
            return data

    def list(self, path: str) -> list[Entry]:
        """List while nobody appends."""
        # fsspec takes the names first and asks for sizes then: a file deleted in between is a
        # KeyError.
        with self._lock:
            try:
                found = self._fs.ls(self.full(path), detail=True)
            except FileNotFoundError:
                return []
        return sorted(map(entry_of, found), key=lambda entry: entry.name)

    def exists(self, path: str) -> bool:
        """Look in the store."""
        return self.full(path) in self._fs.store

    def size(self, path: str) -> int:
        """Ask the stored bytes."""
        return len(self.read(path))

    def entry(self, path: str) -> Entry | None:
        """Look in the store."""
        with self._lock:
            try:
                return entry_of(self._fs.info(self.full(path)))
            except FileNotFoundError:
                return None

    def identity(self, path: str) -> object:
        """Return what the store has."""
        try:
            return self._fs.store[self.full(path)]
        except KeyError:
            raise FileNotFoundError(self.full(path)) from None

    def delete(self, path: str) -> None:
        """Take it out of the store."""
        with self._lock, contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self.full(path))

    def create(self, path: str, data: bytes) -> None:
        """Look and store under one lock."""
        with self._lock:
            if self.full(path) in self._fs.store:
                raise FileExistsError(self.full(path))
            self._fs.pipe_file(self.full(path), data)

    def upload(self, local: str, path: str) -> None:
        """Copy the file into memory."""
        self.put(path, Path(local).read_bytes())

    def put(self, path: str, data: bytes) -> None:
        """Store it under the lock."""
        with self._lock:
            self._fs.pipe_file(self.full(path), data)

    def open_append(self, path: str) -> AppendFile:
        """Append to the stored bytes in place."""
        with self._lock:
            self.create(path, b"")
            self._held.add(self.full(path))
            return _MemoryAppendFile(self, self.full(path))

    def is_held(self, path: str) -> bool:
        """Look among the files that this process has open."""
        return self.full(path) in self._held

    def append(self, full: str, data: bytes) -> None:
        """Add bytes at the end of a stored file."""
        with self._lock:
            stored = self._fs.store[full]
            stored.seek(0, os.SEEK_END)
            stored.write(data)

    @classmethod
    def release_all(cls) -> None:
        """Forget every open file, as the death of their process would."""
        cls._held.clear()

    def has(self, full: str) -> bool:
        """Return whether there is such a file."""
        return full in self._fs.store

    def release(self, full: str) -> None:
        """Forget that a file is open for appending."""
        self._held.discard(full)


def _after_fork() -> None:
    # Another thread of the parent may have held it.
    MemoryFilesystem._lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


class _MemoryAppendFile:
    """The stored bytes of one file, appended to under the filesystem's lock."""

    def __init__(self, fs: MemoryFilesystem, full: str) -> None:
        self._fs = fs
        self._full = full
        self.size = 0

    def write(self, data: bytes) -> None:
        self._fs.append(self._full, data)
        self.size += len(data)

    def sync(self) -> None:
        pass

    def close(self) -> None:
        self._fs.release(self._full)

    def abandon(self) -> None:
        self._fs.release(self._full)

    def is_deleted(self) -> bool:
        return not self._fs.has(self._full)
