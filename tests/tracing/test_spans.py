"""Functions and blocks become spans, with what is active around them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace as opentelemetry_trace
from opentelemetry.sdk.trace import TracerProvider

import lakeflow
from lakeflow.entities import LiveSpan, NoOpSpan, Trace
from lakeflow.exceptions import InvalidInputError
from lakeflow.fluent.traced import arguments_of
from lakeflow.tracing import (
    get_tracing_context_headers_for_http_request,
    set_tracing_context_from_http_request_headers,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def lake(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")


def last() -> Trace:
    trace = lakeflow.get_last_active_trace()
    assert trace is not None
    return trace


def tree(trace: Trace) -> dict[str, str | None]:
    """Return for each span the name of the one around it."""
    names = {span.span_id: span.name for span in trace.data.spans}
    return {
        span.name: span.parent_id and names.get(span.parent_id) for span in trace.data.spans
    }


class Thing:
    """Methods of each kind."""

    @lakeflow.trace
    def method(self, x: int) -> int:
        """Return it."""
        return x

    @lakeflow.trace
    @classmethod
    def above_class(cls, x: int) -> int:
        """Return it."""
        return x

    @classmethod
    @lakeflow.trace
    def below_class(cls, x: int) -> int:
        """Return it."""
        return x

    @lakeflow.trace(name="named")
    @staticmethod
    def static(x: int) -> int:
        """Return it."""
        return x

    @lakeflow.trace
    async def asynchronous(self, x: int) -> int:
        """Return it."""
        return x


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: Thing().method(1), "method"),
        (lambda: Thing.above_class(1), "above_class"),
        (lambda: Thing().below_class(1), "below_class"),
        (lambda: Thing.static(1), "named"),
        (lambda: asyncio.run(Thing().asynchronous(1)), "asynchronous"),
        (
            lambda: lakeflow.trace(functools.partial(lambda x: x, 1), name="partial")(),
            "partial",
        ),
    ],
)
def test_each_kind_of_function_is_a_span(call: Any, name: str) -> None:
    assert call() == 1
    (span,) = last().data.spans
    assert (span.name, span.outputs) == (name, 1)
    assert span.inputs in ({"x": 1}, {})
    assert span.start_time_ns <= (span.end_time_ns or 0)


def test_a_traced_function_keeps_its_face() -> None:
    def add(x: int, *, y: int = 1) -> int:
        """Add."""
        return x + y

    traced = lakeflow.trace(add)
    assert (traced.__name__, traced.__doc__, traced.__wrapped__) == ("add", "Add.", add)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unexpected keyword"):
        traced(1, z=2)  # type: ignore[call-arg]
    assert last().info.state == "ERROR"
    with pytest.raises(InvalidInputError, match="output_reducer"):
        lakeflow.trace(add, output_reducer=sum)
    with pytest.raises(InvalidInputError, match="from 0 to 1"):
        lakeflow.trace(add, sampling_ratio_override=2)


def test_what_the_function_says_came_out_came_out() -> None:
    @lakeflow.trace
    def ask() -> str:
        span = lakeflow.get_current_active_span()
        assert span is not None
        span.set_outputs("short")
        return "long"

    assert ask() == "long"
    assert last().data.spans[0].outputs == "short"


def test_a_generator_is_one_span_with_its_values() -> None:
    @lakeflow.trace(output_reducer=sum)
    def count(most: int) -> Iterator[int]:
        for n in range(most):
            with lakeflow.start_span(f"step {n}"):
                yield n

    with lakeflow.start_span("around"):
        for _ in count(3):
            with lakeflow.start_span("between"):
                pass
    trace = last()
    found = tree(trace)
    assert found["step 0"] == found["step 2"] == "count"
    assert found["between_1"] == found["count"] == "around"
    span = trace.search_spans(name="count")[0]
    assert (span.inputs, span.outputs) == ({"most": 3}, 3)
    assert [(each.name, each.attributes) for each in span.events] == [
        (f"mlflow.chunk.item.{n}", {"mlflow.chunk.value": str(n)}) for n in range(3)
    ]


def test_a_generator_takes_what_is_sent_and_thrown_and_returns() -> None:
    @lakeflow.trace
    def echo() -> Any:
        got = yield "first"
        try:
            yield got
        except KeyError:
            got = yield "caught"
        return "done"

    stream = echo()
    assert next(stream) == "first"
    assert stream.send("sent") == "sent"
    assert stream.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration) as stopped:
        next(stream)
    assert stopped.value.value == "done"
    assert last().data.spans[0].outputs == ["first", "sent", "caught"]


def test_a_generator_that_is_closed_early_has_what_it_gave() -> None:
    @lakeflow.trace
    def count() -> Iterator[int]:
        yield from range(10)

    stream = count()
    assert next(stream) == 0
    stream.close()
    (span,) = last().data.spans
    assert (span.outputs, span.status.status_code) == ([0], "OK")


def test_a_generator_that_fails_is_an_error() -> None:
    @lakeflow.trace
    def fails() -> Iterator[int]:
        yield 1
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(fails())
    (span,) = last().data.spans
    assert (span.status.status_code, span.status.description) == ("ERROR", "ValueError: no")
    assert span.events[-1].attributes["exception.type"] == "ValueError"


def test_an_asynchronous_generator_is_one_span() -> None:
    @lakeflow.trace
    async def count(most: int) -> AsyncIterator[int]:
        for n in range(most):
            await asyncio.sleep(0)
            with lakeflow.start_span("step"):
                pass
            yield n

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(collected(2))
            group.create_task(collected(3))
        async with contextlib.aclosing(count(9)) as stream:  # type: ignore[type-var]
            async for n in stream:
                if n == 1:
                    break

    async def collected(most: int) -> list[int]:
        return [n async for n in count(most)]

    asyncio.run(main())
    found = lakeflow.search_traces(return_type="list")
    spans = [trace.search_spans(name="count")[0] for trace in found]
    assert sorted(span.outputs for span in spans) == [[0, 1], [0, 1], [0, 1, 2]]
    assert {span.status.status_code for span in spans} == {"OK"}


def test_tasks_begin_in_the_span_around_them() -> None:
    @lakeflow.trace
    async def work(n: int) -> int:
        await asyncio.sleep(0)
        with lakeflow.start_span(f"within {n}"):
            await asyncio.sleep(0)
        return n

    @lakeflow.trace
    async def main() -> list[int]:
        return await asyncio.gather(*(work(n) for n in range(3)), asyncio.to_thread(in_thread))

    @lakeflow.trace
    def in_thread() -> int:
        return 7

    assert asyncio.run(main()) == [0, 1, 2, 7]
    found = tree(last())
    assert found["work_1"] == found["work_3"] == found["in_thread"] == "main"
    assert {found[f"within {n}"] for n in range(3)} == {"work_1", "work_2", "work_3"}


def test_a_thread_is_in_the_span_if_it_is_given_the_context() -> None:
    @lakeflow.trace
    def work() -> None: ...

    with lakeflow.start_span("root"), ThreadPoolExecutor(2) as pool:
        context = contextvars.copy_context()
        pool.submit(context.run, work).result()
        pool.submit(work).result()
        assert lakeflow.get_last_active_trace_id() is not None
        of_thread = functools.partial(lakeflow.get_last_active_trace_id, thread_local=True)
        assert contextvars.Context().run(of_thread) is None
    assert tree(last()) == {"root": None, "work": "root"}
    assert len(lakeflow.search_traces(return_type="list")) == 2


def test_many_threads_record_all_of_their_spans() -> None:
    def work(number: int) -> None:
        for _ in range(50):
            with lakeflow.start_span(f"root {number}"), lakeflow.start_span("child"):
                pass

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traces = lakeflow.search_traces(return_type="list")
    assert len(traces) == 400
    assert {len(trace.data.spans) for trace in traces} == {2}


def test_a_span_that_begins_after_its_trace_has_ended_is_in_it() -> None:
    with lakeflow.start_span("root") as root:
        context = contextvars.copy_context()
    assert isinstance(root, LiveSpan)
    context.run(lambda: lakeflow.start_span("late").__enter__().end())
    assert tree(last()) == {"root": None, "late": "root"}
    assert last().info.state == "OK"


def test_nothing_of_the_applications_tracing_is_touched() -> None:
    provider = TracerProvider()
    with provider.get_tracer("app").start_as_current_span("app") as theirs:
        with lakeflow.start_span("ours") as ours:
            assert opentelemetry_trace.get_current_span() is theirs
        assert isinstance(ours, LiveSpan)
        assert ours.parent_id is None
    assert not isinstance(opentelemetry_trace.get_tracer_provider(), TracerProvider)


def test_a_ratio_of_nothing_records_nothing_within_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAKEFLOW_TRACE_SAMPLING_RATIO", "0")
    lakeflow.tracing.reset()

    @lakeflow.trace
    def inner() -> LiveSpan | None:
        return lakeflow.get_current_active_span()

    @lakeflow.trace(sampling_ratio_override=1.0)
    def always() -> LiveSpan | None:
        return inner()

    with lakeflow.start_span("root") as span:
        assert isinstance(span, NoOpSpan)
        assert inner() is None
        assert get_tracing_context_headers_for_http_request()["traceparent"][-1] in "02"
        # Within a trace that is not recorded nothing is.
        assert always() is None
    assert always() is not None
    assert len(lakeflow.search_traces(return_type="list")) == 1


def test_a_share_of_traces_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACE_SAMPLING_RATIO", "0.5")
    lakeflow.tracing.reset()
    kinds = set()
    for _ in range(100):
        with lakeflow.start_span("root") as span:
            kinds.add(type(span))
    assert kinds == {LiveSpan, NoOpSpan}


def test_tracing_that_is_off_changes_nothing() -> None:
    lakeflow.tracing.disable()

    @lakeflow.trace
    def add(x: int) -> int:
        return x + 1

    @lakeflow.trace
    def count() -> Iterator[int]:
        yield 1

    assert (add(1), list(count())) == (2, [1])
    assert isinstance(lakeflow.start_span_no_context("root"), NoOpSpan)
    lakeflow.tracing.enable()
    with lakeflow.tracing.context(enabled=False):
        assert add(1) == 2
    assert lakeflow.search_traces(return_type="list") == []


def test_a_trace_goes_on_in_another_service() -> None:
    with lakeflow.start_span("client") as client:
        headers = get_tracing_context_headers_for_http_request()
        other = contextvars.Context()

        def serve() -> None:
            with set_tracing_context_from_http_request_headers(headers):
                with lakeflow.start_span("server"), lakeflow.start_span("within"):
                    pass
                with lakeflow.start_span("again"):
                    pass

        other.run(serve)
    trace = last()
    assert trace.trace_id == client.trace_id
    assert tree(trace) == {
        "client": None, "server": "client", "within": "server", "again": "client",
    }  # fmt: skip
    assert (trace.info.name, trace.info.state) == ("client", "OK")


def test_what_a_service_says_of_a_trace_that_began_elsewhere_is_said_of_it() -> None:
    trace_id = "ab" * 16
    headers = {"TraceParent": f"00-{trace_id}-{'cd' * 8}-01", "tracestate": "vendor=1"}
    with (
        set_tracing_context_from_http_request_headers(headers),
        lakeflow.start_span("server") as span,
    ):
        assert (span.trace_id, span.parent_id) == (f"tr-{trace_id}", "cd" * 8)
        assert get_tracing_context_headers_for_http_request()["tracestate"] == "vendor=1"
        lakeflow.update_current_trace({"seen": "here"}, {"m": "1"}, user="kim")
    trace = last()
    assert (trace.info.name, trace.info.state) == ("server", "OK")
    assert (trace.info.tags["seen"], trace.info.trace_metadata["m"]) == ("here", "1")
    assert trace.info.user_id == "kim"


def test_headers_that_say_nothing_are_refused() -> None:
    for headers in (
        {},
        {"traceparent": "00-zz"},
        {"traceparent": f"00-{'0' * 32}-{'0' * 16}-01"},
    ):
        with (
            pytest.raises(InvalidInputError, match="traceparent"),
            set_tracing_context_from_http_request_headers(headers),
        ):
            pass


def test_the_active_trace_is_changed() -> None:
    with lakeflow.start_span("root"), lakeflow.start_span("child"):
        lakeflow.update_current_trace(
            {"t": 1}, {"m": 2}, "c-1", "asked", "answered", "ERROR", "s-1", "kim"
        )
        with pytest.raises(InvalidInputError, match="state"):
            lakeflow.update_current_trace(state="IN_PROGRESS")
        with pytest.raises(InvalidInputError, match="request_preview"):
            lakeflow.update_current_trace(request_preview=1)  # type: ignore[arg-type]
    info = last().info
    assert (info.tags["t"], info.trace_metadata["m"], info.client_request_id) == (
        "1",
        "2",
        "c-1",
    )
    assert (info.request_preview, info.response_preview) == ("asked", "answered")
    assert (info.state, info.session_id, info.user_id) == ("ERROR", "s-1", "kim")
    (found,) = lakeflow.search_traces(
        filter_string="session_id = 's-1' AND user_id = 'kim'", return_type="list"
    )
    assert found.data.spans[0].status.status_code == "OK"


def test_no_active_trace_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        lakeflow.update_current_trace(tags={"a": "b"})
        assert get_tracing_context_headers_for_http_request() == {}
    assert len(caplog.records) == 2


def test_tokens_are_summed_once() -> None:
    usage = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    with lakeflow.start_span("root"):
        with lakeflow.start_span("model") as model:
            model.set_attribute("mlflow.chat.tokenUsage", usage)
            with lakeflow.start_span("request") as request:
                request.set_attributes(
                    {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2}
                )
        with lakeflow.start_span("other") as other:
            other.set_attribute("gen_ai.usage.input_tokens", 5)
    assert last().info.token_usage == {
        "input_tokens": 15, "output_tokens": 2, "total_tokens": 17,
    }  # fmt: skip


def test_frames_have_a_row_a_trace_and_the_fields_that_are_asked_for() -> None:
    @lakeflow.trace(name="a.b")
    def ask(x: int) -> dict[str, Any]:
        return {"k.1": x}

    for x in (1, 2):
        ask(x)
    fields = ["`a.b`.inputs.x", "`a.b`.outputs.`k.1`", "none.inputs", "`a.b`.inputs"]
    order = ["timestamp_ms ASC", "trace_id"]
    pandas = lakeflow.search_traces(extract_fields=fields, order_by=order)
    assert sorted(pandas["a.b.outputs.k.1"]) == sorted(pandas["a.b.inputs.x"]) == [1, 2]  # type: ignore[call-overload,index]
    assert list(pandas["none.inputs"]) == [None, None]  # type: ignore[call-overload,index]
    polars = lakeflow.search_traces(extract_fields=fields, return_type="polars")
    assert sorted(polars["a.b.inputs.x"]) == [1, 2]  # type: ignore[call-overload,index]
    assert lakeflow.search_traces(max_results=1, return_type="polars").shape[0] == 1  # type: ignore[union-attr]
    assert lakeflow.search_traces(filter_string="name = 'none'").shape[0] == 0  # type: ignore[union-attr]
    for bad in ("a.b", "a.inputs.`k", "a.middle"):
        with pytest.raises(InvalidInputError, match="no field"):
            lakeflow.search_traces(extract_fields=[bad])


def test_spans_are_changed_before_they_are_stored(caplog: pytest.LogCaptureFixture) -> None:
    def mask(span: LiveSpan) -> None:
        span.set_inputs("masked")

    def fail(span: LiveSpan) -> None:
        raise RuntimeError("no")

    with lakeflow.tracing.configure([fail, mask]), lakeflow.start_span("root") as span:
        span.set_inputs("secret")
    assert last().data.spans[0].inputs == "masked"
    assert "processor" in caplog.text
    with lakeflow.start_span("root") as span:
        span.set_inputs("secret")
    assert last().data.spans[0].inputs == "secret"
    with pytest.raises(InvalidInputError, match="function"):
        lakeflow.tracing.configure([1])  # type: ignore[list-item]


def test_traces_go_to_the_experiment_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone_to() -> str:
        with lakeflow.start_span("root"):
            pass
        return last().info.experiment_id

    client = lakeflow.LakeflowClient()
    assert gone_to() == "0"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    named = gone_to()
    assert client.get_experiment(named).name == "named"
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("LAKEFLOW_EXPERIMENT_ID", named)
    assert gone_to() == named
    lakeflow.set_experiment("chosen")
    chosen = lakeflow.context.experiment()
    assert gone_to() == client.get_experiment_by_name("chosen").experiment_id  # type: ignore[union-attr]
    # In another lake it is the experiment with that name, and nothing else is chosen.
    lakeflow.set_tracking_uri("memory://another-lake-of-traces")
    other = lakeflow.LakeflowClient()
    assert other.get_experiment(gone_to()).name == "chosen"
    assert lakeflow.context.experiment() is chosen
    with lakeflow.start_run():
        threads = ThreadPoolExecutor(1)
        run_experiment = lakeflow.active_run().info.experiment_id  # type: ignore[union-attr]
        assert threads.submit(gone_to).result() == run_experiment


def test_calls_that_a_function_would_refuse_have_no_arguments():
    arguments = arguments_of(lambda x, y=1: None)
    assert arguments((1,), {}) == arguments((), {"x": 1}) == {"x": 1, "y": 1}
    for refused in [((1, 2, 3), {}), ((1,), {"z": 2}), ((1,), {"x": 2}), ((), {"y": 2})]:
        assert arguments(*refused) is None
