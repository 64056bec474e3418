"""Writes a part of a log: one record a call of log_metric, in runs of so many points."""

from __future__ import annotations

import os
import time

from library import START_MS, client_of, noisy_curve, parse, report

KEYS = 10


def main() -> None:
    options = parse(records=1_000_000, run_points=10_000, seed=0)
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    client = client_of(options)
    values = noisy_curve(options.seed)
    keys = [f"metric-{number}" for number in range(KEYS)]
    began = time.perf_counter()
    left = options.records
    while left:
        run = client.create_run("0").info.run_id
        points = min(left, options.run_points)
        for number in range(points):
            moment = START_MS + 75 * number
            client.log_metric(run, keys[number % KEYS], next(values), moment, number // KEYS)
        left -= points
    report(time.perf_counter() - began)


if __name__ == "__main__":
    main()
