"""What MLflow's store promises of traces, call by call, on a lake and on SQLite."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from inside_mlflow.mlflow_spans import made_span
from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState
from mlflow.entities.trace_status import TraceStatus
from mlflow.exceptions import MlflowException, MlflowTracingException
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

import lakeflow

BEGUN_MS = 1_700_000_000_000
_NUMBERS = iter(range(1, 10_000))


# Where files and spans are: a lake says it from the beginning.
_PLACES = {"mlflow.artifactLocation", "mlflow.trace.spansLocation"}


def new_id() -> str:
    return f"tr-{next(_NUMBERS):032x}"


def begun(trace_id: str, state: TraceState = TraceState.OK, **more: Any) -> TraceInfo:
    return TraceInfo(trace_id, TraceLocation.from_experiment_id("0"), BEGUN_MS, state, **more)


def known(store: Any, trace_id: str) -> dict[str, Any]:
    info = store.get_trace_info(trace_id)
    found = {k: v for k, v in vars(info).items() if k != "trace_location"}
    found["tags"] = {k: v for k, v in info.tags.items() if k not in _PLACES}
    # A note of MLflow's store to itself.
    metadata = info.trace_metadata
    found["trace_metadata"] = {k: metadata[k] for k in metadata if "infoFinalized" not in k}
    return found


def code_of(store: Any, call: Any) -> str:
    with pytest.raises(MlflowException) as raised:
        call(store)
    return str(raised.value.error_code)


def same(pair: Any, call: Any) -> Any:
    ours, theirs = (call(store) for store in pair)
    assert ours == theirs
    return ours


def spans_of(trace_id: str, **more: Any) -> list[Span]:
    root = made_span(trace_id, "root", BEGUN_MS + 5, 20, **more)
    return [root, made_span(trace_id, "child", BEGUN_MS + 7, 30, parent=root)]


# start_trace and log_spans


@pytest.mark.parametrize("is_first", [True, False], ids=["info first", "spans first"])
@pytest.mark.parametrize("state", [TraceState.OK, TraceState.ERROR, TraceState.IN_PROGRESS])
def test_a_trace_and_its_spans_come_in_either_order(
    pair: Any, is_first: bool, state: TraceState
) -> None:
    trace_id = new_id()
    info = begun(
        trace_id, state, execution_duration=17, client_request_id="c", request_preview="q",
        response_preview="a", trace_metadata={"k": "v"}, tags={"mlflow.traceName": "n"},
    )  # fmt: skip
    steps = [
        lambda store: store.start_trace(info),
        lambda store: store.log_spans("0", spans_of(trace_id)),
    ]
    for step in steps if is_first else reversed(steps):
        for store in pair:
            step(store)
    found = [known(store, trace_id) for store in pair]
    # MLflow's store changes what was said to what spans say, where they come later.
    durations = [each.pop("execution_duration") for each in found]
    assert durations[0] == (32 if state == TraceState.IN_PROGRESS else 17)
    if state == TraceState.IN_PROGRESS:
        # There who said that it goes on is believed, though its root has ended.
        assert found[0].pop("state") == TraceState.OK
        found[1].pop("state")
    assert found[0] == found[1]
    assert found[0]["trace_id"] == trace_id


def test_a_started_trace_says_that_its_spans_are_here(pair: Any) -> None:
    trace_id = new_id()
    info = pair.lake.start_trace(begun(trace_id, tags={"a": "b"}))
    assert info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    assert info.tags["mlflow.artifactLocation"].endswith(f"/traces/{trace_id}/artifacts")
    assert info.tags["a"] == "b"


@pytest.mark.parametrize("durations", [(20, 30), (None, 30), (20, None), (None, None)], ids=str)
@pytest.mark.parametrize("status", ["OK", "ERROR", "UNSET"])
def test_a_trace_follows_from_its_spans_alone(
    pair: Any, durations: tuple[Any, Any], status: str
) -> None:
    trace_id = new_id()
    root = made_span(trace_id, "root", BEGUN_MS + 5, durations[0], status=status)
    child = made_span(trace_id, "child", BEGUN_MS + 7, durations[1], parent=root)
    for store in pair:
        store.log_spans("0", [child])
        store.log_spans("0", [root])
    ours, theirs = (known(store, trace_id) for store in pair)
    assert ours["tags"].pop("mlflow.traceName") == "root"
    if durations[0] is None:
        # A root that has not ended: for us the trace goes on.
        assert ours.pop("state") == TraceState.IN_PROGRESS
        theirs.pop("state")
        ours["tags"].pop("mlflow.traceName", None)
    assert ours.pop("execution_duration") == expected_ms(durations)
    theirs.pop("execution_duration")
    assert ours == theirs


def expected_ms(durations: tuple[Any, Any]) -> int | None:
    ends = [5 + durations[0]] if durations[0] is not None else []
    ends += [7 + durations[1]] if durations[1] is not None else []
    return max(ends) - 5 if ends else None


def test_nothing_is_logged_of_nothing(pair: Any) -> None:
    assert same(pair, lambda store: store.log_spans("0", [])) == []
    assert same(pair, lambda store: asyncio.run(store.log_spans_async("0", []))) == []


def test_spans_of_several_traces_come_at_once(pair: Any) -> None:
    ids = [new_id(), new_id()]
    for store in pair:
        logged = asyncio.run(
            store.log_spans_async("0", [span for each in ids for span in spans_of(each)])
        )
        assert [span.trace_id for span in logged] == [each for each in ids for _ in range(2)]
        assert len(store.batch_get_traces(ids)) == 2


def test_an_experiment_that_is_not_there_gets_no_trace(pair: Any) -> None:
    trace_id = new_id()
    elsewhere = TraceInfo(
        trace_id, TraceLocation.from_experiment_id("987"), BEGUN_MS, TraceState.OK
    )
    for store in pair:
        assert code_of(store, lambda s: s.start_trace(elsewhere)) == "RESOURCE_DOES_NOT_EXIST"
        assert (
            code_of(store, lambda s: s.log_spans("987", spans_of(trace_id)))
            == "RESOURCE_DOES_NOT_EXIST"
        )


def test_a_span_that_is_logged_again_is_there_once(pair: Any) -> None:
    trace_id = new_id()
    for store in pair:
        for status in ("UNSET", "OK"):
            store.log_spans("0", spans_of(trace_id, status=status))
        lakeflow.compact(pair.lake.uri)
        store.log_spans("0", spans_of(trace_id, status="ERROR"))
        spans = store.get_trace(trace_id, allow_partial=True).data.spans
        assert [(s.name, s.status.status_code.value) for s in spans] == [
            ("root", "ERROR"),
            ("child", "OK"),
        ]


def test_spans_of_several_threads_are_all_there(pair: Any) -> None:
    trace_id = new_id()
    root = made_span(trace_id, "root", BEGUN_MS, 100)

    def log(number: int) -> None:
        pair.lake.log_spans("0", [made_span(trace_id, f"s{number}", BEGUN_MS + 1, parent=root)])

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    pair.lake.log_spans("0", [root])
    assert len(pair.lake.get_trace(trace_id).data.spans) == 9


def test_tokens_and_costs_are_summed_as_the_tree_says(pair: Any) -> None:
    trace_id = new_id()

    def used(tokens: int) -> dict[str, Any]:
        usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1}
        usage |= {"cache_read_input_tokens": 2, "cache_creation_input_tokens": 3}
        cost = {"input_cost": tokens / 4, "output_cost": 0.5, "total_cost": tokens / 4 + 0.5}
        return {
            "mlflow.chat.tokenUsage": usage,
            "mlflow.llm.cost": cost,
            "mlflow.llm.model": "m",
        }

    root = made_span(trace_id, "root", BEGUN_MS, 100)
    agent = made_span(trace_id, "agent", BEGUN_MS, parent=root, attributes=used(30))
    inner = [
        made_span(trace_id, f"i{n}", BEGUN_MS, parent=agent, attributes=used(n))
        for n in (10, 20)
    ]
    other = made_span(trace_id, "other", BEGUN_MS, parent=root, attributes=used(5))
    for store in pair:
        for some in (inner, [other], [agent], [root]):
            store.log_spans("0", some)
        if store is pair.lake:
            lakeflow.compact(store.uri)
    metadata = [
        {
            key: json.loads(value)
            for key, value in known(store, trace_id)["trace_metadata"].items()
        }
        for store in pair
    ]
    assert metadata[0] == metadata[1]
    assert metadata[0]["mlflow.trace.tokenUsage"]["input_tokens"] == 35
    assert metadata[0]["mlflow.trace.cost"]["total_cost"] == 9.75


# What comes by OpenTelemetry's protocol


def proto_span(trace_id: str, name: str, parent: str = "", **attributes: Any) -> ProtoSpan:
    def value(each: Any) -> AnyValue:
        if isinstance(each, int):
            return AnyValue(int_value=each)
        return AnyValue(string_value=each)

    return ProtoSpan(
        trace_id=bytes.fromhex(trace_id.removeprefix("tr-")),
        span_id=name.encode().ljust(8, b"_"),
        parent_span_id=parent.encode().ljust(8, b"_") if parent else b"",
        name=name,
        start_time_unix_nano=BEGUN_MS * 1_000_000,
        end_time_unix_nano=(BEGUN_MS + 9) * 1_000_000,
        status=Status(code=Status.STATUS_CODE_OK),
        attributes=[
            KeyValue(key=key.replace("__", "."), value=value(each))
            for key, each in attributes.items()
        ],
    )


def test_spans_of_other_instrumentations_are_read_alike(pair: Any) -> None:
    trace_id = new_id()
    resource = Resource(
        attributes=[KeyValue(key="service.name", value=AnyValue(string_value="shop"))]
    )
    protos = [
        proto_span(trace_id, "root", session__id="s-9", user__id="kim", mlflow__traceTag__own="x"),
        proto_span(
            trace_id, "llm", "root", gen_ai__system="openai", gen_ai__request__model="a-model",
            gen_ai__usage__input_tokens=7, gen_ai__usage__output_tokens=3,
            gen_ai__operation__name="chat", input__value='{"q": "why?"}', output__value="so",
        ),
        proto_span(
            trace_id, "oi", "root", openinference__span__kind="RETRIEVER", input__value="text"
        ),
    ]  # fmt: skip
    for store in pair:
        spans = [Span.from_otel_proto(each, resource=resource) for each in protos]
        store.log_spans("0", spans)
    ours, theirs = (known(store, trace_id) for store in pair)
    assert ours["tags"].pop("mlflow.traceName") == "root"
    assert ours == theirs
    assert ours["tags"]["service.name"] == "shop"
    assert ours["trace_metadata"]["mlflow.trace.session"] == "s-9"
    found = [store.get_trace(trace_id, allow_partial=True).data.spans for store in pair]
    for mine, other in zip(*found, strict=True):
        assert (mine.name, mine.inputs, mine.outputs) == (
            other.name,
            other.inputs,
            other.outputs,
        )
        assert mine.span_type == (other.span_type or "UNKNOWN")
        attributes = {k: v for k, v in mine.attributes.items() if k != "mlflow.spanType"}
        theirs = {k: v for k, v in other.attributes.items() if k != "mlflow.spanType"}
        assert attributes == theirs


# Reading


def test_unknown_traces_are_not_found_and_passed_over_in_batches(pair: Any) -> None:
    trace_id = new_id()
    for store in pair:
        store.log_spans("0", spans_of(trace_id))
        assert code_of(store, lambda s: s.get_trace_info("tr-no")) == "RESOURCE_DOES_NOT_EXIST"
        assert code_of(store, lambda s: s.get_trace("tr-no")) == "RESOURCE_DOES_NOT_EXIST"
        ids = ["tr-no", trace_id, trace_id]
        assert [t.info.trace_id for t in store.batch_get_traces(ids)] == [trace_id]
        assert [t.trace_id for t in store.batch_get_trace_infos(ids)] == [trace_id]
        assert store.batch_get_trace_infos(ids, experiment_ids=["7"]) == []
        assert len(store.batch_get_traces(ids, experiment_ids=["0"])) == 1
        assert store.batch_get_traces([]) == store.batch_get_trace_infos([]) == []


def test_a_trace_whose_spans_are_missing_is_partial(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    trace_id = new_id()
    stats = {"mlflow.trace.sizeStats": json.dumps({"num_spans": 3})}
    for store in pair:
        store.start_trace(begun(trace_id, trace_metadata=stats))
        store.log_spans("0", spans_of(trace_id))
        assert code_of(store, lambda s: s.get_trace(trace_id)) == "RESOURCE_DOES_NOT_EXIST"
        assert len(store.get_trace(trace_id, allow_partial=True).data.spans) == 2
        assert store.batch_get_traces([trace_id]) == []


@pytest.mark.parametrize("stats", ["no JSON", "[3]", '{"num_spans": "3"}'])
def test_what_does_not_say_how_many_spans_there_are_is_not_whole(
    pair: Any, monkeypatch: pytest.MonkeyPatch, stats: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    store, _ = pair
    trace_id = new_id()
    store.start_trace(begun(trace_id, trace_metadata={"mlflow.trace.sizeStats": stats}))
    store.log_spans("0", spans_of(trace_id))
    assert code_of(store, lambda s: s.get_trace(trace_id)) == "RESOURCE_DOES_NOT_EXIST"
    assert len(store.get_trace(trace_id, allow_partial=True).data.spans) == 2
    assert store.batch_get_traces([trace_id]) == []


# Tags


def test_tags_are_set_checked_and_removed_alike(pair: Any) -> None:
    trace_id = new_id()
    for store in pair:
        store.start_trace(begun(trace_id))
        store.set_trace_tag(trace_id, "k", "v")
        store.set_trace_tag(trace_id, "k", "w")
        store.set_trace_tag(trace_id, "long", "x" * 9_000)
        store.set_trace_tag(trace_id, "mlflow.traceName", "renamed")
    found = same(pair, lambda store: known(store, trace_id))
    assert found["tags"]["k"] == "w"
    assert len(found["tags"]["long"]) == 8_000
    for store in pair:
        (named,), _ = store.search_traces(["0"], 'name = "renamed"')
        assert named.trace_id == trace_id
        store.delete_trace_tag(trace_id, "k")
        for call, code in (
            (lambda s: s.delete_trace_tag(trace_id, "k"), "RESOURCE_DOES_NOT_EXIST"),
            (lambda s: s.delete_trace_tag("tr-no", "k"), "RESOURCE_DOES_NOT_EXIST"),
            (lambda s: s.set_trace_tag("tr-no", "k" * 251, "v"), "INVALID_PARAMETER_VALUE"),
            (lambda s: s.set_trace_tag("tr-no", None, "v"), "INVALID_PARAMETER_VALUE"),
        ):
            assert code_of(store, call) == code
    code = code_of(pair.lake, lambda s: s.set_trace_tag("tr-no", "k", "v"))
    assert code == "RESOURCE_DOES_NOT_EXIST"
    assert "k" not in same(pair, lambda store: known(store, trace_id))["tags"]


# Deletion


def test_traces_are_deleted_by_age_by_number_and_by_id(pair: Any) -> None:
    (experiment_id,) = {store.create_experiment("deleted") for store in pair}
    ids = [new_id() for _ in range(6)]
    for number, trace_id in enumerate(ids):
        info = TraceInfo(
            trace_id, TraceLocation.from_experiment_id(experiment_id), number, TraceState.OK
        )
        for store in pair:
            store.start_trace(info)
    lakeflow.compact(pair.lake.uri)

    def left(store: Any) -> list[int]:
        page, _ = store.search_traces([experiment_id])
        return [info.request_time for info in page]

    for arguments, count, times in (
        ({"max_timestamp_millis": 3, "max_traces": 2}, 2, [5, 4, 3, 2]),
        ({"max_timestamp_millis": 2}, 1, [5, 4, 3]),
        ({"trace_ids": [ids[3], "tr-no"]}, 1, [5, 4]),
        ({"max_timestamp_millis": 1}, 0, [5, 4]),
    ):
        for store in pair:
            assert store.delete_traces(experiment_id, **arguments) == count
            assert left(store) == times
    for wrong in (
        {}, {"max_timestamp_millis": 1, "trace_ids": ["x"]}, {"max_traces": 1, "trace_ids": ["x"]},
        {"max_timestamp_millis": 1, "max_traces": 0}, {"trace_ids": []},
    ):  # fmt: skip
        for store in pair:
            code = code_of(store, lambda s: s.delete_traces(experiment_id, **wrong))  # noqa: B023
            assert code == "INVALID_PARAMETER_VALUE"


def test_a_deleted_trace_stays_gone_whatever_comes_late(pair: Any) -> None:
    trace_id = new_id()
    pair.lake.log_spans("0", spans_of(trace_id))
    assert pair.lake.delete_traces("0", trace_ids=[trace_id]) == 1
    pair.lake.log_spans("0", spans_of(trace_id))
    assert code_of(pair.lake, lambda s: s.get_trace_info(trace_id)) == "RESOURCE_DOES_NOT_EXIST"


# Traces of clients of MLflow 2


def test_a_trace_in_two_steps_is_the_same(pair: Any) -> None:
    answers = []
    for store in pair:
        made = store.deprecated_start_trace_v2(
            "0", BEGUN_MS, {"m": "1"}, {"mlflow.traceName": "two steps", "t": "1"}
        )
        ended = store.deprecated_end_trace_v2(
            made.request_id, BEGUN_MS + 12, TraceStatus.ERROR, {"m": "2", "n": "3"}, {"t": "2"}
        )
        read = known(store, made.request_id)
        for each in (made, ended):
            each.request_id = ""
            each.tags = {k: each.tags[k] for k in ("t", "mlflow.traceName")}
        answers.append([vars(made), vars(ended), {**read, "trace_id": ""}])
    assert answers[0] == answers[1]
    assert answers[0][2]["execution_duration"] == 12


def test_the_spans_of_such_a_trace_are_a_file_that_clients_look_for(pair: Any) -> None:
    for store in pair:
        made = store.deprecated_start_trace_v2("0", BEGUN_MS, {}, {})
        with pytest.raises(MlflowTracingException):
            store.get_trace(made.request_id)
