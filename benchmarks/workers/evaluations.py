"""Logs one table a run, or loads those of all runs as one."""

from __future__ import annotations

import importlib
import time
from statistics import median
from typing import TYPE_CHECKING

from library import client_of, parse, report

if TYPE_CHECKING:
    import argparse

FILE = "evaluation.json"


def main() -> None:
    options = parse(runs=500, rows=20, repeats=3)
    report({"write": write, "load": load}[options.step](options))


def write(options: argparse.Namespace) -> dict[str, float]:
    client = client_of(options)
    began = time.perf_counter()
    for number in range(options.runs):
        run = client.create_run("0").info.run_id
        rows = range(options.rows)
        table = {
            "question": [f"question {number}.{row}" for row in rows],
            "answer": [f"an answer of some length to question {number}.{row}" for row in rows],
            "score": [row / options.rows for row in rows],
        }
        client.log_table(run, table, FILE)
    return {"seconds": (time.perf_counter() - began) / options.runs}


def load(options: argparse.Namespace) -> dict[str, float]:
    client = client_of(options)
    # MLflow's client looks for the runs by way of this.
    importlib.import_module(options.library).set_tracking_uri(options.uri)
    times = []
    for _ in range(options.repeats):
        began = time.perf_counter()
        found = client.load_table("0", FILE, extra_columns=["run_id"])
        times.append(time.perf_counter() - began)
        assert len(found) == options.runs * options.rows, len(found)
    return {"first": times[0], "seconds": median(times)}


if __name__ == "__main__":
    main()
