"""Files beside a run or a logged model: plain files, and a record of each."""

from __future__ import annotations

import abc
import os
from typing import TYPE_CHECKING, Any

from lakeflow.config import is_progress_shown
from lakeflow.exceptions import InvalidInputError
from lakeflow.stores.artifacts import folders
from lakeflow.transfer import paths, progress, sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lakeflow.entities import FileInfo
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.transfer.sending import Sent, Source

_ROWS_A_RECORD = 1_000
"""Files after which they are recorded: what a process that is killed then sends no more."""

_SECONDS_OF_CLOCK = 1.0
"""A file that is this much younger than its record may have another content."""


class FilesBeside(abc.ABC):
    """The files beside the things of one kind."""

    @abc.abstractmethod
    def folder(self, identity: str) -> Place:
        """Return where the files of a thing are.

        Raises:
            NotFoundError: There is no such thing.
        """

    @abc.abstractmethod
    def recorded(self, identity: str, path: str = "") -> dict[str, Recorded]:
        """Return what is recorded of files by path: of all of a thing, or of one folder.

        Raises:
            NotFoundError: There is no such thing.
        """

    @abc.abstractmethod
    def log_files(self, identity: str, sources: Iterable[Source]) -> None:
        """Log files of this machine; those that arrive before an error stay."""

    def log(self, identity: str, local_path: Any, artifact_path: Any = None) -> None:
        """Log a file of this machine, or a folder under its own name."""
        local, folder = os.fsdecode(local_path), paths.checked(artifact_path, "artifact_path")
        name = os.path.basename(local)
        # "." and "model/" end in no name of their own.
        if name in {"", ".", ".."}:
            name = os.path.basename(os.path.abspath(local))
        path = paths.normal(paths.below(folder, name), "local_path")
        self.log_files(identity, sending.sources_at(local, path))

    def log_folder(self, identity: str, local_dir: Any, artifact_path: Any = None) -> None:
        """Log the files of a folder of this machine."""
        local, folder = os.fsdecode(local_dir), paths.checked(artifact_path, "artifact_path")
        if not os.path.isdir(local):
            raise InvalidInputError(f"local_dir is {local!r}, which is no folder")
        self.log_files(identity, sending.files_below(local, folder))

    def listing(self, identity: str, path: Any = None) -> list[FileInfo]:
        """Return what is in a folder of a thing's files, by path."""
        below = paths.looked_for(path, "path")
        return folders.listed(self.folder(identity), below)

    def download(self, identity: str, path: Any, dst_path: Any = None) -> str:
        """Fetch a file or folder, and return where it is; see ``folders.fetched``."""
        below = paths.looked_for(path, "path")
        return folders.fetched(
            self.folder(identity), below, dst_path, lambda: self.recorded(identity, below)
        )


def below(found: Iterable[dict[str, Any]], path: str) -> list[dict[str, Any]]:
    """Return those rows that are about a file, or the files of a folder; of all if empty."""
    return [
        row
        for row in found
        if not path or row["path"] == path or row["path"].startswith(f"{path}/")
    ]


def is_there(place: Place, known: Recorded | None, path: str, size: int, sha256: str) -> bool:
    """Return whether a file has this content, as far as one can tell without reading it.

    Args:
        place: The folder that it is in.
        known: What is recorded of it; None for nothing.
        path: Its path there.
        size: Bytes.
        sha256: Digest of the content.
    """
    if known is None or known[:2] != (size, sha256):
        return False
    entry = place.fs.entry(place.full(path))
    written = known.log_time / 1000 + _SECONDS_OF_CLOCK
    return entry is not None and entry.size == size and entry.modified_s <= written


def send(
    place: Place,
    sources: Iterable[Source],
    is_there: Callable[[str, int, str], bool],
    record: Callable[[Sequence[Sent]], None],
    *,
    fsync: bool,
) -> None:
    """Send files of this machine, and record those that have arrived.

    Args:
        place: Where they go.
        sources: The files.
        is_there: Returns whether a file has a content already, by path, size and digest.
        record: Records files that have arrived.
        fsync: Whether records survive a power cut. Then those are recorded too that were there:
            whoever logged them need not have synced them.
    """
    # The whole folder first: a bad name in it is an error before anything is sent.
    found = list(sources)
    arrived: list[Sent] = []
    try:
        # A line about one file would be there only when it has arrived.
        is_wanted = len(found) > 1 and is_progress_shown()
        with progress.shown("uploaded", len(found), is_wanted=is_wanted) as advance:
            for sent in sending.send(place.fs, place.folder, found, is_there):
                advance(sent.size)
                arrived += [sent] if sent.is_new or fsync else []
                if len(arrived) == _ROWS_A_RECORD:
                    record(arrived)
                    arrived = []
    finally:
        # What has arrived before an error is kept, and is not sent again.
        if arrived:
            record(arrived)


def rows_of(
    place: Place, files: Sequence[Sent], now: int, *, fsync: bool
) -> list[tuple[str, int, str, int]]:
    """Return the rows about files that have arrived, after a sync where that is asked for.

    Args:
        place: Where they are.
        files: The files.
        now: When they were logged, in milliseconds since the Unix epoch.
        fsync: Whether records survive a power cut.

    Returns:
        Rows of ``recorded.COLUMNS``.
    """
    # Before the record: a power cut must not leave a row whose file is not there.
    if fsync:
        place.fs.sync(*(place.full(each.path) for each in files))
    return [(each.path, each.size, each.sha256, now) for each in files]
