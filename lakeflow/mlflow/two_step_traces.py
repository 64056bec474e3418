"""Calls about traces as MLflow 2 makes them; servers of MLflow 3 still take them."""

from __future__ import annotations

import dataclasses
import uuid
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlflow.entities import TraceInfo
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_TRACES_DEFAULT_MAX_RESULTS

from lakeflow import entities
from lakeflow.entities import trace_info, validation
from lakeflow.entities.trace_info import TraceStatus
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.mlflow.trace_entities import (
    ARTIFACT_LOCATION,
    ARTIFACT_REPOSITORY,
    SPANS_LOCATION,
)
from lakeflow.tracing.columns import empty_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@raises_mlflow
class TwoStepTraceMethods(LakeMethods):
    """Traces in two steps: one that begins it and gives it its id, one that ends it.

    The spans of such a trace are no part of them: clients of MLflow 2 write them as a file.
    """

    def _begin_trace(
        self,
        experiment_id: str,
        timestamp_ms: int,
        request_metadata: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> entities.TraceInfo:
        begun = entities.TraceInfo(
            # As MLflow 2 makes them: ids with `tr-` are of version 3.
            uuid.uuid4().hex,
            str(experiment_id),
            validation.milliseconds(timestamp_ms, "timestamp_ms"),
            entities.TraceState.IN_PROGRESS,
            trace_metadata=dict(request_metadata),
            # As in MLflow, a tag of this name is none.
            tags={key: each for key, each in tags.items() if key != "request_id"}
            | {SPANS_LOCATION: ARTIFACT_REPOSITORY},
        )
        self.lake.traces.start(begun)
        return begun

    def _end_trace(
        self,
        request_id: str,
        timestamp_ms: int,
        status: str,
        request_metadata: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> entities.TraceInfo:
        ended_at = validation.milliseconds(timestamp_ms, "timestamp_ms")
        begun = self.lake.traces.info(request_id)
        state = trace_info.state_named(TraceStatus(status).value)
        ended = dataclasses.replace(
            begun,
            state=state,
            execution_duration=ended_at - begun.request_time,
            trace_metadata=begun.trace_metadata | dict(request_metadata),
            tags=begun.tags | dict(tags),
        )
        self.lake.traces.end(ended, empty_columns(0))
        return ended

    def _folder_of_trace(self, info: entities.TraceInfo) -> str:
        """Return the folder of the files of a trace."""
        known = self._folders.get(info.experiment_id)
        if known is None:
            experiment = self.lake.experiments.get(info.experiment_id)
            known = f"{self.shown(experiment.artifact_location)}/traces"
            self._folders[info.experiment_id] = known
        return f"{known}/{info.trace_id}/artifacts"

    @cached_property
    def _folders(self) -> dict[str, str]:
        """The folder of the traces of each experiment, which never moves."""
        return {}


@raises_mlflow
class TraceMethodsOf2(TwoStepTraceMethods):
    """Calls about traces, as the abstract class of MLflow 2 has them."""

    def start_trace(
        self,
        experiment_id: str,
        timestamp_ms: int,
        request_metadata: dict[str, str],
        tags: dict[str, str],
    ) -> TraceInfo:
        """Begin a trace; its id is made here. Cost: one append."""
        return self._info(
            self._begin_trace(experiment_id, timestamp_ms, request_metadata, tags)
        )

    def end_trace(
        self,
        request_id: str,
        timestamp_ms: int,
        status: Any,
        request_metadata: dict[str, str],
        tags: dict[str, str],
    ) -> TraceInfo:
        """End a trace; metadata and tags are merged. Cost: a look, and one append."""
        return self._info(
            self._end_trace(request_id, timestamp_ms, status.value, request_metadata, tags)
        )

    def get_trace_info(self, request_id: str) -> TraceInfo:
        """Return what is known of a trace besides its spans."""
        return self._info(self.lake.traces.info(request_id))

    def search_traces(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        max_results: int = SEARCH_TRACES_DEFAULT_MAX_RESULTS,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> tuple[list[TraceInfo], str | None]:
        """Return one page of what is known of traces, and the token of the next one."""
        page = self.lake.traces.search(
            experiment_ids, filter_string, max_results, order_by, page_token,
            include_spans=False,
        )  # fmt: skip
        return PagedList([self._info(each.info) for each in page], page.token), page.token

    def _delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        request_ids: Sequence[str] | None = None,
    ) -> int:
        return self.lake.traces.delete(
            experiment_id, max_timestamp_millis, max_traces, request_ids
        )

    def set_trace_tag(self, request_id: str, key: str, value: str) -> None:
        """Set a tag of a trace."""
        self.lake.traces.set_tag(request_id, key, value)

    def delete_trace_tag(self, request_id: str, key: str) -> None:
        """Remove a tag of a trace."""
        self.lake.traces.delete_tag(request_id, key)

    def _info(self, info: entities.TraceInfo) -> TraceInfo:
        from mlflow.entities.trace_status import TraceStatus as Status

        # Where spans are is a question that MLflow 2 does not ask.
        tags = {key: each for key, each in info.tags.items() if key != SPANS_LOCATION}
        return TraceInfo(
            info.trace_id,
            info.experiment_id,
            info.request_time,
            info.execution_duration,
            Status(info.status.value),
            dict(info.trace_metadata),
            {ARTIFACT_LOCATION: self._folder_of_trace(info), **tags},
        )
