"""A training job's logging beside trackers without a server: python benchmarks/trackers.py."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import report
from peers import Peer, add_arguments, lakeflow_peer, python_of, say

WHOLE, LOGGING = "whole process", "logging alone"

TARGETS = (("trackio", WHOLE, 1.0), ("wandb", WHOLE, 3.0), ("mltraq", LOGGING, 0.5))
"""How many times as long as lakeflow each is to take, at least."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "trackers")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--runs", default=5, **number, help="of each job")
    parser.add_argument("--steps", default=1000, **number, help="of each run")
    parser.add_argument("--metrics", default=20, **number, help="that each step logs")
    parser.add_argument("--repeats", default=5, **number, help="of each job")
    options = parser.parse_args()
    lakeflow, python = lakeflow_peer(options), python_of(options, "trackers")
    peers = [lakeflow, *(Peer(name, python, name, "lake") for name, _, _ in TARGETS)]
    options.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="trackers-", dir=options.folder.resolve()))
    try:
        print(report.machine(work, lakeflow.python, python), flush=True)
        samples: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
        for repeat in range(options.repeats):
            for peer in peers:
                say(f"job {repeat + 1}/{options.repeats}: {peer.name}")
                samples[peer.name].append(job(options, peer, work))
    finally:
        shutil.rmtree(work)
    print_times({name: report.middle(each) for name, each in samples.items()}, options)


def job(options: argparse.Namespace, peer: Peer, work: Path) -> dict[str, float]:
    """Return the seconds of one job with a new store."""
    folder = Path(tempfile.mkdtemp(dir=work))
    shape = {name: getattr(options, name) for name in ("runs", "steps", "metrics")}
    began = time.perf_counter()
    logging = peer.run("train.py", folder, **shape)["seconds"]
    whole = time.perf_counter() - began
    shutil.rmtree(folder)
    return {WHOLE: whole, LOGGING: logging}


def print_times(found: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """Print the times, what they are of lakeflow's, and the targets."""
    shape = f"{options.runs} runs x {options.steps:,} steps x {options.metrics} metrics"
    rows = [
        [name, *(cell for each in times for cell in cells(each, times, found["lakeflow"]))]
        for name, times in found.items()
    ]
    header = [shape, WHOLE, "/ lakeflow", LOGGING, "/ lakeflow"]
    print(f"\n{report.table(header, rows)}\n\nTargets, of lakeflow's time\n")
    targets = []
    for name, what, least in TARGETS:
        times = found[name][what] / found["lakeflow"][what]
        targets.append(
            [
                f"{name}, {what}",
                f"at least {least:g}x",
                f"{times:.2f}x",
                report.met(times >= least),
            ]
        )
    print(report.table(["", "target", "found", ""], targets))


def cells(what: str, times: dict[str, float], base: dict[str, float]) -> tuple[str, str]:
    """Return a time, and how many times as long it is as lakeflow's."""
    return report.seconds(times[what]), f"{times[what] / base[what]:.2f}x"


if __name__ == "__main__":
    main()
