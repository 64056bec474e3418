"""Compacts a lake every so many seconds, as ``lakeflow compact --every`` does, and counts."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

from library import parse, report


def main() -> None:
    options = parse(every=30, seconds=300)
    import lakeflow

    lakeflow.compact(options.uri)
    report("ready")
    start = json.loads(sys.stdin.readline())
    folds, errors, due = [], 0, start + options.every
    while due < start + options.seconds:
        time.sleep(max(0.0, due - time.time()))
        began, before, cpu_s = time.time(), counted(), time.process_time()
        try:
            done = lakeflow.compact(options.uri)
        except Exception as error:  # noqa: BLE001 - it is counted, and the next one goes on
            print(repr(error), file=sys.stderr)
            errors += 1
        else:
            folds.append(
                {
                    "at": began - start,
                    "seconds": time.time() - began,
                    "cpu_s": time.process_time() - cpu_s,
                    "bytes": done.log_bytes,
                    "segments": done.log_segments,
                    "records": done.records,
                    "deleted": done.vacuum.segments,
                    "requests": counted() - before,
                }
            )
        due = max(due + options.every, time.time())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report({"folds": folds, "errors": errors, "memory": memory})


def counted() -> Counter[str]:
    """Return how many requests the proxy of this process has seen of each kind."""
    proxy = os.environ.get("FSSPEC_S3_ENDPOINT_URL")
    if proxy is None:
        return Counter()
    address = f"{proxy}/__proxy/"
    with urllib.request.urlopen(address, timeout=60) as answer:
        said: dict[str, Any] = json.load(answer)
    return Counter(said["operations"])


if __name__ == "__main__":
    main()
