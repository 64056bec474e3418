"""Compaction: fold the log into the tables, exactly once, however often it is tried.

1. ``_Compaction.run`` lists the log, and folds until it has reached the end of that listing.
2. ``FoldPlanner.next`` plans a fold (on which finished one it stands, and up to where it goes),
   and claims it: a file that can be made only once.
3. ``stage_log`` copies what it reads of each segment, and ``Folding.stage`` parses it in the
   engine.
4. ``_stage_kind`` joins the documents of the fold before, and works out the new rows.
5. ``_fold_table`` writes one table: ``_files_to_rewrite``, ``_write``, ``_upload``, and one
   commit that is marked with the number of the fold.
6. ``write_indexes`` writes the new documents, after the tables that follow from them.
7. ``_finish`` publishes a file that says which versions belong together, once all of them are
   on the disk.
8. ``vacuum`` deletes what neither the tables nor a reader needs any more.

A fold that was stopped at any step is finished by the next compaction. Two compactions at
once do the same work, and only one of each commit lands.

What a fold reads never changes while it is carried out: the log up to its positions, and the
documents of the fold before it. So it comes out the same, however often it is begun again.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.exceptions import (
    ConflictError,
    DamagedLakeError,
    LakeflowException,
    StorageError,
)
from lakeflow.log.fold_boundary import FoldBoundaryFinder
from lakeflow.log.positions import hot_spans, number_of, writer_of
from lakeflow.maintenance.indexes import write_indexes
from lakeflow.maintenance.planning import FoldPlanner
from lakeflow.maintenance.recovery import standing_fold
from lakeflow.maintenance.report import CompactionReport, Progress, TableReport
from lakeflow.maintenance.staging import (
    keep_rejected,
    removed_before,
    require_documents,
    stage_documents,
    stage_log,
)
from lakeflow.maintenance.tiers import files_to_rewrite
from lakeflow.maintenance.turns import in_turn
from lakeflow.maintenance.vacuum import replaced_files, vacuum
from lakeflow.query.engine.connection import Engine
from lakeflow.query.folding.fold_runner import Folding
from lakeflow.query.folding.stored_files import Stored
from lakeflow.tables import folds
from lakeflow.tables.damage import require_readable
from lakeflow.tables.data_file import DataFile
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.lake import Lake
    from lakeflow.maintenance.planning import NextFold
    from lakeflow.query.folding.fold_runner import Staged
    from lakeflow.query.folding.parquet import Written
    from lakeflow.schema import TableSpec
    from lakeflow.tables.folds import Fold


def compact_lake(
    lake: Lake,
    *,
    dry_run: bool = False,
    wait: bool = True,
    progress: Callable[[Progress], None] = lambda _: None,
) -> CompactionReport:
    """Fold what the log holds, merge small files, delete what nothing needs.

    Memory is bounded by the settings ``fold_bytes`` and ``fold_memory_bytes``: a long log is
    folded in several steps.

    Args:
        lake: The lake.
        dry_run: Only say what there is to do.
        wait: Wait while another compaction of this lake is under way here; else leave it
            the work.
        progress: Called as work goes on.

    Raises:
        StorageError: The lake cannot be written.
        InvalidStateError: It was moved or deleted since it was opened; or this thread is in
            the middle of compacting it, and this is the handler of a signal.
        DamagedLakeError: A table or a fold cannot be read.
    """
    # Before the lock, whose folder would be made where the lake was.
    lake.file.require_in_place()
    began = time.monotonic()
    report = CompactionReport(is_dry_run=dry_run)
    if dry_run:
        listing = lake.listing()
        report.log_bytes, report.log_segments = listing.unfolded_bytes, len(listing.unfolded)
        report.vacuum = vacuum(lake, dry_run=True)
    else:
        in_turn(lake, wait, lambda: _Compaction(lake, report, progress).run())
    report.seconds = time.monotonic() - began
    return report


class _Compaction:
    """One run of a compaction: as many folds as it takes."""

    def __init__(
        self, lake: Lake, report: CompactionReport, progress: Callable[[Progress], None]
    ) -> None:
        self._lake = lake
        self._report = report
        self._progress = progress
        self._total = 0
        self._is_last = False
        self._planner = FoldPlanner(lake)
        # For all folds: to make one takes as long as many statements of a small fold.
        self._engine = Engine(lake.engine_filesystem(), lake.settings.fold_memory_bytes)
        self._folded: Counter[str] = Counter()
        self._marked: set[str] = set()  # tables that the fold under way has committed

    def run(self) -> None:
        """Fold until nothing is left of what the log held at the beginning."""
        standing = standing_fold(self._lake, folds.newest(self._lake.fs).done)
        unfolded = hot_spans(self._planner.listed, standing.positions)
        self._total = sum(end - start for start, end in unfolded.values())
        # What is logged from now on is left to the next compaction: with busy writers there
        # would always be something more to fold, and this one would never end.
        ends = FoldBoundaryFinder(self._lake.fs, unfolded).ends
        target = {path: end for path, end in ends.items() if end > unfolded[path][0]}
        with contextlib.closing(self._engine):
            while (following := self._planner.next()) is not None:
                positions = following.plan.positions
                self._is_last = all(
                    writer_of(path) in positions
                    and (number_of(path), end) <= positions[writer_of(path)][:2]
                    for path, end in target.items()
                )
                self._carry_out(following)
                if self._is_last:
                    break
        self._say("vacuum")
        self._report.vacuum = vacuum(self._lake, self._planner.listed)

    def _carry_out(self, fold: NextFold) -> None:
        self._marked.clear()
        try:
            known = self._fold_with_memory(fold) if fold.spans else fold.base
            self._finish(fold, known)
        except (LakeflowException, FileNotFoundError) as error:
            # The engine does not say which of the files it cannot read, so that we look.
            if getattr(error, "error_code", "") in {"DATA_LOSS", "INTERNAL_ERROR"}:
                require_readable(self._lake.fs, self._lake.tables.values(), fold.base)
            # Somebody else may have finished it, deleted what it reads of the log, and be at a
            # later one by now.
            is_lost = isinstance(error, ConflictError | FileNotFoundError)
            if not is_lost or folds.newest(self._lake.fs).done < fold.plan.number:
                raise
            return
        self._report.folds.append(fold.plan.number)
        self._report.log_segments += len(fold.spans)
        self._report.log_bytes += sum(end - start for start, end in fold.spans.values())

    def _fold_with_memory(self, fold: NextFold) -> Fold:
        """Fold within the memory that is set; a claimed fold of huge values gets more."""
        self._engine.reads(fold.plan.number)
        # The plan of a claimed fold cannot be made smaller, since somebody else may have
        # committed a table by it already. So the memory grows; None is DuckDB's own default.
        larger = (
            Engine(self._lake.engine_filesystem(), memory_bytes)
            for memory_bytes in (4 * self._lake.settings.fold_memory_bytes, None)
        )
        for engine in itertools.chain([self._engine], larger):
            try:
                with self._lake.fs.staging() as folder:
                    folding = Folding(engine, self._lake.kinds, fold.plan.latest_clock)
                    return self._fold_kinds(fold, Path(folder), folding)
            except MemoryError as error:
                # Python lets go of `error` at the end of the block.
                reason = error
        raise StorageError(
            f"fold {fold.plan.number} of {self._lake.fs.uri} needs more memory than there is: "
            f"{reason}",
            "RESOURCE_EXHAUSTED",
            hint="compact on a machine with more memory; nothing was lost",
        ) from reason

    def _fold_kinds(self, fold: NextFold, folder: Path, folding: Folding) -> Fold:
        """Commit what a fold changes in every table.

        Returns:
            The fold that it stands on, with the indexes and numbers of this one.
        """
        lake, previous = self._lake, fold.base
        self._say("read the log")
        staged, rejected = self._stage_log(fold, folder, folding)
        indexes, numbers = dict(previous.indexes), dict(previous.numbers)
        for kind in filter(folding.is_about, lake.kinds):
            self._stage_kind(kind, previous, folding, folder)
            # The documents are made of the staged rows of these tables, which take much
            # memory. So the tables come first, then the documents, and then the memory is
            # free for the parts whose records all stay, which are the largest.
            for spec in kind.held_tables:
                self._fold_table(kind, spec, fold, folding, folder)
            self._report.orphans += folding.orphans(kind)
            self._say(f"write documents of each {kind.name}")
            indexes |= write_indexes(lake, kind, previous, folding, folder / "index")
            if kind.is_numbered:
                # Before the first one it is -1, since experiments count from 0.
                numbers[kind.name] = max(numbers.get(kind.name, -1), folding.last_number(kind))
            # The records are of all kinds, so they stay until the last one has read them.
            folding.let_go_of_documents(kind, and_records=kind is lake.kinds[-1])
            for spec in kind.tables:
                if spec not in kind.held_tables:
                    self._fold_table(kind, spec, fold, folding, folder)
        self._report.records += staged.records
        self._report.rejected += rejected
        return replace(previous, indexes=indexes, numbers=numbers)

    def _stage_log(self, fold: NextFold, folder: Path, folding: Folding) -> tuple[Staged, int]:
        """Stage what a fold reads; return it, and how many lines were set aside."""
        lake, spans = self._lake, fold.spans
        log = stage_log(lake, spans, folder / "log")
        staged = folding.stage(log.files)
        # The engine only marks lines that do not fit. Which of them are records is said by one
        # verdict in Python, as to readers of the log.
        if staged.misfits:
            log = stage_log(
                lake, spans, folder / "fitting", lambda files: folding.stage(files).misfits
            )
            staged = folding.stage(log.files)
            if staged.misfits:
                raise DamagedLakeError(
                    f"fold {fold.plan.number} of {lake.fs.uri} has {staged.misfits} lines that "
                    "are neither taken nor set aside",
                    hint="nothing was lost; keep the log, and report it",
                )
        if log.rejected:
            # This comes before the commits: whoever finds the tables committed does not carry
            # the fold out again, so the lines would never be set aside.
            keep_rejected(lake, fold.plan.number, log.rejected)
        return staged, len(log.rejected)

    def _stage_kind(self, kind: Kind, previous: Fold, folding: Folding, folder: Path) -> None:
        """Work out what changes in the tables of a kind, with the documents of before."""
        lake = self._lake
        self._say(f"look up each {kind.name}")
        stored = {
            spec.name: self._stored(kind, spec, lake.files(spec.name, previous))
            for spec in kind.tables
        }
        ids = folding.touch(kind, stored)
        if kind.owner is not None and kind.owner.may_be_gone:
            # What was removed stays away with all that it owns, what is logged later included.
            owners = removed_before(lake, kind.owner, previous, folding.owner_ids(kind))
            folding.leave_out(kind, owners)
        documents = stage_documents(lake, kind, previous, ids, folder / kind.name)
        try:
            folding.stage_rows(kind, documents, stored)
        except LakeflowException:
            # The engine only says that one does not parse; this names the file of it.
            require_documents(lake, kind, previous, ids)
            raise
        # The last fold may sort a table into which only the folds before it brought rows.
        is_sorted = self._is_last and any(self._folded[spec.name] for spec in kind.tables)
        if is_sorted or folding.has_gone(kind):
            folding.stage_unchanged(kind)

    def _fold_table(
        self, kind: Kind, spec: TableSpec, fold: NextFold, folding: Folding, folder: Path
    ) -> None:
        """Commit what a fold changes in one table, unless somebody else has done it."""
        self._say(f"fold {spec.name}")
        began, table = time.monotonic(), self._lake.tables[spec.name]
        if not folding.is_changed(spec):
            return
        changes = folding.changes(kind, spec)
        for attempt in itertools.count(1):
            version = table.version()
            # delta-rs refuses a twin that races with this commit, but would accept the same
            # mark again later. So whoever comes later must look at the mark first.
            if table.mark() == fold.plan.mark:
                self._marked.add(spec.name)
                return
            self._require_mark(spec.name, fold)
            files = table.files(version)
            whole, split = self._files_to_rewrite(kind, spec, files, folding, changes)
            if not (changes or whole or split):
                return
            target = folder / f"{spec.name}-{attempt}"
            written = self._write(folding, spec, target, whole, split)
            added = self._upload(table.folder, written)
            removed = [*whole, *split]
            try:
                table.commit(version, added, removed, mark=fold.plan.mark)
            except ConflictError:
                # Somebody else has committed to the table. The files that we read may be gone
                # from it, so we choose and write again; a vacuum deletes what we uploaded.
                continue
            self._marked.add(spec.name)
            self._folded[spec.name] += changes
            report = self._report.tables.setdefault(spec.name, TableReport())
            report.add(added, removed, time.monotonic() - began)
            return

    def _require_mark(self, name: str, fold: NextFold) -> None:
        """Make sure that a table is where the fold under way has brought it, or has found it.

        Raises:
            ConflictError: Somebody else has brought it elsewhere.
        """
        found = self._lake.tables[name].mark()
        before = fold.base.marks.get(name, 0)
        if found != (fold.plan.mark if name in self._marked else before):
            raise ConflictError(
                f"table {name} of {self._lake.fs.uri} has gone to fold "
                f"{folds.number_of(found)} while fold {fold.plan.number} was carried out",
                hint="another compaction is under way; run this one again when it is done",
            )

    def _files_to_rewrite(
        self,
        kind: Kind,
        spec: TableSpec,
        files: Sequence[DataFile],
        folding: Folding,
        changes: int,
    ) -> tuple[list[DataFile], list[DataFile]]:
        """Choose the files that are written anew as a whole, and those that are split."""
        by_path = dict(zip(self._lake.engine_paths(spec.name, files), files, strict=True))
        changed = folding.files_with_changes(kind, spec, self._stored(kind, spec, files))
        # A table that no search reads gains nothing by being sorted at the end.
        ends_sorted = self._is_last and spec in kind.held_tables
        return files_to_rewrite(
            spec,
            files,
            [by_path[path] for path in sorted(changed)],
            changes,
            self._folded[spec.name] + changes if ends_sorted else 0,
        )

    def _upload(self, folder: str, written: Sequence[Written]) -> list[DataFile]:
        """Put files that were written into the folder of a table."""
        added = []
        for each in written:
            name = Path(each.path).name
            path = f"{folder}/{name}"
            self._lake.fs.upload(each.path, path)
            added.append(DataFile(name, each.size, each.rows, each.bounds, each.nulls))
        # A commit that names files must not reach the disk before they do.
        self._lake.fs.sync(*(f"{folder}/{each.path}" for each in added))
        return added

    def _write(
        self,
        folding: Folding,
        spec: TableSpec,
        folder: Path,
        whole: Sequence[DataFile],
        split: Sequence[DataFile],
    ) -> list[Written]:
        """Write the changes with the stored rows they belong to, and what stays of files."""
        paths = self._lake.engine_paths
        folding.stage_stored(paths(spec.name, whole))
        written = folding.write(spec, str(folder))
        for path in paths(spec.name, split):
            written += folding.write_rest(spec, path, str(folder))
        return written

    def _stored(self, kind: Kind, spec: TableSpec, files: Sequence[DataFile]) -> list[Stored]:
        paths = self._lake.engine_paths(spec.name, files)
        return [Stored(path, file.bounds) for path, file in zip(paths, files, strict=True)]

    def _finish(self, fold: NextFold, known: Fold) -> None:
        """Publish what belongs to the fold: versions of tables, indexes and numbers."""
        tables, plan = self._lake.tables, fold.plan
        versions = {name: table.version() for name, table in tables.items()}
        finished = replace(
            known,
            number=plan.number,
            base=plan.base,
            positions=plan.positions,
            versions=versions,
            files={name: tables[name].files(version) for name, version in versions.items()},
            marks={name: table.mark() for name, table in tables.items()},
        )
        # Of the versions read above: each carries this fold, or still what was before it.
        for name in tables:
            self._require_mark(name, fold)
        removed = replaced_files(self._lake, fold.base, finished)
        # Nobody reads the new versions before this file is there, so all tables move at once.
        if folds.finish(self._lake.fs, replace(finished, removed=removed)):
            self._lake.whole_fold = plan.number

    def _say(self, step: str) -> None:
        self._progress(Progress(step, self._report.log_bytes, self._total))
