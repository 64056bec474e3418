"""Files beside the runs of a source, copied into a lake: of several runs at once."""

from __future__ import annotations

import os
import posixpath
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Self

from lakeflow import temporary
from lakeflow.exceptions import LakeflowException, StorageError
from lakeflow.filesystem.threads import submitted
from lakeflow.importing.items import Problem, reason
from lakeflow.importing.sources.artifact_files import local_path
from lakeflow.transfer import fetching, paths, sending
from lakeflow.transfer.fetching import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from lakeflow.importing.items import FileItem
    from lakeflow.stores.artifacts.files import ArtifactStore
    from lakeflow.stores.artifacts.places import ArtifactPlaces
    from lakeflow.transfer.sending import Source

_RUNS_AT_ONCE = 8

_SECONDS_OF_CLOCK = 1.0
"""A file that is this much younger than its record may have another content."""


class FileCopies:
    """Copies files of runs in threads; a ``with`` statement waits for them.

    Args:
        store: The artifacts of the lake.
        report: Told of files that cannot be read, in the thread that copies are begun in.

    Attributes:
        files: Files that are in the lake.
    """

    def __init__(self, store: ArtifactStore, report: Callable[[Problem], None]) -> None:
        self._store = store
        self._report = report
        # Threads leave theirs here: the report is the calling thread's alone.
        self._problems: deque[Problem] = deque()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_RUNS_AT_ONCE, thread_name_prefix="lakeflow-import")
        self._running: set[Future[None]] = set()
        self.files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # An import that has failed waits for what is under way, and begins nothing more.
        self._threads.shutdown(cancel_futures=kind is not None)

    def copy(self, run_id: str, files: Sequence[FileItem], *, is_new: bool) -> None:
        """Begin to copy the files of a run, whose record is written.

        Args:
            run_id: The run.
            files: Its files.
            is_new: Whether the lake had nothing of the run.
        """
        # Else the lists of files of all runs would wait in memory.
        while len(self._running) >= 2 * _RUNS_AT_ONCE:
            self._settle(*wait(self._running, return_when=FIRST_COMPLETED))
        self._running.add(submitted(self._threads, self._copy, run_id, files, is_new))

    def finish(self) -> None:
        """Wait until all files are copied.

        Raises:
            StorageError: The lake cannot be written.
        """
        self._settle(*wait(self._running))

    def _settle(self, ended: set[Future[None]], running: set[Future[None]]) -> None:
        self._running = running
        while self._problems:
            self._report(self._problems.popleft())
        for each in ended:
            each.result()

    def _copy(self, run_id: str, files: Sequence[FileItem], is_new: bool) -> None:
        # Of a run that the lake did not have nothing is recorded, and a query is spared.
        known = {} if is_new else self._store.recorded(run_id)
        with temporary.folder("import") as folder:
            wanted: list[Source] = []
            for file in files:
                recorded = known.get(file.path)
                if recorded is not None and _is_unchanged(file, *recorded[:3]):
                    self._arrived(1)
                    continue
                local = os.path.join(folder, str(len(wanted)))
                where = f"run {run_id}: artifact {file.path!r}"
                source = source_of(
                    self._store.places, file, local, where, self._problems.append
                )
                wanted += [source] if source is not None else []
            self._send(run_id, wanted)

    def _arrived(self, files: int) -> None:
        with self._lock:
            self.files += files

    def _send(self, run_id: str, files: Sequence[Source]) -> None:
        """Send files; one that is written to meanwhile is reported, and the others arrive."""
        try:
            self._store.log_files(run_id, files)
            self._arrived(len(files))
        except StorageError as error:
            # That is a file which was written to while it was sent, and no fault of the lake.
            if error.error_code != "ABORTED":
                raise
            if len(files) == 1:
                where = f"run {run_id}: artifact {files[0].path!r}"
                self._problems.append(Problem(where, reason(error)))
                return
            for each in files:
                self._send(run_id, [each])


def source_of(
    places: ArtifactPlaces,
    file: FileItem,
    local: str,
    where: str,
    report: Callable[[Problem], None],
) -> Source | None:
    """Return a file as one of this machine; None if there is none or it has a bad path.

    Args:
        places: What opens filesystems.
        file: The file.
        local: Where it may be put, if it is not on this machine.
        where: What it is, for people.
        report: Told of one that cannot be read.
    """
    try:
        path = paths.normal(file.path, "path")
        here = local_path(file.location)
        if here is None:
            return _fetched(places, file, path, local)
        # First: it refuses what is no file, such as a pipe, whose opening would wait.
        source = sending.file_at(here, path)
        # One that may not be read is a problem of its own; when sent it would end the import.
        with open(here, "rb"):
            return source
    except (LakeflowException, OSError) as error:
        report(Problem(where, f"{file.location}: {reason(error)}"))
        return None


def _fetched(places: ArtifactPlaces, file: FileItem, path: str, local: str) -> Source:
    """Return a file that was somewhere else, as one of this machine."""
    folder, name = posixpath.split(file.location)
    scheme, _, rest = folder.partition("://")
    # A bucket is one filesystem, however many folders are read from it.
    _, slash, below = rest.partition("/")
    place = places.at(f"{scheme}://{rest}", f"{slash}{below}")
    size = place.fs.size(place.full(name)) if file.size is None else file.size
    for _ in fetching.fetch(place.fs, place.folder, [Wanted(name, local, size)]):
        pass
    return sending.file_at(local, path)


def _is_unchanged(file: FileItem, size: int, sha256: str, log_time: int) -> bool:
    """Return whether a file of this machine was not touched since it was copied."""
    here = local_path(file.location)
    if here is None:
        # Nothing says that it is the same one but its size, and a copy is not changed in place.
        return file.size == size
    try:
        status = os.stat(here)
    except OSError:
        return False
    return status.st_size == size and status.st_mtime + _SECONDS_OF_CLOCK < log_time / 1000
