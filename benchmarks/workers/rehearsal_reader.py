"""Reads a lake again and again, as a service does, and says how large this process gets."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from library import client_of, parse, report

SAMPLES = 12


def main() -> None:
    options = parse(seconds=120)
    run_ids = json.loads(sys.stdin.readline())
    client = client_of(options)
    read(client, run_ids[0])
    report("ready")
    start = json.loads(sys.stdin.readline())
    samples: list[tuple[float, int, int]] = []
    times, errors, runs = [], 0, cycle(run_ids)
    time.sleep(max(0.0, start - time.time()))
    while (at := time.time() - start) < options.seconds:
        began = time.perf_counter()
        try:
            read(client, next(runs))
        except Exception as error:  # noqa: BLE001 - it is counted
            print(repr(error), file=sys.stderr)
            errors += 1
        times.append(time.perf_counter() - began)
        if at >= len(samples) * options.seconds / SAMPLES:
            samples.append((at, resident_bytes(), len(os.listdir("/proc/self/fd"))))
    samples.append((at, resident_bytes(), len(os.listdir("/proc/self/fd"))))
    found = {"samples": samples, "reads": len(times), "median": median(times)}
    report(found | {"errors": errors})


def read(client: Any, run_id: str) -> None:
    client.search_runs(["0"], "metrics.loss > 0", order_by=["metrics.loss DESC"])
    client.get_metric_history(run_id, "loss")


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
