"""One filesystem under a lake: the few calls that everything else is made of.

A path is relative to the lake, with forward slashes. ``local`` and ``memory`` carry the calls
out themselves, ``remote`` through any fsspec filesystem. Above all there is ``create``, which
makes a file exactly once however many processes try.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from lakeflow import temporary
from lakeflow.exceptions import DamagedLakeError, StorageError
from lakeflow.filesystem.failures import cause_of
from lakeflow.signals import let_through

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

STAGING = ".staging"
"""Folder of files that are still being written."""

ENGINE_PROTOCOL = "lake"
"""Where files are not on this machine, the query engine opens ``lake://<path>``."""


class Entry(NamedTuple):
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
        """Return whether somebody has deleted it: what is written to it now is lost.

        Or has put an older copy in its place, where what comes next would be in no order.
        """


class Filesystem:
    """The calls, and what they mean; each kind of filesystem has a class of its own.

    Args:
        root: The lake's folder, as the filesystem knows it.
        uri: The location of the lake.

    Attributes:
        uri: The location of the lake, as errors and artifact locations name it.
        can_write: Whether a lake here may be written.
        can_append: Whether a file can grow; else it never changes once it is there.
    """

    can_write: ClassVar[bool] = False
    can_append: ClassVar[bool] = False

    def __init__(self, root: str, uri: str) -> None:
        self._root = self._folder = root.rstrip("/")
        self.uri = uri

    def full(self, path: str) -> str:
        """Return the path as the filesystem knows it.

        Raises:
            DamagedLakeError: It leads out of the lake, as a key of an object may be named.
        """
        if ".." in path and ".." in path.split("/"):
            raise DamagedLakeError(
                f"{path!r} in {self.uri} leads out of it, so it is no part of a lake",
                hint="remove what has this name; nothing else of the lake was touched",
            )
        return f"{self._root}/{path}" if path else self._folder

    def resolve(self, location: str) -> str:
        """Return a stored location as users see it; a relative one is inside the lake."""
        # A colon before the first slash is that of a scheme, as in s3://bucket.
        if location.startswith("/") or ":" in location.partition("/")[0]:
            return location
        return f"{self.uri}/{location}"

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the bytes from ``start`` up to ``end``, or up to the end of the file.

        Raises:
            FileNotFoundError: There is no such file.
            StorageError: It cannot be read.
        """
        raise NotImplementedError

    def read_fixed(self, path: str, size: int, start: int, end: int) -> bytes:
        """Return bytes of a file that never changes, perhaps from a cache.

        Args:
            path: The file.
            size: Its size.
            start: Offset from which on, within the file.
            end: Offset up to which, within the file.
        """
        return self.read(path, start, end)

    def prefetch(self, path: str, size: int, spans: Iterable[tuple[int, int]]) -> None:
        """Get ready for reading stretches of a file that never changes."""

    def keep(self, path: str, data: bytes) -> None:
        """Get ready for reading a file that was just written and never changes."""

    def read_many(
        self, spans: Mapping[str, tuple[int, int]], *, fixed: bool = True
    ) -> Iterator[tuple[str, bytes]]:
        """Yield paths with their bytes from an offset up to another, in order.

        Args:
            spans: What to read; where files cannot grow, up to the end of the file.
            fixed: Whether a name will never have another content, not even in a lake that
                is deleted and made again.

        Raises:
            FileNotFoundError: One of the files is not there.
            StorageError: One cannot be read.
        """
        for path, (start, end) in spans.items():
            yield path, self.read(path, start, end)

    def list(self, path: str) -> list[Entry]:
        """Return the entries of a folder in order of name; none if there is no folder."""
        raise NotImplementedError

    def sizes(self, path: str) -> dict[str, int]:
        """Return the size of every file below a folder by its path."""
        found: dict[str, int] = {}
        folders = [path]
        while folders:
            folder = folders.pop()
            for entry in self.list(folder):
                below = f"{folder}/{entry.name}".lstrip("/")
                if entry.is_folder:
                    folders.append(below)
                else:
                    found[below] = entry.size
        return found

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        raise NotImplementedError

    def size(self, path: str) -> int:
        """Return the size of a file in bytes."""
        raise NotImplementedError

    def entry(self, path: str) -> Entry | None:
        """Return what is at a path, with one request where it is a file; None for nothing.

        Raises:
            StorageError: One cannot look there.
        """
        raise NotImplementedError

    def skip_hole(self, path: str, start: int) -> int:
        """Return from where on a file may have something but zeros that are on no disk."""
        return start

    def identity(self, path: str) -> object:
        """Return what tells a file from another one of its name; None if that is a request.

        Raises:
            FileNotFoundError: There is none.
        """

    def state_of(self, folder: str) -> object:
        """Return what is another one once a name in a folder has come, gone or moved.

        None if nothing tells, or if to ask is a request.
        """

    def create(self, path: str, data: bytes) -> object:
        """Make a file with this content, if there is none: complete, and exactly once.

        Returns:
            What ``identity`` says of it as long as nobody puts another one in its place; None
            if it was not asked.

        Raises:
            FileExistsError: There is one already; it keeps its content.
            StorageError: The filesystem cannot do this, or refuses it.
        """
        raise StorageError(
            f"cannot create {path} in {self.uri}: this kind of filesystem has no way to create "
            "a file exactly once, which many writers need",
            "NOT_IMPLEMENTED",
            hint="it can be read; where a single process writes, set "
            "LAKEFLOW_EXCLUSIVE_WRITER=true in it",
        )

    def upload(self, local: str, path: str) -> None:
        """Publish a complete local file under a name that nobody else uses."""
        raise NotImplementedError

    def put(self, path: str, data: bytes) -> None:
        """Give a file this content, whether there is one or not: nobody sees a part of it."""
        raise NotImplementedError

    def put_file(self, local: str, path: str) -> None:
        """Do the same with the content of a file of this machine, which stays where it is."""
        self.upload(local, path)

    def extend(self, path: str, size: int, data: bytes) -> None:
        """Keep the first bytes of a file and put others behind: nobody sees a part of it.

        Args:
            path: The file.
            size: How many bytes of it are kept.
            data: What comes after them.

        Raises:
            FileNotFoundError: There is no such file.
            StorageError: It cannot be read or written.
        """
        self.put(path, self.read(path, 0, size) + data)

    def sync(self, *paths: str) -> None:
        """Return once files survive a power cut; remote stores see to it themselves."""

    def delete(self, path: str) -> None:
        """Delete a file; it is fine if there is none."""
        raise NotImplementedError

    def delete_many(self, paths: Sequence[str]) -> None:
        """Delete files, as many as one may; it is fine if some are not there.

        Raises:
            StorageError: One of them cannot be deleted.
        """
        refused = [refusal for path in paths if (refusal := self._refusal(path)) is not None]
        if refused:
            raise refused[0]

    def _refusal(self, path: str) -> StorageError | None:
        """Delete a file; return why it stays, if it does."""
        try:
            self.delete(path)
        except StorageError as error:
            return error
        return None

    def delete_folder(self, path: str) -> None:
        """Delete a folder if it is empty; on stores without folders there is nothing to do."""

    def open_append(self, path: str) -> AppendFile:
        """Make a new file for this process to append to, where files can grow."""
        raise NotImplementedError

    def is_held(self, path: str) -> bool:
        """Return whether a living process may still append to the file."""
        return False

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
        # A full disk is that of temporary files, beside a lake that may have room.
        with (
            temporary.folder("staged") as folder,
            self.errors("write to", f"{folder}, where files are staged"),
        ):
            yield folder

    def clear_staging(self, before_s: float) -> None:
        """Delete what processes that were killed left in the lake's staging folder.

        Args:
            before_s: Seconds since the Unix epoch; younger things stay.
        """

    def local_path(self, path: str) -> str | None:
        """Return the path on this machine, where there is one."""
        return None

    def users(self) -> str:
        """Return who may use the lake, in a few words; empty where one cannot tell."""
        return ""

    def way_out(self, path: str) -> str | None:
        """Return what lets this user at a path that permissions refuse, if one can tell."""
        return None

    def errors(self, operation: str, path: str) -> Errors:
        """Turn what the filesystem raises into errors that name operation and object."""
        return Errors(self, operation, path)

    def failure(self, error: OSError, operation: str, path: str) -> Exception:
        """Return the error that tells why an operation on an object failed."""
        cause = cause_of(error)
        hint = cause.hint
        if isinstance(error, PermissionError):
            hint = self.way_out(path) or hint
        return StorageError(
            f"cannot {operation} {path} in {self.uri}: {error}", cause.code, hint=hint
        )


class Errors:
    """Turns what a filesystem raises into errors of its own; ``Filesystem.errors`` gives it."""

    # No generator, which takes longer than a look at a file of this machine.
    __slots__ = ("_fs", "_operation", "_path")

    def __init__(self, fs: Filesystem, operation: str, path: str) -> None:
        self._fs = fs
        self._operation = operation
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        # What is there or not is an answer to the caller, and no failure.
        if isinstance(error, OSError) and not isinstance(error, _NO_FAILURES):
            let_through(error)
            raise self._fs.failure(error, self._operation, self._path) from error


_NO_FAILURES = FileNotFoundError, FileExistsError, StorageError
