"""Logs images without waiting: at a pace, and then as fast as they are taken, on one core."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import numpy
from files import peak
from library import client_of, parse, report

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1024


def main() -> None:
    options = parse(images=200, rate=20)
    import lakeflow

    client = client_of(options)
    run = client.create_run("0").info.run_id
    images = pictures()
    client.log_image(run, next(images), key="first", step=0, synchronous=False)
    lakeflow.flush_artifact_async_logging()

    def log(key: str, rate: float) -> tuple[list[float], float]:
        """Return the seconds of each call, and of all until everything is logged."""
        times = []
        began = time.perf_counter()
        for step in range(options.images):
            image = next(images)
            called = time.perf_counter()
            client.log_image(run, image, key=key, step=step, synchronous=False)
            times.append(time.perf_counter() - called)
            if rate:
                time.sleep(max(0.0, began + (step + 1) / rate - time.perf_counter()))
        lakeflow.flush_artifact_async_logging()
        return times, time.perf_counter() - began

    paced, paced_s = log("paced", options.rate)
    # Training has a core of its own; here all is to be done by one.
    for thread in os.listdir("/proc/self/task"):
        # That of the queue may have ended meanwhile.
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), {min(os.sched_getaffinity(0))})
    with peak() as above:
        _, all_s = log("fast", 0)
    report(
        {
            "call": median(paced),
            "call_p99": quantiles(paced, n=100)[-1],
            "paced_rate": options.images / paced_s,
            "rate": options.images / all_s,
            "mib": above[0],
        }
    )


def pictures() -> Iterator[Any]:
    """Yield images as models make them: smooth, with a little noise, each another one."""
    numbers = numpy.random.default_rng(0)
    at = numpy.linspace(0, 1, SIZE)
    smooth = numpy.stack(
        [numpy.outer(at, at), numpy.outer(at, 1 - at), numpy.outer(1 - at, at)]
    )
    noise = numbers.integers(0, 4, (SIZE, SIZE, 3), dtype=numpy.uint8)
    base = (smooth.transpose(1, 2, 0) * 250).astype(numpy.uint8) + noise
    while True:
        base = numpy.roll(base, 7, axis=0)
        yield base


if __name__ == "__main__":
    main()
