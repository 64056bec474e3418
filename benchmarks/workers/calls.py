"""Times the calls that log and read, in one process; and the floor under a log line."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from library import START_MS, client_of, entities_of, noisy_curve, parse, report, time_per_call

if TYPE_CHECKING:
    import argparse

BATCH = 1000
"""Metrics of a batch: the most that MLflow takes."""


def main() -> None:
    options = parse(calls=1000, batches=10, reads=50)
    client = client_of(options)
    values = noisy_curve(0)

    def new_run() -> str:
        return str(client.create_run("0").info.run_id)

    run = new_run()
    n = options.calls
    found = {
        "create_run": time_per_call(lambda _: client.create_run("0"), n),
        "log_metric": time_per_call(
            lambda i: client.log_metric(run, "loss", next(values), START_MS + i, i), n
        ),
    }
    if options.library == "lakeflow":
        found["floor"] = floor(Path(options.uri), n)  # at once, under the same load
    found |= {
        "log_metric, asynchronous": asynchronous(client, new_run(), n),
        "log_param": time_per_call(lambda i: client.log_param(run, f"param-{i}", i), n),
        "set_tag": time_per_call(lambda i: client.set_tag(run, f"tag-{i}", i), n),
        "log_batch, per metric": batches(options, client, new_run()),
        "get_run after a write": reads(options, client, new_run()),
    }
    report(found)


def asynchronous(client: Any, run: str, calls: int) -> float:
    """Return the mean time of a queued call, until all of them are done."""
    client.log_metric(run, "loss", 0.5, synchronous=False).wait()
    values = noisy_curve(1)
    began = time.perf_counter()
    queued = [
        client.log_metric(run, "loss", next(values), START_MS + i, i, synchronous=False)
        for i in range(calls)
    ]
    for each in queued:
        each.wait()
    return (time.perf_counter() - began) / calls


def batches(options: argparse.Namespace, client: Any, run: str) -> float:
    """Return the time of one metric in batches; making the objects is not counted."""
    metric = entities_of(options).Metric
    values = noisy_curve(2)
    prepared = [
        [metric("loss", next(values), START_MS + i, number * BATCH + i) for i in range(BATCH)]
        for number in range(options.batches + 1)
    ]
    return time_per_call(lambda i: client.log_batch(run, prepared[i]), options.batches) / BATCH


def reads(options: argparse.Namespace, client: Any, run: str) -> float:
    """Return the median time of reading a run with 20 keys that has just been written to."""
    for number in range(10):
        client.log_metric(run, f"metric-{number}", number, START_MS, 0)
        client.log_param(run, f"param-{number}", number)
    times = []
    for step in range(1, options.reads + 1):
        client.log_metric(run, f"metric-{step % 10}", step, START_MS + step, step)
        began = time.perf_counter()
        data = client.get_run(run).data
        times.append(time.perf_counter() - began)
        assert len(data.metrics) == len(data.params) == 10
        assert data.metrics[f"metric-{step % 10}"] == step
    return median(times)


def floor(lake: Path, calls: int) -> float:
    """Return the time of appending one line of the lake's log with nothing around it."""
    segments = (path.read_bytes() for path in lake.glob("log/*/*.jsonl"))
    lines = (line for each in segments for line in each.splitlines(keepends=True))
    line = next(line for line in lines if b'"loss"' in line)
    path = lake.with_name("floor.jsonl")
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        return time_per_call(lambda _: os.write(file, line), calls)
    finally:
        os.close(file)
        path.unlink()


if __name__ == "__main__":
    main()
