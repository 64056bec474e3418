"""Fills a lake with many runs, or with long curves: lines of the log, written in bulk.

The lake is made by the client, and its own writer appends the lines; only the calls in
between are left out. A run is one line, with everything that would have been logged to it.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING

from library import START_MS, client_of, noisy_curve, parse, report
from shapes import SHAPE, Shape, shapes

from lakeflow import records
from lakeflow.client import open_store
from lakeflow.ids import new_id

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.storage.lake import Lake

LINES_AT_ONCE = 100
POINTS_OF_A_LINE = 1000
CURVES_OF_A_RUN = 10


def main() -> None:
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    options = parse(**SHAPE, experiments=1, in_turn=1, points=10_000_000, run_points=100_000)
    steps = {"runs": runs, "curves": curves}
    client = client_of(options)
    made = [client.create_experiment(f"experiment-{n}") for n in range(1, options.experiments)]
    lake = open_store(options.uri).lake
    began = time.perf_counter()
    append(lake, steps[options.step](options, ["0", *made]))
    report({"seconds": time.perf_counter() - began})


def append(lake: Lake, bodies: Iterator[str]) -> None:
    while lines := list(islice(bodies, LINES_AT_ONCE)):
        lake.append(lines)


def runs(options: argparse.Namespace, experiments: list[str]) -> Iterator[str]:
    """Yield the runs, the experiments taking turns or one after another."""
    for number, shape in enumerate(shapes(options)):
        at = number if options.in_turn else number * len(experiments) // options.runs
        yield from lines(experiments[at % len(experiments)], new_id(), shape)


def lines(experiment_id: str, run_id: str, shape: Shape) -> list[str]:
    fields = {
        "start_time": shape.start_time,
        "end_time": shape.start_time + 1,
        "status": "FINISHED",
        "lifecycle_stage": "active",
        "run_name": shape.name,
        "user_id": "unknown",
        "artifact_uri": f"artifacts/{experiment_id}/{run_id}/artifacts",
    }
    return records.bodies(
        records.about(experiment_id, run_id),
        records.run(fields),
        records.tags([*shape.tags, ("mlflow.runName", shape.name)]),
        records.metrics(shape.metrics),
        records.params(shape.params),
    )


def curves(options: argparse.Namespace, experiments: list[str]) -> Iterator[str]:
    """Yield runs with so many points in a few metrics, a batch of one metric a line."""
    values = noisy_curve(options.seed)
    length = options.run_points // CURVES_OF_A_RUN
    for number in range(options.points // options.run_points):
        run_id = new_id()
        about = records.about(experiments[0], run_id)
        yield from lines(experiments[0], run_id, Shape(f"run-{number}", START_MS, [], [], []))
        for key in range(CURVES_OF_A_RUN):
            for first in range(0, length, POINTS_OF_A_LINE):
                steps = range(first, min(first + POINTS_OF_A_LINE, length))
                points = [(f"metric-{key}", next(values), START_MS + i, i) for i in steps]
                yield from records.bodies(about, records.metrics(points))


if __name__ == "__main__":
    main()
