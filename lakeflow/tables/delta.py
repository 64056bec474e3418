"""One Delta table: create it, read its file list, replace files in exactly one commit.

deltalake replays the Delta log and builds the commits in a mirror of it; see ``mirrored_log``.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import (
    ConflictError,
    DamagedLakeError,
    LakeflowException,
    StorageError,
)
from lakeflow.filesystem import names
from lakeflow.system_errors import RUNTIME_FILES, loading, plain, refused
from lakeflow.tables.data_file import TABLES, DataFile
from lakeflow.tables.first_commit import first_commit
from lakeflow.tables.mirrored_log import (
    LOG_FOLDER,
    MirroredLog,
    commit_name,
    is_checkpoint,
    is_whole_checkpoint,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.schema import TableSpec

FOLD_MARK = "lakeflow/fold"
"""Application id under which a commit says which fold it carries."""

CHECKPOINT_EVERY = 10
"""Commits after which the Delta log is summed up: opening 10,000 commits takes 3 s."""

# Ids of processes: in a forked child its parent's is there already.
_NATIVE_OPENED_BY: set[int] = set()


class Table:
    """One Delta table of a lake; threads may share it.

    Args:
        fs: The lake's filesystem.
        spec: What the table is.
    """

    def __init__(self, fs: Filesystem, spec: TableSpec) -> None:
        self.spec = spec
        self.folder = f"{TABLES}/{spec.name}"
        self._fs = fs
        self._lock = threading.RLock()
        self._handle: Any = None
        self._mirror: MirroredLog | None = None
        self._files: dict[int, tuple[DataFile, ...]] = {}
        self._marks: dict[int, int] = {}
        self._own: dict[str, DataFile] = {}

    def create(self, *, is_known_to_be_new: bool = False) -> bool:
        """Make the table if there is none; several processes may try at once.

        Its first commit is not synced.

        Args:
            is_known_to_be_new: Its folder is not there, so that its log need not be listed.

        Returns:
            Whether this call has made it; then it holds nothing and carries no mark.
        """
        with self._lock, self._errors():
            if is_known_to_be_new:
                self._handle = None
                mirror = self._mirror = MirroredLog(self._fs, self.folder)
            else:
                mirror = self._open_log()
            # Where its old commits are gone, the first one is not missing.
            if mirror.version >= 0:
                return False
            try:
                mirror.begin(first_commit(self.spec))
            except ConflictError:
                # Somebody else has just made it.
                return False
            return True

    def reset(self) -> None:
        """Begin with nothing known, also in a forked child, whose parent may hold the lock."""
        self._lock = threading.RLock()
        self.forget()

    def forget(self) -> None:
        """Forget what was looked at, which may be gone; the next call looks anew."""
        with self._lock:
            self._handle = self._mirror = None
            # By version, whose number another commit may have by then.
            self._files, self._marks, self._own = {}, {}, {}

    def _open_log(self) -> MirroredLog:
        """Return the mirror of the log, up to date."""
        if self._mirror is None:
            self._mirror = MirroredLog(self._fs, self.folder)
        self._mirror.fetch()
        return self._mirror

    def version(self) -> int:
        """Return the newest version; one look at the log where nothing has changed."""
        with self._lock, self._errors():
            mirror = self._open_log()
            # At 0 it is empty, and deltalake is not asked to open it.
            if mirror.version != 0:
                self._load(mirror)
            return mirror.version

    def has_newer(self, version: int) -> bool:
        """Return whether a version exists beyond this one, without loading it."""
        return self._fs.exists(self.commit_path(version + 1))

    def commit_path(self, version: int) -> str:
        """Return the path of the file that makes a version."""
        return f"{self.folder}/{LOG_FOLDER}/{commit_name(version)}"

    def mark(self) -> int:
        """Return the mark of the fold that the version last looked at carries; 0 if none."""
        with self._lock, self._errors():
            handle = self._known()
            if handle is None:
                return 0
            version = handle.version()
            if version not in self._marks:
                self._marks = {version: int(handle.transaction_version(FOLD_MARK) or 0)}
            return self._marks[version]

    def files(self, version: int | None = None) -> tuple[DataFile, ...]:
        """Return the files of a version, the newest one by default.

        Raises:
            DamagedLakeError: The version cannot be read.
        """
        with self._lock, self._errors():
            if version is None:
                version = self.version()
            if version == 0:
                return ()
            if version not in self._files:
                handle = self._known()
                if handle is None or handle.version() != version:
                    handle = _deltalake().DeltaTable(self._open_log().location, version=version)
                # Of one version only: the list may be long, and old ones are seldom asked for.
                found = {each.path: each for each in _data_files(handle)}
                # What we wrote we know better than from a round trip through the Delta log.
                self._own = {path: self._own[path] for path in found if path in self._own}
                self._files = {version: tuple((found | self._own).values())}
            return self._files[version]

    def commit(
        self,
        version: int,
        add: Sequence[DataFile],
        remove: Sequence[DataFile],
        *,
        mark: int | None = None,
    ) -> int:
        """Commit exactly the next version: these files in, those files out.

        Args:
            version: The version that the caller has read; the commit is the next one.
            add: Files that are already published.
            remove: Files of that version.
            mark: Mark of the fold that the commit carries.

        Returns:
            The new version.

        Raises:
            ConflictError: Somebody else has committed since.
        """
        with self._lock, self._errors():
            handle = self._handle or self._load(self._open_log())
            live = {file.path for file in self.files(handle.version())}
            # delta-rs removes a file that is not there without a word.
            if handle.version() != version or not live.issuperset(each.path for each in remove):
                raise ConflictError(f"table {self.spec.name} has moved past version {version}")
            self._write(handle, add, remove, mark)
            self._own |= {each.path: each for each in add}
            self._publish(version + 1)
            if (version + 1) % CHECKPOINT_EVERY == 0:
                self._checkpoint()
            return version + 1

    def restore(self, files: Sequence[DataFile], mark: int) -> None:
        """Make the table hold exactly these files, unless it carries the mark by now.

        Args:
            files: Files that are in its folder.
            mark: The mark of the fold that it held them after.

        Raises:
            DamagedLakeError: It cannot be read.
        """
        while True:
            version = self.version()
            if self.mark() == mark:
                return
            held = {file.path: file for file in self.files(version)}
            wanted = {file.path: file for file in files}
            added = [wanted[path] for path in wanted.keys() - held.keys()]
            removed = [held[path] for path in held.keys() - wanted.keys()]
            # Others may restore it as well: the next turn looks at what is there by then.
            with contextlib.suppress(ConflictError):
                self.commit(version, added, removed, mark=mark)

    def _write(
        self,
        handle: Any,
        add: Sequence[DataFile],
        remove: Sequence[DataFile],
        mark: int | None,
    ) -> None:
        deltalake = _deltalake()
        added, removed = deltalake.transaction.AddAction, deltalake.transaction.RemoveAction
        now = time.time_ns() // 1_000_000
        marks = [] if mark is None else [deltalake.Transaction(FOLD_MARK, mark)]
        # All say that they change data: a user's own optimize of an older version fails then.
        actions: list[Any] = [removed(each.path, True, now, each.size) for each in remove]
        actions += [
            added(each.path, each.size, {}, now, True, _statistics(each)) for each in add
        ]
        try:
            handle.create_write_transaction(
                actions,
                "append",
                handle.schema(),
                [],
                # A retry would commit on top of a version that we have not checked.
                commit_properties=deltalake.CommitProperties(
                    max_commit_retries=0, app_transactions=marks
                ),
                # Hooks work on the mirror, and nobody publishes what they do there.
                post_commithook_properties=deltalake.PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except deltalake.exceptions.CommitFailedError as error:
            self._handle = None
            refusal = refused(f"write table {self.folder}", error)
            raise refusal or ConflictError(f"table {self.spec.name}: {plain(error)}") from error

    def _known(self) -> Any:
        """Return a handle at the version last looked at; None at 0, where a table is empty."""
        mirror = self._mirror
        if mirror is None or mirror.version < 0:
            mirror = self._open_log()
        return None if mirror.version == 0 else self._handle or self._load(mirror)

    def _load(self, mirror: MirroredLog) -> Any:
        """Return a handle at the version of the mirror."""
        deltalake = _deltalake()
        try:
            if self._handle is None:
                self._handle = deltalake.DeltaTable(mirror.location)
            elif self._handle.version() != mirror.version:
                self._handle.update_incremental()
        except deltalake.exceptions.TableNotFoundError as error:
            raise DamagedLakeError(
                f"table {self.folder} in {self._fs.uri} has no readable Delta log: "
                f"{plain(error)}",
                hint=f"restore {self.folder}/_delta_log from a backup",
            ) from error
        return self._handle

    def _publish(self, version: int) -> None:
        """Publish the commit that was built in the mirror."""
        assert self._mirror is not None
        try:
            self._mirror.publish(version)
        except BaseException:
            # It has taken in the commit that was built, which is not there.
            self._handle = None
            raise

    def _checkpoint(self) -> None:
        """Sum up the log; the next commit does it if this fails."""
        deltalake = _deltalake()
        with contextlib.suppress(deltalake.exceptions.DeltaError, OSError):
            self._handle.create_checkpoint()
            assert self._mirror is not None
            self._mirror.publish_checkpoint(self._handle.version())

    def past_log(self, before_s: float) -> list[str]:
        """Return the files of the Delta log that a checkpoint has summed up long ago.

        Args:
            before_s: Seconds since the Unix epoch; the checkpoint is older than that.
        """
        folder = f"{self.folder}/{LOG_FOLDER}"
        old = [each for each in self._fs.list(folder) if each.modified_s <= before_s]
        names = sorted(each.name for each in old if version_of(each.name) is not None)
        for name in filter(is_checkpoint, reversed(names)):
            # What it sums up may only go if it can be read to its end.
            if is_whole_checkpoint(self._fs.read(f"{folder}/{name}")):
                return [f"{folder}/{each}" for each in names if each[:20] < name[:20]]
        return []

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what deltalake raises into errors that name the table."""
        try:
            yield
        except LakeflowException:
            raise
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            # It is the mirror's disk: what the lake's own refuses is an error of ours already.
            place = self._mirror.location if self._mirror else self._fs.uri
            operation = f"write table {self.folder} in {place}"
            raise refused(operation, error) or StorageError(
                f"cannot {operation}: {plain(error)}"
            ) from error
        except (_deltalake().exceptions.DeltaError, ValueError) as error:
            raise refused(f"use table {self.folder}", error) or DamagedLakeError(
                f"table {self.folder} in {self._fs.uri} cannot be read: {plain(error)}",
                hint=f"restore {self.folder}/_delta_log from a backup",
            ) from error


def _statistics(file: DataFile) -> str:
    """Return Delta's statistics of a file: of all its columns, or only its number of rows."""
    # Where some columns have bounds and others none, deltalake's Arrow datasets drop every
    # row when they filter by one of the others (1.6.6). And writers differ in what they
    # publish for NaN and the infinities, so a file that holds them publishes nothing.
    content: dict[str, object] = {"numRecords": file.rows}
    if file.bounds:
        content |= {
            "minValues": {column: bounds[0] for column, bounds in file.bounds.items()},
            "maxValues": {column: bounds[1] for column, bounds in file.bounds.items()},
            "nullCount": file.nulls,
        }
    # arrow-rs, by which deltalake and others read them, takes two escapes of one character
    # for another one in some planes.
    return json.dumps(content, ensure_ascii=False)


def _data_files(handle: Any) -> tuple[DataFile, ...]:
    """Read the file list of a handle, with bounds; ValueError if one is in another folder."""
    actions = handle.get_add_actions(flatten=True)
    columns = {
        name: actions.column(index).to_pylist()
        for index, name in enumerate(actions.schema.names)
    }
    bounded = [
        name.removeprefix("min.")
        for name in columns
        if name.startswith("min.") and f"max.{name.removeprefix('min.')}" in columns
    ]
    return tuple(
        DataFile(
            names.plain(path),
            size,
            rows or 0,
            {
                name: (columns[f"min.{name}"][index], columns[f"max.{name}"][index])
                for name in bounded
                if columns[f"min.{name}"][index] is not None
                and columns[f"max.{name}"][index] is not None
            },
        )
        for index, (path, size, rows) in enumerate(
            zip(columns["path"], columns["size_bytes"], columns["num_records"], strict=True)
        )
    )


def _deltalake() -> Any:
    """Import deltalake, refusing where it would panic."""
    # Its runtime does not survive a fork, and what it raises then is no Exception.
    with loading("the Delta engine", files=RUNTIME_FILES):
        import deltalake
        import deltalake.exceptions
        import deltalake.transaction

    _NATIVE_OPENED_BY.add(os.getpid())
    if len(_NATIVE_OPENED_BY) > 1:
        _NATIVE_OPENED_BY.discard(os.getpid())
        raise LakeflowException(
            "this process was forked from one that had read the lake's tables, and the "
            "Delta engine does not survive a fork",
            "BAD_REQUEST",
            hint="logging works here; for the rest start the process with "
            "multiprocessing's 'spawn' or 'forkserver' method",
        )
    return deltalake
