"""A filesystem that counts what is asked of it, and that dies at its n-th write.

    fs = FaultFilesystem(open_filesystem("memory://lake"), Fault(write=7, when="after"))

Every write of a lake that is not on a local disk goes through one of the calls here, Delta
commits included, so that stopping at each of them in turn is stopping everywhere. What a lake
has to live through is in ``flaky``.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lakeflow.filesystem.interface import AppendFile, Entry, Filesystem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Killed(BaseException):
    """The process is dead; like SIGKILL, no handler of errors catches it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """When to die.

    Attributes:
        write: Number of the write, counting from 1.
        when: ``"before"`` it happens, ``"after"`` it has, or ``"torn"``: an append leaves
            half its bytes behind, another write is as ``"before"``.
    """

    write: int
    when: Literal["before", "after", "torn"] = "before"


class FaultFilesystem(Filesystem):
    """Passes every call on to another filesystem until its fault comes due.

    Args:
        inner: The filesystem.
        fault: When to die; never by default. From then on every call raises ``Killed``.

    Attributes:
        calls: How often each kind of call was made.
        writes: The kind of each write, in order.
    """

    def __init__(self, inner: Filesystem, fault: Fault | None = None) -> None:
        self.inner = inner
        self.uri = inner.uri
        self.fault = fault
        self.calls: Counter[str] = Counter()
        self.writes: list[str] = []
        self.is_dead = False
        self.can_write = inner.can_write  # type: ignore[misc]
        self.can_append = inner.can_append  # type: ignore[misc]

    # What is not here the base class makes of these calls, or it does nothing.

    def full(self, path: str) -> str:
        """Pass on."""
        return self.inner.full(path)

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Count a read."""
        self._count("read")
        return self.inner.read(path, start, end)

    def list(self, path: str) -> list[Entry]:
        """Count a listing."""
        self._count("list")
        return self.inner.list(path)

    def exists(self, path: str) -> bool:
        """Count a look."""
        self._count("exists")
        return self.inner.exists(path)

    def size(self, path: str) -> int:
        """Count a look."""
        self._count("size")
        return self.inner.size(path)

    def create(self, path: str, data: bytes) -> None:
        """Count a write."""
        self.write("create", lambda: self.inner.create(path, data))

    def upload(self, local: str, path: str) -> None:
        """Count a write."""
        self.write("upload", lambda: self.inner.upload(local, path))

    def put(self, path: str, data: bytes) -> None:
        """Count a write."""
        self.write("put", lambda: self.inner.put(path, data))

    def put_file(self, local: str, path: str) -> None:
        """Count a write."""
        self.write("put_file", lambda: self.inner.put_file(local, path))

    def entry(self, path: str) -> Entry | None:
        """Count a look."""
        self._count("entry")
        return self.inner.entry(path)

    def identity(self, path: str) -> object:
        """Pass it on."""
        return self.inner.identity(path)

    def sync(self, *paths: str) -> None:
        """Count a sync."""
        self._count("sync")
        self.inner.sync(*paths)

    def delete(self, path: str) -> None:
        """Count a write."""
        self.write("delete", lambda: self.inner.delete(path))

    def delete_folder(self, path: str) -> None:
        """Pass on."""
        # No write: what dies before it leaves nothing but an empty folder.
        self._count("delete_folder")
        self.inner.delete_folder(path)

    def open_append(self, path: str) -> AppendFile:
        """Count a write: a new file."""
        opened: list[AppendFile] = []
        self.write("open_append", lambda: opened.append(self.inner.open_append(path)))
        return _FaultAppendFile(self, opened[0])

    def is_held(self, path: str) -> bool:
        """Pass on; a dead process holds nothing."""
        self._count("is_held")
        return self.inner.is_held(path)

    @contextlib.contextmanager
    def exclusive(self, path: str) -> Iterator[bool]:
        """Pass on."""
        with self.inner.exclusive(path) as mine:
            yield mine

    @contextlib.contextmanager
    def staging(self) -> Iterator[str]:
        """Pass on."""
        with self.inner.staging() as folder:
            yield folder

    def local_path(self, path: str) -> str | None:
        """Pass on."""
        return self.inner.local_path(path)

    def write(
        self, kind: str, act: Callable[[], object], torn: Callable[[], None] | None = None
    ) -> None:
        """Count a write and carry it out, or die."""
        self._count(kind)
        self.writes.append(kind)
        due = self.fault is not None and len(self.writes) == self.fault.write
        if due and self.fault is not None:
            self.is_dead = True
            if self.fault.when == "after":
                act()
            elif self.fault.when == "torn" and torn is not None:
                torn()
            raise Killed(f"{self.fault.when} write {len(self.writes)}, {kind}")
        act()

    def _count(self, kind: str) -> None:
        if self.is_dead:
            raise Killed("dead")
        self.calls[kind] += 1


class _FaultAppendFile:
    """An open segment whose every append is a write that may be the last."""

    def __init__(self, fs: FaultFilesystem, inner: AppendFile) -> None:
        self._fs = fs
        self._inner = inner

    @property
    def size(self) -> int:
        return self._inner.size

    @size.setter
    def size(self, value: int) -> None:
        self._inner.size = value

    def write(self, data: bytes) -> None:
        self._fs.write(
            "append",
            lambda: self._inner.write(data),
            lambda: self._inner.write(data[: len(data) // 2]),
        )

    def sync(self) -> None:
        self._inner.sync()

    def close(self) -> None:
        self._inner.close()

    def abandon(self) -> None:
        self._inner.abandon()

    def is_deleted(self) -> bool:
        return self._inner.is_deleted()
