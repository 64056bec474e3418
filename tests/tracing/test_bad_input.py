"""Whatever is recorded, and wherever to: the application never notices."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow.entities import LiveSpan, SpanEvent
from lakeflow.tracing import finished, live_trace, outbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    return tmp_path / "lake"


def stored(inputs: Any) -> Any:
    with lakeflow.start_span("root") as span:
        span.set_inputs(inputs)
    trace = lakeflow.get_trace(span.trace_id)
    assert trace is not None
    return trace.data.spans[0].inputs


class Silent:
    """What has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def circle() -> list[Any]:
    found: list[Any] = [1]
    found.append({"again": found})
    return found


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


def test_what_is_no_json_becomes_text(lake: Path) -> None:
    assert stored({"s": Silent(), "c": complex(1, 2), (1, 2): 3}) == {
        "s": "<Silent>", "c": "(1+2j)", "(1, 2)": 3,
    }  # fmt: skip
    assert stored(b"\x00\xff") == b"\x00\xff"
    assert stored([float("inf"), float("-inf")]) == [float("inf"), float("-inf")]
    assert stored(circle())[0] == 1
    assert isinstance(stored(deep(100_000)), list)


def test_texts_that_no_file_can_hold_are_read_back_with_a_sign(lake: Path) -> None:
    assert stored("a\ud800b\x00c") == "a�b\x00c"
    with lakeflow.start_span("n\ud800\x00ame", span_type="T\udfff") as span:
        span.set_attribute("k\ud800", {"\udfff": "\ud800"})
        span.add_event(SpanEvent("e\ud800", attributes={"a": "\ud800", "b": {"c": 1}}))
        span.set_status(lakeflow.entities.SpanStatus("ERROR", "why\ud800"))  # type: ignore[arg-type]
        lakeflow.update_current_trace({"t\ud800": "\ud800"}, {"m": "\ud800"}, user="\ud800")
    trace = lakeflow.get_trace(span.trace_id)
    assert trace is not None
    (found,) = trace.data.spans
    assert (found.name, found.span_type) == ("n�\x00ame", "T�")
    assert found.get_attribute("k�") == {"�": "�"}
    assert found.events[0].attributes == {"a": "�", "b": '{"c":1}'}
    assert found.status.description == "why�"
    assert (trace.info.tags["t�"], trace.info.user_id) == ("�", "�")


def test_an_input_of_ten_megabytes_is_kept_whole_or_cut_and_takes_no_other_along(
    lake: Path,
) -> None:
    long = "x" * 10 * 1024 * 1024
    with lakeflow.start_span("before") as before:
        pass
    with lakeflow.start_span("long") as span:
        span.set_inputs({"text": long})
    trace = lakeflow.get_trace(span.trace_id)
    assert trace is not None
    assert trace.info.trace_metadata["mlflow.traceInputs"].endswith("...")
    found = trace.data.spans[0].inputs
    assert found == {"text": long} or found["characters"] > len(long)
    assert lakeflow.get_trace(before.trace_id) is not None


def test_a_clock_that_is_put_back_makes_no_duration_below_zero(lake: Path) -> None:
    root = lakeflow.start_span_no_context("root", start_time_ns=2_000_000_000)
    assert isinstance(root, LiveSpan)
    root.end(end_time_ns=1_000_000_000)
    trace = lakeflow.get_trace(root.trace_id)
    assert trace is not None
    assert trace.info.execution_duration == 0
    assert trace.data.spans[0].end_time_ns == 1_000_000_000


def test_spans_without_an_end_are_stored_without_one(lake: Path) -> None:
    with lakeflow.start_span("root") as root:
        child = lakeflow.start_span_no_context("child", parent_span=root)
    assert isinstance(child, LiveSpan)
    # Too late: what is stored is what there was.
    child.set_inputs("late")
    trace = lakeflow.get_trace(root.trace_id)
    assert trace is not None
    found = trace.search_spans(name="child")[0]
    assert (found.end_time_ns, found.status.status_code, found.inputs) == (None, "UNSET", None)


def test_traces_without_an_end_are_given_up_when_there_are_too_many(
    lake: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_trace, "MOST_TRACES", 10)
    for n in range(30):
        lakeflow.start_span_no_context(f"root {n}")
    assert len(live_trace.take_all()) == 10
    outbox.close()
    assert " traces were lost: more than 10" in caplog.text


def test_what_does_not_fit_is_dropped_counted_and_said_once(
    lake: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_over = threading.Event()
    original = outbox.log

    def slow(*args: Any) -> None:
        is_over.wait()
        original(*args)

    monkeypatch.setattr(outbox, "log", slow)
    monkeypatch.setattr(outbox, "MOST_BYTES", 100_000)
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            with lakeflow.start_span("root") as span:
                span.set_inputs("x" * 20_000)
        said = [each.getMessage() for each in caplog.records]
        is_over.set()
        outbox.close()
    assert len(said) == 1
    lost = int(caplog.records[-1].getMessage().split()[0])
    assert lost > 0
    assert len(lakeflow.search_traces(return_type="list")) == 50 - lost


def test_a_trace_that_cannot_be_stored_takes_no_other_along(
    lake: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    original = finished.stored_forms

    def picky(several: Sequence[finished.Finished]) -> Any:
        if any(each.trace.root.name == "bad" for each in several):
            raise ValueError("no bad ones")
        return original(several)

    monkeypatch.setattr(outbox, "stored_forms", picky)
    for name in ("good", "bad", "good", "good"):
        with lakeflow.start_span(name):
            pass
    assert len(lakeflow.search_traces(return_type="list")) == 3
    outbox.close()
    assert "1 traces were lost: no bad ones" in caplog.text


def test_a_lake_that_is_out_of_reach_is_said_once_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    lakeflow.set_tracking_uri(tmp_path / "file" / "lake")

    @lakeflow.trace
    def add(x: int) -> int:
        return x + 1

    with caplog.at_level(logging.WARNING):
        assert [add(n) for n in range(20)] == list(range(1, 21))
        lakeflow.flush_trace_async_logging()
        assert [add(n) for n in range(20)] == list(range(1, 21))
        lakeflow.flush_trace_async_logging()
        outbox.close()
    assert len(caplog.records) == 2
    assert "40 traces were lost" in caplog.text


def program(code: str, lake: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import lakeflow, os, sys\n{code}"],
        env={**os.environ, "LAKEFLOW_TRACKING_URI": str(lake), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_a_process_that_ends_stores_what_waits_and_what_goes_on(lake: Path) -> None:
    said = program(
        "with lakeflow.start_span('over'): pass\n"
        "root = lakeflow.start_span_no_context('open')\n"
        "lakeflow.start_span_no_context('child', parent_span=root).end()",
        lake,
    )
    assert said == ""
    found = {trace.info.name: trace for trace in lakeflow.search_traces(return_type="list")}
    assert {name: str(each.info.state) for name, each in found.items()} == {
        "over": "OK", "open": "IN_PROGRESS",
    }  # fmt: skip
    assert len(found["open"].data.spans) == 2  # type: ignore[union-attr]


def test_a_lake_out_of_reach_keeps_no_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    said = program(
        "with lakeflow.start_span('over'): pass\nprint('done')", tmp_path / "file" / "lake"
    )
    assert said.startswith("done\n")
    assert "1 traces were lost" in said


def test_a_child_that_is_forked_in_a_span_goes_on_in_it(lake: Path) -> None:
    said = program(
        "with lakeflow.start_span('before'): pass\n"
        "with lakeflow.start_span('root'):\n"
        "    child = os.fork()\n"
        "    with lakeflow.start_span('of the child' if child == 0 else 'of the parent'): pass\n"
        "    if child:\n"
        "        assert os.waitpid(child, 0)[1] == 0",
        lake,
    )
    assert said == ""
    found = {trace.info.name: trace for trace in lakeflow.search_traces(return_type="list")}
    assert found.keys() == {"before", "root"}
    spans = found["root"].data.spans  # type: ignore[union-attr]
    assert sorted(span.name for span in spans) == ["of the child", "of the parent", "root"]
    assert {span.parent_id for span in spans} == {None, spans[0].span_id}


def test_traces_can_be_stored_at_once(lake: Path) -> None:
    said = program(
        "with lakeflow.start_span('over'): pass\n"
        "from lakeflow.tracing import outbox\n"
        "print(outbox._outbox._done)",
        lake,
        MLFLOW_ENABLE_ASYNC_TRACE_LOGGING="false",
    )
    assert said == "1\n"
