"""A lake: its root, its tables, its log, and the one writer that this process has.

A process opens a lake once, however many clients it makes: they share the writer and what
has been read. A forked child gets a writer of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.config import Settings
from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
)
from lakeflow.ids import new_id
from lakeflow.storage import folds
from lakeflow.storage.control import ControlTable
from lakeflow.storage.delta import TABLES as TABLES_FOLDER
from lakeflow.storage.delta import DataFile, Table
from lakeflow.storage.filesystem import ENGINE_PROTOCOL, Filesystem
from lakeflow.storage.local import STAGING
from lakeflow.storage.location import canonical, open_filesystem
from lakeflow.storage.log import LOG, Clock, LogWriter, list_segments
from lakeflow.tables import CONTROL_TABLES, DATA_TABLES, FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.storage.bridge import LakeFileSystem

T = TypeVar("T")

LAKE_FILE = "lake.json"
"""Written last when a lake is made, so that a lake that has it is complete."""

_OWN = {LAKE_FILE, TABLES_FOLDER, LOG, folds.FOLDS, STAGING}


@dataclass(frozen=True, slots=True)
class View:
    """What there is to read at one moment: a finished fold, and the log beyond it.

    Attributes:
        epoch: The finished fold; its tables hold the log up to its offsets.
        segments: Size of every segment by path; what exceeds the offset is hot.
    """

    epoch: folds.Epoch
    segments: Mapping[str, int]

    @property
    def hot_bytes(self) -> int:
        """Bytes of log that are not folded yet."""
        offsets = self.epoch.offsets
        return sum(size - offsets.get(path, 0) for path, size in self.segments.items())

    @property
    def hot_segments(self) -> int:
        """Segments with something that is not folded yet."""
        offsets = self.epoch.offsets
        return sum(size > offsets.get(path, 0) for path, size in self.segments.items())


class Lake:
    """An open lake; ``Lake.open`` returns the one that this process has.

    Args:
        fs: Its filesystem.
        settings: How this process treats it.

    Attributes:
        fs: Its filesystem.
        settings: How this process treats it.
        clock: Order of what this process writes.
        tables: Its data tables by name.
        control: Its control tables by name.
    """

    def __init__(self, fs: Filesystem, settings: Settings) -> None:
        self.fs = fs
        self.settings = settings
        self._on_close: list[Callable[[], None]] = []
        self._on_fork: list[Callable[[], None]] = []
        self._on_append: Callable[[int], None] | None = None
        self._epoch: folds.Epoch | None = None
        self._files: dict[tuple[str, int], tuple[DataFile, ...]] = {}
        self._made: dict[Callable[[Lake], Any], Any] = {}
        self.tables = {spec.name: Table(fs, spec) for spec in DATA_TABLES}
        self.control = {spec.name: ControlTable(fs, spec) for spec in CONTROL_TABLES}
        self._become_writer()

    def _become_writer(self) -> None:
        """Begin as a process that has not written yet; the writer itself is made later."""
        self.clock = Clock()
        self._lock = threading.RLock()
        self._writer: LogWriter | None = None

    @classmethod
    def open(
        cls,
        uri: str | os.PathLike[str],
        storage_options: Mapping[str, object] | None = None,
        settings: Settings | None = None,
        *,
        create: bool = True,
    ) -> Lake:
        """Open a lake, making it if there is nothing at its location yet.

        Args:
            uri: A path, ``file://``, ``memory://`` or another fsspec URL, with or without
                ``lakeflow+`` before it, or ``lakeflow:///absolute/path``.
            storage_options: fsspec's options for the filesystem.
            settings: How this process treats the lake; from the environment by default.
                Those of the first opening stay.
            create: Whether to make it if there is none.

        Raises:
            NotFoundError: There is none, and it is not to be made.
            InvalidInputError: The location holds something else, or is no location.
            InvalidStateError: The lake is of a newer format.
            StorageError: It cannot be read, or not be made.
        """
        key = (
            canonical(uri),
            json.dumps(dict(storage_options or {}), sort_keys=True, default=repr),
        )
        with _OPENING:
            lake = _OPEN.get(key)
            if lake is None:
                fs = open_filesystem(uri, storage_options)
                lake = cls.on(fs, settings or Settings.from_environment(), create=create)
                _OPEN[key] = lake
            return lake

    @classmethod
    def on(cls, fs: Filesystem, settings: Settings, *, create: bool = True) -> Lake:
        """Open the lake on a filesystem, with a writer of its own; errors as for ``open``."""
        lake = cls(fs, settings)
        lake._attach(create)
        return lake

    def _attach(self, create: bool) -> None:
        try:
            data = self.fs.read(LAKE_FILE)
        except FileNotFoundError:
            if not create:
                raise NotFoundError(f"there is no lake at {self.fs.uri}") from None
            self._make()
            return
        try:
            version = int(json.loads(data)["format_version"])
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedLakeError(
                f"{LAKE_FILE} in {self.fs.uri} is damaged: {data[:80]!r}",
                hint='it must hold {"format_version": 1}',
            ) from error
        if version > FORMAT_VERSION:
            raise InvalidStateError(
                f"the lake {self.fs.uri} has format {version}; this lakeflow knows formats "
                f"up to {FORMAT_VERSION}",
                hint="upgrade lakeflow",
            )

    def _make(self) -> None:
        """Make an empty lake; every step may be repeated, by us or by somebody racing us."""
        strangers = [
            entry.name
            for entry in self.fs.list("")
            if entry.name not in _OWN and not entry.name.startswith(f".{LAKE_FILE}")
        ]
        if strangers:
            raise InvalidInputError(
                f"{self.fs.uri} is not a lake and not empty: it holds {strangers[0]!r}",
                hint="choose an empty or new folder",
            )
        for control in self.control.values():
            control.table.create()
        for table in self.tables.values():
            table.create()
        now = time.time_ns() // 1_000_000
        self.control["experiments"].update(lambda rows: rows or [_default_experiment(now)])
        content = {"format_version": FORMAT_VERSION, "lake_id": new_id(), "created": now}
        try:
            self.fs.create(LAKE_FILE, json.dumps(content).encode())
        except FileExistsError:
            return

    def once(self, make: Callable[[Lake], T]) -> T:
        """Return what a function makes of this lake; it is called at most once a process."""
        with self._lock:
            if make not in self._made:
                self._made[make] = make(self)
            made: T = self._made[make]
            return made

    def append(self, bodies: Sequence[str]) -> None:
        """Append records to the log of this process; they are durable on return.

        One write, no read.

        Args:
            bodies: The fields of each record as JSON, without braces.

        Raises:
            StorageError: Nothing was written.
        """
        writer = self._writer or self._make_writer()
        writer.append(bodies)
        if self._on_append is not None:
            self._on_append(writer.written_bytes)

    def _make_writer(self) -> LogWriter:
        with self._lock:
            if self._writer is None:
                self._writer = LogWriter(
                    self.fs,
                    self.clock,
                    segment_bytes=self.settings.segment_bytes,
                    fsync=self.settings.durability == "fsync",
                )
            return self._writer

    def secure(self, path: str) -> None:
        """Make a file survive a power cut, where the settings ask for that."""
        if self.settings.durability == "fsync":
            self.fs.sync(path)

    def view(self) -> View:
        """Return what there is to read now: four looks, and a listing a writer."""
        while True:
            epoch = self.epoch()
            segments = list_segments(self.fs)
            # Segments are deleted only once a later fold is finished: without one, this
            # listing is complete.
            if not self._is_past(epoch.number):
                return View(epoch, segments)

    def epoch(self) -> folds.Epoch:
        """Return the newest finished fold."""
        with self._lock:
            epoch = self._epoch
            if epoch is None or self._is_past(epoch.number):
                number, _ = folds.newest(self.fs)
                epoch = self._epoch = folds.read_epoch(self.fs, number)
                self._files.clear()
            return epoch

    def _is_past(self, number: int) -> bool:
        """Return whether a later fold is finished; its file may be deleted already."""
        if number == 0:
            return folds.newest(self.fs)[0] > 0
        exists = self.fs.exists
        return exists(folds.done_path(number + 1)) or not exists(folds.done_path(number))

    def files(self, table: str, epoch: folds.Epoch) -> tuple[DataFile, ...]:
        """Return the files that hold a table as of a finished fold.

        Raises:
            DamagedLakeError: The table has no version for it any more.
        """
        version = epoch.versions.get(table)
        if version is None:
            return ()
        with self._lock:
            if (table, version) not in self._files:
                self._files[table, version] = self.tables[table].files(version)
            return self._files[table, version]

    def paths(self, table: str, files: Sequence[DataFile]) -> list[str]:
        """Return the paths under which the query engine opens files of a table."""
        paths = [f"{self.tables[table].folder}/{each.path}" for each in files]
        return [self.fs.local_path(path) or f"{ENGINE_PROTOCOL}://{path}" for path in paths]

    def engine_filesystem(self) -> LakeFileSystem | None:
        """Return what the query engine opens those paths with; None for local ones."""
        if self.fs.local_path(""):
            return None
        from lakeflow.storage.bridge import LakeFileSystem

        return LakeFileSystem(self.fs)

    def on_append(self, hook: Callable[[int], None]) -> None:
        """Call a function after every append, with the bytes written by this process."""
        self._on_append = hook

    def on_close(self, hook: Callable[[], None]) -> None:
        """Call a function when the lake is closed, in order, before its writer is."""
        self._on_close.append(hook)

    def on_fork(self, hook: Callable[[], None]) -> None:
        """Call a function in a forked child, before anything else happens there."""
        self._on_fork.append(hook)

    @property
    def has_written(self) -> bool:
        """Whether this process has appended anything."""
        return self._writer is not None

    def seal(self) -> None:
        """Seal the open segment; the next record begins a new one."""
        if self._writer is not None:
            self._writer.close()

    def close(self) -> None:
        """Finish what is under way and let go of the lake; opening it again is fine."""
        with _OPENING:
            for key in [key for key, lake in _OPEN.items() if lake is self]:
                del _OPEN[key]
        try:
            for hook in self._on_close:
                hook()
        finally:
            self.seal()

    def after_fork(self) -> None:
        """Begin anew in a forked child: the parent's segment stays the parent's."""
        if self._writer is not None:
            self._writer.abandon()
        self._become_writer()
        for table in self.tables.values():
            table.after_fork()
        for control in self.control.values():
            control.after_fork()
        for hook in self._on_fork:
            hook()


def _default_experiment(now: int) -> dict[str, object]:
    return {
        "experiment_id": "0",
        "name": "Default",
        "artifact_location": "artifacts/0",
        "lifecycle_stage": "active",
        "creation_time": now,
        "last_update_time": now,
    }


_OPENING = threading.RLock()
_OPEN: dict[tuple[str, str], Lake] = {}


def _close_all() -> None:
    for lake in list(_OPEN.values()):
        lake.close()


def _after_fork() -> None:
    global _OPENING
    _OPENING = threading.RLock()
    for lake in list(_OPEN.values()):
        lake.after_fork()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_after_fork)
