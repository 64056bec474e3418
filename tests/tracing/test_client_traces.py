"""What the client's calls about traces mean, beside what MLflow's tests of them say."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import (
    NO_OP_SPAN_REQUEST_ID,
    AssessmentSource,
    Expectation,
    Feedback,
    LiveSpan,
    NoOpSpan,
    SpanLogLevel,
    Trace,
    TraceState,
    validation,
)
from lakeflow.exceptions import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> LakeflowClient:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    return LakeflowClient()


def test_a_trace_that_goes_on_is_in_the_lake_and_has_no_spans(lake: LakeflowClient) -> None:
    root = lake.start_trace("ask", tags={"k": 1, "mlflow.trace.spansLocation": "ELSEWHERE"})
    (begun,) = lake.search_traces(["0"], include_spans=False)
    assert begun.info.state is TraceState.IN_PROGRESS
    assert begun.info.execution_duration is None
    assert begun.info.tags["k"] == "1"
    # As in MLflow, it is the store's to say.
    assert "mlflow.trace.spansLocation" not in begun.info.tags
    assert lake.search_traces(["0"]) == []
    assert lake.count_traces(["0"], "status = 'IN_PROGRESS'") == 1
    with pytest.raises(InvalidInputError, match="missing span data") as refused:
        lake.get_trace(root.request_id)
    assert refused.value.error_code == "BAD_REQUEST"
    lake.end_trace(root.request_id)
    assert lake.get_trace(root.request_id).info.state is TraceState.OK
    assert lake.count_traces(["0"], "status = 'IN_PROGRESS'") == 0


def test_a_trace_that_cannot_begin_is_a_warning(
    lake: LakeflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        span = lake.start_trace("ask", experiment_id="4711")
    assert isinstance(span, NoOpSpan)
    assert "4711" in caplog.text
    child = lake.start_span("child", span.request_id, "")
    assert child.request_id == NO_OP_SPAN_REQUEST_ID
    assert lake.end_span(span.request_id, "x") is None  # type: ignore[func-returns-value]
    assert lake.end_trace(span.request_id) is None  # type: ignore[func-returns-value]


def test_a_deleted_experiment_takes_no_trace(lake: LakeflowClient) -> None:
    experiment_id = lake.create_experiment("gone")
    lake.delete_experiment(experiment_id)
    assert isinstance(lake.start_trace("ask", experiment_id=experiment_id), NoOpSpan)


def test_what_is_set_after_the_end_is_not_set(lake: LakeflowClient) -> None:
    root = lake.start_trace("ask")
    child = lake.start_span("child", root.request_id, root.span_id)
    assert isinstance(child, LiveSpan)
    lake.end_span(root.request_id, child.span_id, outputs=1)
    child.set_outputs(2)
    child.set_status("ERROR")
    child.end(outputs=3)
    lake.end_trace(root.request_id)
    stored = lake.get_trace(root.request_id).search_spans(name="child")[0]
    assert (stored.outputs, stored.status.status_code) == (1, "OK")


def test_a_trace_of_the_client_is_of_its_own_lake(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "one")
    other = LakeflowClient(tmp_path / "other")
    with lakeflow.start_run() as run:
        root = other.start_trace("ask", experiment_id="0")
        other.end_trace(root.request_id)
    info = other.get_trace(root.request_id).info
    # The run is in another lake, where nobody finds it.
    assert info.run_id is None
    with pytest.raises(NotFoundError):
        LakeflowClient().get_trace(root.request_id)
    assert LakeflowClient().search_traces(["0"], run_id=run.info.run_id) == []


def test_the_experiment_is_resolved_in_the_order_of_mlflow(lake: LakeflowClient) -> None:
    ids = [lake.create_experiment(name) for name in ("given", "destination", "run", "set")]
    given, destination, of_run, chosen = ids

    def begun(**options: str) -> str:
        root = lake.start_trace("ask", **options)  # type: ignore[arg-type]
        lake.end_trace(root.request_id)
        return lake.get_trace(root.request_id).info.experiment_id

    assert begun() == "0"
    lakeflow.set_experiment("set")
    assert begun() == chosen
    with lakeflow.start_run(experiment_id=of_run):
        assert begun() == of_run
        lakeflow.tracing.set_destination(destination)
        assert begun() == destination
        assert begun(experiment_id=given) == given
    lakeflow.tracing.reset()
    assert begun() == chosen


def test_an_assessment_is_of_a_time_that_there_is(
    lake: LakeflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = lake.start_trace("ask")
    lake.end_trace(root.request_id)
    in_ns = Feedback("late", 1, create_time_ms=time.time_ns())
    with pytest.raises(InvalidInputError, match=r"create_time_ms is (?s:.*) milliseconds"):
        lake.log_assessment(root.request_id, in_ns)
    # What another tool has written all the same is a number: the page of a search has it too.
    with monkeypatch.context() as patched:
        patched.setattr(validation, "milliseconds", lambda value, path: value)
        lake.log_assessment(root.request_id, in_ns)
    found = lake.get_trace(root.request_id)
    assert found.to_dict()["info"]["assessments"][0]["create_time"] == in_ns.create_time_ms
    assert Trace.from_dict(found.to_dict()).info.assessments == found.info.assessments
    assert f"{in_ns.create_time_ms}" in found._repr_html_()


def test_assessments_are_said_changed_replaced_and_taken_back(lake: LakeflowClient) -> None:
    root = lake.start_trace("ask")
    early = lake.log_assessment(root.request_id, Feedback("early", 1))
    lake.end_trace(root.request_id)
    source = AssessmentSource("human", "kim")
    said = Feedback("correct", True, source=source, metadata={"a": "1"}, rationale="so")
    feedback = lake.log_assessment(root.request_id, said)
    expected = lake.log_assessment(root.request_id, Expectation("answer", {"city": "Rome"}))
    assert {each.assessment_id for each in (early, feedback, expected)} == {
        each.assessment_id for each in lake.get_trace(root.request_id).info.assessments
    }
    changed = Feedback("correct", False, source=source, metadata={"b": "2"})
    lake.update_assessment(root.request_id, feedback.assessment_id, changed)  # type: ignore[arg-type]
    found = lake.get_assessment(root.request_id, feedback.assessment_id)  # type: ignore[arg-type]
    assert (found.value, found.rationale, found.metadata) == (
        False,
        "so",
        {"a": "1", "b": "2"},
    )
    with pytest.raises(InvalidInputError, match="cannot become"):
        lake.update_assessment(root.request_id, expected.assessment_id, changed)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="only feedback"):
        lakeflow.override_feedback(
            trace_id=root.request_id,
            assessment_id=expected.assessment_id,  # type: ignore[arg-type]
            value=1,
        )
    by = lakeflow.override_feedback(
        trace_id=root.request_id,
        assessment_id=feedback.assessment_id,  # type: ignore[arg-type]
        value=0.5,
    )
    trace = lake.get_trace(root.request_id)
    assert [each.value for each in trace.search_assessments("correct")] == [0.5]
    assert len(trace.search_assessments("correct", all=True)) == 2
    lake.delete_assessment(root.request_id, by.assessment_id)  # type: ignore[arg-type]
    trace = lake.get_trace(root.request_id)
    assert [each.value for each in trace.search_assessments("correct")] == [False]
    with pytest.raises(NotFoundError):
        lake.get_assessment(root.request_id, by.assessment_id)  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        lake.log_assessment("tr-none", said)


def test_a_deleted_trace_is_gone_with_its_spans(lake: LakeflowClient) -> None:
    root = lake.start_trace("ask", inputs={"a": 1})
    lake.end_trace(root.request_id)
    with pytest.raises(InvalidInputError, match="'now', not milliseconds"):
        lake.delete_traces("0", max_timestamp_millis="now")
    assert lake.delete_traces("0", request_ids=[root.request_id, "tr-none"]) == 1
    assert lake.delete_traces("0", request_ids=[root.request_id]) == 0
    with pytest.raises(NotFoundError):
        lake.get_trace(root.request_id)
    assert lake.count_traces(["0"]) == 0


def test_a_span_has_a_level_and_a_description(lake: LakeflowClient) -> None:
    with lakeflow.start_span("ask") as span:
        assert (span.log_level, span.description) == (None, None)
        span.set_log_level("warning")
        span.set_description("what it is about")
        span.set_attribute("other", [1])
        with pytest.raises(InvalidInputError, match="no level of a span"):
            span.set_log_level("loud")
    lakeflow.flush_trace_async_logging()
    lakeflow.compact(lake.tracking_uri)
    (read,) = lake.get_trace(span.trace_id).data.spans
    assert read.log_level is SpanLogLevel.WARNING
    assert read.description == "what it is about"
    for odd in ([1], 7, "40", None, True):
        with lakeflow.start_span("odd") as span:
            span.set_attribute("mlflow.spanLogLevel", odd)
        assert lake.get_trace(span.trace_id).data.spans[0].log_level is None


def found(lake: LakeflowClient, run_id: str) -> set[str]:
    by_filter = lake.search_traces(["0"], f"run_id = '{run_id}'")
    by_argument = lake.search_traces(["0"], run_id=run_id)
    ids = {trace.info.trace_id for trace in by_filter}
    assert ids == {trace.info.trace_id for trace in by_argument}
    assert lake.count_traces(["0"], run_id=run_id) == len(ids)
    return ids


def test_a_run_finds_what_began_in_it_and_what_was_linked_to_it(lake: LakeflowClient) -> None:
    with lakeflow.start_run() as run, lakeflow.start_span("within") as within:
        pass
    ids = []
    for _ in range(3):
        with lakeflow.start_span("without") as span:
            ids.append(span.trace_id)
    run_id, other_id = run.info.run_id, lake.create_run("0").info.run_id
    assert found(lake, run_id) == {within.trace_id}
    lake.link_traces_to_run(ids[:2], run_id)
    lake.link_traces_to_run(ids[1:], other_id)
    for _ in range(2):
        assert found(lake, run_id) == {within.trace_id, *ids[:2]}
        assert found(lake, other_id) == {*ids[1:]}
        lakeflow.compact(lake.tracking_uri)
    lake.unlink_traces_from_run([*ids, within.trace_id, "tr-none"], run_id)
    for _ in range(2):
        assert found(lake, run_id) == {within.trace_id}
        assert found(lake, other_id) == {*ids[1:]}
        lakeflow.compact(lake.tracking_uri)
    lake.delete_traces("0", request_ids=ids)
    assert found(lake, other_id) == set()
    with pytest.raises(InvalidInputError, match="there may be 100"):
        lake.link_traces_to_run(["tr-x"] * 101, run_id)
    with pytest.raises(NotFoundError):
        lake.link_traces_to_run(ids, "0" * 32)


def test_a_trace_that_comes_after_its_link_has_it(lake: LakeflowClient) -> None:
    run_id = lake.create_run("0").info.run_id
    with lakeflow.start_span("ask") as span:
        trace_id = span.trace_id
        lake.link_traces_to_run([trace_id], run_id)
        lakeflow.compact(lake.tracking_uri)
    assert found(lake, run_id) == {trace_id}
