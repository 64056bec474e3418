"""Files to read: one, those of a folder, or those that a pattern names; here or at a URL."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import stat
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import canonical
from lakeflow.importing.items import Problem
from lakeflow.printable import without_password
from lakeflow.stores.artifacts.places import place_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.filesystem.interface import Filesystem

_READ_AHEAD = 4 * 1024 * 1024
"""Bytes of one request to a store: a smaller one takes about as long."""

_WILDCARD = re.compile(r"[*?\[]")
_GLOB = re.compile(r"\*\*/|\*|\?|\[!?[^\]]+\]|[^*?\[]+|\[")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read.

    Attributes:
        location: Its path or URL, for people.
        path: Its path below what was asked for, with slashes.
        size: Its bytes.
        modified_ms: When it was written last, in milliseconds since the Unix epoch.
    """

    location: str
    path: str
    size: int
    modified_ms: int
    _open: Callable[[], BinaryIO]

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Give its bytes as a file, those of a ``.gz`` unpacked.

        Raises:
            OSError: It cannot be read.
        """
        with self._open() as file:
            if self.location.endswith(".gz"):
                with gzip.open(file) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield file


def found(
    location: str, is_wanted: Callable[[str], bool], report: Callable[[Problem], None]
) -> Iterator[InputFile]:
    """Yield the files at a location, in order of their paths.

    Args:
        location: A file, a folder or a pattern with ``*``, ``**``, ``?`` and ``[...]``; a path
            of this machine or a URL.
        is_wanted: Which names of a folder are meant; what a file or a pattern names is.
        report: Told of what has such a name and is no file, or a link to nothing.

    Raises:
        InvalidInputError: It is a URL that no filesystem is known for.
        NotFoundError: There is nothing.
        StorageError: It cannot be listed.
    """
    place = _place(location)
    pattern = place.pattern
    matches = re.compile(_regex(pattern)).fullmatch
    count = 0
    # The same order each time: rows of a run may be in several files, and are counted.
    for path in sorted(place.paths()):
        name = path.rpartition("/")[2]
        if matches(path) if pattern else place.is_file or is_wanted(name):
            file = place.file(path)
            if file is None:
                where = os.path.join(place.root, path)
                report(Problem(where, "it is no file, or a link to one that is gone"))
                continue
            count += 1
            yield file
    if not count:
        raise NotFoundError(
            f"there is no file to import at {location!r}",
            hint="give a file, a folder of such files, or a pattern in quotes: 'logs/*.csv'",
        )


def _place(location: str) -> _Local | _Remote:
    if "://" not in location:
        return _Local(os.path.abspath(os.path.expanduser(location)))
    try:
        whole = canonical(location)
    except InvalidInputError as error:
        raise InvalidInputError(
            f"no files can be read at {location!r}",
            hint="give a path, or a URL such as s3://bucket/logs",
        ) from error
    return _Remote(whole) if "://" in whole else _Local(whole)


class _Local:
    """Files of this machine: opened as any program does, links followed."""

    def __init__(self, whole: str) -> None:
        self.is_file = os.path.isfile(whole)
        self.root, self.pattern = (whole, "") if os.path.exists(whole) else _divided(whole)

    def paths(self) -> Iterator[str]:
        if self.is_file:
            yield ""
            return
        for folder, _, names in os.walk(self.root, followlinks=True):
            below = os.path.relpath(folder, self.root).replace(os.sep, "/")
            yield from (name if below == "." else f"{below}/{name}" for name in names)

    def file(self, path: str) -> InputFile | None:
        full = os.path.join(self.root, path) if path else self.root
        try:
            status = os.stat(full)
        except OSError:
            return None
        # A pipe would be waited for.
        if not stat.S_ISREG(status.st_mode):
            return None
        name = path or os.path.basename(full)
        modified_ms = int(status.st_mtime * 1000)
        return InputFile(full, name, status.st_size, modified_ms, partial(_on_disk, full))


class _Remote:
    """Files of a store, in which the lake's own filesystem layer reads."""

    def __init__(self, whole: str) -> None:
        self.root, self.pattern = _divided(whole) if _WILDCARD.search(whole) else (whole, "")
        self.is_file = False
        around, _, name = whole.rpartition("/")
        # A bucket has no folder around it, and is no file.
        if not self.pattern and not around.endswith("/") and name:
            entry = place_at(around).fs.entry(name)
            self.is_file = entry is not None and not entry.is_folder
            self.root = around if self.is_file else whole
        self._name = name
        self._fs = place_at(self.root).fs

    def paths(self) -> Iterator[str]:
        yield from [self._name] if self.is_file else self._fs.sizes("")

    def file(self, path: str) -> InputFile:
        fs = self._fs
        entry = fs.entry(path)
        size, modified_s = (entry.size, entry.modified_s) if entry else (0, 0.0)
        location = without_password(f"{self.root}/{path}")
        opening = partial(_stream, fs, path, size)
        return InputFile(location, path, size, int(modified_s * 1000), opening)


def _on_disk(path: str) -> BinaryIO:
    return open(path, "rb")


def _divided(whole: str) -> tuple[str, str]:
    """Return the folder before the first wildcard, and the pattern below it."""
    wildcard = _WILDCARD.search(whole)
    if wildcard is None:
        return whole, ""
    end = whole.rfind("/", 0, wildcard.start())
    return whole[:end] or "/", whole[end + 1 :]


def _regex(pattern: str) -> str:
    """Return a pattern of paths as a regular expression; a star stays within one folder."""
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]", "[": r"\["}
    parts = []
    for part in _GLOB.findall(pattern):
        is_class = part.startswith("[") and part != "["
        parts.append(part.replace("[!", "[^") if is_class else known.get(part, re.escape(part)))
    return "".join(parts)


class _Bytes(io.RawIOBase):
    """A file of a store as Python reads files."""

    def __init__(self, fs: Filesystem, path: str, size: int) -> None:
        self._fs, self._path, self._size, self._at = fs, path, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        end = min(self._at + len(buffer), self._size)
        data = self._fs.read(self._path, self._at, end) if self._at < end else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _stream(fs: Filesystem, path: str, size: int) -> BinaryIO:
    # Readers ask for a few bytes at a time, and each would be a request.
    return io.BufferedReader(_Bytes(fs, path, size), _READ_AHEAD)
