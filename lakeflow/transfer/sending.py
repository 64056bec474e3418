"""From this machine to a filesystem: each file whole or not at all, and by its digest."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import InvalidInputError, StorageError
from lakeflow.signals import let_through
from lakeflow.system_errors import refused
from lakeflow.transfer import at_once, paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lakeflow.filesystem.interface import Filesystem

_logger = logging.getLogger(__name__)

SMALL_BYTES = 1024 * 1024
"""A file up to this size is read once, and its digest is that of the bytes that are sent."""


class Source(NamedTuple):
    """A file of this machine.

    Attributes:
        local: Its path here.
        path: Its path below the artifacts of the run.
        size: Bytes.
    """

    local: str
    path: str
    size: int


class Sent(NamedTuple):
    """A file that has arrived.

    Attributes:
        path: Its path below the artifacts of the run.
        size: Bytes.
        sha256: Digest of its content, in hexadecimal digits.
        is_new: Whether anything was sent: else the same content was there already.
    """

    path: str
    size: int
    sha256: str
    is_new: bool = True


def digest_of(data: bytes) -> str:
    """Return the digest of a content."""
    return hashlib.sha256(data).hexdigest()


def file_at(local: str, path: str) -> Source:
    """Return a file of this machine.

    Args:
        local: Its path here.
        path: Where it goes, below the artifacts of the run.

    Raises:
        InvalidInputError: It is no file.
        StorageError: It is not there, or this user may not look.
    """
    return _file(local, path, _status(local))


def _file(local: str, path: str, status: os.stat_result) -> Source:
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInputError(f"{local!r} is neither a file nor a folder")
    return Source(local, path, status.st_size)


def sources_at(local: str, path: str) -> Iterable[Source]:
    """Return a file of this machine, or the files of a folder; see ``files_below``.

    Args:
        local: Its path here.
        path: Where it goes, below the artifacts of the run.

    Raises:
        InvalidInputError: It is neither, or a file of the folder cannot be an artifact.
        StorageError: It is not there, or this user may not look.
    """
    status = _status(local)
    if stat.S_ISDIR(status.st_mode):
        return files_below(local, path)
    return [_file(local, path, status)]


def files_below(folder: str, path: str) -> Iterator[Source]:
    """Yield the files of a folder of this machine, in order.

    Links are followed as far as they stay in the folder. Empty folders have no files.

    Args:
        folder: The folder.
        path: Where it goes, below the artifacts of the run.

    Raises:
        InvalidInputError: A link leads out of the folder, a name cannot be kept, or something
            is neither a file nor a folder.
    """
    yield from _below(folder, path, os.path.realpath(folder), ())


def _below(folder: str, path: str, root: str, around: tuple[str, ...]) -> Iterator[Source]:
    real = os.path.realpath(folder)
    # A link to one of the folders around would have no end.
    if real in around:
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        below = paths.below(path, entry.name)
        if not paths.is_safe(below):
            raise InvalidInputError(
                f"{entry.path!r} has a name that cannot be an artifact's on every system",
                hint="rename it, or log the other files of the folder one by one",
            )
        if entry.is_symlink() and not _is_inside(entry.path, root):
            continue
        if entry.is_dir():
            yield from _below(entry.path, below, root, (*around, real))
        elif entry.is_file():
            yield Source(entry.path, below, entry.stat().st_size)
        else:
            raise InvalidInputError(f"{entry.path!r} is neither a file nor a folder")


def _is_inside(link: str, root: str) -> bool:
    """Return whether a link leads to something in a folder; False where it leads to nothing.

    Raises:
        InvalidInputError: It leads elsewhere.
    """
    target = os.path.realpath(link)
    if not os.path.exists(target):
        _logger.warning("%r leads to nothing, and is not logged", link)
        return False
    if os.path.commonpath([root, target]) != root:
        raise InvalidInputError(
            f"{link!r} is a link that leads out of the folder, to {target!r}",
            hint="put a copy into the folder, or log that file itself",
        )
    return True


def send(
    fs: Filesystem,
    folder: str,
    sources: Iterable[Source],
    is_there: Callable[[str, int, str], bool],
) -> Iterator[Sent]:
    """Send files, several at once, and return what yields them as they arrive.

    Args:
        fs: Where to.
        folder: The folder there that their paths are below.
        sources: The files.
        is_there: Whether a path has this size and digest already.

    Raises:
        StorageError: A file could not be read or written; those before it have arrived.
    """
    return at_once.done(
        fs, lambda each: _send(fs, folder, each, is_there), sources, lambda each: each.size
    )


def _send(
    fs: Filesystem, folder: str, source: Source, is_there: Callable[[str, int, str], bool]
) -> Sent:
    target = paths.below(folder, source.path)
    if source.size <= SMALL_BYTES:
        data = _read(source)
        found = Sent(source.path, len(data), digest_of(data))
        if is_there(*found[:3]):
            return found._replace(is_new=False)
        fs.put(target, data)
        return found
    # Before the file is read, so that what is written to it from then on is noticed.
    before = _status(source.local)
    found = Sent(source.path, before.st_size, file_digest(source.local))
    if is_there(*found[:3]):
        return found._replace(is_new=False)
    fs.put_file(source.local, target)
    # Read twice, once for its digest.
    after = _status(source.local)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        fs.delete(target)
        raise StorageError(
            f"{source.local} was written to while it was logged",
            "ABORTED",
            hint="log it once it is complete",
        )
    return found


def _status(local: str) -> os.stat_result:
    try:
        return os.stat(local)
    except OSError as error:
        raise _unreadable(local, error) from error


def _read(source: Source) -> bytes:
    # Python's own files look at the file twice more, which takes as long as to read it.
    try:
        descriptor = os.open(source.local, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = part = os.read(descriptor, source.size + 1)
            # To its end, wherever that is by now: it may have become longer, and a mount may
            # give less at one time. As a rule the first answer is all, which nobody asks again.
            while part and len(data) != source.size:
                part = os.read(descriptor, source.size + 1)
                data += part
            return data
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(source.local, error) from error


def file_digest(local: str) -> str:
    """Return the digest of a file of this machine.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        with open(local, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(local, error) from error


def _unreadable(local: str, error: OSError) -> StorageError:
    let_through(error)
    operation, is_missing = f"read {local}", isinstance(error, FileNotFoundError)
    return refused(operation, error) or StorageError(
        f"cannot {operation}: {error.strerror}",
        "RESOURCE_DOES_NOT_EXIST" if is_missing else None,
    )
