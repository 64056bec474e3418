"""What is behind an MLflow tracking URI, as MLflow's own client reads it."""

from __future__ import annotations

import os
import shutil
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import mlflow.artifacts
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from lakeflow import temporary
from lakeflow.entities import LifecycleStage, TraceInfo, TraceState, trace_info
from lakeflow.exceptions import StorageError
from lakeflow.importing.items import (
    Curve,
    DatasetItem,
    ExperimentItem,
    FileItem,
    Problem,
    RunItem,
    reason,
)
from lakeflow.importing.model_items import (
    LoggedModelItem,
    ModelPoint,
    ModelVersionItem,
    RegisteredModelItem,
)
from lakeflow.importing.sources.artifact_files import files_below
from lakeflow.importing.sources.mlflow.infinities import unclipped
from lakeflow.importing.trace_items import TraceItem, span_columns
from lakeflow.mlflow.exporting.target import pages
from lakeflow.mlflow.importing.evaluation import TrackedEvaluation
from lakeflow.mlflow.importing.reviews import TrackedReviews
from lakeflow.mlflow.trace_entities import ARTIFACT_LOCATION, SPANS_LOCATION, info_from
from lakeflow.tracing.columns import empty_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_RUNS_A_PAGE = 1_000

_TRACES_A_PAGE = 100

_POINTS_A_CHUNK = 4_096

_FOLDERS_KEPT = 64
"""Runs whose files are on this machine at one time: more than are on their way to the lake."""


class TrackingSource(TrackedEvaluation, TrackedReviews):
    """A reader of what MLflow's client reads.

    Args:
        uri: The tracking URI.

    Attributes:
        name: What it is, for people.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._uri = uri
        self._metrics: dict[str, list[str]] = {}
        self._folder = temporary.path("mlflow-artifacts")
        self._fetched: deque[str] = deque()

    def close(self) -> None:
        """Delete what was fetched."""
        shutil.rmtree(self._folder, ignore_errors=True)

    # Runs

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield all experiments, deleted ones too."""
        for found in self.pages(
            lambda token: self.client.search_experiments(ViewType.ALL, page_token=token)
        ):
            is_active = found.lifecycle_stage == LifecycleStage.ACTIVE
            keys = self.experiment_keys if is_active else self.deleted_keys
            keys.append(found.experiment_id)
            yield ExperimentItem(
                found.experiment_id,
                found.name,
                dict(found.tags),
                found.lifecycle_stage,
                found.creation_time,
                found.last_update_time,
                found.artifact_location,
            )

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of an experiment."""
        for found in self.pages(
            lambda token: self.client.search_runs(
                [experiment.key],
                "" if since is None else f"attributes.start_time >= {int(since)}",
                ViewType.ALL,
                _RUNS_A_PAGE,
                # MLflow's tokens are offsets: of the newest first, a run that begins now would
                # move all pages.
                ["attributes.start_time ASC"],
                token,
            )
        ):
            info, data = found.info, found.data
            # Whoever asks for the points of a run does so before the next batch of runs.
            self._metrics[info.run_id] = list(data.metrics)
            yield RunItem(
                info.run_id,
                experiment.key,
                info.start_time or 0,
                info.end_time,
                info.status,
                info.run_name or "",
                info.user_id or "",
                info.lifecycle_stage,
                dict(data.params),
                dict(data.tags),
                [_dataset(each) for each in found.inputs.dataset_inputs],
                # MLflow 2 knows no logged models.
                [each.model_id for each in getattr(found.inputs, "model_inputs", ())],
                _models_made(found),
                info.artifact_uri,
            )

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run, metric by metric; a metric is in memory at one time."""
        for key in self._metrics.pop(run.run_id, ()):
            points = self.asked(partial(self.client.get_metric_history, run.run_id, key))
            for start in range(0, len(points), _POINTS_A_CHUNK):
                some = points[start : start + _POINTS_A_CHUNK]
                yield Curve(
                    key,
                    unclipped([each.value for each in some]),
                    [each.timestamp for each in some],
                    [each.step for each in some],
                )

    def counts(self, run: RunItem) -> dict[str, int] | None:
        """Return None: MLflow's client does not say how many there are."""

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run, which are on this machine from now on."""
        if run.artifact_uri:
            listed = partial(self.client.list_artifacts, run.run_id)
            yield from self._files_at(run.artifact_uri, listed, f"run {run.run_id}")

    def _files_at(
        self, location: str, listed: Callable[[], Any], where: str
    ) -> Iterator[FileItem]:
        # Once there are as many as are kept, the name of the oldest one is used again.
        folder = os.path.join(self._folder, str(len(self._fetched)))
        while len(self._fetched) >= _FOLDERS_KEPT:
            folder = self._fetched.popleft()
            shutil.rmtree(folder, ignore_errors=True)
        self._fetched.append(folder)
        os.makedirs(folder)
        try:
            # A folder in which nothing is may not be there, and not be fetched.
            if not listed():
                return
            there = mlflow.artifacts.download_artifacts(
                artifact_uri=location, dst_path=folder, tracking_uri=self._uri
            )
        # What repositories of artifacts raise is that of many libraries.
        except Exception as error:  # noqa: BLE001
            self.report(Problem(where, f"its files cannot be fetched from {location}: {error}"))
            return
        yield from files_below(there, self.report)

    # Models

    def registered_models(self) -> Iterator[RegisteredModelItem]:
        """Yield all registered models."""
        self._tell_of_webhooks()
        for found in self.pages(
            lambda token: self.client.search_registered_models(page_token=token)
        ):
            yield RegisteredModelItem(
                found.name,
                found.creation_timestamp,
                found.last_updated_timestamp,
                found.description,
                dict(found.tags),
                {alias: int(version) for alias, version in found.aliases.items()},
            )

    def _tell_of_webhooks(self) -> None:
        listed = getattr(self.client, "list_webhooks", None)
        if listed is None:
            return
        found = self.if_any(self.pages(lambda token: listed(page_token=token)))
        try:
            count = sum(1 for _ in found)
        except StorageError as error:
            # Not all who may read may see them.
            self.report(Problem("webhooks", reason(error), is_loss=False))
            return
        if count:
            why = f"there are {count:,}, and an import does not take them"
            self.report(Problem("webhooks", why))

    def model_versions(self, model: RegisteredModelItem) -> Iterator[ModelVersionItem]:
        """Yield the versions of a model in the order of their numbers."""
        # MLflow's filters have no escapes.
        quoted = f"'{model.name}'" if "'" not in model.name else f'"{model.name}"'
        found = self.pages(
            lambda token: self.client.search_model_versions(f"name={quoted}", page_token=token)
        )
        for each in sorted(found, key=lambda version: int(version.version)):
            yield ModelVersionItem(
                int(each.version),
                each.creation_timestamp,
                each.last_updated_timestamp,
                each.source or "",
                stage=each.current_stage or "None",
                description=each.description,
                user_id=each.user_id,
                run_id=each.run_id or None,
                run_link=each.run_link or None,
                status=each.status,
                status_message=each.status_message,
                tags=dict(each.tags),
            )

    def logged_models(self, experiments: Iterable[ExperimentItem]) -> Iterator[LoggedModelItem]:
        """Yield the logged models of experiments; none where MLflow is older than they are."""
        if not hasattr(self.client, "search_logged_models"):
            return
        for experiment in experiments:
            for found in self.pages(partial(self._models_page, experiment.key)):
                yield LoggedModelItem(
                    found.model_id,
                    experiment.key,
                    found.name,
                    found.creation_timestamp,
                    found.last_updated_timestamp,
                    found.artifact_location,
                    found.status.value,
                    found.status_message,
                    found.model_type,
                    found.source_run_id,
                    params=dict(found.params),
                    tags=dict(found.tags),
                    point_count=len(found.metrics or ()),
                )

    def _models_page(self, key: str, token: str | None) -> Any:
        return self.client.search_logged_models([key], page_token=token)

    def model_points(self, model: LoggedModelItem) -> Iterator[Sequence[ModelPoint]]:
        """Yield the points of a logged model."""
        # Asked for again: those that the search has told would be held for all models.
        asked = partial(self.client.get_logged_model, model.model_id)
        points = self.asked(asked).metrics or []
        for start in range(0, len(points), _POINTS_A_CHUNK):
            some = points[start : start + _POINTS_A_CHUNK]
            values = unclipped([each.value for each in some])
            yield [
                ModelPoint(
                    each.key,
                    value,
                    each.timestamp,
                    each.step,
                    each.run_id or "",
                    each.dataset_name or "",
                    each.dataset_digest or "",
                )
                for each, value in zip(some, values, strict=True)
            ]

    def model_files(self, model: LoggedModelItem) -> Iterator[FileItem]:
        """Yield the files of a logged model, which are on this machine from now on."""
        listed = partial(self.client.list_logged_model_artifacts, model.model_id)
        yield from self._files_at(model.artifact_location, listed, f"model {model.model_id}")

    # Traces

    def traces(self, experiment: ExperimentItem, since: int | None) -> Iterator[TraceItem]:
        """Yield the traces of an experiment, the oldest first."""
        first = "" if since is None else f"timestamp_ms >= {int(since)}"
        # The oldest first, as for runs.
        search = [experiment.key], first, _TRACES_A_PAGE, ["timestamp_ms ASC"]
        store = self.store
        # MLflow's client leaves out without a word what it cannot fetch the spans of. Its store
        # names all traces in the same order, so that the two are read side by side.
        infos = self.pages(lambda token: PagedList(*store.search_traces(*search, token)))
        for page in pages(
            lambda token: self.asked(partial(self.client.search_traces, *search, token))
        ):
            found = {_trace_id(each.info): each for each in page}
            while found:
                info = next(infos, None)
                if info is None:
                    # Some were deleted meanwhile; all that were there have been yielded.
                    return
                yield self._trace(info, found.pop(_trace_id(info), None))
        for info in infos:
            yield self._trace(info, None)

    def _trace(self, given: Any, trace: Any) -> TraceItem:
        """Return a trace; where the search has left it out, it is asked for by itself."""
        info = _info(given)
        try:
            trace = trace or self.client.get_trace(info.trace_id)
            spans = [span.to_dict() for span in trace.data.spans]
            return TraceItem(info, span_columns(info.trace_id, spans))
        except (MlflowException, *_NO_SPAN) as error:
            # A trace that goes on has no spans yet.
            if info.state != TraceState.IN_PROGRESS:
                self.report(Problem(f"trace {info.trace_id}", f"its spans are lost: {error}"))
            return TraceItem(info, empty_columns(0))


def _dataset(given: Any) -> DatasetItem:
    found = given.dataset
    return DatasetItem(
        found.name,
        found.digest,
        found.source_type,
        found.source,
        found.schema,
        found.profile,
        {tag.key: tag.value for tag in given.tags},
    )


def _models_made(run: Any) -> dict[str, int]:
    outputs = getattr(run, "outputs", None)
    made = () if outputs is None else outputs.model_outputs or ()
    return {each.model_id: each.step for each in made}


_BESIDE = {SPANS_LOCATION, ARTIFACT_LOCATION}
"""Tags that say where in the source the spans of a trace are."""


_NO_SPAN = (ValueError, LookupError, TypeError, AttributeError)


def _trace_id(info: Any) -> str:
    # MLflow 2 calls it that of a request.
    return str(getattr(info, "trace_id", None) or info.request_id)


def _info(info: Any) -> TraceInfo:
    """Return what is known of a trace of MLflow 3, or of MLflow 2."""
    if hasattr(info, "request_time"):
        found = info_from(info)
    else:
        found = TraceInfo(
            info.request_id,
            str(info.experiment_id),
            info.timestamp_ms,
            trace_info.state_named(info.status.value),
            info.execution_time_ms,
            dict(info.request_metadata),
            dict(info.tags),
        )
    tags = {key: each for key, each in found.tags.items() if key not in _BESIDE}
    return replace(found, tags=tags)
