"""Times functions that are traced: the call alone, and until what it logged is durable."""

from __future__ import annotations

import json
import time
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any

from library import parse, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Function = Callable[[str, int], dict[str, Any]]

PAGE = 500


def main() -> None:
    options = parse(calls=2_000, rounds=7)
    steps = {"call": call, "durable": durable}
    report(steps[options.step](options))


def ask(question: str, k: int) -> dict[str, Any]:
    """Return something small, as fast as can be."""
    return {"answer": question, "k": k}


def call(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the seconds of a call, plain, by OpenTelemetry's SDK alone, and traced.

    By the clock, and of the processor in the thread that calls: a thread that stores traces
    meanwhile takes turns with it.

    They take turns, and after each turn of traced calls all of them are stored, so that nobody
    else's time has the work behind them in it.
    """
    import lakeflow

    lakeflow.set_tracking_uri(options.uri)
    ways = {
        "plain": ask,
        "OpenTelemetry's SDK": by_the_sdk(False),
        "OpenTelemetry's SDK, with inputs and outputs": by_the_sdk(True),
        "lakeflow.trace": lakeflow.trace(ask),
    }
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(options.rounds + 1):
        for name, function in ways.items():
            seconds = per_call(function, options.calls)
            lakeflow.flush_trace_async_logging()
            if number:  # the first one is not timed
                taken[name].append(seconds)
    return {
        name: {clock: median(each[clock] for each in rounds) for clock in rounds[0]}
        for name, rounds in taken.items()
    }


def per_call(function: Function, calls: int) -> dict[str, float]:
    began, began_cpu = time.perf_counter(), time.thread_time()
    for number in range(calls):
        function("how much is it?", number)
    ended, ended_cpu = time.perf_counter(), time.thread_time()
    return {"clock": (ended - began) / calls, "processor": (ended_cpu - began_cpu) / calls}


def by_the_sdk(has_values: bool) -> Function:
    """Return the function within a span of OpenTelemetry's SDK, which an exporter drops."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        SimpleSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class NoOpExporter(SpanExporter):
        def export(self, spans: object) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(NoOpExporter()))
    tracer = provider.get_tracer("benchmark")

    def alone(question: str, k: int) -> dict[str, Any]:
        with tracer.start_as_current_span("ask"):
            return ask(question, k)

    def with_values(question: str, k: int) -> dict[str, Any]:
        with tracer.start_as_current_span("ask") as span:
            span.set_attribute("inputs", json.dumps({"question": question, "k": k}))
            found = ask(question, k)
            span.set_attribute("outputs", json.dumps(found))
            return found

    return with_values if has_values else alone


def durable(options: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of a traced call until all of them are stored, and count those."""
    library = import_module(options.library)
    library.set_tracking_uri(options.uri)
    experiment_id = library.set_experiment("traced").experiment_id
    traced = library.trace(ask)
    # What is made once: threads, tables, folders.
    traced("how much is it?", 0)
    library.flush_trace_async_logging()
    began = time.perf_counter()
    for number in range(options.calls):
        traced("how much is it?", number)
    called = time.perf_counter()
    library.flush_trace_async_logging()
    ended = time.perf_counter()
    found, token = 0, None
    while True:
        page = library.MlflowClient().search_traces(
            [experiment_id], max_results=PAGE, page_token=token
        )
        found += len(page)
        token = page.token
        if not token:
            break
    assert found == options.calls + 1, f"{found} of {options.calls + 1} traces are there"
    return {
        "call": (called - began) / options.calls,
        "durable": (ended - began) / options.calls,
    }


if __name__ == "__main__":
    main()
