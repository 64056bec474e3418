"""The one way from any source into a lake: streamed, resumed anywhere, exactly once.

1. ``_wanted`` asks the source for its experiments; ``bring_experiments`` makes those that the
   lake lacks.
2. ``_Import.run`` goes through runs in batches. What the lake holds of a batch is looked up at
   once: of a run that it has whole nothing is read.
3. Runs and points become records, which are gathered to few writes (``destination``).
4. Files are copied once the records of their batch are written (``FileCopies``).
5. Logged models, traces and datasets come beside runs (``BesideRuns``), registered models at
   the end: their versions are in folders of runs and logged models that are there by then.
6. The log is folded where the lake folds by itself, and ``count_lake`` counts what is there.

No state is kept but the lake: an import that was stopped is begun again, and goes on.
"""

from __future__ import annotations

from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING

from lakeflow.importing.beside_runs import BesideRuns, count_beside_runs
from lakeflow.importing.destination import curves, totals
from lakeflow.importing.destination.experiments import bring_experiments
from lakeflow.importing.destination.files import FileCopies
from lakeflow.importing.destination.runs import changed_bodies, checked_run, made_bodies
from lakeflow.importing.items import Problem
from lakeflow.importing.report import ImportProgress, ImportReport
from lakeflow.kinds import EXPERIMENT
from lakeflow.stores.arguments import below
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.run_heads import RunHead

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from lakeflow.importing.destination.runs import CheckedRun
    from lakeflow.importing.items import Curve, ExperimentItem, RunItem
    from lakeflow.importing.source import Artifacts, Source, Wanted
    from lakeflow.log.appender import Gathered
    from lakeflow.stores.state import RunState
    from lakeflow.stores.store import Store

_RUNS_A_BATCH = 100

_CHARACTERS_A_WRITE = 2 * 1024 * 1024


def import_source(
    source: Source,
    store: Store,
    wanted: Wanted,
    artifacts: Artifacts = "copy",
    progress: Callable[[ImportProgress], None] = lambda _: None,
) -> ImportReport:
    """Bring what a source holds into a lake; see ``lakeflow.importing.import_from``.

    Args:
        source: The source.
        store: The lake.
        wanted: What of the source.
        artifacts: What becomes of files.
        progress: Called as work goes on.
    """
    report = ImportReport(source.name)
    source.report_to(report.add)
    # To the end, before anything is written: some readers read all of their files here, and see
    # that a column was mistyped.
    found = [*_wanted(source, wanted, report)]
    lake = store.lake
    # What a killed import has left in the log would be held in memory to look into it.
    _fold(store, least_bytes=lake.settings.auto_compact_bytes)
    # One look: what comes later is this import's own, or is written again and counts once.
    store.runs.reader.things(EXPERIMENT, [], look=True)
    experiments = bring_experiments(store.experiments, found, report.add)
    copies = FileCopies(store.artifacts, report.add)
    with copies, lake.gathering() as gathered:
        work = _Import(source, store, wanted, report, gathered, copies, artifacts, progress)
        beside = BesideRuns(source, store, wanted, artifacts, report, work.append, work.tell)
        counted: set[str] = set()
        for item in found:
            identity = experiments.get(item.key)
            # Of two with one name the lake makes one.
            if identity not in counted:
                report.count("experiments", 1, len(item.name))
            if identity is not None:
                counted.add(identity)
                work.experiment(item, identity)
                beside.traces(item, identity)
        beside.logged_models(found, experiments)
        beside.evaluation_datasets(experiments)
        gathered.write()
        copies.finish()
    work.tell("fold the log")
    _fold(store)
    # What versions are of is there since the last look.
    store.runs.reader.things(EXPERIMENT, [], look=True)
    beside.registered_models(experiments.values())
    beside.scorers(experiments)
    beside.reviews(experiments)
    work.tell("count what is in the lake")
    ids = set(experiments.values())
    totals.count_lake(store, report, ids, work.runs)
    totals.count_beside(store, report, ids | beside.experiments, beside.names, beside.datasets)
    return report


def _fold(store: Store, least_bytes: int = 0) -> None:
    """Fold the log where the lake folds by itself: what is looked up is in memory else."""
    lake = store.lake
    if lake.settings.auto_compact and lake.listing().unfolded_bytes > least_bytes:
        from lakeflow.maintenance.compact import compact_lake

        compact_lake(lake)


def try_source(
    source: Source,
    store: Store | None,
    wanted: Wanted,
    artifacts: Artifacts = "copy",
    progress: Callable[[ImportProgress], None] = lambda _: None,
) -> ImportReport:
    """Count what an import would bring, and write nothing.

    Args:
        source: The source.
        store: The lake; None if there is none yet.
        wanted: What of the source.
        artifacts: What would become of files.
        progress: Called as work goes on.
    """
    report = ImportReport(source.name, is_dry_run=True)
    source.report_to(report.add)
    runs: dict[str, bool] = {}
    points = 0
    found = [*_wanted(source, wanted, report)]
    # Of two with one name the lake makes one.
    names = {item.name for item in found}
    report.count("experiments", len(names), sum(map(len, names)))
    for item in found:
        for run in _runs(source, item, wanted):
            # Where it will be changes nothing in what a lake refuses of it.
            if _is_repeated(run, runs, report) or (
                (checked := checked_run(run, "0", "", report.add)) is None
            ):
                continue
            runs[run.run_id] = False
            totals.count_run(report, checked)
            number = _point_count(source, run)
            points += number
            report.count("metrics", number, 0)
            if artifacts == "copy":
                totals.count_files(report, [*source.files(run)])
            if len(runs) % _RUNS_A_BATCH == 0:
                progress(ImportProgress(f"count {item.name}", len(runs), points, 0))
    models, datasets = count_beside_runs(source, found, wanted, report)
    if store is not None:
        named = (store.experiments.find(name) for name in names if name)
        ids = {each.experiment_id for each in named if each is not None}
        totals.count_lake(store, report, ids, runs)
        totals.count_beside(store, report, ids, models, datasets)
    return report


def _wanted(source: Source, wanted: Wanted, report: ImportReport) -> Iterator[ExperimentItem]:
    """Yield the wanted experiments of a source; of those that are not there it is told."""
    missing = set(wanted.experiments)
    for item in source.experiments():
        if not wanted.experiments or item.name in wanted.experiments:
            missing.discard(item.name)
            yield item
    for name in sorted(missing):
        report.add(Problem(f"experiment {name}", f"{source.name} has none of this name"))


def _runs(source: Source, item: ExperimentItem, wanted: Wanted) -> Iterator[RunItem]:
    for run in source.runs(item, wanted.since):
        if wanted.since is None or run.start_time >= wanted.since:
            yield run


def _is_repeated(run: RunItem, runs: Container[str], report: ImportReport) -> bool:
    """Return whether a run is one of those that there were before, which is reported."""
    if run.run_id in runs:
        why = "the source has it twice: the second one is left out"
        report.add(Problem(f"run {run.run_id}", why))
        return True
    return False


def _point_count(source: Source, run: RunItem) -> int:
    counts = source.counts(run)
    if counts is None:
        return sum(len(curve.values) for curve in source.curves(run))
    return sum(counts.values())


class _Import:
    """An import that is under way.

    Attributes:
        runs: For each run whether all of its points were read.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        wanted: Wanted,
        report: ImportReport,
        gathered: Gathered,
        copies: FileCopies,
        artifacts: Artifacts,
        progress: Callable[[ImportProgress], None],
    ) -> None:
        self._source = source
        self._store = store
        self._wanted = wanted
        self._report = report
        self._gathered = gathered
        self._copies = copies
        self._artifacts = artifacts
        self._progress = progress
        # Of what two imports say of one key the later one counts: its numbers are larger.
        self._seq = now_ms()
        self._points = 0
        self.runs: dict[str, bool] = {}

    def tell(self, step: str) -> None:
        """Say how far it is."""
        self._progress(ImportProgress(step, len(self.runs), self._points, self._copies.files))

    def experiment(self, item: ExperimentItem, experiment_id: str) -> None:
        """Bring the runs of an experiment."""
        location = self._store.experiments.location(experiment_id)
        runs = _runs(self._source, item, self._wanted)
        while batch := [*islice(runs, _RUNS_A_BATCH)]:
            # What this process saw at the beginning: its own lines are not read back.
            known = {
                state.fields["run_id"]: state
                for state in self._store.runs.reader.runs([run.run_id for run in batch])
            }
            brought = []
            for run in batch:
                checked = self._run(run, experiment_id, location, known.get(run.run_id))
                brought += [checked] if checked is not None else []
            # The threads that copy files log rows about these runs, which come after the runs.
            self._gathered.write()
            for checked in brought:
                self._files(checked, is_new=checked.item.run_id not in known)
            self.tell(item.name)

    def _run(
        self, item: RunItem, experiment_id: str, location: str, known: RunState | None
    ) -> CheckedRun | None:
        report = self._report.add
        if _is_repeated(item, self.runs, self._report):
            return None
        if known is not None:
            # Its experiment may have got another name in the lake.
            experiment_id = known.fields["experiment_id"]
        artifact_uri = self._artifact_uri(item, location)
        run = checked_run(item, experiment_id, artifact_uri, report)
        if run is None:
            return None
        totals.count_run(self._report, run)
        if known is None:
            self.append(made_bodies(run, self._seq))
        else:
            self.append(changed_bodies(run, known, self._seq, report))
        self.runs[item.run_id] = self._bring_points(run, known)
        return run

    def _artifact_uri(self, item: RunItem, location: str) -> str:
        """Return where the files of a run will be: where they are, or in the lake."""
        if self._artifacts == "leave" and item.artifact_uri:
            lake = self._store.lake
            if lake.fs.resolve(item.artifact_uri) == item.artifact_uri:
                return item.artifact_uri
            self._report.add(
                Problem(f"run {item.run_id}", f"{item.artifact_uri!r} is no absolute location")
            )
        return below(location, f"{item.run_id}/artifacts")

    def append(self, bodies: Sequence[str]) -> None:
        """Append records, and write what is gathered once that is much."""
        self._store.lake.append(bodies)
        if self._gathered.size >= _CHARACTERS_A_WRITE:
            self._gathered.write()

    def _bring_points(self, run: CheckedRun, known: RunState | None) -> bool:
        """Bring the points that the lake lacks; returns whether all of the run were read."""
        held = {} if known is None else {key: each.count for key, each in known.metrics.items()}
        if held:
            counts = self._source.counts(run.item)
            # More is fine: people may go on logging to the run in the lake.
            if counts is not None and all(held.get(key, 0) >= n for key, n in counts.items()):
                # No values were read, so that the lake's are left out of the sum as well.
                self._report.count("metrics", sum(counts.values()), 0)
                return False
        for key, chunks in groupby(self._source.curves(run.item), key=attrgetter("key")):
            self._bring_curve(run, self._counted(run, chunks), is_begun=key in held)
        return True

    def _bring_curve(self, run: CheckedRun, chunks: Iterator[Curve], *, is_begun: bool) -> None:
        first = next(chunks, None)
        if first is None:
            return
        chunks, place = chain([first], chunks), 0
        if is_begun:
            held = self._store.runs.history_table(run.item.run_id, first.key)
            # As many as there are now: another import may have gone on since the first look.
            chunks, place = curves.lacking(chunks, held), held.num_rows
        for chunk in chunks:
            self.append(curves.bodies(run, chunk, place))
            place += len(chunk.values)

    def _counted(self, run: CheckedRun, chunks: Iterable[Curve]) -> Iterator[Curve]:
        """Yield what a lake can have of a curve, and count what the source has."""
        where = f"run {run.item.run_id}"
        of_points = self._report.tables["metrics"]
        for chunk in chunks:
            count, amount, size = curves.measured(chunk)
            of_points.source.add(count, amount)
            # An addition is off by 1e-16 of the sum at most, and this allows for some ten
            # million of them.
            of_points.tolerance += size * 1e-9
            self._points += count
            kept = curves.checked(chunk, where, self._report.add)
            if kept is not None:
                yield kept

    def _files(self, run: CheckedRun, *, is_new: bool) -> None:
        if self._artifacts == "leave":
            return
        files = [*self._source.files(run.item)]
        if not files:
            return
        totals.count_files(self._report, files)
        fields = run.fields
        if is_new:
            # Else it would be looked for in the log.
            self._store.runs.heads.keep(
                run.item.run_id,
                RunHead(
                    run.experiment_id,
                    run.item.run_id,
                    fields["lifecycle_stage"],
                    fields["artifact_uri"],
                    is_own=True,
                ),
            )
        self._copies.copy(run.item.run_id, files, is_new=is_new)
