"""A lake in a folder of this machine: plain system calls, locks by the kernel."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from io import FileIO
from typing import TYPE_CHECKING, ClassVar

from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem import sharing
from lakeflow.filesystem.interface import STAGING, AppendFile, Entry, Filesystem
from lakeflow.filesystem.local_append import LocalAppendFile, delete_if_empty
from lakeflow.filesystem.local_create import (
    copy_start,
    create_linked,
    identity_of,
    put_linked,
    state_of,
    sync_to_disk,
    write_all,
)
from lakeflow.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

_READING = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # no wait for a pipe

# To pass through a folder takes no permission to list it, where the system can tell.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC

_MOST_FOLDERS = 1_000
"""Folders that are remembered: of runs, of writers, of tables."""

_NOT_OURS = frozenset({errno.EISDIR, errno.ELOOP, errno.ENOTDIR, errno.ENXIO})
"""A folder where a file belongs, or a file for a folder; a link; a socket."""


class LocalFilesystem(Filesystem):
    """A folder on a disk of this machine, or one that is mounted like it."""

    can_write: ClassVar[bool] = True
    can_append: ClassVar[bool] = True

    def __init__(self, root: str, uri: str) -> None:
        super().__init__(root, uri)
        self._folder = self._root or "/"  # the root of the disk is a folder too
        # What tells a folder that no link led to. Another one is another number, whatever link
        # there may be around it meanwhile.
        self._plain: dict[str, tuple[int, int]] = {}

    def failure(self, error: OSError, operation: str, path: str) -> Exception:
        """Tell what is wrong within the lake from a wrong location of it."""
        if path and error.errno in _NOT_OURS and os.path.isdir(self._folder):
            return _not_ours(self, path)
        return super().failure(error, operation, path)

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Read by position, without fsspec's own buffering."""
        with self.errors("read", path), self._opened(path) as file:
            if start:
                file.seek(start)
            if end is None:
                return file.read()
            # To make room for more than there is takes longer than to read a small file.
            rest = min(end, os.fstat(file.fileno()).st_size) - start
            # One system call may return less than it was asked for, and never over 2 GiB.
            parts = []
            while rest > 0 and (part := file.read(rest)):
                parts.append(part)
                rest -= len(part)
            return b"".join(parts)

    def _opened(self, path: str) -> FileIO:
        """Open a file, which is neither a link nor something that would make us wait."""
        file = FileIO(os.open(self.full(path), _READING))
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise _not_ours(self, path)
        return file

    @contextlib.contextmanager
    def _inside(self, path: str) -> Iterator[tuple[int, str]]:
        """Give the folder around a path, which no link has led to, and the name in it.

        Whoever deletes by these two deletes in the lake, whatever others rename meanwhile.
        """
        *folders, name = path.split("/")
        if not {*folders, name}.isdisjoint({"", ".", ".."}):
            raise _not_ours(self, path)
        folder = os.open(self._folder, _FOLDER)
        try:
            for each in folders:
                inner = os.open(each, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
                os.close(folder)
                folder = inner
            yield folder, name
        finally:
            os.close(folder)

    def _make_folder(self, path: str) -> None:
        """Make the folders around a path, none of which may be a link: it leads anywhere."""
        folder = around = path.rpartition("/")[0]
        found = status = self._status(folder)
        if found is not None and self._plain.get(folder) == (found.st_dev, found.st_ino):
            return
        while around:
            if status is not None and stat.S_ISLNK(status.st_mode):
                raise _not_ours(self, around)
            around = around.rpartition("/")[0]
            status = self._status(around) if around else None
        if found is not None and stat.S_ISDIR(found.st_mode):
            if len(self._plain) == _MOST_FOLDERS:
                self._plain.clear()
            self._plain[folder] = found.st_dev, found.st_ino
            return
        try:
            sharing.make_folder(self._folder, self.full(folder))
        except FileExistsError as error:
            raise _not_ours(self, folder) from error

    def _status(self, path: str) -> os.stat_result | None:
        """Return what is at a path, also of a link; None where there is nothing."""
        try:
            return os.lstat(self.full(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

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
        found = None if "\0" in path else self.entry(path)  # no file has such a name
        return found is not None and not found.is_folder

    def size(self, path: str) -> int:
        """Ask with one system call."""
        with self.errors("look at", path):
            status = os.lstat(self.full(path))
            if not stat.S_ISREG(status.st_mode):
                raise _not_ours(self, path)
            return status.st_size

    def entry(self, path: str) -> Entry | None:
        """Ask with one system call; links, pipes and devices are nothing."""
        with self.errors("look at", path):
            status = self._status(path)
        return None if status is None else _entry_of(path.rpartition("/")[2], status)

    def skip_hole(self, path: str, start: int) -> int:
        """Ask the disk, where the system knows how."""
        with self.errors("read", path), self._opened(path) as file:
            try:
                return os.lseek(file.fileno(), start, os.SEEK_DATA)
            except OSError as error:
                # Nothing but the hole is left; or this kind of disk does not say.
                return os.fstat(file.fileno()).st_size if error.errno == errno.ENXIO else start

    def identity(self, path: str) -> object:
        """Ask with one system call; a folder that is replaced has other files."""
        # Each file of a run that is logged asks: what tells an error apart comes with an error.
        try:
            return identity_of(os.stat(self.full(path)))
        except OSError:
            with self.errors("look at", path):
                raise

    def state_of(self, folder: str) -> object:
        """Ask with one system call for the time of its last change, which nobody can set."""
        with contextlib.suppress(OSError):
            return state_of(os.stat(self.full(folder)))
        return None

    def create(self, path: str, data: bytes) -> object:
        """Write a file without a name and link it: atomic, and never seen half written."""
        # fsspec's exclusive mode looks first and opens then: in 3 of 60 races two writers won.
        target = self.full(path)
        with self.errors("create", path):
            self._make_folder(path)
            # Who has lost already need not wait for the disk.
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
            return create_linked(self._folder, target, data)

    def upload(self, local: str, path: str) -> None:
        """Move the file: staging is on the same disk."""
        target = self.full(path)
        with self.errors("write", path):
            self._make_folder(path)
            self._share(local)  # as in ``create``: who finds the name may read it
            os.replace(local, target)

    def put(self, path: str, data: bytes) -> None:
        """Write a file without a name, or beside all others, and give it the name."""
        target = self.full(path)
        try:
            self._make_folder(path)
            if put_linked(self._folder, target, data):
                return
        except OSError:
            with self.errors("write", path):
                raise
        # Only a file that has a name can take the place of the one that is there.
        with self._staged(path) as staged, FileIO(staged, "xb") as file:
            write_all(file.fileno(), data)

    def put_file(self, local: str, path: str) -> None:
        """Copy the file beside all others, in the kernel where it can, and give it the name."""
        with self._staged(path) as staged:
            shutil.copyfile(local, staged)

    def extend(self, path: str, size: int, data: bytes) -> None:
        """Copy what is kept in the kernel, which on some disks only shares its blocks."""
        with (
            self._staged(path) as staged,
            self._opened(path) as source,
            FileIO(staged, "xb") as file,
        ):
            copy_start(source, file, size)
            write_all(file.fileno(), data)

    @contextlib.contextmanager
    def _staged(self, path: str) -> Iterator[str]:
        """Give a path to write a file to, which gets its name once it is whole."""
        name = f"{STAGING}/{new_id()}"
        staged = self.full(name)
        with self.errors("write", path):
            self._make_folder(name)
            try:
                yield staged
                self.upload(staged, path)
            except BaseException:  # an interrupt too: a vacuum takes the file a day later
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(staged)
                raise

    def sync(self, *paths: str) -> None:
        """Sync the files, and the folders up to that of the lake: those have the names."""
        if not paths:
            return
        folders = set()
        for path in paths:
            with self.errors("sync", path):
                sync_to_disk(self.full(path))
            while path := path.rpartition("/")[0]:
                folders.add(path)
        # A folder may be new as well, and then its name is part of the folder around it.
        for folder in (*sorted(folders, reverse=True), ""):
            with self.errors("sync", folder):
                sync_to_disk(self.full(folder))
        # The folder around the lake may be one that this user must not read.
        with contextlib.suppress(OSError):
            sync_to_disk(os.path.dirname(self._folder))

    def delete(self, path: str) -> None:
        """Delete with one system call."""
        with (
            self.errors("delete", path),
            contextlib.suppress(FileNotFoundError),
            self._inside(path) as (folder, name),
        ):
            os.unlink(name, dir_fd=folder)

    def delete_folder(self, path: str) -> None:
        """Delete the folder unless somebody has just put something into it."""
        if not path:
            delete_if_empty(self.full(path))  # around it nothing is the lake's
            return
        with contextlib.suppress(OSError), self._inside(path) as (folder, name):
            os.rmdir(name, dir_fd=folder)

    def open_append(self, path: str) -> AppendFile:
        """Open a new file, and hold a shared lock on it for as long as it is open."""
        target = self.full(path)
        with self.errors("create", path):
            while True:
                self._make_folder(path)
                try:
                    file = LocalAppendFile(self, path, target)
                    self._share(target)
                    return file
                except FileNotFoundError:
                    continue  # a vacuum may delete the empty folder in between
                except OSError:
                    # A writer begins another folder each time, and nobody would delete them.
                    delete_if_empty(os.path.dirname(target))
                    raise

    def is_held(self, path: str) -> bool:
        """Try to lock the file: its writer holds a lock until it closes it or dies."""
        import fcntl

        try:
            with self._opened(path) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # our own writers count
                return False
        except FileNotFoundError:
            return False
        # Somebody holds it, or nobody can tell: then the file had better stay.
        except OSError:
            return True

    @contextlib.contextmanager
    def exclusive(self, path: str) -> Iterator[bool]:
        """Lock a file of that name; the kernel lets go of it when the process dies."""
        import fcntl

        target = self.full(path)
        with self.errors("lock", path):
            self._make_folder(path)
            # Reading is enough for a lock, also of a file that somebody else has made.
            descriptor = os.open(target, _READING | os.O_CREAT, 0o666)
            self._share(target)  # it stays: else two could each lock a file of that name
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
            # Closing alone would leave the lock to a child that was forked meanwhile.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    @contextlib.contextmanager
    def staging(self) -> Iterator[str]:
        """Stage inside the lake, so that publishing a file is a rename."""
        parent = self.full(STAGING)
        with self.errors("create", STAGING):
            self._make_folder(f"{STAGING}/file")
            folder, owner = tempfile.mkdtemp(dir=parent), os.getpid()
            self._share(folder)
        try:
            with self.errors("write", STAGING):
                yield folder
        finally:
            # A child that was forked meanwhile must not delete what the parent still writes.
            if os.getpid() == owner:
                shutil.rmtree(folder, ignore_errors=True)

    def clear_staging(self, before_s: float) -> None:
        """Delete the files and folders of killed processes."""
        for entry in self.list(STAGING):
            with (
                contextlib.suppress(OSError, DamagedLakeError),  # none may stop a vacuum
                self._inside(f"{STAGING}/{entry.name}") as (folder, name),
            ):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if status.st_mtime < before_s and stat.S_ISREG(status.st_mode):
                    os.unlink(name, dir_fd=folder)
                elif status.st_mtime < before_s:
                    shutil.rmtree(name, ignore_errors=True, dir_fd=folder)

    def local_path(self, path: str) -> str | None:
        """Every file is on this machine."""
        return self.full(path)

    def users(self) -> str:
        """Tell it by the lake's folder."""
        return sharing.described(self._folder)

    def way_out(self, path: str) -> str | None:
        """Say whose file or folder it is that stands in the way."""
        with contextlib.suppress(OSError):
            return sharing.way_out(self._folder, self.full(path))
        return None

    def _share(self, path: str) -> None:
        sharing.share(os.stat(self._folder), path, os.lstat(path))


def _entry(found: os.DirEntry[str]) -> Entry | None:
    """Return an entry of a folder; None for links, pipes, devices: no part of a lake."""
    try:
        return _entry_of(found.name, found.stat(follow_symlinks=False))
    # It was deleted after the scan had seen its name.
    except FileNotFoundError:
        return None


def _entry_of(name: str, status: os.stat_result) -> Entry | None:
    if stat.S_ISDIR(status.st_mode):
        return Entry(name, 0, True, 0.0)
    if not stat.S_ISREG(status.st_mode):
        return None
    return Entry(name, status.st_size, False, status.st_mtime)


def _not_ours(fs: Filesystem, path: str) -> DamagedLakeError:
    return DamagedLakeError(
        f"{path!r} in {fs.uri} is not what belongs there: it is of another kind, or a "
        "symbolic link",
        hint="within a lake no link is followed; put there what belongs there, or remove it",
    )
