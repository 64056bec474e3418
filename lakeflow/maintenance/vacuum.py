"""Vacuum: delete what neither the newest tables nor a reader of the last ones needs.

Plan, then delete; every deletion may be repeated, so one that was stopped is finished by the
next. What somebody still reads is gone only past the ages in the settings; a reader that
meets a gap all the same takes the newest fold and goes on.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.exceptions import StorageError
from lakeflow.log.line_reader import find_newline
from lakeflow.log.positions import LOG, events_apart, list_segments, number_of, writer_of
from lakeflow.maintenance.recovery import CLOCK, missing_file, say_deleted, sizes_of
from lakeflow.tables import checked, folds
from lakeflow.tables.checked import INDEXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.filesystem.interface import Entry, Filesystem
    from lakeflow.lake import Lake
    from lakeflow.tables.folds import Fold

ABANDONED_S = 24 * 3600
"""Seconds after which a file that no commit mentions will not be committed any more."""

SWEPT_FOLDS = 16
"""On a remote lake every so many folds look for the files that killed processes left."""


_MADE_S = 60
"""Seconds within which a writer writes to a segment that it has made."""


@dataclass(slots=True)
class VacuumReport:
    """What was deleted, or would be.

    Attributes:
        segments: Log segments that are folded.
        table_files: Files that tables no longer use.
        bytes_freed: Size of the segments.
        refusals: Why some files could not be deleted, where permissions refused it; they are
            counted all the same.
    """

    segments: int = 0
    table_files: int = 0
    bytes_freed: int = 0
    refusals: list[str] = field(default_factory=list)


def vacuum(
    lake: Lake, listed: Mapping[str, int] | None = None, *, dry_run: bool = False
) -> VacuumReport:
    """Delete folded segments, replaced files, and what killed processes left behind.

    Args:
        lake: The lake.
        listed: Size of every segment as listed a while ago: good enough where segments do not
            grow and a listing is many requests.
        dry_run: Only say what there is to delete.
    """
    fold = lake.fold()
    if missing_file(lake, fold) is not None:
        # What it replaced may be needed to fold once more what it lacks.
        return VacuumReport()
    if not dry_run:
        # The store says when it got this file: that is now, by the clock of the store.
        lake.fs.put(CLOCK, b"")
    if listed is None or lake.fs.can_append:
        listed = list_segments(lake.fs)
    # A fold that says what cannot be says wrongly what is folded, too.
    checked.require_log(lake.fs, fold, listed)
    on_record = lake.fs.list(folds.FOLDS)
    now = _now(on_record)
    finished = folds.finished(on_record)
    segments, deleted_up_to = _past_segments(lake, fold, finished, listed, now)
    files = set(_replaced_files(lake, fold, finished, now))
    past = [
        f"{folds.FOLDS}/{name}" for name in _past_folds(lake, fold, on_record, finished, now)
    ]
    # These are rare, and to look for them takes a listing a folder, which is a request each
    # on a remote lake.
    if dry_run or lake.fs.can_append or fold.number % SWEPT_FOLDS == 0:
        files |= set(_abandoned_files(lake, fold, finished, now))
        before_s = now - max(ABANDONED_S, lake.settings.retention_s)
        past += [path for table in lake.tables.values() for path in table.past_log(before_s)]
    report = VacuumReport(len(segments), len(files), sum(segments.values()))
    if dry_run:
        return report
    if segments:
        # It names what holds the records, all of which was on the disk before it.
        lake.fs.sync(folds.done_path(fold.number))
        say_deleted(lake, deleted_up_to)
        _delete(lake, list(segments), report)
    # Folders can only be empty once their segments are deleted.
    _drop_empty_writers(lake)
    lake.fs.clear_staging(now - ABANDONED_S)
    # The folds say which files to delete, so they go last: a vacuum that is stopped before can
    # be done again.
    _delete(lake, sorted(files), report)
    _delete(lake, past, report)
    return report


def _delete(lake: Lake, paths: Sequence[str], report: VacuumReport) -> None:
    """Delete files; where permissions refuse one, the rest goes all the same."""
    try:
        lake.fs.delete_many(paths)
    except StorageError as error:
        # What is folded is folded: it costs room, and the next vacuum tries again.
        if error.error_code != "PERMISSION_DENIED":
            raise
        report.refusals.append(error.message)


def replaced_files(lake: Lake, previous: Fold, finished: Fold) -> dict[str, list[str]]:
    """Return the names of the files that a fold replaced, by folder.

    A fold writes them down, so that a vacuum need not replay the Delta logs.

    Args:
        lake: The lake.
        previous: The fold before.
        finished: The fold.
    """
    removed: dict[str, list[str]] = {}
    for name, before in previous.files.items():
        # A later version may know more tables.
        if name in lake.tables and previous.versions.get(name) != finished.versions[name]:
            gone = {f.path for f in before} - {f.path for f in finished.files[name]}
            removed[lake.tables[name].folder] = sorted(gone)
    for name, index in previous.indexes.items():
        gone = {f.path for f in index} - {f.path for f in finished.indexes[name]}
        if gone:
            # Files of tables go by their names, those of indexes by their paths in the lake.
            names = sorted(path.rpartition("/")[2] for path in gone)
            removed[folds.index_folder(name)] = names
    return removed


def _now(on_record: Iterable[Entry]) -> float:
    """Return the time by the store's clock, which all ages here are by."""
    # The store also says when each file was made. Who decides in the control log trusts that
    # what it stands on is kept for the whole grace, even where our own clock is ahead.
    stamps = [entry.modified_s for entry in on_record if CLOCK.endswith(f"/{entry.name}")]
    return max(stamps, default=0.0) or time.time()


def _past_segments(
    lake: Lake,
    fold: Fold,
    finished: Mapping[int, float],
    listed: Mapping[str, int],
    now: float,
) -> tuple[dict[str, int], int]:
    """Return the segments that are folded for long, and the newest fold that says so."""
    # The grace of events is the lake's, since writers of the control log rely on it; that of
    # other segments is only a kindness to slow readers, and each process may set it.
    events, others = events_apart(listed)
    segments: dict[str, int] = {}
    deleted_up_to = 0
    for age_s, some in (
        (lake.file.event_grace_s, events),
        (lake.settings.vacuum_grace_s, others),
    ):
        settled = _settled(lake, fold, finished, now - age_s)
        folded = dict(_folded_segments(lake, (settled, fold), some))
        segments |= folded
        deleted_up_to = max(deleted_up_to, settled.number if folded else 0)
    # Those held no record, so no fold needs to be named for them.
    return segments | dict(_segments_of_nothing(lake, fold, others, now)), deleted_up_to


def _settled(lake: Lake, fold: Fold, finished: Mapping[int, float], latest: float) -> Fold:
    """Return the newest fold that was finished before a time, long enough ago."""
    # By then the operating system has put its files on the disk, and readers have moved on.
    settled = [number for number, finished_s in finished.items() if finished_s <= latest]
    number = max(settled, default=0)
    return fold if number == fold.number else folds.read_fold(lake.fs, number)


def _folded_segments(
    lake: Lake, holding: Sequence[Fold], listed: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """Yield segments that some folds all hold whole and that nobody appends to."""
    fs = lake.fs
    for path, size in listed.items():
        writer = writer_of(path)
        if not all(writer in fold.positions for fold in holding):
            continue
        # A fold that was lost in part may have gone further than the one that stands for it.
        position = min(fold.positions[writer] for fold in holding)
        # Whoever appends to a segment holds it, also where all that is in it is folded.
        if number_of(path) > position.segment or fs.is_held(path):
            continue
        offset = position.offset if number_of(path) == position.segment else size
        # What follows the last newline was never acknowledged: its writer is gone.
        if offset >= size or not _has_line(fs, path, offset, size):
            yield path, size


def _has_line(fs: Filesystem, path: str, offset: int, size: int) -> bool:
    try:
        return find_newline(fs, path, offset, size) is not None
    except FileNotFoundError:  # deleted by somebody else since it was listed
        return False


def _segments_of_nothing(
    lake: Lake, fold: Fold, listed: Mapping[str, int], now: float
) -> Iterator[tuple[str, int]]:
    """Yield old segments at the end of a writer's without a line, to which nobody appends.

    No fold ever comes to them. One with lines after it stays, since numbers have no gaps.
    """
    by_writer: dict[str, list[str]] = defaultdict(list)
    # Whoever has just made one is about to write to it, or holds it.
    latest = now - max(lake.settings.vacuum_grace_s, _MADE_S)
    # Where files cannot grow, each was written whole.
    for path in sorted(listed, reverse=True) if lake.fs.can_append else ():
        by_writer[writer_of(path)].append(path)
    for writer, paths in by_writer.items():
        last = fold.positions[writer].segment if writer in fold.positions else 0
        beyond = [path for path in paths if number_of(path) > last]
        if not beyond or _has_line(lake.fs, beyond[0], 0, listed[beyond[0]]):
            continue
        folder = f"{LOG}/{writer}"
        old = {
            f"{folder}/{entry.name}"
            for entry in lake.fs.list(folder)
            if entry.modified_s <= latest
        }
        for path in beyond:
            is_left = path in old and not lake.fs.is_held(path)
            if not is_left or _has_line(lake.fs, path, 0, listed[path]):
                break
            yield path, listed[path]


def _drop_empty_writers(lake: Lake) -> None:
    if not lake.fs.can_append:
        return  # nothing but files makes a folder there
    alive = {path.rsplit("/", 1)[0] for path in list_segments(lake.fs)}
    for writer in lake.fs.list(LOG):
        if f"{LOG}/{writer.name}" not in alive:
            lake.fs.delete_folder(f"{LOG}/{writer.name}")


def _replaced_files(
    lake: Lake, fold: Fold, finished: Mapping[int, float], now: float
) -> Iterator[str]:
    """Yield files that a fold replaced long ago."""
    live = sizes_of(lake, fold)
    for number, finished_s in finished.items():
        if finished_s > now - lake.settings.retention_s:
            continue
        for folder, names in _removed(lake, number).items():
            paths = (f"{folder}/{name}" for name in names)
            # Where a fold was lost, the next one stands on an older one, and may use files
            # again that the lost one had replaced.
            yield from (path for path in paths if path not in live and lake.fs.exists(path))


def _past_folds(
    lake: Lake,
    fold: Fold,
    on_record: Sequence[Entry],
    finished: Mapping[int, float],
    now: float,
) -> Iterator[str]:
    """Yield the files of folds that nobody stands on or may go back to, oldest first."""
    age = lake.settings.retention_s
    # On a remote lake readers look for the next number only, without a listing. The file of a
    # fold is kept until everybody who knew the fold before it has had the time to look.
    if not lake.fs.can_append:
        age = max(age, int(folds.REMEMBERED_S))
    for entry in on_record:
        # The clock and the lock are in this folder too; they count as young.
        number = folds.fold_of(entry.name) or fold.number
        # A fold was the newest one until the next was finished, and its age begins there.
        until = finished.get(number + 1, entry.modified_s)
        if number < fold.number and until <= now - age:
            yield entry.name


def _abandoned_files(
    lake: Lake, fold: Fold, finished: Mapping[int, float], now: float
) -> Iterator[str]:
    """Yield old files that no commit mentions: their writer was killed before it."""
    latest = now - max(ABANDONED_S, lake.settings.retention_s)
    folders = [table.folder for table in lake.tables.values()]
    folders += [f"{INDEXES}/{each.name}" for each in lake.fs.list(INDEXES)]
    old = [
        f"{folder}/{entry.name}"
        for folder in folders
        for entry in lake.fs.list(folder)
        if not entry.is_folder and entry.modified_s <= latest
    ]
    # Most lakes have none, and what follows reads a file a fold.
    if not old:
        return
    known = {*sizes_of(lake, fold)}
    # Readers may still use what past folds replaced; ``_replaced_files`` sees to it later.
    for number in finished:
        for folder, names in _removed(lake, number).items():
            known |= {f"{folder}/{name}" for name in names}
    for table in lake.tables.values():
        # A fold that is under way, or another tool, may have committed since the newest fold.
        if any(path.startswith(f"{table.folder}/") for path in old):
            known |= {f"{table.folder}/{file.path}" for file in table.files()}
    yield from (path for path in old if path not in known)


def _removed(lake: Lake, number: int) -> Mapping[str, list[str]]:
    """Return what a finished fold replaced; nothing if its file is deleted since."""
    try:
        return folds.read_fold(lake.fs, number).removed
    except FileNotFoundError:
        return {}
