"""MLflow's calls about many traces at once: figures, sessions, what goes with what."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from mlflow.store.entities.paged_list import PagedList

from lakeflow.exceptions import InvalidInputError
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.stores.traces.metrics import TIME_BUCKET, Aggregation, Filter, Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities.trace_metrics import (
        MetricAggregation,
        MetricDataPoint,
        MetricViewType,
    )
    from mlflow.genai.scorers.online.entities import CompletedSession
    from mlflow.tracing.analysis import TraceFilterCorrelationResult

_MOST_POINTS = 1_000


@raises_mlflow
class TraceAnalysisMethods(LakeMethods):
    """Calls about many traces at once."""

    def query_trace_metrics(
        self,
        experiment_ids: Sequence[str],
        view_type: MetricViewType,
        metric_name: str,
        aggregations: Sequence[MetricAggregation],
        dimensions: Sequence[str] | None = None,
        filters: Sequence[str] | None = None,
        time_interval_seconds: int | None = None,
        start_time_ms: int | None = None,
        end_time_ms: int | None = None,
        max_results: int = _MOST_POINTS,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[MetricDataPoint]:
        """Return figures of traces, spans or assessments: one statement over their tables."""
        from mlflow.entities.trace_metrics import MetricDataPoint

        if time_interval_seconds and (start_time_ms is None or end_time_ms is None):
            raise InvalidInputError(
                "start_time_ms and end_time_ms are required if time_interval_seconds is set"
            )
        question = Question(
            tuple(map(str, experiment_ids)),
            view_type.value,
            metric_name,
            tuple(
                Aggregation(each.aggregation_type.value, each.percentile_value)
                for each in aggregations
            ),
            tuple(dimensions or ()),
            tuple(map(_filter_of, filters or ())),
            time_interval_seconds,
            start_time_ms,
            end_time_ms,
            max_results,
        )
        points = []
        for grouped, values in self.lake.traces.measured(question):
            named = zip(map(str, aggregations), values, strict=True)
            known = {name: value for name, value in named if value is not None}
            if known:
                points.append(MetricDataPoint(metric_name, _shown(grouped), known))
        return PagedList(points, None)

    def find_completed_sessions(
        self,
        experiment_id: str,
        min_last_trace_timestamp_ms: int,
        max_last_trace_timestamp_ms: int,
        max_results: int | None = None,
        filter_string: str | None = None,
        **_: Any,
    ) -> list[CompletedSession]:
        """Return the sessions whose last trace began within bounds, in the order of that.

        Args:
            experiment_id: The experiment.
            min_last_trace_timestamp_ms: Milliseconds since the Unix epoch.
            max_last_trace_timestamp_ms: The same; a later trace means that it goes on.
            max_results: Most sessions; None for all.
            filter_string: What the first trace of a session must meet.
        """
        from mlflow.genai.scorers.online.entities import CompletedSession

        found = self.lake.traces.sessions_that_ended(
            experiment_id,
            min_last_trace_timestamp_ms,
            max_last_trace_timestamp_ms,
            filter_string,
        )
        return [
            CompletedSession(each.session_id, each.first_ms, each.last_ms)
            for each in found[:max_results]
        ]

    def calculate_trace_filter_correlation(
        self,
        experiment_ids: Sequence[str],
        filter_string1: str,
        filter_string2: str,
        base_filter: str | None = None,
        **_: Any,
    ) -> TraceFilterCorrelationResult:
        """Return how often two filters hold of the same traces, as MLflow measures it.

        Args:
            experiment_ids: The experiments.
            filter_string1: A filter.
            filter_string2: Another one.
            base_filter: What must hold of all traces that are counted.
        """
        from mlflow.store.analytics.trace_correlation import calculate_npmi_from_counts
        from mlflow.tracing.analysis import TraceFilterCorrelationResult

        base = [base_filter] if base_filter else []
        total, first, second, both = (
            self.lake.traces.count(experiment_ids, _all_of([*base, *filters]))
            for filters in (
                [],
                [filter_string1],
                [filter_string2],
                [filter_string1, filter_string2],
            )
        )
        result = calculate_npmi_from_counts(both, first, second, total)
        return TraceFilterCorrelationResult(
            npmi=result.npmi,
            npmi_smoothed=result.npmi_smoothed,
            filter1_count=first,
            filter2_count=second,
            joint_count=both,
            total_count=total,
        )


def _all_of(filters: Sequence[str]) -> str:
    # In brackets, since a filter may have an OR in it.
    return " AND ".join(f"({each})" for each in filters if each)


def _filter_of(text: str) -> Filter:
    """Return a filter of figures, which MLflow parses by a grammar of its own."""
    from mlflow.utils.search_utils import SearchTraceMetricsUtils

    found = SearchTraceMetricsUtils.parse_search_filter(text)
    return Filter(found.view_type, found.entity, found.value, found.key)


def _shown(grouped: dict[str, Any]) -> dict[str, Any]:
    if TIME_BUCKET not in grouped:
        return grouped
    # A text, as MLflow's store has it.
    begun = datetime.datetime.fromtimestamp(grouped[TIME_BUCKET] / 1_000, datetime.UTC)
    return grouped | {TIME_BUCKET: begun.isoformat()}
