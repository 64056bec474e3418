"""Traces of a source are written once, and what the lake has changed since stays."""

import dataclasses

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import AssessmentSource, Feedback, TraceInfo, TraceState
from lakeflow.importing.destination.traces import TraceCopies
from lakeflow.importing.trace_items import TraceItem, span_columns
from lakeflow.kinds import EXPERIMENT
from lakeflow.open_store import open_store

BEGIN = 1_600_000_000_000
TRACE = "tr-" + "1" * 32
LINK = {"trace_id": "tr-" + "2" * 32, "span_id": "3" * 16, "attributes": {"why": "retry"}}


def span(number, **fields):
    return {
        "span_id": f"{number:016x}",
        "parent_span_id": f"{1:016x}" if number > 1 else None,
        "name": f"step {number}",
        "start_time_unix_nano": BEGIN * 10**6 + number,
        "end_time_unix_nano": BEGIN * 10**6 + 5000,
        "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": {"mlflow.spanInputs": '{"x": 1}', "n": str(number)},
        "events": [],
    } | fields


def trace(count=3, **fields):
    known = {"state": TraceState.OK, "execution_duration": 4, "tags": {"a": "1"}}
    info = TraceInfo(TRACE, "7", BEGIN, **known | fields)
    spans = [span(number) for number in range(1, count + 1)]
    return TraceItem(info, span_columns(TRACE, spans))


class Import:
    def __init__(self, folder):
        self.uri = str(folder / "lake")
        self.client = LakeflowClient(self.uri)
        self.experiment = self.client.create_experiment("e")
        self.problems = []

    def __call__(self, item, experiment=None):
        store = open_store(self.uri, create=True)
        store.runs.reader.things(EXPERIMENT, [], look=True)
        written = []

        def append(bodies):
            written.extend(bodies)
            store.lake.append(bodies)

        copies = TraceCopies(store, append, self.problems.append)
        copies.write(experiment or self.experiment, [item])
        return len(written)

    def trace(self):
        return self.client.get_trace(TRACE)


@pytest.fixture
def bring(tmp_path):
    return Import(tmp_path)


@pytest.mark.parametrize("is_folded", [False, True], ids=["hot", "folded"])
def test_a_trace_that_went_on_is_completed_and_then_written_no_more(bring, is_folded):
    begun = trace(0, state=TraceState.IN_PROGRESS, execution_duration=None)
    root = span_columns(TRACE, [span(1, end_time_unix_nano=None)])
    assert bring(begun._replace(spans=root)) == 1
    assert bring(begun._replace(spans=root)) == 0
    assert bring.trace().info.state == TraceState.IN_PROGRESS
    if is_folded:
        lakeflow.compact(bring.uri)
    ended = trace(3, request_preview="asked", client_request_id="c")
    assert bring(ended) == 1
    found = bring.trace()
    assert (found.info.state, found.info.execution_duration) == (TraceState.OK, 4)
    assert (found.info.request_preview, found.info.client_request_id) == ("asked", "c")
    assert [each.name for each in found.data.spans] == ["step 1", "step 2", "step 3"]
    assert found.data.spans[1].attributes["n"] == 2
    assert found.data.spans[1].inputs == {"x": 1}
    assert found.data.spans[0].end_time_ns == BEGIN * 10**6 + 5000
    assert bring(ended) == 0


def test_links_of_traces_and_spans_are_kept(bring):
    run = "c" * 32
    columns = span_columns(TRACE, [span(1, links=[LINK])])
    linked = trace()._replace(spans=columns, runs={run: BEGIN}, prompts={"p/1": BEGIN})
    bring(linked)
    (found,) = bring.client.search_traces([bring.experiment], run_id=run)
    assert found.data.spans[0].links == [LINK | {"trace_state": None}]
    (found,) = bring.client.search_traces([bring.experiment], "trace.prompt = 'p/1'")
    assert found.info.trace_id == TRACE


def test_what_was_changed_in_the_lake_stays(bring):
    source = AssessmentSource("HUMAN", "me")
    said = Feedback("good", True, source=source, trace_id=TRACE, assessment_id="a-1")
    first = trace(tags={"a": "1", "b": "1", "c": "1"}, assessments=[said])
    bring(first)
    bring.client.set_trace_tag(TRACE, "a", "here")
    bring.client.delete_trace_tag(TRACE, "b")
    bring.client.delete_assessment(TRACE, "a-1")
    later = dataclasses.replace(first.info, tags={"a": "2", "b": "2", "c": "2", "d": "2"})
    bring(first._replace(info=later))
    found = bring.trace().info
    assert found.tags == {"a": "here", "c": "2", "d": "2", "mlflow.traceName": "step 1"}
    assert found.assessments == []


def test_what_no_lake_can_hold_is_reported(bring):
    bring(trace(request_preview="\ud800"))
    assert [each.where for each in bring.problems] == [f"trace {TRACE}"]


def test_a_trace_stays_in_the_experiment_that_it_is_in(bring):
    bring(trace(1))
    assert bring(trace(3), bring.client.create_experiment("another")) == 1
    found = bring.trace()
    assert found.info.experiment_id == bring.experiment
    assert len(found.data.spans) == 3
