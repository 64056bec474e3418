"""Compaction: fold the log into the tables, exactly once, however often it is tried.

A fold is planned (up to where), claimed (a file made exactly once), carried out table by
table (one commit each, marked with the number of the fold), and finished (a file that says
which versions belong together). Stopped anywhere, it is finished by the next compaction. Two
at once do the same work, and only one of each commit lands.

``metrics`` comes last: whether a point is new is asked of that table as it was before the
fold, and the summaries in ``latest_metrics`` must be told the same. Once ``metrics`` carries
the fold, every other table does.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.exceptions import ConflictError, DamagedLakeError, StorageError
from lakeflow.maintenance.staging import set_aside, stage_spans
from lakeflow.maintenance.tiers import files_to_rewrite
from lakeflow.maintenance.vacuum import VacuumReport, vacuum
from lakeflow.query.engine import Engine
from lakeflow.query.folding import Folding, Stored
from lakeflow.storage import folds
from lakeflow.storage.cut import LogCutter
from lakeflow.storage.delta import DataFile
from lakeflow.storage.positions import (
    folded_spans,
    hot_spans,
    list_segments,
    number_of,
    writer_of,
)
from lakeflow.tables import DATA_TABLES, METRICS, RUNS
from lakeflow.tracking import records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.query.parquet import Written
    from lakeflow.storage.folds import Epoch, Fold
    from lakeflow.storage.lake import Lake
    from lakeflow.storage.positions import Position
    from lakeflow.tables import TableSpec

_LISTINGS = 3
"""Looks at the log until a segment that a fold needs counts as gone."""

LOCK = f"{folds.FOLDS}/lock"
"""Spares a second compaction of the same lake the work; not what makes it safe."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a compaction is.

    Attributes:
        step: What is being done.
        done_bytes: Bytes of log that are folded.
        total_bytes: Bytes of log to fold.
    """

    step: str
    done_bytes: int
    total_bytes: int


@dataclass(slots=True)
class TableReport:
    """What happened to one table.

    Attributes:
        rows: Rows written, stored ones that were rewritten included.
        files_added: New files.
        files_removed: Files they replace.
        bytes_written: Size of the new files.
        seconds: Time it took.
    """

    rows: int = 0
    files_added: int = 0
    files_removed: int = 0
    bytes_written: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class CompactionReport:
    """What a compaction did, or with ``dry_run`` would do.

    Attributes:
        folds: Numbers of the folds that were finished.
        log_bytes: Bytes of log folded; what there is to fold in a dry run.
        log_segments: Segments they were in.
        records: Records folded.
        rejected: Lines that did not parse and were set aside in ``rejected/``.
        orphans: Changes of runs whose creation is in neither log nor tables.
        seconds: Time it took.
        tables: What happened to each table.
        vacuum: What was deleted.
        is_dry_run: Whether nothing was done.
    """

    folds: list[int] = field(default_factory=list)
    log_bytes: int = 0
    log_segments: int = 0
    records: int = 0
    rejected: int = 0
    orphans: int = 0
    seconds: float = 0.0
    tables: dict[str, TableReport] = field(default_factory=dict)
    vacuum: VacuumReport = field(default_factory=VacuumReport)
    is_dry_run: bool = False


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
        DamagedLakeError: A table or a fold cannot be read.
    """
    began = time.monotonic()
    report = CompactionReport(is_dry_run=dry_run)
    if dry_run:
        view = lake.view()
        report.log_bytes, report.log_segments = view.hot_bytes, len(view.hot)
        report.vacuum = vacuum(lake, dry_run=True)
    else:
        _locked(lake, wait, lambda: _Compaction(lake, report, progress).run())
    report.seconds = time.monotonic() - began
    return report


def _locked(lake: Lake, wait: bool, work: Callable[[], None]) -> None:
    """Do work under the lock, or where somebody else has it leave the work to them."""
    while True:
        with lake.fs.exclusive(LOCK) as mine:
            if mine:
                work()
                return
        if not wait:
            return
        time.sleep(0.05)


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
        self._listed: Mapping[str, int] = {}  # the newest listing of the log
        self._folded: Counter[str] = Counter()

    def run(self) -> None:
        """Fold until nothing is left of what the log held at the beginning."""
        view = self._lake.view()
        self._total, self._listed = view.hot_bytes, view.segments
        hot = view.hot
        ends = LogCutter(self._lake.fs, hot).ends
        target = {path: end for path, end in ends.items() if end > hot[path][0]}
        while True:
            previous, fold = self._next()
            if fold is None:
                break
            self._is_last = _is_reached(fold.positions, target)
            self._carry_out(previous, fold)
            if self._is_last:
                break
        self._say("vacuum")
        self._report.vacuum = vacuum(self._lake, self._listed)

    def _next(self) -> tuple[Epoch, Fold | None]:
        """Return the fold to carry out: one left unfinished, else one claimed now."""
        fs = self._lake.fs
        while True:
            done, begun = folds.newest(fs)
            previous = folds.read_epoch(fs, done)
            if begun > done:
                fold = folds.read_fold(fs, begun)
                # It may end in what was not there when we listed, and would be taken for gone.
                self._listed = list_segments(fs)
                return previous, fold
            # Before anything is read, which may take long where every read is a request.
            sizes, self._listed = self._listed, list_segments(fs)
            later = hot_spans(self._listed, previous.positions)
            cutter = LogCutter(fs, hot_spans(sizes, previous.positions))
            moment = cutter.moment_before(later, records.clock)
            limit = self._lake.settings.fold_bytes
            cut = cutter.cut(limit, records.clock, moment, done + 1)
            if cut.size_bytes == 0 and not self._is_rewritten(previous):
                return previous, None
            kept = folds.kept_positions(previous, map(writer_of, sizes))
            fold = folds.Fold(done + 1, {**kept, **cut.positions})
            try:
                folds.begin(fs, fold)
            except FileExistsError:
                continue
            return previous, fold

    def _is_rewritten(self, epoch: Epoch) -> bool:
        """Return whether another tool has committed to a table since a fold."""
        return any(
            self._lake.tables[name].has_newer(version)
            for name, version in epoch.versions.items()
        )

    def _carry_out(self, previous: Epoch, fold: Fold) -> None:
        spans = self._spans(previous, fold)
        if spans is None:
            return
        # Read before the other tables are: see the top of this file.
        metrics = self._lake.tables[METRICS.name]
        metrics.version()
        if metrics.mark() < fold.epoch and spans:
            self._fold_with_memory(fold, spans)
        self._finish(previous, fold)
        self._report.folds.append(fold.epoch)
        self._report.log_segments += len(spans)
        self._report.log_bytes += sum(end - start for start, end in spans.values())

    def _spans(self, previous: Epoch, fold: Fold) -> dict[str, tuple[int, int]] | None:
        """Return what a fold reads of each segment; None if somebody else has finished it."""
        fs = self._lake.fs
        for _ in range(_LISTINGS):
            try:
                return folded_spans(self._listed, previous.positions, fold.positions)
            except FileNotFoundError as error:
                missing = error  # the listing is incomplete, or the segment is deleted
            if folds.newest(fs)[0] >= fold.epoch:
                return None
            self._listed = list_segments(fs)
        raise DamagedLakeError(
            f"fold {fold.epoch} of {fs.uri} needs {missing}, which is not there",
            hint="restore it from a backup",
        )

    def _fold_with_memory(self, fold: Fold, spans: Mapping[str, tuple[int, int]]) -> None:
        """Fold within the memory that is set; a claimed fold of huge values gets more."""
        wanted = self._lake.settings.fold_memory_bytes
        for memory_bytes in (wanted, 4 * wanted, None):
            engine = Engine(self._lake.engine_filesystem(), memory_bytes)
            try:
                with self._lake.fs.staging() as folder:
                    self._fold_tables(fold, spans, Path(folder), Folding(engine))
            except MemoryError as error:
                reason = error
            else:
                return
        raise StorageError(
            f"fold {fold.epoch} of {self._lake.fs.uri} needs more memory than there is: "
            f"{reason}",
            "RESOURCE_EXHAUSTED",
            hint="compact on a machine with more memory; nothing was lost",
        ) from reason

    def _fold_tables(
        self, fold: Fold, spans: Mapping[str, tuple[int, int]], folder: Path, folding: Folding
    ) -> None:
        points = self._lake.tables[METRICS.name]
        stored_points = points.files()
        self._say("read the log")
        staged = folding.stage(stage_spans(self._lake, spans, folder / "log"))
        # Before the commits: a fold that is found committed is not carried out again.
        rejected = set_aside(self._lake, fold.epoch, spans) if staged.rejected else 0
        folding.stage_points(self._stored(METRICS, stored_points))
        for spec in DATA_TABLES:
            self._say(f"fold {spec.name}")
            self._fold_table(spec, fold.epoch, folding, folder)
        self._report.records += staged.records
        self._report.rejected += rejected

    def _fold_table(self, spec: TableSpec, epoch: int, folding: Folding, folder: Path) -> None:
        """Commit what a fold changes in one table, unless somebody else has done it."""
        began = time.monotonic()
        table = self._lake.tables[spec.name]
        changes = folding.stage_changes(spec)
        attempt = 0
        while True:
            attempt += 1
            version = table.version()
            if table.mark() >= epoch:
                return
            files = table.files(version)
            by_path = dict(zip(self._lake.opened(spec.name, files), files, strict=True))
            changed = folding.files_with_changes(spec, self._stored(spec, files))
            whole, split = files_to_rewrite(
                spec,
                files,
                [by_path[path] for path in sorted(changed)],
                changes,
                self._folded[spec.name] + changes if self._is_last else 0,
            )
            if not changes and not whole:
                return
            written = self._write(
                folding, spec, folder / f"{spec.name}-{attempt}", changes, whole, split
            )
            added = []
            for each in written:
                name = Path(each.path).name
                self._lake.fs.upload(each.path, f"{table.folder}/{name}")
                self._lake.secure(f"{table.folder}/{name}")
                added.append(DataFile(name, each.size, each.rows, each.bounds, each.nulls))
            removed = [*whole, *split]
            try:
                committed = table.commit(version, added, removed, mark=epoch)
            except ConflictError:
                continue
            self._lake.secure(table.commit_path(committed))
            self._folded[spec.name] += changes
            self._count(spec, added, removed, time.monotonic() - began)
            return

    def _write(
        self,
        folding: Folding,
        spec: TableSpec,
        folder: Path,
        changes: int,
        whole: Sequence[DataFile],
        split: Sequence[DataFile],
    ) -> list[Written]:
        """Write the changes with the stored rows they belong to, and what stays of files."""
        paths = self._lake.opened
        split_paths = paths(spec.name, split)
        moved = folding.stage_stored(spec, paths(spec.name, whole), split_paths)
        if spec is RUNS:
            self._report.orphans += folding.orphans()
        rows = changes + moved + sum(file.rows for file in whole)
        written = folding.write(spec, str(folder), rows)
        for path, file in zip(split_paths, split, strict=True):
            written += folding.write_rest(spec, path, str(folder), file.rows)
        return written

    def _stored(self, spec: TableSpec, files: tuple[DataFile, ...]) -> list[Stored]:
        paths = self._lake.opened(spec.name, files)
        return [
            Stored(path, file.bounds.get("run_id"))
            for path, file in zip(paths, files, strict=True)
        ]

    def _count(
        self,
        spec: TableSpec,
        added: list[DataFile],
        removed: list[DataFile],
        seconds: float,
    ) -> None:
        report = self._report.tables.setdefault(spec.name, TableReport())
        report.rows += sum(file.rows for file in added)
        report.files_added += len(added)
        report.files_removed += len(removed)
        report.bytes_written += sum(file.size for file in added)
        report.seconds += seconds

    def _finish(self, previous: Epoch, fold: Fold) -> None:
        """Publish which versions of the tables belong to the fold."""
        tables = self._lake.tables
        versions = {spec.name: tables[spec.name].version() for spec in DATA_TABLES}
        files = {name: tables[name].files(version) for name, version in versions.items()}
        removed = {
            name: sorted({f.path for f in before} - {f.path for f in files[name]})
            for name, before in previous.files.items()
            if previous.versions[name] != versions[name]
        }
        folds.finish(
            self._lake.fs,
            folds.Epoch(fold.epoch, fold.positions, versions, files, removed),
        )

    def _say(self, step: str) -> None:
        self._progress(Progress(step, self._report.log_bytes, self._total))


def _is_reached(positions: Mapping[str, Position], target: Mapping[str, int]) -> bool:
    return all(
        writer in positions and (number, end) <= positions[writer][:2]
        for path, end in target.items()
        for writer, number in [(writer_of(path), number_of(path))]
    )
