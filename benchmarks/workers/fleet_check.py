"""Compares what the writers of a fleet were told is logged with what a fresh process reads.

From tables and log, or with ``--compact=1`` when all of the log is folded.
"""

from __future__ import annotations

import json
import math
import os
import sys
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

from library import client_of, parse, report


def main() -> None:
    options = parse(compact=0)
    # All writers have ended: one look at the log is enough.
    os.environ["LAKEFLOW_STALENESS_S"] = "3600"
    import lakeflow

    files = json.loads(sys.stdin.readline())
    if options.compact:
        lakeflow.compact(options.uri)
    report(compared(client_of(options), files))


def compared(client: Any, files: dict[str, str]) -> Counter[str]:
    """Return how many values are there, lost, doubled, others than those that were logged."""
    totals = Counter(found=0, lost=0, doubled=0, altered=0, unfinished=0)
    for run_id, path in files.items():
        values = array("d", Path(path).read_bytes())
        points = client.get_metric_history(run_id, "loss")
        times = Counter(point.step for point in points)
        read = {point.step: point.value for point in points}
        acknowledged = [step for step, value in enumerate(values) if not math.isnan(value)]
        totals["found"] += len(points)
        totals["doubled"] += sum(number - 1 for number in times.values())
        totals["lost"] += sum(step not in read for step in acknowledged)
        totals["altered"] += sum(
            read.get(step, values[step]) != values[step] for step in acknowledged
        )
        totals["altered"] += sum(not 0 <= step < len(values) for step in read)
        totals["unfinished"] += client.get_run(run_id).info.status != "FINISHED"
    return totals


if __name__ == "__main__":
    main()
