"""A lake: its root, its tables, its log, and the one writer that this process has.

A process opens a lake once, however many clients it makes: they share the writer and what
has been read. A forked child gets a writer of its own.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidStateError,
    NotFoundError,
)
from lakeflow.filesystem.interface import ENGINE_PROTOCOL, Filesystem
from lakeflow.kinds import KINDS, tables_of
from lakeflow.lake_file import LAKE_FILE, LakeFile, make_lake
from lakeflow.log.appender import Appender
from lakeflow.log.clock import Clock
from lakeflow.log.positions import event_path, folded_spans, list_segments
from lakeflow.schema import FORMAT_VERSION
from lakeflow.system_errors import loading
from lakeflow.tables import checked, folds
from lakeflow.tables.data_file import ANYWHERE, TABLES, that_may_hold
from lakeflow.tables.folds import LogListing
from lakeflow.tables.index_files import IndexFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lakeflow.config import Settings
    from lakeflow.filesystem.engine_filesystem import EngineFileSystem
    from lakeflow.kinds import Kind
    from lakeflow.log.appender import Gathered
    from lakeflow.tables.block_reader import BlockReader
    from lakeflow.tables.data_file import DataFile, Within
    from lakeflow.tables.delta import Table

T = TypeVar("T")


class Lake:
    """An open lake; ``open_lake`` returns the one that this process has.

    Attributes:
        fs: Its filesystem.
        settings: How this process treats it.
        kinds: The kinds of things that it holds.
        clock: Order of what this process writes.
        append: Appends records to the log of this process; see ``Appender.append``.
        index_files: What reads the files of its indexes.
        whole_fold: Number of a fold whose files this process has written or seen; -1 for none.
        file: What it says of itself.
        let_go: Called first of all when it is closed; whoever keeps it open sets it.
    """

    def __init__(
        self, fs: Filesystem, settings: Settings, kinds: Sequence[Kind] = KINDS
    ) -> None:
        self.fs = fs
        self.settings = settings
        self.kinds = tuple(kinds)
        self._on_close: list[Callable[[], None]] = []
        self._on_append: Callable[[int], None] | None = None
        self._on_fork: list[Callable[[], None]] = []
        self._fold: folds.Fold | None = None
        self._looked_at = 0.0
        self._sizes: dict[str, int] = {}
        self._made: dict[Callable[[Lake], Any], Any] = {}
        self.index_files = IndexFiles(fs)
        self.file = LakeFile(fs)
        self.whole_fold = -1
        self.let_go: Callable[[], None] = lambda: None
        self._become_writer()

    def _become_writer(self) -> None:
        """Begin as a process that has not written yet; the writer itself is made later."""
        self.clock = Clock()
        # With the clock, which a listing tells of the store's time: it is to hear of it anew.
        self._listed: tuple[object, folds.Newest] = None, folds.Newest(0, 0, 0.0)
        # Another thread of the parent may have held the lock: in a child it stays taken.
        self._lock = threading.RLock()
        self._appender = Appender(
            self.fs, self.clock, self.settings, self.file.require_in_place, self._on_append
        )
        # The method itself: a training loop calls it for each metric, without a detour.
        self.append = self._appender.append

    @cached_property
    @loading("what commits to tables")
    def tables(self) -> dict[str, Table]:
        """Its tables by name; the first fold makes them."""
        # A job that logs does without them.
        from lakeflow.tables.delta import Table

        return {spec.name: Table(self.fs, spec) for spec in tables_of(self.kinds)}

    @classmethod
    def on(
        cls,
        fs: Filesystem,
        settings: Settings,
        *,
        create: bool = True,
        kinds: Sequence[Kind] = KINDS,
    ) -> Lake:
        """Open the lake on a filesystem, with a writer of its own; errors as ``open_lake``."""
        lake = cls(fs, settings, kinds)
        lake.file.read()
        if lake.file.format_version is None:
            if not create:
                raise NotFoundError(
                    f"there is no lake at {fs.uri}",
                    hint="check the location; set_experiment, create_experiment or a first run "
                    "makes a lake",
                )
            make_lake(fs, lake.file, lake.clock, settings.vacuum_grace_s)
            lake.sync_if_durable(event_path(1), LAKE_FILE)
            # Not what we have just written: somebody who raced us may have been first.
            lake.file.read()
        version = lake.file.format_version
        if version != FORMAT_VERSION:
            raise InvalidStateError(
                f"the lake {fs.uri} has format {version}; this lakeflow reads format "
                f"{FORMAT_VERSION} alone",
                hint="upgrade lakeflow"
                if (version or 0) > FORMAT_VERSION
                else "read it with the lakeflow that made it, and log to a new folder: before "
                "1.0 a format is not kept",
            )
        return lake

    def shared(self, make: Callable[[Lake], T]) -> T:
        """Return what a function makes of this lake; it is called at most once a process."""
        with self._lock:
            if make not in self._made:
                # The handler of a signal may have made it in this very thread meanwhile.
                self._made.setdefault(make, make(self))
            made: T = self._made[make]
            return made

    def gathering(self) -> contextlib.AbstractContextManager[Gathered]:
        """Take in what this thread appends, to be written together."""
        return self._appender.gathering()

    @property
    def is_durable(self) -> bool:
        """Whether what a call returned from survives a power cut."""
        return self.settings.durability == "fsync"

    def sync_if_durable(self, *paths: str) -> None:
        """Make files survive a power cut, where the settings ask for that."""
        if self.is_durable:
            self.fs.sync(*paths)

    def listing(self) -> LogListing:
        """Return the newest finished fold with the segments listed: one listing, one look."""
        self.file.require_in_place()
        while True:
            fold = self._fold or self.fold()
            segments = list_segments(self.fs)
            # Segments are deleted only once a later fold is finished. So where there is none
            # after the listing, the listing is complete; else it is made again.
            if not self.has_other(fold.number):
                checked.require_log(self.fs, fold, segments)
                return LogListing(fold, segments)
            self._fold = folds.following(self.fs, fold.number)

    def list_log_beyond(self, fold: folds.Fold, *, with_log: bool) -> LogListing:
        """Return a past fold with what is left of the log beyond it.

        Args:
            fold: The fold.
            with_log: Whether to list the log at all.

        Raises:
            FileNotFoundError: Some of it is folded and deleted.
        """
        if not with_log:
            return LogListing(fold, {})
        newest = self.fold()
        segments = list_segments(self.fs)
        # Called for its error alone: it names a segment that is gone.
        folded_spans(segments, fold.positions, newest.positions)
        return LogListing(fold, segments)

    def fold(self) -> folds.Fold:
        """Return the newest finished fold: one look, unless there is a new one."""
        with self._lock:
            fold = self._fold
            if fold is None or self.has_other(fold.number):
                following = folds.following(self.fs, fold.number) if fold else None
                fold = self._fold = following or folds.newest_fold(self.fs)
                self._looked_at = time.monotonic()
            return fold

    @property
    def known_fold(self) -> folds.Fold | None:
        """The newest finished fold as of the last look; None before the first one."""
        return self._fold

    def stand_on(self, fold: folds.Fold | None) -> None:
        """Take a fold for the newest one until a later one is finished; None to look anew."""
        self._fold = fold

    def has_other(self, number: int) -> bool:
        """Return whether another fold is the newest finished one.

        It is a later one, unless an older copy of the lake was put in the place of this one.
        """
        # The file of the next fold may be deleted itself, but not before REMEMBERED_S are
        # over. Until then one look at its name is enough, after that the folder is listed.
        if self.fs.exists(folds.done_path(number + 1)):
            return True
        now = time.monotonic()
        if self.fs.can_append or now - self._looked_at >= folds.REMEMBERED_S:
            newest = self._newest()
            if newest.done != number:
                if newest.done < number:
                    self._forget_tables()
                return True
            self._looked_at = now
        return False

    def _newest(self) -> folds.Newest:
        """Return which folds are the newest ones; one look where none has come since."""
        # A lake that is compacted every 30 s has 5,760 files of folds on record. Asked for
        # before the listing: what comes during it makes the next look another one.
        state = self.fs.state_of(folds.FOLDS)
        if state is None or state != self._listed[0]:
            self._listed = state, folds.newest(self.fs)
            self.clock.observe_store(self._listed[1].written_s)
        return self._listed[1]

    def _forget_tables(self) -> None:
        """Forget what was looked at of tables: an older copy is in the place of this lake."""
        self.whole_fold = -1
        for table in self._made_tables():
            table.forget()

    def _made_tables(self) -> Iterable[Table]:
        """Return the tables, as far as this process has asked for any."""
        return self.tables.values() if "tables" in vars(self) else ()

    def files(
        self,
        table: str,
        fold: folds.Fold,
        present: str | None = None,
        within: Within = ANYWHERE,
        **where: Sequence[str],
    ) -> Sequence[DataFile]:
        """Return the files of a table as of a finished fold that may hold certain rows.

        Args:
            table: The table.
            fold: The finished fold.
            present: A column with something in it; None for no such condition.
            within: For a column, ranges of which a row must be in one.
            **where: For a column, values of which a row must have one; none for any row.
        """
        return that_may_hold(fold.files.get(table, ()), present, within, where)

    def paths(self, table: str, fold: folds.Fold, *which: Any, **where: Any) -> list[str]:
        """Return how the engine opens those files; the arguments are those of ``files``."""
        return self.engine_paths(table, self.files(table, fold, *which, **where))

    def engine_paths(self, table: str, files: Sequence[DataFile]) -> list[str]:
        """Return the paths under which the query engine opens files of a table."""
        folder = f"{TABLES}/{table}"
        local = self.fs.local_path(folder)
        if local is not None:
            return [f"{local}/{each.path}" for each in files]
        # The engine asks for each size first: a request, where it was forgotten among too many.
        if len(self._sizes) > 65_536:
            self._sizes.clear()
        self._sizes |= {f"{folder}/{each.path}": each.size for each in files}
        return [f"{ENGINE_PROTOCOL}://{folder}/{each.path}" for each in files]

    def index(self, name: str, fold: folds.Fold) -> list[BlockReader]:
        """Return what reads the files of an index as of a finished fold, newest first."""
        return [self.index_files.reader(file) for file in fold.indexes.get(name, ())]

    def engine_filesystem(self) -> EngineFileSystem | None:
        """Return what the query engine opens those paths with; None for local ones."""
        if self.fs.local_path(""):
            return None
        # Loads fsspec, which a lake on a disk of this machine does not need.
        from lakeflow.filesystem.engine_filesystem import EngineFileSystem

        return EngineFileSystem(self.fs, self._sizes)

    def on_append(self, hook: Callable[[int], None]) -> None:
        """Call a function after every append, with the bytes written by this process."""
        # Here too: a forked child gets an appender of its own.
        self._on_append = self._appender.on_append = hook

    def on_close(self, hook: Callable[[], None]) -> None:
        """Call a function when the lake is closed, before its writer is; the last one first."""
        self._on_close.append(hook)

    def on_fork(self, hook: Callable[[], None]) -> None:
        """Call a function in a forked child, before anything else happens there."""
        self._on_fork.append(hook)

    @property
    def check_interval_s(self) -> float:
        """Seconds for which a writer trusts what it has seen, where a look is a request."""
        return 0 if self.fs.can_append else self.settings.check_interval_ms / 1000

    @property
    def writer(self) -> str:
        """The writer of this process, as paths of segments name it; empty if it has none."""
        return self._appender.writer

    @property
    def written_bytes(self) -> int:
        """What this process has appended to the log."""
        return self._appender.written_bytes

    def require_in_place(self) -> None:
        """Make sure that the lake is where it was opened, with what this process has logged.

        Raises:
            InvalidStateError: It was moved or deleted.
            DamagedLakeError: Its log was deleted, and something in it was not folded yet.
        """
        self.file.require_in_place()
        deleted = self._appender.deleted()
        # A vacuum on a machine that does not see locks of this one deletes what is folded.
        if deleted and self.fold().positions.get(deleted[0], ())[:2] < deleted[1:]:
            raise DamagedLakeError(
                f"the log of this process in {self.fs.uri} was deleted: what was logged since "
                "the last compaction is lost",
                hint="log it again; the next record goes to a new segment",
            )

    def seal(self) -> None:
        """Seal the open segment; the next record begins a new one."""
        self._appender.seal()

    def close(self) -> None:
        """Finish what is under way and let go of the lake; opening it again is fine."""
        # First: who opens the lake meanwhile is not to get one that ends.
        self.let_go()
        with contextlib.ExitStack() as hooks:
            # Last: hooks may still write, as the queue of asynchronous logging does.
            hooks.callback(self.seal)
            for hook in self._on_close:
                hooks.callback(hook)

    def after_fork(self) -> None:
        """Begin anew in a forked child: the parent's segment stays the parent's."""
        # Before anything else: hooks that log must not write to it.
        self._appender.abandon()
        self._become_writer()
        for table in self._made_tables():
            table.reset()
        for hook in self._on_fork:
            hook()
