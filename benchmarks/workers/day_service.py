"""A client for a day: it writes, or reads, when it is told to, and says how large it is."""

from __future__ import annotations

import os
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS_KEPT = 20
EVENTS_EVERY = 10


def main() -> None:
    options = parse()
    import lakeflow

    client = client_of(options)
    work = writing(client) if options.step == "writer" else reading(client)
    for number, line in enumerate(sys.stdin):
        if line.strip():
            said = work(number)
            if options.step == "writer":
                lakeflow.compact(options.uri)
            files = len(os.listdir("/proc/self/fd"))
            report(said | {"memory": resident_bytes(), "files": files})


def writing(client: Any) -> Callable[[int], dict[str, Any]]:
    """Return what logs one run, and removes the oldest, so that the lake stays as it is."""
    client.create_registered_model("model")
    client.create_model_version("model", "file:///model")
    runs: deque[str] = deque()

    def write(number: int) -> dict[str, Any]:
        run_id = client.create_run("0").info.run_id
        for step in range(10):
            client.log_metric(run_id, "loss", 1 / (step + 1), step=step)
        client.log_param(run_id, "number", number)
        client.set_terminated(run_id)
        runs.append(run_id)
        if len(runs) > RUNS_KEPT:
            # What ``mlflow gc`` does with runs that are deleted.
            client._store.removals.run(runs.popleft())
        if number % EVENTS_EVERY == 0:
            client.set_experiment_tag("0", "number", str(number))
            client.set_registered_model_alias("model", "champion", "1")
        return {}

    return write


def reading(client: Any) -> Callable[[int], dict[str, Any]]:
    """Return what asks for a bit of everything, and says how many runs there are."""

    def read(number: int) -> dict[str, Any]:
        runs = client.search_runs(["0"], "metrics.loss > 0", order_by=["metrics.loss DESC"])
        # Not of the oldest, which may be removed meanwhile.
        run_id = runs[number % (len(runs) + 1) // 2].info.run_id
        client.get_run(run_id)
        points = len(client.get_metric_history(run_id, "loss"))
        client.search_experiments()
        client.search_registered_models()
        client.get_model_version_by_alias("model", "champion")
        return {"runs": len(runs), "points": points}

    return read


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
