"""Traces of MLflow on a lake beside its databases: spans logged, pages of traces found.

Run it with an interpreter that has both, as benchmarks/mlflow_plugin.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import report
from mlflow.entities import Span
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow_plugin import LAKE, POSTGRES, SQLITE, in_turns, stores

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_ONE, LOG_MANY = "log_spans, 1 span", "log_spans, 100 spans"
WITH_SPANS = "search_traces by a client, 100 with spans"
SEARCHES: dict[str, dict[str, Any]] = {
    "search_traces, the latest 100": {},
    "search_traces, 100 of a tag": {"filter_string": "tags.team = 'team 3'"},
    "search_traces, 100 the slowest": {"order_by": ["execution_time_ms DESC"]},
    "search_traces, 100 with a kind of span": {
        "filter_string": "span.name = 'step-7' AND span.status = 'ERROR'"
    },
    "search_traces, a text in spans": {"filter_string": "trace.text LIKE '%number 777 %'"},
}
BEGUN_MS = 1_700_000_000_000

LEAST = 5.0
"""How many times as fast as another store a call is to be."""


def main() -> None:
    """Measure, and print the times and whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--calls", default=20, **number, help="of each kind in a round")
    parser.add_argument("--rounds", default=5, **number, help="in which the stores take turns")
    parser.add_argument("--traces", default=20_000, **number, help="that are searched")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, sys.executable), f"MLflow {mlflow.__version__}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        uris = stack.enter_context(stores(folder.resolve()))
        # Before its folder goes.
        stack.callback(_get_store(uris[LAKE]).lake.lake.close)
        took = {}
        for name, call in calls(uris, options.traces).items():
            for store, each in in_turns(uris, call, options.calls, options.rounds).items():
                took[store, name] = each
    names = [name for name in dict.fromkeys(name for _, name in took)]
    rows = [[name, *(report.seconds(took[each, name]) for each in uris)] for name in names]
    print("\n" + report.table([f"median, {options.traces:,} traces", *uris], rows), "\n")
    kept = [
        [
            f"{name}: {store} / {LAKE}",
            f"at least {LEAST:g}x",
            report.ratio(found := took[store, name] / took[LAKE, name]),
            report.met(found >= LEAST),
        ]
        for name in names
        for store in (SQLITE, POSTGRES)
        if store in uris
    ]
    print(report.table(["", "target", "found", ""], kept))


def calls(uris: dict[str, str], traces: int) -> dict[str, Callable[[str, int], float]]:
    """Fill every store, and return what is measured by its name."""
    for uri in uris.values():
        for start in range(0, traces, 50):
            _get_store(uri).log_spans("0", spans_of(start, 50, 4))
    lakeflow.compact(uris[LAKE])
    return {
        LOG_ONE: logging(1, 1),
        LOG_MANY: logging(10, 10),
        **{name: searching(asked) for name, asked in SEARCHES.items()},
        WITH_SPANS: search_with_spans,
    }


def logging(traces: int, spans: int) -> Callable[[str, int], float]:
    """Return what logs spans of new traces."""
    numbers = iter(range(10_000_000, 2**62, traces))

    def log(uri: str, calls: int) -> float:
        store = _get_store(uri)
        batches = [spans_of(next(numbers), traces, spans) for _ in range(calls)]
        started = time.perf_counter()
        for each in batches:
            store.log_spans("0", each)
        return (time.perf_counter() - started) / calls

    return log


def searching(asked: dict[str, Any]) -> Callable[[str, int], float]:
    """Return what asks for a page of traces."""

    def search(uri: str, _: int) -> float:
        store = _get_store(uri)
        started = time.perf_counter()
        for _ in range(3):
            store.search_traces(["0"], max_results=100, **asked)
        return (time.perf_counter() - started) / 3

    return search


def search_with_spans(uri: str, _: int) -> float:
    """Ask for a page of traces as programs do: the client asks for their spans as well."""
    client = MlflowClient(uri, uri)
    started = time.perf_counter()
    for _ in range(3):
        client.search_traces(locations=["0"], max_results=100)
    return (time.perf_counter() - started) / 3


def spans_of(start: int, traces: int, spans: int) -> list[Span]:
    """Return spans of some traces, a root and others within it."""
    return [
        span(number, place, spans)
        for number in range(start, start + traces)
        for place in range(spans)
    ]


def span(number: int, place: int, spans: int) -> Span:
    """Return a span as MLflow's exporters hand it over."""
    trace = f"{number:032x}"
    begun = BEGUN_MS + number * 1_000
    attributes = {
        "mlflow.traceRequestId": f"tr-{trace}",
        "mlflow.spanType": "AGENT" if place == 0 else "TOOL",
        "mlflow.spanInputs": {"question": f"what is number {number} about? " * 4},
        "mlflow.spanOutputs": {"answer": "so it is " * 10},
        "temperature": 0.5,
        "step": place,
    }
    if place == 0:
        attributes["mlflow.traceTag.team"] = f"team {number % 7}"
    return Span.from_dict(
        {
            "name": "ask" if place == 0 else f"step-{number % 97 + place}",
            "context": {"trace_id": f"0x{trace}", "span_id": f"0x{place + 1:016x}"},
            "parent_id": None if place == 0 else f"0x{1:016x}",
            "start_time": (begun + place) * 1_000_000,
            "end_time": (begun + place + 10 + number % 501) * 1_000_000,
            "status_code": "ERROR" if number % 11 == 0 and place == spans - 1 else "OK",
            "status_message": "",
            "attributes": {key: json.dumps(each) for key, each in attributes.items()},
            "events": [],
        }
    )


if __name__ == "__main__":
    main()
