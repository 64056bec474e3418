"""What the operating system refuses, read out of the error of any library. Pure.

Python's own errors have its number. DuckDB and deltalake pass on only its words, each in
another exception, some of them over several lines and in colours.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Refusal(NamedTuple):
    """What is said where the system refuses something.

    Attributes:
        code: Error code of ours.
        hint: The way out.
    """

    code: str
    hint: str


_NO_ROOM = Refusal("RESOURCE_EXHAUSTED", "make room and try again")
_NO_FILES = Refusal(
    "RESOURCE_EXHAUSTED", "close files, or raise the limit of open ones: ulimit -n"
)
_DENIED = Refusal("PERMISSION_DENIED", "this user may not do that; check the permissions")

BY_ERRNO: Mapping[int, Refusal] = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: Refusal("RESOURCE_EXHAUSTED", "raise the limit of a file's size: ulimit -f"),
    # The words of the next one begin with those of the one after it.
    errno.ENFILE: _NO_FILES,
    errno.EMFILE: _NO_FILES,
    errno.ENOMEM: Refusal("RESOURCE_EXHAUSTED", "the machine has too little memory left"),
    errno.EROFS: Refusal("PERMISSION_DENIED", "it is mounted read-only; mount it for writing"),
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EIO: Refusal("TEMPORARILY_UNAVAILABLE", "the disk fails; see the log of the system"),
}
"""By the number of the error."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_QUOTED_PATH = re.compile(r'"(/[^"\\]+)')


def refused(operation: str, error: BaseException) -> StorageError | None:
    """Return what to raise where the system refused something; None where it did not.

    Args:
        operation: What could not be done, after "cannot".
        error: What a library raised.
    """
    words = str(error)
    number = getattr(error, "errno", None)
    if number not in BY_ERRNO:
        number = next((each for each in BY_ERRNO if os.strerror(each) in words), None)
    if number is None:
        return None
    path = _QUOTED_PATH.search(words)
    place = f" ({path[1]})" if path else ""
    code, hint = BY_ERRNO[number]
    return StorageError(f"cannot {operation}: {os.strerror(number)}{place}", code, hint=hint)


RUNTIME_FILES = 24
"""More files than a library in Rust opens for its threads. It panics where it cannot, which is
no Exception, and may then never work in this process again."""


_had_room: set[str] = set()


@contextlib.contextmanager
def loading(what: str, *, files: int = 0) -> Iterator[None]:
    """Tell what is refused to an import from what is not installed: it opens files, too.

    Args:
        what: What is imported, after "cannot load".
        files: How many files it must be able to open besides, the first time.

    Raises:
        StorageError: The process has too many files open, say; the next call imports it again.
    """
    try:
        with contextlib.ExitStack() as opened:
            for _ in range(0 if what in _had_room else files):
                opened.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        yield
        _had_room.add(what)
    except StorageError:
        raise
    except (ImportError, OSError) as error:
        refusal = refused(f"load {what}", error)
        if refusal is None:
            raise
        raise refusal from error


def plain(error: BaseException) -> str:
    """Return the text of an error in one line and without colours."""
    return " ".join(_COLOURS.sub("", str(error)).split())
