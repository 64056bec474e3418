"""Vacuum: delete what neither the newest tables nor a reader of the last ones needs.

Plan, then delete; every deletion may be repeated, so one that was stopped is finished by the
next. What somebody still reads is gone only past the ages in the settings; a reader that
meets a gap all the same takes the newest fold and goes on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.storage import folds
from lakeflow.storage.positions import LOG, list_segments, number_of, writer_of
from lakeflow.tables import CONTROL_TABLES, DATA_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.storage.delta import Table
    from lakeflow.storage.filesystem import Entry, Filesystem
    from lakeflow.storage.folds import Epoch
    from lakeflow.storage.lake import Lake

ABANDONED_S = 24 * 3600
"""Age of a file that no commit mentions from which on nobody is about to commit it."""


SWEPT_EPOCHS = 16
"""Folds of a remote lake after which what killed processes left is looked for."""


@dataclass(slots=True)
class VacuumReport:
    """What was deleted, or would be.

    Attributes:
        segments: Log segments that are folded.
        table_files: Files that tables no longer use.
        bytes_freed: Size of the segments.
    """

    segments: int = 0
    table_files: int = 0
    bytes_freed: int = 0


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
    epoch = lake.epoch()
    now = time.time()
    if listed is None or lake.fs.can_append:
        listed = list_segments(lake.fs)
    on_record = lake.fs.list(folds.FOLDS)
    finished = folds.finished(on_record)
    segments = dict(_folded_segments(lake, _settled(lake, epoch, finished, now), listed))
    files = set(_replaced_files(lake, epoch, finished, now))
    past = [
        f"{folds.FOLDS}/{name}" for name in _past_folds(lake, epoch, on_record, finished, now)
    ]
    # Rare things; where a listing is a request they are not looked for each time.
    if dry_run or lake.fs.can_append or epoch.number % SWEPT_EPOCHS == 0:
        files |= set(_abandoned_files(lake, epoch, finished, now))
        past += _past_logs(lake, now)
    if not dry_run:
        lake.fs.delete_many(list(segments))
        _drop_empty_writers(lake)
        lake.fs.clear_staging(now - ABANDONED_S)
        lake.fs.delete_many(sorted(files))
        lake.fs.delete_many(past)
    return VacuumReport(len(segments), len(files), sum(segments.values()))


def _settled(lake: Lake, epoch: Epoch, finished: Mapping[int, float], now: float) -> Epoch:
    """Return the newest fold that was finished long enough ago.

    By then the operating system has put its files on the disk, and readers have moved on.
    """
    latest = now - lake.settings.vacuum_grace_s
    settled = [number for number, moment in finished.items() if moment <= latest]
    number = max(settled, default=0)
    return epoch if number == epoch.number else folds.read_epoch(lake.fs, number)


def _folded_segments(
    lake: Lake, epoch: Epoch, listed: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    """Yield segments that a fold holds whole and that nobody appends to."""
    fs = lake.fs
    for path, size in listed.items():
        position = epoch.positions.get(writer_of(path))
        if position is None or number_of(path) > position.segment or fs.is_held(path):
            continue
        offset = position.offset if number_of(path) == position.segment else size
        # What follows the last newline was never acknowledged: its writer is gone.
        if offset >= size or not _has_line(fs, path, offset):
            yield path, size


def _has_line(fs: Filesystem, path: str, offset: int) -> bool:
    try:
        return b"\n" in fs.read(path, offset)
    except FileNotFoundError:  # deleted by somebody else since it was listed
        return False


def _drop_empty_writers(lake: Lake) -> None:
    if not lake.fs.can_append:
        return  # nothing but files makes a folder there
    alive = {path.rsplit("/", 1)[0] for path in list_segments(lake.fs)}
    for writer in lake.fs.list(LOG):
        if f"{LOG}/{writer.name}" not in alive:
            lake.fs.delete_folder(f"{LOG}/{writer.name}")


def _replaced_files(
    lake: Lake, epoch: Epoch, finished: Mapping[int, float], now: float
) -> Iterator[str]:
    """Yield files that a fold replaced long ago."""
    for number, moment in finished.items():
        if moment > now - lake.settings.retention_s:
            continue
        for table, names in _removed(lake, number).items():
            live = {file.path for file in lake.files(table, epoch)}
            folder = lake.tables[table].folder
            yield from (
                f"{folder}/{name}"
                for name in names
                if name not in live and lake.fs.exists(f"{folder}/{name}")
            )


def _past_folds(
    lake: Lake,
    epoch: Epoch,
    on_record: Sequence[Entry],
    finished: Mapping[int, float],
    now: float,
) -> Iterator[str]:
    """Yield the files of folds that nobody stands on or may go back to, oldest first."""
    age = lake.settings.retention_s
    if not lake.fs.can_append:
        age = max(age, int(folds.REMEMBERED_S))
    for entry in on_record:
        number = int(entry.name[:10]) if entry.name[:10].isdigit() else epoch.number
        until = finished.get(number + 1, entry.modified_s)
        if number < epoch.number and until <= now - age:
            yield entry.name


def _past_logs(lake: Lake, now: float) -> Iterator[str]:
    """Yield the files of Delta logs that old checkpoints have summed up."""
    for table in _tables(lake):
        yield from table.past_log(now - max(ABANDONED_S, lake.settings.retention_s))


def _tables(lake: Lake) -> list[Table]:
    data = [lake.tables[spec.name] for spec in DATA_TABLES]
    return data + [lake.control[spec.name].table for spec in CONTROL_TABLES]


def _abandoned_files(
    lake: Lake, epoch: Epoch, finished: Mapping[int, float], now: float
) -> Iterator[str]:
    """Yield old files that no commit mentions: their writer was killed before it."""
    latest = now - max(ABANDONED_S, lake.settings.retention_s)
    unknown = {table: _unknown(lake, table, epoch, latest) for table in _tables(lake)}
    kept = _kept_for_readers(lake, finished) if any(unknown.values()) else {}
    for table, names in unknown.items():
        readable = kept.get(table.spec.name, set())
        yield from (f"{table.folder}/{name}" for name in names if name not in readable)


def _unknown(lake: Lake, table: Table, epoch: Epoch, latest: float) -> list[str]:
    """Return files written before a moment that neither table nor fold has."""
    old = [
        entry.name
        for entry in lake.fs.list(table.folder)
        if not entry.is_folder and entry.modified_s <= latest
    ]
    if not old:
        return []
    live = {file.path for file in table.files()}
    if table.spec in DATA_TABLES:
        live |= {file.path for file in lake.files(table.spec.name, epoch)}
    return [name for name in old if name not in live]


def _kept_for_readers(lake: Lake, finished: Iterable[int]) -> dict[str, set[str]]:
    """Return the files that past folds replaced and that readers may still use: a read each."""
    kept: dict[str, set[str]] = {}
    for number in finished:
        for table, names in _removed(lake, number).items():
            kept.setdefault(table, set()).update(names)
    return kept


def _removed(lake: Lake, number: int) -> Mapping[str, list[str]]:
    """Return what a finished fold replaced; nothing if its file is deleted since."""
    try:
        return folds.read_epoch(lake.fs, number).removed
    except FileNotFoundError:
        return {}
