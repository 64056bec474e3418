"""Writes one long history, or reads it: as objects, and from a lake as Arrow too."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from library import START_MS, client_of, entities_of, noisy_curve, parse, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

BATCH = 1000


def main() -> None:
    options = parse(points=1_000_000, reads=3)
    steps = {"write": write, "compact": compact, "read": read}
    report(steps[options.step](options))


def write(options: argparse.Namespace) -> dict[str, str]:
    client = client_of(options)
    metric = entities_of(options).Metric
    run = client.create_run("0").info.run_id
    values = noisy_curve(3)
    for first in range(0, options.points, BATCH):
        steps = range(first, min(first + BATCH, options.points))
        points = [metric("loss", next(values), START_MS + 750 * step, step) for step in steps]
        client.log_batch(run, points)
    return {"run": run}


def compact(options: argparse.Namespace) -> dict[str, int]:
    """Compact a lake; return what its table of points and the whole lake take then.

    A process of its own: one that has written keeps its last segment of the log.
    """
    os.environ["LAKEFLOW_VACUUM_GRACE_S"] = "0"
    from deltalake import DeltaTable

    import lakeflow

    lakeflow.compact(options.uri)
    files = DeltaTable(f"{options.uri}/tables/metrics").get_add_actions()
    points_bytes = sum(files["size_bytes"].to_pylist())
    return {"points_bytes": points_bytes, "lake_bytes": size(options.uri)}


def size(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def read(options: argparse.Namespace) -> dict[str, float]:
    client = client_of(options)
    run = options.run
    found = {
        "entities": per_point(options, lambda: client.get_metric_history(run, "loss")),
    }
    if options.library == "lakeflow":
        import lakeflow

        found["arrow"] = per_point(
            options, lambda: lakeflow.metric_history(run, "loss", tracking_uri=options.uri)
        )
    return found


def per_point(options: argparse.Namespace, call: Callable[[], Any]) -> float:
    """Return the median time of reading a history, by point; every point must be there."""
    times = []
    for _ in range(options.reads):
        began = time.perf_counter()
        points = call()
        times.append(time.perf_counter() - began)
        assert len(points) == options.points, len(points)
    return median(times) / options.points


if __name__ == "__main__":
    main()
