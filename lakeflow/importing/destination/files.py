"""Files beside the runs of a source, copied into a lake: of several runs at once."""

from __future__ import annotations

import os
import posixpath
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Self

from lakeflow import temporary
from lakeflow.exceptions import LakeflowException, StorageError
from lakeflow.filesystem.threads import submitted
from lakeflow.importing.items import Problem
from lakeflow.transfer import fetching, paths, sending
from lakeflow.transfer.fetching import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from lakeflow.importing.items import FileItem
    from lakeflow.stores.artifacts.files import ArtifactStore
    from lakeflow.transfer.sending import Source

_RUNS_AT_ONCE = 8

_SECONDS_OF_CLOCK = 1.0
"""A file that is this much younger than its record may have another content."""


class FileCopies:
    """Copies files of runs in threads; a ``with`` statement waits for them.

    Args:
        store: The artifacts of the lake.
        report: Told of files that cannot be read; called in any thread.

    Attributes:
        files: Files that are in the lake.
    """

    def __init__(self, store: ArtifactStore, report: Callable[[Problem], None]) -> None:
        self._store = store
        self._report = report
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_RUNS_AT_ONCE, thread_name_prefix="lakeflow-import")
        self._running: set[Future[None]] = set()
        self.files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._threads.shutdown(cancel_futures=kind is not None)

    def copy(self, run_id: str, files: Sequence[FileItem], *, is_new: bool) -> None:
        """Begin to copy the files of a run, whose record is written.

        Args:
            run_id: The run.
            files: Its files.
            is_new: Whether the lake had nothing of the run.
        """
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
        for each in ended:
            each.result()

    def _copy(self, run_id: str, files: Sequence[FileItem], is_new: bool) -> None:
        known = {} if is_new else self._store.recorded(run_id)
        with temporary.folder("import") as folder:
            wanted: list[Source] = []
            for file in files:
                recorded = known.get(file.path)
                if recorded is not None and _is_unchanged(file, *recorded[:3]):
                    self._arrived(1)
                    continue
                source = self._source(run_id, file, os.path.join(folder, str(len(wanted))))
                wanted += [source] if source is not None else []
            self._send(run_id, wanted)

    def _arrived(self, files: int) -> None:
        with self._lock:
            self.files += files

    def _source(self, run_id: str, file: FileItem, local: str) -> Source | None:
        """Return a file as one of this machine; None if there is none or it has a bad path."""
        where = f"run {run_id}: artifact {file.path!r}"
        try:
            path = paths.normal(file.path, "path")
            if "://" not in file.location:
                with open(file.location, "rb"):
                    return sending.file_at(file.location, path)
            return self._fetched(file, path, local)
        except (LakeflowException, OSError) as error:
            self._report(Problem(where, f"{file.location}: {error}"))
            return None

    def _fetched(self, file: FileItem, path: str, local: str) -> Source:
        """Return a file that was somewhere else, as one of this machine."""
        folder, name = posixpath.split(file.location)
        scheme, _, rest = folder.partition("://")
        # A bucket is one filesystem, however many folders are read from it.
        _, slash, below = rest.partition("/")
        place = self._store.places.at(f"{scheme}://{rest}", f"{slash}{below}")
        size = place.fs.size(place.full(name)) if file.size is None else file.size
        for _ in fetching.fetch(place.fs, place.folder, [Wanted(name, local, size)]):
            pass
        return sending.file_at(local, path)

    def _send(self, run_id: str, files: Sequence[Source]) -> None:
        """Send files; one that is written to meanwhile is reported, and the others arrive."""
        try:
            self._store.log_files(run_id, files)
            self._arrived(len(files))
        except StorageError as error:
            if error.error_code != "ABORTED":
                raise
            if len(files) == 1:
                self._report(Problem(f"run {run_id}: artifact {files[0].path!r}", str(error)))
                return
            for each in files:
                self._send(run_id, [each])


def _is_unchanged(file: FileItem, size: int, sha256: str, log_time: int) -> bool:
    """Return whether a file of this machine was not touched since it was copied."""
    if "://" in file.location:
        # Nothing says that it is the same one but its size, and a copy is not changed in place.
        return file.size == size
    try:
        status = os.stat(file.location)
    except OSError:
        return False
    return status.st_size == size and status.st_mtime + _SECONDS_OF_CLOCK < log_time / 1000
