"""From a filesystem to this machine: each file whole or not at all, and checked."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lakeflow.exceptions import DamagedLakeError, StorageError
from lakeflow.filesystem.local_create import write_all
from lakeflow.filesystem.parts import PART_BYTES, PARTS_AT_ONCE
from lakeflow.filesystem.threads import in_order
from lakeflow.ids import new_id
from lakeflow.signals import let_through
from lakeflow.system_errors import refused
from lakeflow.transfer import at_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakeflow.filesystem.interface import Filesystem


class Wanted(NamedTuple):
    """A file that is to be fetched.

    Attributes:
        path: Its path below the artifacts of the run.
        local: Where it goes.
        size: Bytes.
        sha256: Digest of what was logged; None if nobody knows.
        begun: The first bytes of it, where they were read already.
    """

    path: str
    local: str
    size: int
    sha256: str | None = None
    begun: bytes = b""

    @property
    def is_resumable(self) -> bool:
        """Whether another call may go on where this one stops.

        Only a digest can tell later whether the two halves belong together.
        """
        return self.sha256 is not None and self.size > PART_BYTES


class _ChangedError(Exception):
    """The content is not the one that was logged."""


def first_part(fs: Filesystem, path: str) -> bytes | None:
    """Return the beginning of a file, the whole of a small one; None if it is no file.

    Costs one request.
    """
    if fs.can_append:
        # A look costs nothing here, and to read a folder is an error.
        entry = fs.entry(path)
        return None if entry is None or entry.is_folder else fs.read(path, 0, PART_BYTES)
    try:
        return fs.read(path, 0, PART_BYTES)
    except FileNotFoundError:
        return None
    except StorageError:
        # Where folders are real, each store has an error of its own for reading one.
        entry = fs.entry(path)
        if entry is not None and not entry.is_folder:
            raise
        return None


def fetch(fs: Filesystem, folder: str, wanted: Iterable[Wanted]) -> Iterator[Wanted]:
    """Fetch files, several at once, and return what yields them as they arrive.

    Args:
        fs: Where from.
        folder: The folder there that their paths are below.
        wanted: The files.

    Raises:
        DamagedLakeError: A file is not what was logged.
        StorageError: One could not be read or written.
        FileNotFoundError: One is gone.
    """
    made: set[str] = set()
    return at_once.done(
        fs, lambda each: _fetch(fs, folder, each, made), wanted, lambda each: each.size
    )


def changed(fs: Filesystem, path: str) -> DamagedLakeError:
    """Return the error that a file is not what was logged."""
    return DamagedLakeError(
        f"{path} in {fs.uri} is not what was logged: its SHA-256 is another one",
        hint="it was changed since, or is damaged; log it again, or read the file itself",
    )


def _fetch(fs: Filesystem, folder: str, wanted: Wanted, made: set[str]) -> Wanted:
    """Fetch a file; ``made`` has the folders of this machine that are there."""
    source = posixpath.join(folder, wanted.path)
    try:
        around = os.path.dirname(wanted.local) or "."
        if around not in made:
            os.makedirs(around, exist_ok=True)
            made.add(around)
        with _unfinished(wanted) as file:
            try:
                _fill(fs, source, wanted, file)
            except _ChangedError:
                # What was there from before may have been of another content.
                file.truncate(0)
                file.seek(0)
                _fill(fs, source, wanted, file)
            # While it is locked, or another call could go on writing to it.
            os.replace(file.name, wanted.local)
    except _ChangedError:
        raise changed(fs, source) from None
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        let_through(error)
        raise refused(f"write {wanted.local}", error) or StorageError(
            f"cannot write {wanted.local}: {error.strerror}"
        ) from error
    return wanted


@contextlib.contextmanager
def _unfinished(wanted: Wanted) -> Iterator[BinaryIO]:
    """Open the file in which another call has stopped, or a new one; deleted if it is new."""
    folder = os.path.dirname(wanted.local)
    if wanted.is_resumable:
        path = os.path.join(folder, f".{wanted.sha256}.part")
        with _opened(path) as file:
            if _is_ours(file):
                yield file
                return
    path = os.path.join(folder, f".{new_id()}.part")
    try:
        with _opened(path) as file:
            yield file
    except BaseException:
        # Another call would not find it by this name, and could not go on with it.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        raise


def _opened(path: str) -> BinaryIO:
    # Its name can be told beforehand: somebody may have put a link of that name there.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    # Without a buffer, since the file gets its name before it is closed.
    return open(path, "r+b", buffering=0, opener=lambda name, _: os.open(name, flags, 0o666))


def _is_ours(file: BinaryIO) -> bool:
    """Return whether nobody else writes to a file, and it has its name still."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    try:
        # Who had it locked may have ended meanwhile, and it is another call's result.
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))
    except FileNotFoundError:
        return False


def _fill(fs: Filesystem, source: str, wanted: Wanted, file: BinaryIO) -> None:
    """Write what a file lacks.

    Raises:
        _ChangedError: The content is not the one that was logged.
    """
    digest, at = hashlib.sha256(), 0
    if wanted.is_resumable:
        # A digest is of the whole file: what an earlier call has left is read for it.
        while data := file.read(PART_BYTES):
            digest.update(data)
        at = file.tell()
    if at == 0 and wanted.begun:
        at = len(wanted.begun)
        write_all(file.fileno(), wanted.begun)
        digest.update(wanted.begun)
    for data in parts(fs, source, at, wanted.size):
        write_all(file.fileno(), data)
        digest.update(data)
    if wanted.sha256 is not None and digest.hexdigest() != wanted.sha256:
        raise _ChangedError


def parts(fs: Filesystem, source: str, start: int, end: int) -> Iterator[bytes]:
    """Yield the parts of a file in order, several of which are read at once."""
    spans = [(at, min(at + PART_BYTES, end)) for at in range(start, end, PART_BYTES)]
    if fs.can_append or len(spans) < 2:
        yield from (_part(fs, source, span) for span in spans)
        return
    with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="lakeflow-parts") as threads:
        yield from in_order(threads, lambda span: _part(fs, source, span), spans, PARTS_AT_ONCE)


def _part(fs: Filesystem, source: str, span: tuple[int, int]) -> bytes:
    # Which, other than ``read``, does not take a part of the stretch for the whole of it.
    ((_, data),) = fs.read_many({source: span}, fixed=False)
    return data
