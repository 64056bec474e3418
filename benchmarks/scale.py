"""Reading runs of a lake that holds many, beside MLflow: python benchmarks/scale.py."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import report
from peers import Peer, add_arguments, environment, lakeflow_peer, mlflow_peers, say


def main() -> None:
    options = parsed()
    lakeflow = lakeflow_peer(options)
    (sqlite,) = mlflow_peers(options, "mlflow3", "sqlite")
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, lakeflow.python, sqlite.python), flush=True)
    large = options.lake.resolve() if options.lake else filled(options, lakeflow, options.runs)
    small = filled(options, lakeflow, options.small_runs)
    database = filled(options, sqlite, options.mlflow_runs)

    lookups = {}
    for peer, folder in ((lakeflow, large), (lakeflow, small), (sqlite, database)):
        if peer is lakeflow:
            compaction = peer.run("lookup.py", folder, step="compact")
            say(f"compacted what was new, {compaction['seconds']:.1f} s")
        say(f"get_run: {peer.name}")
        found = peer.run(
            "lookup.py", folder, step="read", reads=options.reads, seed=options.seed
        )
        lookups[f"{peer.name}, {found['runs']:,} runs"] = found
    print_lookups(lookups)
    print_starts(
        {
            "python, nothing": started(options, [lakeflow.python, "-c", "pass"]),
            "lakeflow, one run with one metric": started(
                options, lakeflow.command("one_run.py", large)
            ),
            f"import of {sqlite.name.rpartition(' ')[0]}": started(
                options, [sqlite.python, "-c", "import mlflow"]
            ),
        }
    )


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow3")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--runs", default=100_000, **number, help="in the large lake")
    parser.add_argument("--small-runs", default=10_000, **number, help="in the small lake")
    parser.add_argument("--mlflow-runs", default=2_000, **number, help="in MLflow's SQLite")
    parser.add_argument("--reads", default=300, **number, help="random runs to read")
    parser.add_argument("--processes", default=9, **number, help="fresh processes of a kind")
    parser.add_argument("--seed", default=0, **number, help="of the content and the choice")
    parser.add_argument(
        "--lake",
        type=Path,
        help="folder that holds a `lake` of an earlier run, instead of a new one",
    )
    return parser.parse_args()


def filled(options: argparse.Namespace, peer: Peer, runs: int) -> Path:
    """Return a folder whose store has so many runs; what is there already is used again."""
    folder = options.folder / f"{peer.store}-{runs}-{options.seed}"
    if folder.exists():
        say(f"{runs:,} runs: {peer.name}, from an earlier time")
        return Path(folder)
    say(f"{runs:,} runs: {peer.name}, filling")
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=options.folder))
    try:
        took = peer.run("lookup.py", unfinished, step="fill", runs=runs, seed=options.seed)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"filled in {took['seconds']:.1f} s")
    return Path(folder)


def started(options: argparse.Namespace, command: list[str]) -> list[float]:
    """Return how long a program takes from its start to its end, several times."""
    say(f"fresh processes: {Path(command[1]).name} {' '.join(command[2:3])}")
    times = []
    for _ in range(options.processes + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, env=environment(), stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return sorted(times[1:])  # the first one may compile


def print_lookups(lookups: dict[str, dict[str, float]]) -> None:
    base = next(iter(lookups.values()))["median"]
    rows = [
        [
            name,
            report.seconds(found["median"]),
            report.seconds(found["p90"]),
            report.seconds(found["first"]),
            report.ratio(found["median"] / base),
        ]
        for name, found in lookups.items()
    ]
    header = ["get_run of 20 keys", "median", "p90", "first of the process", "median, ratio"]
    print("\n" + report.table(header, rows), flush=True)


def print_starts(starts: dict[str, list[float]]) -> None:
    rows = [
        [name, report.seconds(median(times)), report.seconds(times[-1])]
        for name, times in starts.items()
    ]
    print("\n" + report.table(["fresh process, start to end", "median", "longest"], rows))


if __name__ == "__main__":
    main()
