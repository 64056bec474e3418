"""An application's own provider writes to a lake, and never suffers for it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.tracing.exporter import LakeflowSpanExporter, LakeflowSpanProcessor


@pytest.fixture
def provider():
    made = TracerProvider(shutdown_on_exit=False)
    yield made
    made.shutdown()


def attached(provider, exporter, **options):
    processor = LakeflowSpanProcessor(exporter, **options)
    provider.add_span_processor(processor)
    return processor, provider.get_tracer("app")


class Slow(SpanExporter):
    """An exporter that waits to be let go."""

    def __init__(self):
        self.may_go = threading.Event()
        self.is_there = threading.Event()
        self.batches = []
        self.has_ended = False

    def export(self, spans):
        self.is_there.set()
        self.may_go.wait()
        self.batches.append(len(spans))
        self.suppressed = otel_context.get_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY)
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.has_ended = True


def test_spans_are_seen_without_a_flush(provider, lake, rows):
    exporter = LakeflowSpanExporter(lake)
    written = threading.Event()
    log = exporter._log

    def noted(spans):
        log(spans)
        written.set()

    exporter._log = noted
    _, tracer = attached(provider, exporter)
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    assert written.wait(60)
    outer, inner = rows()
    assert (outer["name"], inner["name"]) == ("outer", "inner")
    assert inner["parent_span_id"] == outer["span_id"]
    assert inner["trace_id"] == outer["trace_id"]


def test_spans_go_to_the_experiment_of_the_process_or_to_one_of_a_name(provider, lake, rows):
    lakeflow.set_tracking_uri(lake)
    chosen = lakeflow.set_experiment("chosen").experiment_id
    processor, tracer = attached(provider, LakeflowSpanExporter())
    tracer.start_span("a").end()
    assert processor.force_flush()
    _, tracer = attached(provider, LakeflowSpanExporter(experiment_name="named"))
    tracer.start_span("b").end()
    assert provider.force_flush()
    named = lakeflow.get_experiment_by_name("named").experiment_id
    found = {(row["name"], row["experiment_id"]) for row in rows()}
    assert found == {("a", chosen), ("b", chosen), ("b", named)}


def test_it_works_behind_the_processor_of_the_sdk(provider, lake, rows):
    provider.add_span_processor(BatchSpanProcessor(LakeflowSpanExporter(lake)))
    provider.get_tracer("app").start_span("s").end()
    assert provider.force_flush()
    assert [row["name"] for row in rows()] == ["s"]


def test_threads_lose_nothing(provider, lake, rows):
    processor, tracer = attached(provider, LakeflowSpanExporter(lake))

    def work(number):
        for place in range(250):
            tracer.start_span(f"{number}-{place}").end()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert processor.force_flush()
    assert len({row["name"] for row in rows()}) == 2000
    assert processor.lost == 0


def test_a_full_queue_loses_spans_counts_them_and_says_so_once(provider, caplog):
    exporter = Slow()
    processor, tracer = attached(provider, exporter, most_queued=10)
    tracer.start_span("first").end()
    assert exporter.is_there.wait(60)
    with caplog.at_level(logging.WARNING):
        for _ in range(25):
            tracer.start_span("s").end()
        assert processor.lost == 15
        assert processor.force_flush(timeout_millis=1) is False
        exporter.may_go.set()
        assert processor.force_flush()
        provider.shutdown()
    assert exporter.batches == [1, 10]
    assert exporter.has_ended
    first, last = [record.getMessage() for record in caplog.records]
    assert first.startswith("spans are lost: the queue is full")
    assert last == "15 spans were lost"


def test_where_no_thread_can_be_started_whoever_flushes_writes(provider, monkeypatch):
    def refused(_thread):
        raise RuntimeError("can't start new thread")

    exporter = Slow()
    exporter.may_go.set()
    processor, tracer = attached(provider, exporter)
    monkeypatch.setattr(threading.Thread, "start", refused)
    tracer.start_span("first").end()
    tracer.start_span("second").end()
    assert processor.force_flush()
    assert exporter.batches == [2]
    tracer.start_span("third").end()
    provider.shutdown()
    assert exporter.batches == [2, 1]
    assert processor.lost == 0


def test_a_lake_that_is_gone_costs_spans_and_nothing_else(provider, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    exporter = LakeflowSpanExporter(tmp_path / "file" / "lake")
    processor, tracer = attached(provider, exporter)
    for _ in range(3):
        tracer.start_span("s").end()
        assert processor.force_flush()
    assert exporter.lost == 3
    provider.shutdown()
    assert len(caplog.records) == 2
    tracer.start_span("after the end").end()
    assert processor.lost == 1


def test_what_is_not_sampled_is_not_written(lake):
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    processor, tracer = attached(provider, LakeflowSpanExporter(lake))
    tracer.start_span("s").end()
    assert processor.force_flush()
    provider.shutdown()
    assert not lake.exists()


def test_a_forked_child_writes_its_own_spans_and_not_its_parents(provider, lake, rows, forked):
    LakeflowClient(lake).create_experiment("made before")
    processor, tracer = attached(provider, LakeflowSpanExporter(lake))
    tracer.start_span("parent").end()

    def work():
        tracer.start_span("child").end()
        assert processor.force_flush()

    assert forked(work) == 0
    assert processor.force_flush()
    assert sorted(row["name"] for row in rows()) == ["child", "parent"]


def test_writing_spans_makes_none(provider, lake):
    class Seen(LakeflowSpanExporter):
        def _log(self, spans):
            self.suppressed = otel_context.get_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY)

    exporter = Seen(lake)
    processor, tracer = attached(provider, exporter)
    tracer.start_span("s").end()
    assert processor.force_flush()
    assert exporter.suppressed is True


def test_a_program_that_ends_at_once_has_written_its_spans(lake, rows):
    program = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from lakeflow.tracing.exporter import LakeflowSpanExporter, LakeflowSpanProcessor
provider = TracerProvider()
provider.add_span_processor(LakeflowSpanProcessor(LakeflowSpanExporter(sys.argv[1])))
for number in range(3000):
    provider.get_tracer("app").start_span(f"s{number}").end()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(lake)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert rows("SELECT count(DISTINCT name) AS n FROM spans") == [{"n": 3000}]


def test_a_signal_handler_may_end_a_span(provider, lake, rows):
    import signal

    processor, tracer = attached(provider, LakeflowSpanExporter(lake))
    before = signal.signal(signal.SIGUSR1, lambda *_: tracer.start_span("handler").end())
    try:
        for _ in range(200):
            tracer.start_span("main").end()
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert processor.force_flush()
    found = rows("SELECT name, count(*) AS n FROM spans GROUP BY name ORDER BY name")
    assert found == [{"name": "handler", "n": 200}, {"name": "main", "n": 200}]
