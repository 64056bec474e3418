"""One filesystem under a lake: the few calls that everything else is made of.

A path is relative to the lake, with forward slashes. One class a kind of filesystem: the
generic one reads through any fsspec filesystem; the others add what fsspec does not give,
above all ``create``, which makes a file exactly once however many processes try.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import unquote, urlsplit

from lakeflow.exceptions import InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STAGING = ".staging"
"""Folder of files that are still being written, in lakes on a local disk."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder.

    Attributes:
        name: Its name within the folder.
        size: Bytes; 0 for a folder.
        is_folder: Whether it is one.
        modified_s: Seconds since the Unix epoch when it was last written; 0 if unknown.
    """

    name: str
    size: int
    is_folder: bool
    modified_s: float


class AppendFile(Protocol):
    """A file that one process appends to."""

    size: int

    def write(self, data: bytes) -> None:
        """Append all of the data or none of it."""

    def sync(self) -> None:
        """Return once what was written survives a power cut."""

    def close(self) -> None:
        """Close it; nobody appends to it again."""

    def abandon(self) -> None:
        """Let go of it in a forked child, whose parent still writes to it."""


class Filesystem:
    """Any fsspec filesystem, for reading.

    Attributes:
        uri: The location of the lake, as errors and artifact locations name it.
        can_write: Whether a lake here may be written.
    """

    can_write: ClassVar[bool] = False

    def __init__(self, fs: Any, root: str, uri: str) -> None:
        self._fs = fs
        self._root = root.rstrip("/")
        self.uri = uri

    def full(self, path: str) -> str:
        """Return the path as the filesystem knows it."""
        return f"{self._root}/{path}" if path else self._root

    def resolve(self, location: str) -> str:
        """Return a stored location as users see it; a relative one is inside the lake."""
        if location.startswith("/") or ":" in location.partition("/")[0]:
            return location
        return f"{self.uri}/{location}"

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from ``start`` up to ``end``, or up to the end of the file.

        Raises:
            FileNotFoundError: There is no such file.
            StorageError: It cannot be read.
        """
        with self.errors("read", path):
            data: bytes = self._fs.cat_file(self.full(path), start=start, end=end)
            return data

    def list(self, path: str) -> list[Entry]:
        """Return the entries of a folder in order of name; none if there is no folder."""
        with self.errors("list", path):
            try:
                found = self._fs.ls(self.full(path), detail=True)
            except FileNotFoundError:
                return []
        entries = [
            Entry(
                each["name"].rstrip("/").rsplit("/", 1)[-1],
                int(each["size"] or 0),
                each["type"] == "directory",
                float(each.get("created") or 0),
            )
            for each in found
        ]
        return sorted(entries, key=lambda entry: entry.name)

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        with self.errors("look for", path):
            return bool(self._fs.isfile(self.full(path)))

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        with self.errors("look at", path):
            return int(self._fs.size(self.full(path)))

    def create(self, path: str, data: bytes) -> None:
        """Make a file with this content, if there is none: complete, and exactly once.

        Raises:
            FileExistsError: There is one already; it keeps its content.
            StorageError: The filesystem cannot do this, or refuses it.
        """
        raise StorageError(
            f"cannot write to {self.uri}: lakeflow does not know how to create a file "
            f"exclusively (create {path}) on a {type(self._fs).__name__}",
            "NOT_IMPLEMENTED",
            hint="keep the lake in a local folder; other kinds can be read",
        )

    def upload(self, local: str, path: str) -> None:
        """Publish a complete local file under a name that nobody else uses."""
        with self.errors("write", path):
            self._fs.put_file(local, self.full(path))

    def delete(self, path: str) -> None:
        """Delete a file; it is fine if there is none."""
        with self.errors("delete", path), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self.full(path))

    def delete_folder(self, path: str) -> None:
        """Delete a folder if it is empty; on stores without folders there is nothing to do."""

    def open_append(self, path: str) -> AppendFile:
        """Make a new file for this process to append to."""
        raise StorageError(
            f"cannot append to {path} in {self.uri}",
            "NOT_IMPLEMENTED",
        )

    def is_held(self, path: str) -> bool:
        """Return whether a living process may still append to the file."""
        return True

    @contextlib.contextmanager
    def exclusive(self, path: str) -> Iterator[bool]:
        """Hold an advisory lock; yields False where somebody else holds it.

        It spares work and protects nothing: where a filesystem has no locks, everybody
        gets it.
        """
        yield True

    @contextlib.contextmanager
    def staging(self) -> Iterator[str]:
        """Yield a local folder to write files in before they are uploaded."""
        with tempfile.TemporaryDirectory(prefix="lakeflow-") as folder:
            yield folder

    def clear_staging(self, before_s: float) -> None:
        """Delete what processes that were killed left in the lake's staging folder.

        Args:
            before_s: Seconds since the Unix epoch; younger things stay.
        """

    def engine_path(self, path: str) -> str:
        """Return the path under which the query engine opens a file."""
        return f"lake://{path}"

    def engine_filesystem(self) -> Any:
        """Return the fsspec filesystem behind ``engine_path``; None if it needs none."""
        from lakeflow.storage.bridge import bridge

        return bridge(self)

    def local_path(self, path: str) -> str | None:
        """Return the path on this machine, where there is one."""
        return None

    @contextlib.contextmanager
    def errors(self, operation: str, path: str) -> Iterator[None]:
        """Turn what the filesystem raises into errors that name operation and object."""
        try:
            yield
        except (FileNotFoundError, FileExistsError, StorageError):
            raise
        except OSError as error:
            code, hint = _CAUSES.get(error.errno or 0, ("TEMPORARILY_UNAVAILABLE", None))
            raise StorageError(
                f"cannot {operation} {path} in {self.uri}: {error}", code, hint=hint
            ) from error


_CAUSES: Mapping[int, tuple[str, str]] = {
    errno.ENOSPC: ("RESOURCE_EXHAUSTED", "the disk is full; make room and try again"),
    errno.EDQUOT: ("RESOURCE_EXHAUSTED", "the quota is used up; make room and try again"),
    errno.EACCES: ("PERMISSION_DENIED", "this user may not do that; check the permissions"),
    errno.EPERM: ("PERMISSION_DENIED", "this user may not do that; check the permissions"),
    errno.EROFS: ("PERMISSION_DENIED", "the filesystem is mounted read-only"),
    errno.ENOTDIR: ("INVALID_PARAMETER_VALUE", "a part of the path is a file"),
}


class LocalFilesystem(Filesystem):
    """A folder on a disk of this machine, or one that is mounted like it."""

    can_write: ClassVar[bool] = True

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Read by position, without fsspec's own buffering."""
        with self.errors("read", path), open(self.full(path), "rb", buffering=0) as file:
            file.seek(start)
            return file.read() if end is None else _read_fully(file, end - start)

    def list(self, path: str) -> list[Entry]:
        """List with one scan of the folder."""
        with self.errors("list", path):
            try:
                with os.scandir(self.full(path)) as found:
                    entries = [_entry(each) for each in found]
            except FileNotFoundError:
                return []
        return sorted(
            (entry for entry in entries if entry is not None), key=lambda entry: entry.name
        )

    def exists(self, path: str) -> bool:
        """Ask with one system call."""
        return os.path.isfile(self.full(path))

    def size(self, path: str) -> int:
        """Ask with one system call."""
        with self.errors("look at", path):
            return os.stat(self.full(path)).st_size

    def create(self, path: str, data: bytes) -> None:
        """Write a temporary file and link it: atomic, and never seen half written.

        fsspec's exclusive mode asks first and opens then: two writers both won in 3 of 60
        races.
        """
        target = self.full(path)
        folder, name = os.path.split(target)
        temporary = f"{folder}/.{name}.{uuid.uuid4().hex}"
        with self.errors("create", path):
            os.makedirs(folder, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.link(temporary, target)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)

    def upload(self, local: str, path: str) -> None:
        """Move the file: staging is on the same disk."""
        target = self.full(path)
        with self.errors("write", path):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(local, target)

    def delete(self, path: str) -> None:
        """Delete with one system call."""
        with self.errors("delete", path), contextlib.suppress(FileNotFoundError):
            os.unlink(self.full(path))

    def delete_folder(self, path: str) -> None:
        """Delete the folder unless somebody has just put something into it."""
        with contextlib.suppress(OSError):
            os.rmdir(self.full(path))

    def open_append(self, path: str) -> AppendFile:
        """Open a new file, and hold a shared lock on it for as long as it is open."""
        target = self.full(path)
        with self.errors("create", path):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            return _LocalAppendFile(self, path, target)

    def is_held(self, path: str) -> bool:
        """Try to lock the file: its writer holds a lock until it closes it or dies."""
        import fcntl

        try:
            with open(self.full(path), "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except OSError:
            return True

    @contextlib.contextmanager
    def exclusive(self, path: str) -> Iterator[bool]:
        """Lock a file of that name; the kernel lets go of it when the process dies."""
        import fcntl

        target = self.full(path)
        with self.errors("lock", path):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:
                # A mount without locks, such as some NFS: work may be done twice.
                yield True
                return
            yield True
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def staging(self) -> Iterator[str]:
        """Stage inside the lake, so that publishing a file is a rename."""
        parent = self.full(STAGING)
        with self.errors("create", STAGING):
            os.makedirs(parent, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
            yield folder

    def clear_staging(self, before_s: float) -> None:
        """Delete the folders of killed processes."""
        for entry in self.list(STAGING):
            if entry.modified_s < before_s:
                shutil.rmtree(self.full(f"{STAGING}/{entry.name}"), ignore_errors=True)

    def engine_path(self, path: str) -> str:
        """Local files are read natively."""
        return self.full(path)

    def engine_filesystem(self) -> Any:
        """Local files are read natively."""
        return None

    def local_path(self, path: str) -> str | None:
        """Every file is on this machine."""
        return self.full(path)


def _entry(found: os.DirEntry[str]) -> Entry | None:
    try:
        status = found.stat()
    except FileNotFoundError:
        return None
    folder = found.is_dir()
    return Entry(found.name, 0 if folder else status.st_size, folder, status.st_mtime)


def _read_fully(file: Any, size: int) -> bytes:
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class _LocalAppendFile:
    """A file descriptor in append mode; one ``write`` system call a record."""

    def __init__(self, fs: Filesystem, path: str, target: str) -> None:
        import fcntl

        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fs = fs
        self._path = path
        self._descriptor = os.open(target, flags, 0o666)
        self.size = 0
        with contextlib.suppress(OSError):  # a mount without locks
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def write(self, data: bytes) -> None:
        try:
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            with self._fs.errors("append to", self._path):
                raise error from None
        self.size += len(data)

    def sync(self) -> None:
        with self._fs.errors("sync", self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def abandon(self) -> None:
        # The lock belongs to the open file that parent and child share: closing here
        # neither releases it for the parent nor keeps it once the parent is gone.
        os.close(self._descriptor)


class MemoryFilesystem(Filesystem):
    """fsspec's ``memory://``: one process, gone with it; for tests and examples."""

    can_write: ClassVar[bool] = True

    # fsspec keeps one open BytesIO a file, which everybody who opens the file shares.
    _lock: ClassVar[threading.RLock] = threading.RLock()
    _held: ClassVar[set[str]] = set()

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
        with self._lock:
            return super().list(path)

    def create(self, path: str, data: bytes) -> None:
        """Look and store under one lock."""
        with self._lock:
            if self.full(path) in self._fs.store:
                raise FileExistsError(self.full(path))
            self._fs.pipe_file(self.full(path), data)

    def upload(self, local: str, path: str) -> None:
        """Copy the file into memory."""
        with self._lock:
            self._fs.pipe_file(self.full(path), Path(local).read_bytes())

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

    def release(self, full: str) -> None:
        """Forget that a file is open for appending."""
        self._held.discard(full)


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


def canonical(uri: str | os.PathLike[str]) -> str:
    """Return the one spelling of a lake's location: an absolute path or an fsspec URL.

    Args:
        uri: A path, ``file://``, an fsspec URL such as ``memory://name``,
            ``lakeflow:///absolute/path`` or ``lakeflow+<fsspec URL>``.

    Raises:
        InvalidInputError: It is empty, or names a host where a path is expected.

    Examples:
        >>> canonical("lakeflow:///data/lake"), canonical("lakeflow+memory://lake")
        ('/data/lake', 'memory://lake')
        >>> canonical("file:///data/my%20lake/")
        '/data/my lake'
    """
    text = os.fspath(uri)
    if not text.strip() or "\0" in text:
        raise InvalidInputError(f"{text!r} is not the location of a lake")
    text = text.removeprefix("lakeflow+")
    scheme, separator, rest = text.partition("://")
    if not separator and text.startswith("lakeflow:"):
        scheme, rest = "lakeflow", text.removeprefix("lakeflow:")
    elif not separator:
        if text.startswith("file:"):
            return os.path.abspath(unquote(text.removeprefix("file:")))
        return os.path.abspath(text)
    if scheme in {"lakeflow", "file"}:
        if not rest.startswith("/") and rest.partition("/")[0] != "localhost":
            raise InvalidInputError(
                f"{text!r} names a host, not a folder",
                hint=f"write {scheme}:///absolute/path, or the plain path",
            )
        return os.path.abspath(unquote(urlsplit(f"file://{rest}").path))
    return text.rstrip("/") if rest.strip("/") else text


def open_filesystem(
    uri: str | os.PathLike[str], storage_options: Mapping[str, object] | None = None
) -> Filesystem:
    """Open the filesystem of a lake; reads and writes nothing yet.

    Args:
        uri: Anything that ``canonical`` takes.
        storage_options: fsspec's options for that filesystem.

    Raises:
        InvalidInputError: No filesystem is known by that name.
    """
    location = canonical(uri)
    if "://" not in location:
        return LocalFilesystem(None, location, location)
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(location, **dict(storage_options or {}))
    except (ValueError, ImportError) as error:
        raise InvalidInputError(
            f"cannot open a lake at {location!r}: {error}",
            hint="use a folder, memory://name, or a URL of an installed fsspec filesystem",
        ) from error
    kinds = {"memory": MemoryFilesystem}
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return kinds.get(protocol, Filesystem)(fs, root, location)
