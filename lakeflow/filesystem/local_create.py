"""A file on a disk of this machine, which gets its name once it is whole."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from io import FileIO

from lakeflow.filesystem import sharing
from lakeflow.ids import new_id
from lakeflow.signals import let_through

# A file whose name is taken away again costs the disk a third more than one without a name, and
# who is killed leaves it. Only by /proc one can be given a name without a privilege.
_UNNAMED = getattr(os, "O_TMPFILE", 0) if os.path.isdir("/proc/self/fd") else 0
if _UNNAMED:
    _UNNAMED |= os.O_WRONLY | os.O_CLOEXEC


_QUIETLY = contextlib.suppress(OSError)

_COPIED_AT_ONCE = 1024 * 1024

SETTLED_S = 2.0
"""Seconds since the last change of a folder after which another one has another time."""


def create_linked(root: str, target: str, data: bytes) -> object:
    """Write a file and link it, and return what tells it from others.

    Args:
        root: The lake's folder.
        target: Its path, as the system knows it.
        data: Its content.

    Raises:
        FileExistsError: There is one already; it keeps its content.
        OSError: It cannot be written.
    """
    return _unnamed(root, target, data, is_durable=True) or _named(root, target, data)


def put_linked(root: str, target: str, data: bytes) -> bool:
    """Write a file and link it, and return whether it is there: else nothing is.

    Args:
        root: The lake's folder.
        target: Its path, as the system knows it. One that is taken keeps what it has.
        data: Its content, of which a power cut may leave a part.
    """
    try:
        return _unnamed(root, target, data, is_durable=False) is not None
    except FileExistsError:
        return False


def _unnamed(root: str, target: str, data: bytes, *, is_durable: bool) -> object:
    """Write one without a name; None where the system cannot, or refuses for another reason."""
    if not _UNNAMED:
        return None
    try:
        lake = os.stat(root)
        folder = target.rpartition("/")[0] or "/"
        descriptor = os.open(folder, _UNNAMED, sharing.mode_of_files(lake))
        try:
            identity = _write(lake, descriptor, data, is_durable=is_durable)
            # By a call that follows the link which /proc has; its path is a whole one.
            os.link(f"/proc/self/fd/{descriptor}", target, src_dir_fd=descriptor)
            return identity
        finally:
            with _QUIETLY:  # it is on the disk already, or not to be
                os.close(descriptor)
    except FileExistsError:
        raise
    except OSError as error:
        let_through(error)
        return None  # whatever it is, the other way tells


def _named(root: str, target: str, data: bytes) -> object:
    folder, name = os.path.split(target)
    temporary = f"{folder}/.{name}.{new_id()}"
    try:
        with FileIO(temporary, "xb") as file:
            identity = _write(os.stat(root), file.fileno(), data, is_durable=True)
        os.link(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return identity


def _write(lake: os.stat_result, descriptor: int, data: bytes, *, is_durable: bool) -> object:
    write_all(descriptor, data)
    # After a power cut the name must not lead to an empty file, which would be taken for the
    # one that was created.
    if is_durable:
        os.fsync(descriptor)
    status = os.fstat(descriptor)
    sharing.share(lake, descriptor, status)  # who finds the name may read it
    return identity_of(status)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it to a file."""
    written = os.write(descriptor, data)
    # One system call takes 2 GiB at most.
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def sync_to_disk(path: str) -> None:
    """Return once a file, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_start(source: FileIO, target: FileIO, size: int) -> None:
    """Copy the first bytes of a file to another one, which is empty."""
    in_kernel = getattr(os, "copy_file_range", None)
    left = size  # both files move on: the loop below goes on where the kernel's one stops
    with contextlib.suppress(OSError):  # a mount that does not know how
        while (
            in_kernel and left and (count := in_kernel(source.fileno(), target.fileno(), left))
        ):
            left -= count
    while left and (data := source.read(min(left, _COPIED_AT_ONCE))):
        write_all(target.fileno(), data)
        left -= len(data)
    if left:
        raise OSError(errno.EIO, f"the file is shorter than {size} bytes", source.name)


def identity_of(status: os.stat_result) -> object:
    """Return what tells a file from another one of its name."""
    # The number alone may be that of a file which was deleted before.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def state_of(status: os.stat_result) -> object:
    """Return what is another one once a name in a folder has changed; None if nothing tells."""
    # What has just changed may change again with the same time: a disk counts in ticks of some
    # milliseconds, or of two seconds.
    is_settled = time.time() - status.st_ctime > SETTLED_S
    return (status.st_dev, status.st_ino, status.st_ctime_ns) if is_settled else None
