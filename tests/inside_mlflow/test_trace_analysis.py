"""Figures, sessions and correlations of traces: a lake answers as a database does."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from inside_mlflow.mlflow_spans import made_span
from mlflow.entities import AssessmentSource, Feedback, TraceInfo, TraceLocation, TraceState
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.utils.sql_trace_metrics_utils import VIEW_TYPE_CONFIGS

import lakeflow
from lakeflow.kinds import TRACE
from lakeflow.values import replace

BEGUN_MS = 1_700_000_000_000
JUDGE = AssessmentSource("LLM_JUDGE", "m")


@pytest.fixture(scope="module")
def experiment(pair: Any) -> str:
    """Traces of three sessions with spans, costs, tokens and assessments, partly folded."""
    (experiment_id,) = {store.create_experiment("analysed") for store in pair}
    run_ids = [
        store.create_run(experiment_id, "u", BEGUN_MS, [], "a run").info.run_id
        for store in pair
    ]
    for number in range(24):
        trace_id = f"tr-{number:032x}"
        for store, run_id in zip(pair, run_ids, strict=True):
            log_one(store, experiment_id, trace_id, number)
            if number % 5 == 0:
                store.link_traces_to_run([trace_id], run_id)
        if number == 12:
            lakeflow.compact(pair.lake.uri)
    return experiment_id


def log_one(store: Any, experiment_id: str, trace_id: str, number: int) -> None:
    begun = BEGUN_MS + number * 60_000
    usage = {"input_tokens": number, "output_tokens": 2, "total_tokens": number + 2}
    usage |= {"cache_read_input_tokens": number // 2, "cache_creation_input_tokens": 1}
    cost = {"input_cost": number / 8, "output_cost": 0.25, "total_cost": number / 8 + 0.25}
    attributes = {
        "mlflow.chat.tokenUsage": usage,
        "mlflow.llm.cost": cost,
        "mlflow.llm.model": f"model-{number % 2}",
        "mlflow.llm.provider": "somebody",
    }
    root = made_span(
        trace_id, "root", begun, 100 + number, status="ERROR" if number % 4 == 0 else "OK"
    )
    child = made_span(
        trace_id, f"child-{number % 3}", begun + 1, 5 * number, parent=root,
        span_type="LLM", attributes=attributes if number % 6 else {},
    )  # fmt: skip
    store.log_spans(experiment_id, [root, child])
    metadata = {"mlflow.trace.session": f"s-{number % 3}"} if number % 8 else {}
    store.start_trace(
        TraceInfo(
            trace_id,
            TraceLocation.from_experiment_id(experiment_id),
            begun,
            TraceState.ERROR if number % 4 == 0 else TraceState.OK,
            execution_duration=100 + number,
            trace_metadata=metadata | {"color": "red" if number % 2 else "blue"},
            tags={
                "mlflow.traceName": f"name-{number % 2}",
                "team": "x" if number < 12 else "y",
            },
        )
    )
    for name, value in (("score", number / 2), ("good", number % 2 == 0), ("says", "yes")):
        made = store.create_assessment(Feedback(name, value, source=JUDGE, trace_id=trace_id))
        if name == "score" and number % 7 == 0:
            store.create_assessment(
                Feedback(
                    name, 1.5, source=JUDGE, trace_id=trace_id, overrides=made.assessment_id
                )
            )


def asked() -> list[Any]:
    """Every metric with all that it may be aggregated and grouped by, one after another."""
    questions = []
    for view, metrics in VIEW_TYPE_CONFIGS.items():
        for metric, config in metrics.items():
            aggregations = []
            for kind in sorted(config.aggregation_types):
                is_percentile = kind == AggregationType.PERCENTILE
                percentiles = (50.0, 90.0, 99.9) if is_percentile else (None,)
                aggregations += [MetricAggregation(kind, each) for each in percentiles]
            dimensions = sorted(config.dimensions)
            chosen = ([], *([each] for each in dimensions), dimensions)
            questions += [(view, metric, aggregations, each) for each in chosen]
    return questions


FILTERS = {
    MetricViewType.TRACES: [
        'trace.status = "OK"', 'trace.tag.team = "x"', 'trace.metadata.color = "red"',
        'trace.metadata.`mlflow.trace.session` = "s-1"', 'trace.tag.`mlflow.traceName` = "name-1"',
    ],
    MetricViewType.SPANS: [
        'span.name = "child-1"', 'span.type = "LLM"', 'span.status = "ERROR"',
        'trace.tag.team = "x"',
    ],
    MetricViewType.ASSESSMENTS: [
        'assessment.name = "score"', 'assessment.type = "feedback"', 'trace.status = "OK"',
    ],
}  # fmt: skip


def points(store: Any, experiment_id: str, question: Any, **more: Any) -> list[Any]:
    view, metric, aggregations, dimensions = question
    found = store.query_trace_metrics(
        [experiment_id], view, metric, aggregations, dimensions, **more
    )
    return [(each.metric_name, each.dimensions, rounded(each.values)) for each in found]


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 9) for name, value in values.items()}


def test_every_metric_is_the_same_by_every_dimension(pair: Any, experiment: str) -> None:
    for question in asked():
        ours, theirs = (points(store, experiment, question) for store in pair)
        assert ours == theirs, question
        assert ours, question


def test_metrics_are_filtered_and_cut_into_intervals_alike(pair: Any, experiment: str) -> None:
    bounds = {"start_time_ms": BEGUN_MS + 120_000, "end_time_ms": BEGUN_MS + 900_000}
    firsts = [next(q for q in asked() if q[0] == view) for view in FILTERS]
    for question in firsts:
        for filter_string in FILTERS[question[0]]:
            for more in ({}, bounds, {**bounds, "time_interval_seconds": 300}):
                more = {**more, "filters": [filter_string]}
                ours, theirs = (points(s, experiment, question, **more) for s in pair)
                assert ours == theirs, (question, more)


def test_costs_are_of_the_time_of_their_span(pair: Any, experiment: str) -> None:
    question = next(q for q in asked() if q[1] == "total_cost")
    for start in (BEGUN_MS + 60_001, BEGUN_MS + 60_002):
        more = {"start_time_ms": start, "end_time_ms": start + 1_000_000}
        ours, theirs = (points(store, experiment, question, **more) for store in pair)
        assert ours == theirs


def test_a_metric_that_is_not_there_is_refused(pair: Any, experiment: str) -> None:
    count = MetricAggregation(AggregationType.COUNT)
    for view, metric, aggregations, dimensions in (
        (MetricViewType.TRACES, "weight", [count], []),
        (MetricViewType.TRACES, "latency", [count], []),
        (MetricViewType.TRACES, "trace_count", [count], ["span_name"]),
    ):
        question = view, metric, aggregations, dimensions
        for store in pair:
            with pytest.raises(MlflowException) as raised:
                points(store, experiment, question)
            assert raised.value.error_code == "INVALID_PARAMETER_VALUE"


def sessions(store: Any, *arguments: Any) -> list[dict[str, Any]]:
    return [vars(each) for each in store.find_completed_sessions(*arguments)]


def test_sessions_that_ended_are_found_alike(pair: Any, experiment: str) -> None:
    times = [BEGUN_MS + number * 60_000 for number in (0, 20, 21, 22, 23, 30)]
    found = 0
    for first, last in itertools.combinations_with_replacement(times, 2):
        for filter_string in (None, 'tags.team = "x"', 'status = "ERROR"'):
            for most in (None, 1):
                asked_for = experiment, first, last, most, filter_string
                ours, theirs = (sessions(store, *asked_for) for store in pair)
                assert ours == theirs, asked_for
                found += len(ours)
    assert found > 20


def test_sessions_that_ended_are_as_many_as_there_are(
    pair: Any, experiment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = next(iter(pair))
    asked_for = experiment, BEGUN_MS, BEGUN_MS + 1_800_000, None, 'tags.team = "x"'
    found = sessions(ours, *asked_for)
    assert found
    catalogue = replace(TRACE.catalogue, most=1)
    monkeypatch.setattr(
        "lakeflow.stores.traces.store.TRACE", replace(TRACE, catalogue=catalogue)
    )
    assert sessions(ours, *asked_for) == found


def test_filters_go_together_as_often_as_in_a_database(pair: Any, experiment: str) -> None:
    filters = ['status = "ERROR"', 'tags.team = "x"', 'metadata.color = "red"', 'name = "none"']
    for one, other in itertools.product(filters, filters):
        for base in (None, f"timestamp_ms > {BEGUN_MS + 300_000}"):
            results = [
                vars(store.calculate_trace_filter_correlation([experiment], one, other, base))
                for store in pair
            ]
            # NaN where a filter holds of nothing.
            ours, theirs = (
                {
                    k: "NaN" if isinstance(v, float) and math.isnan(v) else v
                    for k, v in each.items()
                }
                for each in results
            )
            assert ours == theirs, (one, other, base)
