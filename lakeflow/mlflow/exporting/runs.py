"""Experiments and runs, from the lake to MLflow.

1. ``_placed`` makes an experiment; ``_known`` asks MLflow once which runs of it are there
   already: a run there has a tag with its id in the lake.
2. ``_create`` makes those that are not there. Once it has made those of all experiments, their
   logged models come next.
3. ``_fill`` goes through a page of runs, ``_write`` writes what is missing of them: params,
   tags, inputs, files, points, status and end.
4. ``comparison.compare`` asks MLflow for what was written, and holds it to what the lake says.
   Then a tag says that all of a run is there. The next export passes over a run whose tag
   still fits what the lake holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow.entities import LifecycleStage, Param, RunStatus, RunTag, ViewType

from lakeflow.mlflow.exporting import comparison, files, logged_models, points, traces
from lakeflow.mlflow.exporting.places import Place
from lakeflow.mlflow.exporting.target import (
    ID_TAG,
    IS_2,
    OWN_TAGS,
    STATE_TAG,
    batches,
    digest,
    pages,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow.entities import Experiment, Metric, Run

    from lakeflow.mlflow.exporting.target import Export
    from lakeflow.query.engine.connection import Cursor

_RUNS_AT_ONCE = 500

_MOST_PAIRS = 100
"""Most params, or tags, that MLflow takes with one call."""


@dataclass(slots=True)
class Known:
    """What MLflow has of a run.

    Attributes:
        run_id: Its id there.
        state: The digest of what was there when it was whole; None before that.
        stage: Its lifecycle stage.
        is_new: Whether this export has made it.
        is_whole: Whether this export has lost nothing of it; else the next one tries again.
    """

    run_id: str
    state: str | None
    stage: str
    is_new: bool = False
    is_whole: bool = True


def export_experiments(export: Export) -> None:
    """Write all wanted experiments with everything that belongs to them."""
    known: dict[str, Known] = {}
    # All runs first, then all models: models name the runs that made them, runs the models
    # that they used, and traces both, of any experiment.
    placed = [
        (experiment, place)
        for experiment in experiments(export)
        if (place := _placed(export, experiment, known)) is not None
    ]
    for experiment, place in placed:
        logged_models.export_models(export, experiment, place, known)
    for experiment, place in placed:
        done = 0
        for page in _runs(export, experiment):
            _fill(export, place, page, known)
            done += len(page)
            export.advance(experiment.name, done)
        traces.export_traces(export, experiment, place, known)
        place.leave()
    for run_id in export.runs.keys() & known.keys():
        export.runs[run_id] = known[run_id].run_id


def experiments(export: Export) -> Iterator[Experiment]:
    """Yield the wanted experiments of the lake."""
    wanted = export.wanted.experiments
    for page in pages(
        lambda token: export.source.search_experiments(ViewType.ALL, page_token=token)
    ):
        yield from (each for each in page if not wanted or each.name in wanted)


def _placed(export: Export, experiment: Experiment, known: dict[str, Known]) -> Place | None:
    """Make an experiment and its runs, and note what MLflow has of these; None if refused."""
    report, dry_run = export.report, export.wanted.dry_run
    report.lake["experiments"] += 1
    place = Place(export, experiment)
    if not place.find() and not dry_run and not place.create():
        return None
    report.there["experiments"] += place.experiment_id is not None
    known |= _known(export, place)
    if not dry_run:
        for page in _runs(export, experiment):
            _create(export, place, page, known)
    return place


def _runs(export: Export, experiment: Experiment) -> Iterator[Sequence[Run]]:
    """Yield pages of an experiment's wanted runs, the oldest first."""
    since = export.wanted.since
    condition = "" if since is None else f"attributes.start_time >= {since:d}"
    yield from pages(
        lambda token: export.source.search_runs(
            [experiment.experiment_id],
            condition,
            ViewType.ALL,
            _RUNS_AT_ONCE,
            ["attributes.start_time ASC"],
            token,
        )
    )


def _known(export: Export, place: Place) -> dict[str, Known]:
    """Return what MLflow has of the runs of an experiment, by their ids in the lake."""
    found: dict[str, Known] = {}
    if place.experiment_id is None:
        return found
    ids = [place.experiment_id]
    for page in pages(
        lambda token: export.target.search_runs(
            ids, "", ViewType.ALL, _RUNS_AT_ONCE, page_token=token
        )
    ):
        for run in page:
            ours = run.data.tags.get(ID_TAG)
            if ours is not None:
                state = run.data.tags.get(STATE_TAG)
                found[ours] = Known(run.info.run_id, state, run.info.lifecycle_stage)
    return found


def _create(export: Export, place: Place, page: Sequence[Run], known: dict[str, Known]) -> None:
    """Make the runs of a page that are not there, with the tag that tells which they are."""
    for run in page:
        info = run.info
        if info.run_id in known:
            continue
        # With its first call: a run without this tag would be made again by the next export.
        tags = [RunTag(ID_TAG, info.run_id)]
        made = export.tracking.create_run(
            place.open(), info.user_id, info.start_time, tags, info.run_name
        )
        known[info.run_id] = Known(made.info.run_id, None, LifecycleStage.ACTIVE, is_new=True)
        export.report.written["runs"] += 1


def _fill(export: Export, place: Place, page: Sequence[Run], known: dict[str, Known]) -> None:
    """Write what is missing of a page of runs."""
    if not page:
        return
    by_id = {run.info.run_id: run for run in page}
    with export.store.columns.snapshot() as cursor:
        # Counts, files and points are of one instant, so that they fit one another.
        counted = points.counts(cursor, [*by_id])
        recorded = files.recorded(cursor) if export.wanted.with_artifacts else {}
        states = {
            run_id: _state(export, run, counted[run_id], recorded.get(run_id, []))
            for run_id, run in by_id.items()
        }
        for run in page:
            comparison.add(export.report.lake, run, counted[run.info.run_id])
        stale = [
            run_id
            for run_id, state in states.items()
            if run_id not in known or known[run_id].state != state
        ]
        for run_id in by_id.keys() - set(stale):
            # An earlier export has written and compared it.
            comparison.add(export.report.there, by_id[run_id], counted[run_id])
        if not stale or export.wanted.dry_run:
            return
        _write(export, place, [by_id[run_id] for run_id in stale], known, cursor)
    theirs = {run_id: known[run_id].run_id for run_id in stale}
    same = comparison.compare(export, place.open(), by_id, theirs, counted)
    for run_id in stale:
        # The next export passes over what has this tag, and tries the others again.
        if known[run_id].is_whole and run_id in same:
            export.target.set_tag(theirs[run_id], STATE_TAG, states[run_id])
        if by_id[run_id].info.lifecycle_stage == LifecycleStage.DELETED:
            # Last, since MLflow lets nobody write to a deleted run.
            export.target.delete_run(theirs[run_id])


def _state(export: Export, run: Run, counted: dict[str, int], recorded: list[Any]) -> str:
    """Return the digest of what the lake holds of a run, and what MLflow lacks for it."""
    outputs = [] if IS_2 else [dict(each) for each in run.outputs.model_outputs]
    info = dict(run.info)
    # It changes where the lake is moved, and nothing of it goes to MLflow.
    del info["artifact_uri"]
    return digest(
        info,
        run.data.params,
        run.data.tags,
        run.inputs.to_dictionary(),
        outputs,
        counted,
        run.data.metrics,
        recorded,
        logged_models.lacking(export, run),
    )


def _write(
    export: Export,
    place: Place,
    runs: Sequence[Run],
    known: dict[str, Known],
    cursor: Cursor,
) -> None:
    place.open()
    for run in runs:
        there = known[run.info.run_id]
        if there.stage == LifecycleStage.DELETED:
            export.target.restore_run(there.run_id)
        _write_pairs(export, run, there)
        _write_uses(export, run, there)
        if export.wanted.with_artifacts:
            there.is_whole &= files.copied(
                export,
                f"run {run.info.run_id}",
                run.info.artifact_uri,
                lambda folder, there=there: export.target.log_artifacts(there.run_id, folder),  # type: ignore[misc]
            )
    ids = [run.info.run_id for run in runs]
    # Databases keep one of them, and that of MLflow 2 refuses to be given two at once.
    alike = 0 if export.is_to_files else points.alike(cursor, ids)
    export.alike += alike
    for run_id, rows in points.of_runs(cursor, ids, distinct=alike > 0):
        there = known[run_id]
        there.is_whole &= points.send(export, there.run_id, rows, _histories(export, there))
    for run in runs:
        info, there = run.info, known[run.info.run_id]
        status = RunStatus.from_string(info.status)
        export.tracking.update_run_info(there.run_id, status, info.end_time, info.run_name)


def _write_pairs(export: Export, run: Run, there: Known) -> None:
    params = [Param(key, value) for key, value in run.data.params.items()]
    tags = [RunTag(key, value) for key, value in run.data.tags.items() if key not in OWN_TAGS]
    for name, pairs in {"params": params, "tags": tags}.items():
        for batch in batches(pairs, _MOST_PAIRS, lambda each: each.key + each.value):
            there.is_whole &= export.sent(
                f"run {run.info.run_id}",
                batch,
                lambda some, name=name: export.target.log_batch(  # type: ignore[misc]
                    there.run_id, synchronous=True, **{name: some}
                ),
            )


def _write_uses(export: Export, run: Run, there: Known) -> None:
    """Write which datasets and logged models a run used, and which models it made."""
    datasets, (used, made) = run.inputs.dataset_inputs, logged_models.uses(export, run)
    for model_id in logged_models.lacking(export, run):
        export.report.miss(
            f"run {run.info.run_id}", f"its logged model {model_id} is not in MLflow"
        )
    # MLflow 2 has no such argument.
    more = {"models": used} if used else {}

    def write() -> bool:
        if datasets or used:
            export.target.log_inputs(there.run_id, datasets, **more)
        if made:
            export.target.log_outputs(there.run_id, made)
        return True

    there.is_whole &= export.refusable(f"run {run.info.run_id}, datasets", write) or False


def _histories(export: Export, there: Known) -> Any:
    """Return what says which points MLflow has of a metric."""
    if there.is_new:
        # To ask for what cannot be there would be a request for each metric.
        return lambda key: ()
    metrics = export.target.get_run(there.run_id).data.metrics

    def history(key: str) -> Sequence[Metric]:
        found: Sequence[Metric] = ()
        if key in metrics:
            found = export.target.get_metric_history(there.run_id, key)
        return found

    return history
