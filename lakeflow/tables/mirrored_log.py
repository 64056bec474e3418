"""The log of one Delta table, mirrored into a temporary folder of this machine.

deltalake speaks to few stores, and with options of its own; and what it writes into a folder
may be empty after a power cut, though its name is there. So it replays and builds commits in a
mirror that holds no data file, and the commit is published with ``create``, which is whole or
not there at all. A lost race is a conflict, as it is where deltalake writes by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow import temporary
from lakeflow.exceptions import ConflictError
from lakeflow.filesystem.names import is_plain, number_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.filesystem.interface import Filesystem

LOG_FOLDER = "_delta_log"
"""Folder of the log within that of a table."""


class MirroredLog:
    """One mirror; whoever uses it holds the table's lock.

    Args:
        fs: The lake's filesystem.
        folder: Folder of the table within the lake.

    Attributes:
        version: The newest one that was found or published; -1 where the table is not there.
    """

    def __init__(self, fs: Filesystem, folder: str) -> None:
        self._fs = fs
        self._folder = f"{folder}/{LOG_FOLDER}"
        self._location = ""
        self.version = -1

    @property
    def location(self) -> str:
        """The mirrored folder of the table."""
        # Most tables of most lakes are empty, and nobody asks for this folder of theirs.
        if not self._location:
            made, owner = temporary.make("log"), os.getpid()
            self._location = made
            try:
                self._local.mkdir()
                if self.version == 0:
                    name = commit_name(0)
                    self._keep(name, self._commit(f"{self._folder}/{name}"))
            # On a full disk half of a log would be taken for that of a damaged table.
            except BaseException:
                self._location = ""
                temporary.remove(made, owner)
                raise
            # With the process: in a forked child the mirror is the parent's, and stays.
            weakref.finalize(self, temporary.remove, made, owner)
        return self._location

    @property
    def _local(self) -> Path:
        return Path(self.location, LOG_FOLDER)

    def fetch(self) -> None:
        """Bring the mirror up to date: a read for each new commit, and one that finds nothing.

        The first time it lists the log, and reads the newest checkpoint and all commits after;
        the one commit of an empty table only where somebody asks for the folder.
        """
        if self.version < 0:
            self._fetch_all()
        with contextlib.suppress(FileNotFoundError):
            while self.version >= 0:
                name = commit_name(self.version + 1)
                self._keep(name, self._commit(f"{self._folder}/{name}"))
                self.version += 1

    def _commit(self, path: str) -> bytes:
        """Return a commit; an answer that was cut short is asked for again."""
        data = self._fs.read(path)
        try:
            json.loads(data.splitlines()[-1])
        except (ValueError, IndexError):
            data = self._fs.read(path)
        return data

    def _fetch_all(self) -> None:
        sizes = {entry.name: entry.size for entry in self._fs.list(self._folder)}
        if [*sizes] == [commit_name(0)]:
            self.version = 0
            return
        newest = self._fetch_checkpoint(sizes)
        commits = {
            name: version
            for name in sizes
            if name[20:] == ".json" and (version := version_of(name)) is not None
        }
        self._fetch_files(
            {name: sizes[name] for name, version in commits.items() if version > newest}
        )
        self.version = max([newest, *commits.values()])

    def _fetch_checkpoint(self, sizes: Mapping[str, int]) -> int:
        """Fetch the newest checkpoint that is whole; return its version, -1 if none is."""
        by_age = sorted(filter(is_checkpoint, sizes), reverse=True)
        for name in by_age:
            (data,) = self._fetch_files({name: sizes[name]})
            # It may have been copied in part, say. The one before it is as good.
            if is_whole_checkpoint(data):
                return int(name[:20])
            (self._local / name).unlink()
        return -1

    def _fetch_files(self, sizes: Mapping[str, int]) -> list[bytes]:
        spans = {f"{self._folder}/{name}": (0, sizes[name]) for name in sorted(sizes)}
        found = []
        # Not fixed: a lake that is deleted and made again has other commits of these names.
        for path, data in self._fs.read_many(spans, fixed=False):
            self._keep(path.rsplit("/", 1)[1], data)
            found.append(data)
        return found

    def _keep(self, name: str, data: bytes) -> None:
        (self._local / name).write_bytes(data)

    def begin(self, commit: bytes) -> None:
        """Publish the first commit of the table; who makes dozens of them syncs them at once.

        Raises:
            ConflictError: Somebody else has.
        """
        self._create(0, commit)
        self.version = 0

    def publish(self, version: int) -> None:
        """Publish the commit that was built in the mirror, or drop it.

        Raises:
            ConflictError: The version is taken.
        """
        local = self._local / commit_name(version)
        try:
            self._create(version, local.read_bytes())
            # On the disk before the end of the fold, which names this version.
            self._fs.sync(f"{self._folder}/{local.name}")
        # Whatever happened: what is left in the mirror would be taken for published.
        except BaseException:
            local.unlink()
            raise
        self.version = version

    def _create(self, version: int, commit: bytes) -> None:
        path = f"{self._folder}/{commit_name(version)}"
        try:
            self._fs.create(path, commit)
        except FileExistsError as error:
            raise ConflictError(f"{self._folder}: version {version} is taken") from error

    def publish_checkpoint(self, version: int) -> None:
        """Publish the checkpoint of a version that was built in the mirror."""
        for local in self._local.glob(f"{version:020d}.checkpoint*.parquet"):
            # Another process may have summed up the same version.
            with contextlib.suppress(FileExistsError):
                self._fs.create(f"{self._folder}/{local.name}", local.read_bytes())
            self._fs.sync(f"{self._folder}/{local.name}")


def commit_name(version: int) -> str:
    """Return the name of the file that makes a version."""
    return f"{version:020d}.json"


def version_of(name: str) -> int | None:
    """Return the version that a file of the log is about; None for other files."""
    return number_in(name[:20]) if name[20:21] == "." and is_plain(name) else None


def is_checkpoint(name: str) -> bool:
    """Return whether a file of the log sums up all commits before it, in one file."""
    return name.endswith(".checkpoint.parquet") and version_of(name) is not None


def is_whole_checkpoint(data: bytes) -> bool:
    """Return whether the content of a checkpoint can be read to its end."""
    import pyarrow
    from pyarrow import parquet

    try:
        parquet.ParquetFile(pyarrow.BufferReader(data)).read()
    except (pyarrow.ArrowException, OSError):
        return False
    return True
