"""One machine of a fleet: makes a run, logs to it at a steady rate, and ends it.

The value is the time at which it was logged, and what was acknowledged is kept in the file
``values``, NaN for what was not.
"""

from __future__ import annotations

import json
import math
import random
import resource
import sys
import time
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report

if TYPE_CHECKING:
    import argparse

SPREAD_S = 1.0
"""Machines do not begin at the same moment."""


def main() -> None:
    options = parse(rate=20, seconds=300, synchronous=0)
    client = client_of(options)
    run_id = client.create_run("0").info.run_id
    report({"run": run_id})
    start = json.loads(sys.stdin.readline()) + random.uniform(0, SPREAD_S)
    pause_until(start)
    cpu_s = time.process_time()
    values, pending, times = log(client, run_id, options, start)
    client.set_terminated(run_id)
    errors = settle(values, pending)
    cpu_s = time.process_time() - cpu_s
    Path("values").write_bytes(values.tobytes())
    report(
        {
            "acknowledged": sum(not math.isnan(value) for value in values),
            "errors": errors,
            "times": times,
            "start": start,
            "end": time.time(),
            "cpu_s": cpu_s,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )


def log(
    client: Any, run_id: str, options: argparse.Namespace, start: float
) -> tuple[array[float], list[Any], list[float]]:
    """Log values until the time is over, fewer of them where they are held up.

    Returns:
        The values, what each call returned, and the seconds that it took.
    """
    values: array[float] = array("d")
    pending, times = [], []
    for step in range(options.rate * options.seconds):
        pause_until(start + step / options.rate)
        value = time.time()
        if value > start + options.seconds:
            break
        values.append(value)
        moment_ms = int(value * 1000)
        began = time.perf_counter()
        try:
            pending.append(
                client.log_metric(
                    run_id,
                    "loss",
                    value,
                    moment_ms,
                    step,
                    synchronous=bool(options.synchronous),
                )
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not logged
            pending.append(error)
        times.append(time.perf_counter() - began)
    return values, pending, times


def settle(values: array[float], pending: list[Any]) -> int:
    """Take back the values that were not acknowledged, and return how many there are."""
    errors = 0
    for step, promise in enumerate(pending):
        try:
            if isinstance(promise, Exception):
                raise promise
            if promise is not None:
                promise.wait()
        except Exception as error:  # noqa: BLE001 - as above
            print(f"step {step}: {error!r}", file=sys.stderr)
            values[step] = math.nan
            errors += 1
    return errors


def pause_until(moment: float) -> None:
    pause_s = moment - time.time()
    if pause_s > 0:
        time.sleep(pause_s)


if __name__ == "__main__":
    main()
