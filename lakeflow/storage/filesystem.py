"""One filesystem under a lake: the few calls that everything else is made of.

A path is relative to the lake, with forward slashes. One class a kind of filesystem: the one
here reads through any fsspec filesystem; those beside it (``local``, ``memory``) add what
fsspec does not give, above all ``create``, which makes a file exactly once however many
processes try.
"""

from __future__ import annotations

import contextlib
import errno
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from lakeflow.exceptions import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENGINE_PROTOCOL = "lake"
"""Where files are not on this machine, the query engine opens ``lake://<path>``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder.

    Attributes:
        name: Its name within the folder.
        size: Bytes; 0 for a folder.
        is_folder: Whether it is one.
        modified_s: Seconds since the Unix epoch when a file was last written; 0 if unknown.
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

    def is_deleted(self) -> bool:
        """Return whether somebody has deleted it: what is written to it now is lost."""


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

    def sync(self, path: str) -> None:
        """Return once a file survives a power cut; remote stores see to it themselves."""

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
