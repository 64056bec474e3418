"""One lake brought into another one: what is new in its log, else what its tables hold.

1. ``bookmark.read`` says up to where the source was read before.
2. ``experiments.matched`` finds the source's experiments in the target, and makes those that
   are not there.
3. ``plan`` chooses what of the log is new, and whether the tables have to be read as well.
4. ``Lines`` and ``Stored`` make copies of records; ``Files`` brings the files that they tell
   of; ``CopyWriter`` writes the copies to the target's log.
5. ``bring_models`` adds registered models and versions, and ``owned.bring`` what else
   experiments have in the control log, if the source changed any.
6. ``bookmark.write`` says how far it is: from time to time, and at the end.

Each record counts once in the target, by what it is a copy of. So a sync may stop anywhere, run
twice at once, and bring what came by another way before.
"""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem import threads
from lakeflow.kinds import EXPERIMENT
from lakeflow.log.positions import number_of, writer_of
from lakeflow.maintenance.listed import with_listing
from lakeflow.maintenance.report import Progress
from lakeflow.maintenance.schedule import AutoCompaction
from lakeflow.query.engine.connection import Engine
from lakeflow.stores.lines import declarations
from lakeflow.syncing import bookmark, experiments, lines, owned
from lakeflow.syncing.files import Files
from lakeflow.syncing.models import bring_models
from lakeflow.syncing.plan import in_order, plan, reached
from lakeflow.syncing.report import SyncReport
from lakeflow.syncing.segments import CopyWriter
from lakeflow.syncing.stored import Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lakeflow.lake import Lake
    from lakeflow.log import line_reader
    from lakeflow.stores.store import Store
    from lakeflow.syncing.bookmark import Reached
    from lakeflow.syncing.things import Copy
    from lakeflow.tables.folds import Fold, LogListing

_AT_ONCE_BYTES = 4 * 1024 * 1024
"""Copies out of tables that share a clock, so that folds take all of them or none."""

_COPYING_AT_ONCE = 2
"""Threads that turn lines into copies: for half of the time they need nothing of Python's."""

_BOOKMARK_EVERY_S = 10.0


def sync_lakes(
    source: Store,
    target: Store,
    *,
    with_files: bool = True,
    progress: Callable[[Progress], None] = lambda _: None,
) -> SyncReport:
    """Bring what a lake holds into another one; see ``lakeflow.sync``.

    Args:
        source: The lake; others may log to it and compact it meanwhile.
        target: The other one; others may use it meanwhile.
        with_files: Whether files of artifacts are brought too.
        progress: Called as work goes on.

    Raises:
        InvalidInputError: Both are one lake.
        DamagedLakeError: A file of the source is not there.
        StorageError: One of the two cannot be read or written.
    """
    if source.lake.file.lake_id == target.lake.file.lake_id:
        raise InvalidInputError(
            f"{source.lake.fs.uri} and {target.lake.fs.uri} are one lake, or copies of one",
            hint="lakeflow copy brings a copy of a lake up to date",
        )
    report = SyncReport()

    def sync(listing: LogListing) -> None:
        with CopyWriter(target.lake) as copies:
            _Sync(
                source, target, listing, copies, report, progress, with_files=with_files
            ).run()

    with_listing(source.lake, sync)
    # Copies go past the lake's own writer, whose writes make a compaction due otherwise.
    target.lake.shared(AutoCompaction).compact_if_due()
    return report


class _Sync:
    """One sync, from one listing of the source."""

    def __init__(
        self,
        source: Store,
        target: Store,
        listing: LogListing,
        writer: CopyWriter,
        report: SyncReport,
        progress: Callable[[Progress], None],
        *,
        with_files: bool,
    ) -> None:
        self._source, self._target = source, target
        self._listing = listing
        self._report = report
        self._progress = progress
        self._known = bookmark.read(target.lake.fs, source.lake.file.lake_id)
        self._plan = plan(listing, self._known)
        self._writer = writer
        self._files = Files(source, target, report) if with_files else None
        self._ends: dict[str, Reached] = {}
        self._kept_at = time.monotonic()

    def run(self) -> None:
        """Bring all that is new."""
        known = self._known
        source = self._source
        # A look: from here on ``last`` is the number of the source's newest event.
        # It comes after the listing, so that every experiment is known that a line may name.
        source.control.known()
        events = source.control.last
        mine = known.experiments
        # Experiments change by events alone, so that without a new one none is asked for.
        if events != known.events or not self._are_there(mine):
            mine = experiments.matched(source, self._target, mine)
        self._known = replace(known, experiments=mine)
        if self._plan.has_stored:
            self._bring_stored()
        self._bring_log()
        # Nor does what else is in the control log change otherwise.
        if events != known.events:
            bring_models(source, self._target, self._report.problems.append)
            owned.bring(source, self._target, mine)
        done = replace(
            self._known,
            events=events,
            reached=reached(self._listing, self._known, self._ends),
            fold=self._listing.fold.number,
            files=_files_of(source.lake, self._listing.fold),
        )
        # A sync with nothing new writes nothing.
        if done != known:
            self._write(done)

    def _are_there(self, mine: Mapping[str, str]) -> bool:
        """Return whether all experiments are, in which something is to be brought."""
        # With nothing to bring nothing depends on it, and the look is saved.
        if mine and not self._plan.spans and not self._plan.has_stored:
            return True
        there = self._target.control.known().things(EXPERIMENT, [*mine.values()])
        return bool(mine) and len(there) == len({*mine.values()})

    def _bring_log(self) -> None:
        """Bring the lines of the log, as many at once as may be held."""
        done, total = 0, self._plan.size
        for path, some, copied in self._copied_log():
            if copied is None:
                self._report.left += 1
                continue
            if self._files is not None and copied.with_files:
                # Before the records: none is in the target without the file that it tells of.
                self._files.bring(copied.with_files)
            self._writer.add(copied.data)
            self._report.records += copied.lines
            self._report.log_bytes += len(copied.data)
            self._report.left += copied.left
            self._ends[writer_of(path)] = number_of(path), some.end
            done += len(some.data)
            self._progress(Progress("sync log", done, total))
            self._keep()

    def _copied_log(self) -> Iterator[tuple[str, line_reader.Lines, lines.Copied | None]]:
        """Yield lines of the log, whose they are, and their copies; None of one that is cut.

        Lines are read while threads turn those before them into copies.
        """
        source = self._source.lake
        copying = lines.Lines(declarations(source.kinds), self._known.experiments)

        def copied(
            read: tuple[str, line_reader.Lines, int],
        ) -> tuple[str, line_reader.Lines, lines.Copied | None]:
            path, some, clock = read
            if some.is_cut:
                return path, some, None
            return path, some, copying.copied(some.data, writer_of(path), clock)

        # The clock here, one line after another.
        reads = (
            (path, some, self._writer.clock())
            for path, some in in_order(source.fs, self._plan.spans)
        )
        with ThreadPoolExecutor(_COPYING_AT_ONCE, thread_name_prefix="lakeflow-copies") as pool:
            yield from threads.in_order(pool, copied, reads, _COPYING_AT_ONCE)

    def _keep(self) -> None:
        """Say how far it is, from time to time."""
        now = time.monotonic()
        if now - self._kept_at < _BOOKMARK_EVERY_S:
            return
        self._kept_at = now
        self._write(replace(self._known, reached={**self._known.reached, **self._ends}))

    def _write(self, reached: bookmark.Bookmark) -> None:
        # What a bookmark names as brought is not brought again. So it is on the disk before,
        # whatever the settings: a power cut might leave the bookmark alone. The files come
        # first, as they do in ``_bring_log``.
        if self._files is not None:
            self._files.finish()
        self._writer.finish()
        bookmark.write(self._target.lake.fs, self._source.lake.file.lake_id, reached)

    def _bring_stored(self) -> None:
        """Bring what the tables hold and the log does not any more."""
        source, known = self._source.lake, self._known
        fold, covered = self._listing.fold, self._plan.covered
        engine = Engine(source.engine_filesystem())
        with contextlib.closing(engine):
            stored = Stored(source, engine, fold, known.files, covered, known.experiments)
            written = 0
            for some in _bounded(stored.copies()):
                clock = self._writer.clock()
                data = [lines.line(*copy, clock) for copy in some]
                if self._files is not None:
                    self._files.bring(map(json.loads, filter(lines.has_files, data)))
                self._writer.add(b"".join(data))
                self._report.stored += len(some)
                written += sum(map(len, data))
                self._progress(Progress("sync tables", written, written))
            self._report.left += stored.left
            self._report.log_bytes += written


def _bounded(copies: Iterator[Copy]) -> Iterator[list[Copy]]:
    """Yield copies, some at a time."""
    gathered: list[Copy] = []
    size = 0
    for copy in copies:
        gathered.append(copy)
        size += len(copy[1])
        if size >= _AT_ONCE_BYTES:
            yield gathered
            gathered, size = [], 0
    if gathered:
        yield gathered


def _files_of(lake: Lake, fold: Fold) -> dict[str, frozenset[str]]:
    """Return the names of the files that a sync reads of a fold, by table or index."""
    found = {}
    for kind in lake.kinds:
        # What is in the control log is brought by name, and not by its rows.
        if kind.is_controlled:
            continue
        found[kind.name] = frozenset(each.path for each in fold.indexes.get(kind.name, ()))
        for part in kind.parts:
            if not part.is_in_document:
                name = part.table.name
                found[name] = frozenset(each.path for each in fold.files.get(name, ()))
    return found
