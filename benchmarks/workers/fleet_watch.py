"""Looks every few seconds at how long the log of a lake is, and how much of it is hot."""

from __future__ import annotations

import json
import sys
import time

from library import parse, report

EVERY_S = 5


def main() -> None:
    options = parse(seconds=300)
    from lakeflow.open_lakes import open_lake

    lake = open_lake(options.uri, create=False)
    report("ready")
    start = json.loads(sys.stdin.readline())
    samples: list[list[float]] = []
    for number in range(options.seconds // EVERY_S + 1):
        time.sleep(max(0.0, start + number * EVERY_S - time.time()))
        if samples and time.time() > start + options.seconds + EVERY_S:
            break
        listing = lake.listing()
        at = time.time() - start
        sizes = len(listing.unfolded), listing.unfolded_bytes, len(listing.segments)
        samples.append([at, *sizes])
    report(samples)


if __name__ == "__main__":
    main()
