"""Fills a lake with many runs, or with long curves: lines of the log, written in bulk.

The lake is made by the client, and its own writer appends the lines; only the calls in
between are left out. A run is one line, with everything that would have been logged to it.
Some hundreds of experiments are one event, as if so many threads had made one each at once.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import TYPE_CHECKING

from library import START_MS, noisy_curve, parse, report
from shapes import SHAPE, Shape, shapes

from lakeflow import records
from lakeflow.ids import new_id
from lakeflow.kinds import EXPERIMENT
from lakeflow.open_store import open_store
from lakeflow.stores.control import ControlStore

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.lake import Lake
    from lakeflow.stores.control import Draft
    from lakeflow.stores.store import Store

LINES_AT_ONCE = 100
POINTS_OF_A_LINE = 1000
CURVES_OF_A_RUN = 10
EXPERIMENTS_OF_AN_EVENT = 500


def main() -> None:
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    options = parse(**SHAPE, experiments=1, in_turn=1, points=10_000_000, run_points=100_000)
    steps = {"runs": runs, "curves": curves}
    store = open_store(options.uri, create=True)
    began = time.perf_counter()
    made = experiments(store, options.experiments - 1)
    append(store.lake, steps[options.step](options, ["0", *made]))
    report({"seconds": time.perf_counter() - began})


def experiments(store: Store, count: int) -> list[str]:
    """Make experiments beside the one that is there, ``experiment-1`` and so on."""
    control = ControlStore(store.lake, store.snapshots.stored)
    made: list[str] = []
    while len(made) < count:
        more = min(EXPERIMENTS_OF_AN_EVENT, count - len(made))

        def decide(known: Draft, more: int = more) -> tuple[list[str], list[str]]:
            first = known.next_number(EXPERIMENT)
            ids = [str(number) for number in range(first, first + more)]
            rows = [
                {
                    "experiment_id": identity,
                    "name": f"experiment-{identity}",
                    "artifact_location": f"artifacts/{identity}",
                    "lifecycle_stage": "active",
                    "creation_time": START_MS,
                    "last_update_time": START_MS,
                }
                for identity in ids
            ]
            return records.table("experiments", rows), ids

        made += control.change(decide)
    return made


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
