"""MLflow's calls about traces, by the stores of the lake."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowTracingException
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_TRACES_DEFAULT_MAX_RESULTS

from lakeflow import entities
from lakeflow.entities import validation
from lakeflow.exceptions import NotFoundError
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.span_entities import columns_of, tags_of
from lakeflow.mlflow.trace_analysis import TraceAnalysisMethods
from lakeflow.mlflow.trace_entities import (
    ARTIFACT_REPOSITORY,
    SPANS_LOCATION,
    info_from,
    info_of,
    trace_of,
)
from lakeflow.mlflow.two_step_traces import TwoStepTraceMethods
from lakeflow.tracing.columns import empty_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlflow.entities import Span, Trace, TraceInfo
    from mlflow.entities.model_registry import PromptVersion
    from mlflow.entities.trace_info_v2 import TraceInfoV2
    from mlflow.entities.trace_status import TraceStatus

_SIZE_STATS = "mlflow.trace.sizeStats"
_MODEL_ID = "mlflow.modelId"

_WAITS_S = (1, 2)
"""How long is waited for spans that have not come yet, as MLflow does."""


@raises_mlflow
class TraceMethods(TraceAnalysisMethods, TwoStepTraceMethods):
    """Calls about traces."""

    # Logging

    def start_trace(self, trace_info: TraceInfo) -> TraceInfo:
        """Log what is known of a trace, before its spans or after them; its id stays.

        Cost: one append.
        """
        info = info_from(trace_info)
        begun = validation.milliseconds(info.request_time, "request_time")
        validation.milliseconds(begun + (info.execution_duration or 0), "its end")
        traces = self.lake.traces
        if info.state == entities.TraceState.IN_PROGRESS:
            traces.start(info)
        else:
            # Its spans come by themselves, through ``log_spans``.
            traces.log_trace(info, empty_columns(0))
        if info.assessments:
            traces.log_assessments(info.experiment_id, info.assessments)
        return self._shown_info(info)

    def log_spans(
        self, location: str, spans: Sequence[Span], tracking_uri: str | None = None, **_: Any
    ) -> list[Span]:
        """Log spans of any traces of an experiment, before their traces or after them.

        Cost: one append.
        """
        if not spans:
            return []
        self.lake.traces.log_spans(location, columns_of(spans), tags_of(spans))
        return list(spans)

    def deprecated_start_trace_v2(
        self,
        experiment_id: str,
        timestamp_ms: int,
        request_metadata: dict[str, str],
        tags: dict[str, str],
    ) -> TraceInfoV2:
        """Begin a trace of a client of MLflow 2; its id is made here."""
        return self._info_of_2(
            self._begin_trace(experiment_id, timestamp_ms, request_metadata, tags)
        )

    def deprecated_end_trace_v2(
        self,
        request_id: str,
        timestamp_ms: int,
        status: TraceStatus,
        request_metadata: dict[str, str],
        tags: dict[str, str],
    ) -> TraceInfoV2:
        """End a trace of a client of MLflow 2."""
        return self._info_of_2(
            self._end_trace(request_id, timestamp_ms, status.value, request_metadata, tags)
        )

    # Reading

    def get_trace_info(self, trace_id: str) -> TraceInfo:
        """Return what is known of a trace besides its spans."""
        return self._shown_info(self.lake.traces.info(trace_id))

    def get_trace(self, trace_id: str, *, allow_partial: bool = False, **_: Any) -> Trace:
        """Return a trace with its spans.

        Args:
            trace_id: The trace.
            allow_partial: Whether spans may be missing that it says it has. If not, they are
                waited for, 3 s at most.
        """
        for wait_s in (*_WAITS_S, None):
            found = self.lake.traces.get(trace_id)
            _require_spans_here(found)
            if allow_partial or _is_whole(found):
                return self._shown(found)
            if wait_s is not None:
                time.sleep(wait_s)
        raise NotFoundError(
            f"Trace with ID {trace_id} is not fully exported yet: spans of it are missing"
        )

    def batch_get_traces(
        self,
        trace_ids: Sequence[str],
        location: str | None = None,
        experiment_ids: Sequence[str] | None = None,
        **_: Any,
    ) -> list[Trace]:
        """Return those of several traces that are there with all their spans."""
        # MLflow's client asks for ten at a time, in many threads: the store reads all at once.
        found = self.lake.traces.several(trace_ids)
        return [self._shown(each) for each in _within(found, experiment_ids) if _is_whole(each)]

    def batch_get_trace_infos(
        self,
        trace_ids: Sequence[str],
        location: str | None = None,
        experiment_ids: Sequence[str] | None = None,
        **_: Any,
    ) -> list[TraceInfo]:
        """Return what is known of those of several traces that are there."""
        found = self.lake.traces.several(trace_ids, include_spans=False)
        return [self._shown_info(each.info) for each in _within(found, experiment_ids)]

    def search_traces(
        self,
        experiment_ids: Sequence[str] | None = None,
        filter_string: str | None = None,
        max_results: int = SEARCH_TRACES_DEFAULT_MAX_RESULTS,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        model_id: str | None = None,
        locations: Sequence[str] | None = None,
        **_: Any,
    ) -> tuple[list[TraceInfo], str | None]:
        """Return one page of what is known of traces, and the token of the next one."""
        page = self.lake.traces.search(
            experiment_ids if locations is None else locations,
            filter_string,
            max_results,
            order_by,
            page_token,
            metadata={} if model_id is None else {_MODEL_ID: model_id},
            include_spans=False,
        )
        return PagedList([self._shown_info(each.info) for each in page], page.token), page.token

    # Changing

    def _delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        trace_ids: Sequence[str] | None = None,
    ) -> int:
        return self.lake.traces.delete(
            experiment_id, max_timestamp_millis, max_traces, trace_ids
        )

    def set_trace_tag(self, trace_id: str, key: str, value: str) -> None:
        """Set a tag of a trace."""
        self.lake.traces.set_tag(trace_id, key, value)

    def delete_trace_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag of a trace."""
        self.lake.traces.delete_tag(trace_id, key)

    def link_traces_to_run(self, trace_ids: Sequence[str], run_id: str) -> None:
        """Link at most 100 traces to a run besides the one that they began in."""
        self.lake.traces.link_to_run(trace_ids, run_id)

    def unlink_traces_from_run(self, trace_ids: Sequence[str], run_id: str) -> None:
        """Remove such links; those that are not there are passed over."""
        self.lake.traces.unlink_from_run(trace_ids, run_id)

    def link_prompts_to_trace(
        self, trace_id: str, prompt_versions: Sequence[PromptVersion]
    ) -> None:
        """Note which versions of prompts a trace has used."""
        if prompt_versions:
            names = [f"{each.name}/{each.version}" for each in prompt_versions]
            self.lake.traces.link_prompts(trace_id, names)

    # How traces are shown

    def _shown(self, trace: entities.Trace) -> Trace:
        return trace_of(trace, self._folder_of_trace(trace.info))

    def _shown_info(self, info: entities.TraceInfo) -> TraceInfo:
        return info_of(info, self._folder_of_trace(info))

    def _info_of_2(self, info: entities.TraceInfo) -> TraceInfoV2:
        from mlflow.entities.trace_info_v2 import TraceInfoV2

        return TraceInfoV2.from_v3(self._shown_info(info))


def _require_spans_here(trace: entities.Trace) -> None:
    if trace.info.tags.get(SPANS_LOCATION) == ARTIFACT_REPOSITORY:
        # Clients that meet it look for the file.
        raise MlflowTracingException("the spans of this trace are a file among its artifacts")


def _is_whole(trace: entities.Trace) -> bool:
    """Return whether all spans are there that a trace says it has, and one at least."""
    # MLflow's client says how many it sends, and its spans may come after that.
    said = trace.info.trace_metadata.get(_SIZE_STATS)
    try:
        count = json.loads(said).get("num_spans", 0) if said else 0
        return len(trace.data.spans) >= max(count, 1)
    # Anybody may set it, to what is no JSON, no object or no number.
    except (ValueError, RecursionError, AttributeError, TypeError):
        return False


def _within(
    traces: Iterable[entities.Trace], experiment_ids: Sequence[str] | None
) -> list[entities.Trace]:
    wanted = None if experiment_ids is None else {str(each) for each in experiment_ids}
    return [each for each in traces if wanted is None or each.info.experiment_id in wanted]
