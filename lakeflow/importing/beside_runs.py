"""What an import brings beside runs: models, traces, and what is for evaluation."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from lakeflow.importing.destination.evaluation import DatasetCopies, write_scorers
from lakeflow.importing.destination.logged_models import MODELS_AT_ONCE, LoggedModelCopies
from lakeflow.importing.destination.model_files import copy_model_files
from lakeflow.importing.destination.registered_models import write_models
from lakeflow.importing.destination.reviews import ReviewCopies
from lakeflow.importing.destination.traces import TRACES_AT_ONCE, TraceCopies
from lakeflow.importing.destination.version_places import places_of
from lakeflow.importing.evaluation_items import EvaluationSource
from lakeflow.importing.model_source import ModelSource
from lakeflow.importing.review_items import ReviewSource
from lakeflow.stores.arguments import below

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Collection,
        Container,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from lakeflow.importing.evaluation_items import (
        DatasetRecordItem,
        EvaluationDatasetItem,
        ScorerVersionItem,
    )
    from lakeflow.importing.items import ExperimentItem, FileItem
    from lakeflow.importing.model_items import (
        LoggedModelItem,
        ModelPoint,
        ModelVersionItem,
        RegisteredModelItem,
    )
    from lakeflow.importing.report import ImportReport
    from lakeflow.importing.review_items import ReviewItem
    from lakeflow.importing.source import Artifacts, Source, Wanted
    from lakeflow.importing.trace_items import TraceItem
    from lakeflow.stores.store import Store

_VERSIONS_AT_ONCE = 500


class BesideRuns:
    """The part of an import that is not about runs; nothing of a source that has no such part.

    Args:
        source: The source.
        store: The lake.
        wanted: What of the source.
        artifacts: What becomes of files.
        report: What the import says of itself.
        append: Takes records for the lake.
        tell: Called as work goes on.

    Attributes:
        names: Names of the registered models that the source has of what is wanted.
        datasets: Ids of the datasets for evaluation that it has of that.
        experiments: Ids of the experiments that traces and logged models are in.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        wanted: Wanted,
        artifacts: Artifacts,
        report: ImportReport,
        append: Callable[[Sequence[str]], None],
        tell: Callable[[str], None],
    ) -> None:
        self.names: list[str] = []
        self.datasets: list[str] = []
        self.experiments: set[str] = set()
        self._read = _Reading(source, wanted, report)
        self._store = store
        self._artifacts = artifacts
        self._report = report
        self._append = append
        self._tell = tell

    def traces(self, item: ExperimentItem, experiment_id: str) -> None:
        """Bring the traces of an experiment."""
        copies = TraceCopies(self._store, self._append, self._report.add)
        traces = self._read.traces(item)
        while batch := [*islice(traces, TRACES_AT_ONCE)]:
            self.experiments |= copies.write(experiment_id, batch)
            self._tell(f"traces of {item.name}")

    # Logged models

    def logged_models(
        self, items: Sequence[ExperimentItem], experiments: Mapping[str, str]
    ) -> None:
        """Bring the logged models of experiments.

        Args:
            items: The experiments.
            experiments: Their ids in the lake by key.
        """
        copies = LoggedModelCopies(self._store, self._append, self._report.add)
        models = self._read.logged_models(items, experiments)
        while batch := [*islice(models, MODELS_AT_ONCE)]:
            # A source may yield the models of all experiments mixed, by their ids.
            for key in {model.experiment for model in batch}:
                some = [model for model in batch if model.experiment == key]
                self._bring_models(copies, experiments[key], some)
            self._tell("logged models")

    def _bring_models(
        self, copies: LoggedModelCopies, experiment_id: str, models: Sequence[LoggedModelItem]
    ) -> None:
        location = self._store.experiments.location(experiment_id)
        places = {each.model_id: self._place(each, location) for each in models}
        for model, at, place in copies.write(experiment_id, models, places):
            self.experiments.add(at)
            if copies.lacks_points(model):
                copies.write_points(at, model, self._read.points(model))
            if self._artifacts == "copy":
                files = [*self._read.files(model)]
                scope = at, model.model_id
                copy_model_files(
                    self._store, scope, place, files, self._append, self._report.add
                )

    def _place(self, model: LoggedModelItem, location: str) -> str:
        """Return where the files of a model will be: where they are, or in the lake."""
        at = model.artifact_location
        # What is relative would be a place in the lake.
        if self._artifacts == "leave" and self._store.lake.fs.resolve(at) == at:
            return at
        return below(location, f"models/{model.model_id}/artifacts")

    # Evaluation

    def evaluation_datasets(self, experiments: Mapping[str, str]) -> None:
        """Bring the datasets for evaluation; takes ids of experiments in the lake by key."""
        copies = DatasetCopies(self._store, self._append, self._report.add)
        for item in self._read.evaluation_datasets(experiments):
            self.datasets.append(item.dataset_id)
            copies.write(item, experiments, self._read.dataset_records(item))
            self._tell("datasets for evaluation")

    def scorers(self, experiments: Mapping[str, str]) -> None:
        """Bring the scorers of experiments; takes their ids in the lake by key."""
        write_scorers(self._store, self._read.scorer_versions(experiments), experiments)

    def reviews(self, experiments: Mapping[str, str]) -> None:
        """Bring questions, review queues and issues; takes ids of experiments by key."""
        copies = ReviewCopies(self._store, experiments, self._report.add)
        copies.write(self._read.reviews(experiments))

    # Registered models

    def registered_models(self, experiment_ids: Iterable[str]) -> None:
        """Bring registered models: their files, and the runs that made them, are there.

        Where only some experiments are wanted, versions of runs of other ones are not.

        Args:
            experiment_ids: The experiments that are imported, by their ids in the lake.
        """
        ids = frozenset(experiment_ids)

        def of_wanted(run_ids: Sequence[str]) -> set[str]:
            return {
                state.fields["run_id"]
                for state in self._store.runs.reader.runs(run_ids)
                if state.fields["experiment_id"] in ids
            }

        for _ in write_models(
            self._store,
            self._read.registered_models(of_wanted, self.names),
            self._report.add,
            lambda versions: places_of(self._store, versions),
            are_all=self._read.is_all,
        ):
            self._tell("registered models")


def count_beside_runs(
    source: Source, items: Sequence[ExperimentItem], wanted: Wanted, report: ImportReport
) -> tuple[list[str], list[str]]:
    """Count what an import would bring beside runs.

    Returns:
        Names of registered models, and ids of datasets for evaluation.
    """
    read = _Reading(source, wanted, report)
    for item in items:
        # They are counted as they are read.
        _exhaust(read.traces(item))
    keys = {item.key for item in items}
    datasets = []
    for dataset in read.evaluation_datasets(keys):
        datasets.append(dataset.dataset_id)
        _exhaust(read.dataset_records(dataset))
    _exhaust(read.scorer_versions(keys))
    _exhaust(read.reviews(keys))
    for model in read.logged_models(items, keys):
        if model.point_count is None:
            _exhaust(read.points(model))
    names: list[str] = []
    run_ids: set[str] = set()
    # An import would ask the lake, which may not hold the runs yet.
    if wanted.experiments:
        runs = (run for item in items for run in source.runs(item, wanted.since))
        run_ids = {run.run_id for run in runs}
    for _, versions in read.registered_models(run_ids.intersection, names):
        _exhaust(versions)
    return names, datasets


def _exhaust(things: Iterable[object]) -> None:
    for _ in things:
        pass


class _Reading:
    """Reads what is wanted of a source beside runs, and counts it.

    Args:
        source: The source.
        wanted: What of it.
        report: Where counts go.

    Attributes:
        is_all: Whether all of the source is wanted.
    """

    def __init__(self, source: Source, wanted: Wanted, report: ImportReport) -> None:
        self._source = source if isinstance(source, ModelSource) else None
        self._evaluation = source if isinstance(source, EvaluationSource) else None
        self._reviews = source if isinstance(source, ReviewSource) else None
        self._wanted = wanted
        self._report = report
        self.is_all = not wanted.experiments and wanted.since is None

    def _is_late(self, time: int) -> bool:
        return self._wanted.since is None or time >= self._wanted.since

    def traces(self, item: ExperimentItem) -> Iterator[TraceItem]:
        """Yield the traces of an experiment."""
        if self._source is None:
            return
        for trace in self._source.traces(item, self._wanted.since):
            info = trace.info
            if self._is_late(info.request_time):
                self._report.count("traces", 1, info.request_time)
                names = trace.spans["name"]
                self._report.count("spans", len(names), sum(map(len, names)))
                times = [each.create_time_ms or 0 for each in info.assessments]
                self._report.count("assessments", len(times), sum(times))
                yield trace

    def logged_models(
        self, items: Sequence[ExperimentItem], keys: Container[str]
    ) -> Iterator[LoggedModelItem]:
        """Yield the logged models of experiments.

        Args:
            items: The experiments.
            keys: The keys of those that the lake has.
        """
        if self._source is None:
            return
        for model in self._source.logged_models(items):
            if model.experiment in keys and self._is_late(model.creation_time):
                self._report.count("logged_models", 1, model.creation_time)
                self._report.count("logged_model_metrics", model.point_count or 0, 0)
                yield model

    def points(self, model: LoggedModelItem) -> Iterator[Sequence[ModelPoint]]:
        """Yield the points of a logged model; they are counted where it does not say them."""
        assert self._source is not None
        for chunk in self._source.model_points(model):
            if model.point_count is None:
                self._report.count("logged_model_metrics", len(chunk), 0)
            yield chunk

    def files(self, model: LoggedModelItem) -> Iterator[FileItem]:
        """Yield the files of a logged model."""
        assert self._source is not None
        return self._source.model_files(model)

    def evaluation_datasets(self, keys: Container[str]) -> Iterator[EvaluationDatasetItem]:
        """Yield the datasets for evaluation: all, or those of wanted experiments.

        Args:
            keys: The keys of experiments that the lake has.
        """
        if self._evaluation is None:
            return
        wanted = keys if self._wanted.experiments else None
        for item in self._evaluation.evaluation_datasets(wanted):
            is_wanted = wanted is None or any(each in wanted for each in item.experiments)
            if is_wanted and self._is_late(item.last_update_time):
                self._report.count("evaluation_datasets", 1, item.created_time)
                yield item

    def dataset_records(
        self, item: EvaluationDatasetItem
    ) -> Iterator[Sequence[DatasetRecordItem]]:
        """Yield the records of a dataset."""
        assert self._evaluation is not None
        for some in self._evaluation.dataset_records(item):
            self._report.count("evaluation_dataset_records", len(some), 0)
            yield some

    def scorer_versions(self, keys: Container[str]) -> Iterator[ScorerVersionItem]:
        """Yield the versions of scorers of experiments, by the keys of these."""
        if self._evaluation is None:
            return
        counted: set[tuple[str, str]] = set()
        for version in self._evaluation.scorer_versions(keys):
            if not self._is_late(version.creation_time):
                continue
            scorer = version.experiment, version.name
            if scorer not in counted:
                counted.add(scorer)
                self._report.count("scorers", 1, version.creation_time)
            self._report.count("scorer_versions", 1, version.creation_time)
            yield version

    def reviews(self, keys: Container[str]) -> Iterator[ReviewItem]:
        """Yield questions, queues and issues of experiments, by the keys of these."""
        if self._reviews is None:
            return
        for item in self._reviews.reviews(keys):
            if not self._is_late(item.updated):
                continue
            self._report.count(item.kind.row.name, 1, item.row[item.kind.makes])
            for table, rows in item.parts.items():
                self._report.count(table, len(rows), sum(row["created_time"] for row in rows))
            yield item

    def registered_models(
        self, of_wanted: Callable[[Sequence[str]], Collection[str]], names: list[str]
    ) -> Iterator[tuple[RegisteredModelItem, Iterator[ModelVersionItem]]]:
        """Yield the registered models, each with its versions.

        Args:
            of_wanted: Returns those of some runs that are of wanted experiments.
            names: Takes the names of the models.
        """
        if self._source is None:
            return
        for model in self._source.registered_models():
            versions = self._versions(self._source.model_versions(model), of_wanted)
            first = next(versions, None)
            # Of a model that has none of the wanted versions nothing is wanted.
            if first is not None or self.is_all:
                names.append(model.name)
                self._report.count("registered_models", 1, len(model.name))
                yield model, chain([] if first is None else [first], versions)

    def _versions(
        self,
        versions: Iterator[ModelVersionItem],
        of_wanted: Callable[[Sequence[str]], Collection[str]],
    ) -> Iterator[ModelVersionItem]:
        late = (each for each in versions if self._is_late(each.creation_time))
        while batch := [*islice(late, _VERSIONS_AT_ONCE)]:
            if self._wanted.experiments:
                runs = of_wanted(sorted({each.run_id for each in batch if each.run_id}))
                batch = [each for each in batch if each.run_id in runs]
            for version in batch:
                self._report.count("model_versions", 1, version.creation_time)
                yield version
