"""Fills a lake with one experiment of ten runs that have long metrics."""

from __future__ import annotations

import math
import os
import time

from library import START_MS, client_of, entities_of, parse, report

RUNS = 10
AT_ONCE = 10_000


def main() -> None:
    options = parse(points=100_000)
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    client, metric = client_of(options), entities_of(options).Metric
    began = time.perf_counter()
    for number in range(RUNS):
        run_id = client.create_run("0", START_MS, run_name=f"run-{number}").info.run_id
        for first in range(0, options.points, AT_ONCE):
            steps = range(first, min(options.points, first + AT_ONCE))
            points = [
                metric("wave", math.sin(number + step / 7_000), START_MS + step, step)
                for step in steps
            ]
            client.log_batch(run_id, metrics=points)
        client.set_terminated(run_id, end_time=START_MS + options.points)
    report({"seconds": time.perf_counter() - began})


if __name__ == "__main__":
    main()
