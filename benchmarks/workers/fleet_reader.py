"""Reads a run of a fleet each second, and says how old the newest value of it is."""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import count, cycle

from library import client_of, parse, report

EVERY_S = 1.0


def main() -> None:
    options = parse(seconds=300)
    run_ids = json.loads(sys.stdin.readline())
    client = client_of(options)
    client.get_run(run_ids[0])
    report("ready")
    start = json.loads(sys.stdin.readline())
    ages, times, errors, cpu_s = [], [], 0, time.process_time()
    runs = cycle(run_ids)
    for number in count(1):
        time.sleep(max(0.0, start + number * EVERY_S - time.time()))
        asked = time.time()
        if asked > start + options.seconds:
            break
        try:
            newest = client.get_run(next(runs)).data.metrics.get("loss", start)
        except Exception as error:  # noqa: BLE001 - it is counted
            print(repr(error), file=sys.stderr)
            errors += 1
        else:
            ages.append(time.time() - newest)
            times.append(time.time() - asked)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    cpu_s = time.process_time() - cpu_s
    report({"ages": ages, "times": times, "errors": errors, "cpu_s": cpu_s, "memory": memory})


if __name__ == "__main__":
    main()
