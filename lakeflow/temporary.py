"""Temporary folders of this process: nobody else's, gone at its end.

All are below one folder that only this user may enter, under a name that nobody can guess. The
process holds a lock on it. Where nobody does, the process was killed, and the next one that
needs a folder deletes what it left.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import stat
import tempfile
import threading
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import StorageError
from lakeflow.shutdown import at_shutdown
from lakeflow.signals import let_through
from lakeflow.system_errors import BY_ERRNO

if TYPE_CHECKING:
    from collections.abc import Iterator

MOVED_BY = "set TMPDIR to a folder with room that this user may write to"
"""The way out where the folder of temporary files is full or read-only."""

_FULL = {errno.ENOSPC, errno.EDQUOT}

# Nobody else makes such names: a user's own folder may well begin with lakeflow-.
_PREFIX, _SUFFIX = "lakeflow-", ".lock.tmp"
_NAME = re.compile(rf"{_PREFIX}[a-z0-9_]+{re.escape(_SUFFIX)}")


class _Root(NamedTuple):
    """The folder of this process.

    Attributes:
        path: Where it is.
        descriptor: The open folder; it carries the lock.
    """

    path: str
    descriptor: int


_root: _Root | None = None
_numbers = itertools.count()
_lock = threading.RLock()


def path(purpose: str) -> str:
    """Return a path at which nothing is yet, in a folder that only this user may enter.

    What is made there is deleted when the process ends.

    Args:
        purpose: What the name begins with.

    Raises:
        StorageError: No folder can be made.
    """
    global _root
    try:
        with _lock:
            # What somebody has cleared away is made again.
            if _root is not None and not os.path.isdir(_root.path):
                os.close(_root.descriptor)
                _root = None
            if _root is None:
                _sweep()
                _root = _made()
            return os.path.join(_root.path, f"{purpose}-{next(_numbers)}")
    except OSError as error:
        raise _refusal(error) from error


def make(purpose: str) -> str:
    """Make a folder and return it; see ``path``."""
    folder = path(purpose)
    try:
        os.mkdir(folder, 0o700)
    except OSError as error:
        raise _refusal(error) from error
    return folder


@contextlib.contextmanager
def folder(purpose: str) -> Iterator[str]:
    """Yield a folder that is deleted afterwards; see ``path``.

    Raises:
        StorageError: No folder can be made; or it is full for the block, whatever writes there.
    """
    made, owner = make(purpose), os.getpid()
    try:
        with filling(made):
            yield made
    finally:
        remove(made, owner)


@contextlib.contextmanager
def filling(place: str) -> Iterator[None]:
    """Tell that there is no room for temporary files, from whatever else may go wrong.

    Args:
        place: Where they are written.

    Raises:
        StorageError: There is none.
    """
    try:
        yield
    except OSError as error:
        # What a lake refuses is an OSError too, and says already what has failed.
        if isinstance(error, StorageError) or error.errno not in _FULL:
            raise
        let_through(error)
        raise _refusal(error, f"write to {place}") from error


def remove(folder: str, owner: int) -> None:
    """Delete a folder, unless this is a forked child and the parent still uses it.

    Args:
        folder: The folder; it may be gone.
        owner: The process that has made it.
    """
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _made() -> _Root:
    while True:
        made = tempfile.mkdtemp(_SUFFIX, _PREFIX)
        # Another process may take it for abandoned before it is locked.
        try:
            descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if _is_locked(descriptor) and os.path.isdir(made):
            return _Root(made, descriptor)
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    """Take the lock of a folder; False where somebody else has it.

    The lock is on the folder itself, which also keeps systemd from clearing it away.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a mount without locks
        return True
    return True


def _sweep() -> None:
    """Delete what processes of this user left that were killed."""
    parent = tempfile.gettempdir()
    for name in filter(_NAME.fullmatch, os.listdir(parent)):
        # It may be a link, another user's, or gone by now.
        with contextlib.suppress(OSError):
            _sweep_one(os.path.join(parent, name))


def _sweep_one(found: str) -> None:
    import fcntl

    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(found, flags)
    try:
        status = os.fstat(descriptor)
        is_ours = status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700
        if is_ours:
            # Raises where it is held. On a mount without locks nobody knows, and all stays.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(found, ignore_errors=True)
    finally:
        os.close(descriptor)


def _refusal(error: OSError, operation: str = "make a temporary folder") -> StorageError:
    refusal = BY_ERRNO.get(error.errno or 0)
    return StorageError(
        f"cannot {operation}: {error}",
        refusal.code if refusal else None,
        hint=MOVED_BY,
    )


def _remove_root() -> None:
    global _root
    with _lock:
        root, _root = _root, None
        if root is not None:
            shutil.rmtree(root.path, ignore_errors=True)
            os.close(root.descriptor)


def _begin_anew() -> None:
    """Let a forked child make a folder of its own; this one is the parent's."""
    global _root, _lock
    _lock = threading.RLock()
    root, _root = _root, None
    if root is not None:
        # It closes the child's copy and leaves the lock to the parent.
        os.close(root.descriptor)


# Before anybody registers work that needs folders: what is registered first is called last.
at_shutdown(_remove_root)
os.register_at_fork(after_in_child=_begin_anew)
