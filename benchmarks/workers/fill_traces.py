"""Fills a lake with spans of a month: through its log and its folds, a bounded part at a time.

Ten spans a trace, the experiments taking turns, the traces in the order of their time. Every
so many spans the log is folded and dropped, as a compaction does in time.
"""

from __future__ import annotations

import json
import os
import random
import time
from typing import TYPE_CHECKING, Any

from library import START_MS, parse, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

DAYS = 30
DAY_NS = 86_400 * 10**9
START_NS = START_MS // 86_400_000 * DAY_NS
"""The beginning of a day, UTC."""

SPANS_OF_A_TRACE = 10
TRACES_OF_A_LINE = 100

MS = 10**6
WORDS = ["order", "parcel", "invoice", "address", "password", "price", "size", "card", "late"]
RARE = "refund"
"""A word that one trace in a hundred has."""

# Name, type, parent, longest in milliseconds.
SHAPE = (
    ("agent", "AGENT", None, 9_000),
    ("plan", "LLM", 0, 2_000),
    ("retriever", "RETRIEVER", 0, 800),
    ("embed", "EMBEDDING", 2, 100),
    ("rerank", "RERANKER", 2, 200),
    ("answer", "LLM", 0, 4_000),
    ("tool", "TOOL", 0, 1_000),
    ("http", "UNKNOWN", 6, 900),
    ("guard", "GUARDRAIL", 0, 300),
    ("parse", "PARSER", 0, 20),
)


def main() -> None:
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    os.environ["LAKEFLOW_VACUUM_GRACE_S"] = "0"
    options = parse(spans=200_000, experiments=10, fold_every=1_000_000, seed=0)
    report(fill(options))


def fill(options: argparse.Namespace) -> dict[str, float]:
    import lakeflow
    from lakeflow.open_store import open_store

    began = time.perf_counter()
    store = open_store(options.uri, create=True)
    client = lakeflow.LakeflowClient(options.uri)
    names = (f"experiment-{number}" for number in range(1, options.experiments))
    experiments = ["0", *map(client.create_experiment, names)]
    logged = folding = 0.0
    waiting = 0
    for experiment_id, columns in batches(options, experiments):
        start = time.perf_counter()
        store.traces.log_spans(experiment_id, columns)
        logged += time.perf_counter() - start
        waiting += len(columns["trace_id"])
        if waiting >= options.fold_every:
            folding += lakeflow.compact(options.uri).seconds
            waiting = 0
    folding += lakeflow.compact(options.uri).seconds
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "log_s": logged, "fold_s": folding}


def batches(
    options: argparse.Namespace, experiments: list[str]
) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Yield spans by column, those of a hundred traces of one experiment at a time."""
    from lakeflow.schema import SPANS

    names = [each.name for each in SPANS.columns if each.name not in {"experiment_id", "day"}]
    numbers = random.Random(options.seed)
    traces = options.spans // SPANS_OF_A_TRACE
    turn = TRACES_OF_A_LINE * len(experiments)
    for first in range(0, traces, turn):
        for place, experiment_id in enumerate(experiments):
            rows = [
                row
                for number in range(first + place, min(first + turn, traces), len(experiments))
                for row in spans(numbers, START_NS + number * DAYS * DAY_NS // traces, number)
            ]
            yield experiment_id, {name: [row.get(name) for row in rows] for name in names}


def spans(numbers: random.Random, began_ns: int, number: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of one trace."""
    trace_id = f"tr-{numbers.getrandbits(128):032x}"
    ids = [f"{numbers.getrandbits(64) | 1:016x}" for _ in SHAPE]
    words = " ".join(numbers.choices(WORDS, k=12))
    if numbers.random() < 0.01:
        words = f"{words} {RARE} {words}"
    for place, (name, kind, parent, longest_ms) in enumerate(SHAPE):
        start = began_ns + place * MS
        failed = numbers.random() < 0.01
        row = {
            "trace_id": trace_id,
            "span_id": ids[place],
            "parent_span_id": None if parent is None else ids[parent],
            "start_time_ns": start,
            "end_time_ns": start + int(numbers.random() * longest_ms * MS),
            "name": name,
            "span_type": kind,
            "kind": "INTERNAL",
            "status": "ERROR" if failed else "OK",
            "status_message": "timeout" if failed else None,
            "service_name": "shop",
            "session_id": f"session-{number // 5}",
            "user_id": f"user-{number % 1000}",
            "attributes": json.dumps({"k": place, "step": number, "cache": failed, "p": 0.5}),
            "inputs": json.dumps({"question": words}),
            "outputs": json.dumps(f"{name}: {words[:40]}"),
        }
        if kind == "LLM":
            row |= tokens(numbers)
        yield row


def tokens(numbers: random.Random) -> dict[str, Any]:
    taken, given = numbers.randrange(100, 4_000), numbers.randrange(10, 800)
    model = numbers.choice(("small-1", "small-2", "large-1"))
    return {
        "operation": "chat",
        "provider": "example",
        "request_model": model,
        "response_model": model,
        "finish_reasons": '["stop"]',
        "input_tokens": taken,
        "output_tokens": given,
        "total_tokens": taken + given,
    }


if __name__ == "__main__":
    main()
