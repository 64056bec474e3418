"""Traces begin and end in all threads of a process, between any two steps of another one."""

from __future__ import annotations

import gc
import sys
import weakref
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from lakeflow.ids import new_id
from lakeflow.tracing import live_trace, recorder
from lakeflow.tracing.live_trace import LiveTrace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def begin() -> LiveTrace:
    trace = LiveTrace(new_id(), cast("Any", None), lambda _: None)
    live_trace.begun(trace)
    return trace


def add_span(trace: LiveTrace) -> Any:
    span = SimpleNamespace(span_id=new_id())
    trace.add(cast("Any", span))
    return span


@pytest.fixture
def meanwhile() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Return what sets the work of another thread: it comes before each builtin is called."""
    before = sys.getprofile()

    def set_work(work: Callable[[], object]) -> None:
        def called(frame: Any, event: str, _: object) -> None:
            if event == "c_call" and frame.f_code.co_filename == live_trace.__file__:
                work()

        sys.setprofile(called)

    yield set_work
    sys.setprofile(before)


def test_of_too_many_traces_the_oldest_goes_while_others_begin(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    live_trace.take_all()
    oldest = begin()
    monkeypatch.setattr(live_trace, "MOST_TRACES", 1)
    trace = LiveTrace(new_id(), cast("Any", None), lambda _: None)
    meanwhile(lambda: live_trace._traces.update({new_id(): trace}))
    given_up = live_trace.begun(trace)
    sys.setprofile(None)
    live_trace.take_all()
    assert given_up is oldest


def test_traces_that_end_meanwhile_are_not_taken(
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    live_trace.take_all()
    begin()
    meanwhile(live_trace._traces.clear)
    taken = live_trace.take_all()
    sys.setprofile(None)
    assert taken == []


def test_the_root_is_the_first_span_while_others_begin(
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    trace = begin()
    first = add_span(trace)
    meanwhile(lambda: trace.spans.update({new_id(): first}))
    root = trace.root
    sys.setprofile(None)
    live_trace.forget(trace.trace_id)
    assert root is first


def test_a_trace_that_nobody_holds_is_gone_at_once() -> None:
    root = cast("Any", recorder.begin("a", "UNKNOWN", None, ended=lambda _: None))
    inner = cast("Any", recorder.begin("b", "UNKNOWN", root))
    spans = [weakref.ref(each._otel) for each in (root, inner)]
    gc.disable()
    try:
        inner.end()
        root.end()
        del root, inner
        assert [each() for each in spans] == [None, None]
    finally:
        gc.enable()
