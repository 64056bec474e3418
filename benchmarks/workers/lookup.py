"""Fills a store with many runs of one shape, or reads random runs of it."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library import START_MS, client_of, entities_of, parse, report, taken_times

if TYPE_CHECKING:
    import argparse

METRICS, PARAMS, TAGS = 10, 10, 3
PAGE = 1000


def main() -> None:
    options = parse(runs=100_000, reads=200, seed=0)
    steps = {"fill": fill, "compact": compact, "read": read}
    report(steps[options.step](options))


def fill(options: argparse.Namespace) -> dict[str, float]:
    """Make the runs: a call that creates, a batch, a call that ends."""
    os.environ["LAKEFLOW_AUTO_COMPACT"] = "false"
    client = client_of(options)
    entities = entities_of(options)
    numbers = random.Random(options.seed)
    began = time.perf_counter()
    for number in range(options.runs):
        run_id = client.create_run("0", START_MS + number, run_name=f"run-{number}").info.run_id
        client.log_batch(run_id, *content(entities, numbers))
        client.set_terminated(run_id)
    return {"seconds": time.perf_counter() - began}


def content(entities: Any, numbers: random.Random) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the metrics, params and tags of one run."""
    metrics = [
        entities.Metric(f"metric-{key}", numbers.random(), START_MS, numbers.randrange(1000))
        for key in range(METRICS)
    ]
    params = [
        entities.Param(f"param-{key}", str(numbers.randrange(10**6))) for key in range(PARAMS)
    ]
    tags = [entities.RunTag(f"tag-{key}", f"value {numbers.random()}") for key in range(TAGS)]
    return metrics, params, tags


def compact(options: argparse.Namespace) -> dict[str, float]:
    """Compact a lake and drop the folded log, as a scheduled compaction does in time."""
    os.environ["LAKEFLOW_VACUUM_GRACE_S"] = "0"
    import lakeflow

    return {"seconds": lakeflow.compact(options.uri).seconds}


def read(options: argparse.Namespace) -> dict[str, float]:
    """Return how long the first and then random further runs take to read."""
    run_ids = run_ids_of(options)
    # Each run once: what a process has read it keeps.
    reads = min(options.reads, len(run_ids) - 1)
    chosen = random.Random(options.seed + 1).sample(run_ids, reads + 1)
    client = client_of(options)

    def read_one(number: int) -> None:
        data = client.get_run(chosen[number]).data
        assert len(data.metrics) == METRICS
        assert len(data.params) == PARAMS

    first = taken_times(read_one, 1)[0]
    times = taken_times(lambda number: read_one(number + 1), reads)
    return {
        "runs": len(run_ids),
        "first": first,
        "median": times[len(times) // 2],
        "p90": times[len(times) * 9 // 10],
    }


def run_ids_of(options: argparse.Namespace) -> list[str]:
    """Return the ids of the runs that ``fill`` made."""
    if options.library == "lakeflow":
        from deltalake import DeltaTable

        table = DeltaTable(str(Path(options.uri, "tables", "runs")))
        rows = table.to_pyarrow_table(columns=["run_id", "start_time"]).to_pylist()
        # Runs that one_run.py has added since are of today.
        return sorted(row["run_id"] for row in rows if row["start_time"] < START_MS + 10**9)
    client, found, token = client_of(options), [], None
    while True:
        page = client.search_runs(["0"], max_results=PAGE, page_token=token)
        found += [run.info.run_id for run in page]
        token = page.token
        if not token:
            return sorted(found)


if __name__ == "__main__":
    main()
