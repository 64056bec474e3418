"""Traces as clients of MLflow 2 log them: on a lake and on SQLite the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow.entities import SpanEvent, Trace, TraceInfo
from mlflow.entities.trace_status import TraceStatus
from mlflow.exceptions import MlflowException

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable

BEGUN_MS = 1_700_000_000_000
_OF_ITS_OWN = {"mlflow.artifactLocation", "mlflow.traceSpans"}


def known(info: TraceInfo) -> dict[str, Any]:
    tags = {key: each for key, each in info.tags.items() if key not in _OF_ITS_OWN}
    return {**vars(info), "request_id": "", "tags": tags}


def code_of(store: Any, call: Any) -> str:
    with pytest.raises(MlflowException) as raised:
        call(store)
    return str(raised.value.error_code)


def test_a_trace_begins_and_ends(pair: Any) -> None:
    answers = []
    for store in pair:
        begun = store.start_trace(
            "0", BEGUN_MS, {"m": "1"}, {"mlflow.traceName": "n", "request_id": "x", "t": "1"}
        )
        assert begun.tags["mlflow.artifactLocation"].endswith(
            f"/traces/{begun.request_id}/artifacts"
        )
        ended = store.end_trace(
            begun.request_id, BEGUN_MS + 12, TraceStatus.ERROR, {"m": "2", "n": "3"}, {"t": "2"}
        )
        lakeflow.compact(pair.lake.uri)
        read = store.get_trace_info(begun.request_id)
        answers.append([known(begun), known(ended), known(read)])
    assert answers[0] == answers[1]
    assert answers[0][2]["execution_time_ms"] == 12


FILTERS = [
    "", "status = 'OK'", "status != 'OK'", "name = 'n1'", "timestamp_ms > 1700000002000",
    "execution_time_ms >= 3", "tags.team = 'a'", "tag.team != 'a'", "metadata.color = 'red'",
    "request_metadata.mlflow.sourceRun = 'r1'", "run_id = 'r1'", "timestamp < 1700000003000",
    "tags.team = 'a' AND status = 'OK'", "trace.status = 'ERROR'",
]  # fmt: skip
ORDERS = [
    [], ["timestamp_ms ASC"], ["execution_time DESC"], ["status"], ["name DESC"], ["run_id"],
]  # fmt: skip


@pytest.fixture(scope="module")
def ids(pair: Any) -> list[dict[str, str]]:
    """Numbers of traces by their ids, which each store makes itself."""
    found: list[dict[str, str]] = []
    for store in pair:
        experiment_id = store.create_experiment("searched")
        made = {}
        for number in range(8):
            metadata = {"color": "red"} if number % 2 else {"mlflow.sourceRun": "r1"}
            tags = {"mlflow.traceName": f"n{number % 3}", "team": "ab"[number % 2]}
            begun = BEGUN_MS + number * 1_000
            trace = store.start_trace(experiment_id, begun, metadata, tags)
            if number != 5:
                status = TraceStatus.OK if number % 3 else TraceStatus.ERROR
                store.end_trace(trace.request_id, begun + number, status, {}, {})
            made[trace.request_id] = str(number)
        found.append(made)
    return found


def searched(store: Any, made: dict[str, str], *arguments: Any) -> list[str]:
    page, _ = store.search_traces(
        [store.get_experiment_by_name("searched").experiment_id], *arguments
    )
    return [made[info.request_id] for info in page]


def test_searches_find_the_same(pair: Any, ids: list[dict[str, str]]) -> None:
    for text in FILTERS:
        ours, theirs = (
            searched(store, made, text) for store, made in zip(pair, ids, strict=True)
        )
        assert ours == theirs, text
    for order in ORDERS:
        ours, theirs = (
            searched(store, made, None, 100, order)
            for store, made in zip(pair, ids, strict=True)
        )
        assert ours == theirs, order


def test_tags_and_deletion(pair: Any) -> None:
    for store in pair:
        (experiment_id,) = {store.create_experiment("deleted")}
        traces = [store.start_trace(experiment_id, number, {}, {}) for number in range(4)]
        first = traces[0].request_id
        store.set_trace_tag(first, "k", "v")
        assert store.get_trace_info(first).tags["k"] == "v"
        store.delete_trace_tag(first, "k")
        missing = code_of(store, lambda s: s.delete_trace_tag(first, "k"))  # noqa: B023
        assert missing == "RESOURCE_DOES_NOT_EXIST"
        assert store.delete_traces(experiment_id, request_ids=[first, "no"]) == 1
        assert store.delete_traces(experiment_id, max_timestamp_millis=2, max_traces=1) == 1
        page, _ = store.search_traces([experiment_id])
        assert [info.timestamp_ms for info in page] == [3, 2]
        for call, code in (
            (lambda s: s.get_trace_info(first), "RESOURCE_DOES_NOT_EXIST"),  # noqa: B023
            (lambda s: s.delete_traces(experiment_id), "INVALID_PARAMETER_VALUE"),  # noqa: B023
            (lambda s: s.start_trace("987", 1, {}, {}), "RESOURCE_DOES_NOT_EXIST"),
        ):
            assert code_of(store, call) == code


def nested() -> None:
    with mlflow.start_span("outer", span_type="AGENT", attributes={"a": 1}) as outer:
        outer.set_inputs({"question": "why?"})
        with mlflow.start_span("inner") as inner:
            inner.add_event(SpanEvent("seen", attributes={"k": "x"}))
            inner.set_outputs([1, 2.5])
        outer.set_outputs("so")


def failing() -> None:
    @mlflow.trace
    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()


def by_client() -> None:
    client = mlflow.MlflowClient()
    root = client.start_trace("root", inputs={"a": 1}, tags={"t": "u"})
    child = client.start_span("child", root.request_id, root.span_id)
    client.end_span(root.request_id, child.span_id, outputs=2)
    client.end_trace(root.request_id, outputs={"b": 2})


def read_back(uri: str, program: Callable[[], None]) -> list[Trace]:
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment(program.__name__)
    program()
    client = mlflow.MlflowClient()
    # What is uploaded in the background.
    for _ in range(100):
        found = client.search_traces([experiment.experiment_id])
        if found and found[0].info.status != TraceStatus.IN_PROGRESS:
            return [client.get_trace(each.info.request_id) for each in found]
        time.sleep(0.1)
    raise AssertionError("the trace does not come")


@pytest.mark.parametrize(
    "program", [nested, failing, by_client], ids=lambda each: each.__name__
)
def test_a_program_leaves_the_same_traces(pair: Any, program: Callable[[], None]) -> None:
    answers = []
    for uri in pair.uris:
        (trace,) = read_back(uri, program)
        spans = [
            (
                s.name,
                s.span_type,
                s.inputs,
                s.outputs,
                s.status.status_code,
                s.parent_id is None,
            )
            for s in trace.data.spans
        ]
        tags = {k: v for k, v in trace.info.tags.items() if k not in _OF_ITS_OWN}
        answers.append((spans, tags, trace.info.status, trace.data.request))
    assert answers[0] == answers[1]
