"""Traces of real programs and of calls to the store, on a lake and on SQLite."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow.entities import SpanEvent
from mlflow.entities.link import Link
from mlflow.tracking._tracking_service.utils import _get_store

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow.entities import Span, Trace, TraceInfo

# What is the time, an id or a place; and what MLflow's own store notes for itself.
_OF_ITS_OWN = {"mlflow.trace.sizeBytes", "mlflow.trace.sizeStats", "mlflow.trace.infoFinalized"}


def info_as_dict(info: TraceInfo) -> dict[str, Any]:
    metadata = {k: v for k, v in info.trace_metadata.items() if k not in _OF_ITS_OWN}
    stats = json.loads(info.trace_metadata.get("mlflow.trace.sizeStats", "{}"))
    tags = {k: v for k, v in info.tags.items() if k != "mlflow.artifactLocation"}
    return {
        "state": info.state,
        "request_preview": info.request_preview,
        "response_preview": info.response_preview,
        "client_request_id": info.client_request_id,
        "metadata": metadata,
        "tags": tags,
        "num_spans": stats.get("num_spans"),
        "has_artifact_location": "mlflow.artifactLocation" in info.tags,
    }


def span_as_dict(span: Span, names: dict[str, str]) -> dict[str, Any]:
    attributes = span.attributes
    attributes.pop("mlflow.traceRequestId")
    return {
        "name": span.name,
        "type": span.span_type,
        "parent": span.parent_id and names[span.parent_id],
        "status": (span.status.status_code, span.status.description),
        "log_level": span.log_level,
        "description": span.description,
        "attributes": repr(sorted(attributes.items())),
        "events": [
            (e.name, {k: v for k, v in e.attributes.items() if "stacktrace" not in k})
            for e in span.events
        ],
        "links": [(link.trace_id, link.span_id, link.attributes) for link in span.links],
    }


def trace_as_dict(trace: Trace) -> dict[str, Any]:
    names = {span.span_id: span.name for span in trace.data.spans}
    return {
        "info": info_as_dict(trace.info),
        "spans": [span_as_dict(span, names) for span in trace.data.spans],
    }


def nested() -> None:
    with mlflow.start_span("outer", span_type="AGENT") as outer:
        outer.set_inputs({"question": "why?", "numbers": [1, 2.5, float("nan"), 10**20]})
        outer.set_attributes({"text": "é", "none": None, "list": [1, "a"], "json": '{"a":1}'})
        with mlflow.start_span("inner", span_type="TOOL") as inner:
            inner.set_inputs("a text")
            inner.add_event(SpanEvent("seen", attributes={"k": 1, "what": "x"}))
            inner.set_outputs(None)
        outer.set_outputs({"answer": "so", "more": {"deep": [{"x": True}]}})


def failing() -> None:
    @mlflow.trace(name="fails", span_type="CHAIN", attributes={"a": 1})
    def fails(x: int) -> int:
        raise ValueError(f"not {x}")

    with pytest.raises(ValueError, match="not 5"):
        fails(5)


def of_a_generator() -> None:
    @mlflow.trace
    def count(most: int) -> Iterator[int]:
        yield from range(most)

    assert list(count(3)) == [0, 1, 2]


def of_coroutines() -> None:
    @mlflow.trace
    async def step(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    @mlflow.trace
    async def whole() -> int:
        return await step(1) + await step(2)

    assert asyncio.run(whole()) == 5


def of_a_model() -> None:
    """What the instrumentations of providers set."""
    with mlflow.start_span("agent", span_type="AGENT") as agent:
        agent.set_inputs({"messages": [{"role": "user", "content": "hi"}]})
        for tokens in (10, 20):
            with mlflow.start_span("chat", span_type="CHAT_MODEL") as span:
                span.set_attribute("mlflow.llm.model", "gpt-4o")
                span.set_attribute("mlflow.llm.provider", "openai")
                span.set_attribute("mlflow.message.format", "openai")
                usage = {"input_tokens": tokens, "output_tokens": 5, "total_tokens": tokens + 5}
                span.set_attribute("mlflow.chat.tokenUsage", usage)
                # Given, since MLflow would ask the network for prices.
                cost = {
                    "input_cost": tokens / 8,
                    "output_cost": 0.5,
                    "total_cost": 0.5 + tokens / 8,
                }
                span.set_attribute("mlflow.llm.cost", cost)
                span.set_outputs({"choices": [{"message": {"content": "hello"}}]})
        agent.set_outputs({"choices": [{"message": {"content": "hello"}}]})


def of_a_session() -> None:
    @mlflow.trace
    def ask(question: str) -> str:
        mlflow.update_current_trace(
            tags={"team": "search", "n": 5},
            metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "kim", "own": "x"},
            client_request_id="client-1",
            request_preview="asked",
            response_preview="answered",
        )
        return question

    ask("why?")


def with_level_links_and_description() -> None:
    with mlflow.start_span("leveled", log_level="WARNING") as span:
        span.set_description("what it does")
        span.add_link(Link(f"tr-{'a' * 32}", "b" * 16, {"why": "x"}))


def without_context() -> None:
    root = mlflow.start_span_no_context("root", inputs={"a": 1}, tags={"t": "u"})
    child = mlflow.start_span_no_context("child", parent_span=root)
    child.end(outputs=2, status="ERROR")
    root.end(outputs={"b": 2})


PROGRAMS: list[Callable[[], None]] = [
    nested, failing, of_a_generator, of_coroutines, of_a_model, of_a_session,
    with_level_links_and_description, without_context,
]  # fmt: skip


def traced(uri: str, program: Callable[[], None], name: str) -> list[Trace]:
    """Return the traces that a program leaves, the oldest first."""
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment(name)
    program()
    mlflow.flush_trace_async_logging()
    found = mlflow.search_traces(
        locations=[experiment.experiment_id], return_type="list", order_by=["timestamp_ms ASC"]
    )
    return list(found)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.__name__)
def test_a_program_leaves_the_same_traces_on_a_lake_as_in_a_database(
    pair: Any, program: Callable[[], None]
) -> None:
    ours, theirs = (traced(uri, program, program.__name__) for uri in pair.uris)
    assert len(ours) == 1
    assert list(map(trace_as_dict, ours)) == list(map(trace_as_dict, theirs))


def test_no_trace_is_uploaded_a_second_time_as_a_file(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a file is uploaded")

    from lakeflow.mlflow.artifact_repository import LakeArtifactRepository

    monkeypatch.setattr(LakeArtifactRepository, "log_artifact", refuse)
    (trace,) = traced(pair.uris[0], nested, "not uploaded")
    assert trace.info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"


def test_traces_are_the_same_after_a_fold(pair: Any) -> None:
    name = "folded"
    before = [trace_as_dict(each) for each in traced(pair.uris[0], of_a_session, name)]
    lakeflow.compact(pair.lake.uri)
    assert [trace_as_dict(t) for t in traced(pair.uris[0], lambda: None, name)] == before


def test_stores_are_found_by_uri(pair: Any) -> None:
    assert type(_get_store(pair.uris[0])) is type(pair.lake)
