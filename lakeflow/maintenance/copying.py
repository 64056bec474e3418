"""A copy of a lake that is in use, on any filesystem: one fold, and the log beyond it.

1. ``_plan`` chooses the newest finished fold with what it names, and lists the log after it.
2. ``_check_target`` makes sure that nothing of somebody else's is overwritten.
3. Files that never change come first, then the log, then what says that they belong together,
   and ``lake.json`` last: before it nobody takes the target for a lake.

What is there already is not sent again: a copy that was stopped goes on where it was, and one
that is made again brings only what is new.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError, InvalidStateError
from lakeflow.filesystem.interface import STAGING
from lakeflow.filesystem.names import number_in
from lakeflow.filesystem.threads import in_order
from lakeflow.ids import new_id
from lakeflow.lake_file import LAKE_FILE
from lakeflow.log.positions import (
    LOG,
    events_apart,
    list_segments,
    number_of,
    writer_of,
)
from lakeflow.maintenance.listed import with_listing
from lakeflow.maintenance.recovery import CLOCK, DELETED, sizes_of
from lakeflow.maintenance.report import CopyReport, Progress
from lakeflow.maintenance.staging import REJECTED
from lakeflow.tables import folds
from lakeflow.tables.checked import INDEXES
from lakeflow.tables.data_file import TABLES
from lakeflow.tables.mirrored_log import LOG_FOLDER, version_of
from lakeflow.transfer.between import send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.lake import Lake
    from lakeflow.tables.folds import Fold, LogListing

_AT_ONCE = 8

_BROUGHT = f"{folds.FOLDS}/copied"
"""In a copy: number of the last event of the control log that was brought, or may have been.

The source may have deleted it since. Then only this tells it from one that was made there."""


_Step = tuple[str, "Mapping[str, int]"]
"""A name, and the sizes of some files by path: they rely on the steps before."""


def copy_lake(
    lake: Lake, target: Filesystem, progress: Callable[[Progress], None] = lambda _: None
) -> CopyReport:
    """Copy what a lake holds now; see ``lakeflow.copy``.

    Args:
        lake: The lake; others may log to it and compact it meanwhile.
        target: Where to.
        progress: Called as work goes on.

    Raises:
        InvalidInputError: The target is the lake itself, or there is something else.
        InvalidStateError: The target is another lake, or was written to or compacted since.
        DamagedLakeError: A file of the lake is not there.
        StorageError: One of the two cannot be read or written.
    """

    def copy(listing: LogListing) -> CopyReport:
        plan = _plan(lake, listing)
        _check_target(lake, target, listing)
        events, _ = events_apart(listing.unfolded)
        last = max(map(number_of, events), default=folds.last_event(listing.fold))
        target.put(_BROUGHT, str(last).encode())
        target.sync(_BROUGHT)
        report = _carry_out(lake, target, plan, progress)
        # Only now: until all of it is there, the older copy stands on what goes.
        _drop_past(target, listing)
        return report

    return with_listing(lake, copy)


def _plan(lake: Lake, listing: LogListing) -> list[_Step]:
    """Return what to copy, in order."""
    fs, fold = lake.fs, listing.fold
    # First, since a vacuum that is under way may say more by the time the rest is there: that
    # more of the log is deleted than is copied here does no harm.
    files = {path: fs.size(path) for path in (CLOCK, DELETED) if fs.exists(path)}
    files |= fs.sizes(REJECTED)
    files |= sizes_of(lake, fold)
    files |= _commits(lake, fold)
    # What is folded may be deleted at any time.
    segments = {path: listing.segments[path] for path in listing.unfolded}
    done = [folds.done_path(fold.number)] if fold.number else []
    return [
        ("files", files),
        ("log", segments),
        ("fold", {path: fs.size(path) for path in done}),
        ("lake", {LAKE_FILE: fs.size(LAKE_FILE)}),
    ]


def _commits(lake: Lake, fold: Fold) -> Iterator[tuple[str, int]]:
    """Yield the commits that brought the tables to where a fold has them, and their sizes."""
    for name, newest in fold.versions.items():
        if name not in lake.tables:
            continue
        folder = f"{lake.tables[name].folder}/{LOG_FOLDER}"
        for entry in lake.fs.list(folder):
            version = version_of(entry.name)
            # Later commits are of a fold that is under way.
            if version is not None and version <= newest:
                yield f"{folder}/{entry.name}", entry.size


def _check_target(lake: Lake, target: Filesystem, listing: LogListing) -> None:
    """Make sure that the target is empty, or an older copy that nobody has written to."""
    if not target.exists(LAKE_FILE):
        # A copy that was stopped before its last step has left things of these names.
        known = {folds.FOLDS, STAGING, *(entry.name for entry in lake.fs.list(""))}
        strangers = [each.name for each in target.list("") if each.name not in known]
        if strangers:
            raise InvalidInputError(
                f"{target.uri} is not empty: it holds {strangers[0]!r}",
                hint="choose an empty or new folder",
            )
        return
    if target.read(LAKE_FILE) != lake.fs.read(LAKE_FILE):
        raise InvalidStateError(
            f"{target.uri} is another lake than {lake.fs.uri}", hint="choose a new folder"
        )
    if _is_one(lake.fs, target):
        raise InvalidInputError(
            f"{lake.fs.uri} and {target.uri} are one lake", hint="choose a new folder"
        )
    if _is_changed(lake, target, listing):
        raise InvalidStateError(
            f"{target.uri} was written to, or compacted, since it was copied from "
            f"{lake.fs.uri}",
            hint="choose a new folder: what was written there would be lost",
        )


def _is_changed(lake: Lake, target: Filesystem, listing: LogListing) -> bool:
    """Return whether somebody has written to a copy, or compacted it."""
    segments = list_segments(target)
    writers = {*map(writer_of, listing.segments), *listing.fold.positions}
    events, _ = events_apart(segments)
    newest = folds.newest(target).begun
    return (
        not {*map(writer_of, segments)} <= writers
        or newest > listing.fold.number
        # A copy brings the end of a fold alone. What was folded there may have no log any more.
        or target.exists(folds.plan_path(newest))
        or max(map(number_of, events), default=0) > _last_brought(target)
        or any(
            # Where both were written to, one number has two events.
            target.read(path) != lake.fs.read(path)
            for path in events
            if path in listing.segments
        )
    )


def _last_brought(target: Filesystem) -> int:
    if not target.exists(_BROUGHT):
        return 0
    return number_in(target.read(_BROUGHT).decode(errors="replace")) or 0


def _is_one(source: Filesystem, target: Filesystem) -> bool:
    """Return whether two locations are one folder, whatever each is called."""
    # Links, mounts, schemes and endpoints give a folder many names, and a bucket's name may be
    # that of another one elsewhere: only what is put into one and found in the other tells.
    path = f"{STAGING}/{new_id()}"
    try:
        target.put(path, b"x")
        return source.exists(path)
    finally:
        target.delete(path)


def _carry_out(
    lake: Lake, target: Filesystem, steps: list[_Step], progress: Callable[[Progress], None]
) -> CopyReport:
    report = CopyReport()
    known: dict[str, int] = {}
    # Other files are small, and may have other content in the same size.
    for folder in (TABLES, INDEXES, LOG, REJECTED):
        known |= target.sizes(folder)
    total, done = sum(sum(sizes.values()) for _, sizes in steps), 0
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="lakeflow-copy") as pool:
        for step, sizes in steps:
            new = [path for path, size in sizes.items() if known.get(path) != size]
            done += sum(sizes.values()) - sum(map(sizes.__getitem__, new))
            sent = in_order(pool, partial(_send, lake.fs, target, sizes), new, _AT_ONCE)
            for size in sent:
                done += size
                report.files += 1
                report.bytes += size
                progress(Progress(f"copy {step}", done, total))
            # What says that they are there must not reach the disk before they do. A copy that
            # was killed may have sent the others.
            target.sync(*sizes)
    return report


def _drop_past(target: Filesystem, listing: LogListing) -> None:
    """Delete what only an older copy had: log that is folded now, and past folds."""
    newest = listing.fold.number
    past = [number for number in folds.finished(target.list(folds.FOLDS)) if number < newest]
    target.delete_many(
        [
            *(path for path in list_segments(target) if path not in listing.unfolded),
            *map(folds.done_path, past),
            *map(folds.plan_path, past),
        ]
    )


def _send(source: Filesystem, target: Filesystem, sizes: Mapping[str, int], path: str) -> int:
    send(source, path, sizes[path], target, path)
    return sizes[path]
