"""A segment of the log on a disk of this machine, while its writer appends to it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow.filesystem.interface import Filesystem


class LocalAppendFile:
    """A file descriptor in append mode; one ``write`` system call a record.

    Args:
        fs: Whose errors its own become.
        path: Its path within the lake.
        target: Its path on this machine.
    """

    def __init__(self, fs: Filesystem, path: str, target: str) -> None:
        import fcntl

        # O_EXCL: a segment has one writer. O_APPEND: each write goes to the end in one step.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fs = fs
        self._path = path
        self._target = target
        self._descriptor = os.open(target, flags, 0o666)
        self.size = 0
        with contextlib.suppress(OSError):  # a mount without locks
            # Waits only for somebody who looks whether the segment is held.
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def write(self, data: bytes) -> None:
        """Append all of the data or none of it."""
        try:
            # A disk that is nearly full takes a part of it; only the next call says why.
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            # Half a record must not stay at the end, though the writer goes on in another
            # segment all the same.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                if self.size == 0:
                    os.unlink(self._target)
                    delete_if_empty(os.path.dirname(self._target))
            with self._fs.errors("append to", self._path):
                raise error from None
        self.size += len(data)

    def sync(self) -> None:
        """Return once what was written survives a power cut."""
        with self._fs.errors("sync", self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close it, which lets go of its lock.

        Raises:
            StorageError: The disk of another machine says only now what it did not keep.
        """
        with self._fs.errors("close", self._path):
            os.close(self._descriptor)

    def is_deleted(self) -> bool:
        """Return whether it has no name any more, or not all that was written."""
        # Before the look: the handler of a signal may write between the two.
        size = self.size
        with self._fs.errors("look at", self._path):
            status = os.fstat(self._descriptor)
        # An open file outlives its name; it has no links any more.
        return status.st_nlink == 0 or status.st_size < size

    def abandon(self) -> None:
        """Let go of it in a forked child."""
        # The lock belongs to the open file that parent and child share: closing here
        # neither releases it for the parent nor keeps it once the parent is gone.
        os.close(self._descriptor)


def delete_if_empty(folder: str) -> None:
    """Delete a folder of this machine unless there is something in it."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)
