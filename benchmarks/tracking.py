"""Logging and reading, lakeflow beside MLflow in one run: python benchmarks/tracking.py."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import report
from peers import Peer, add_arguments, environment, lakeflow_peer, mlflow_peers, say

Samples = dict[str, dict[str, float]]
"""Seconds (or bytes) by measure, by peer."""

TARGETS = (
    ("log_metric", "sqlite", 100),
    ("log_metric", "files", 10),
    ("create_run", "sqlite", 30),
    ("log_param", "sqlite", 30),
    ("set_tag", "sqlite", 30),
    ("log_batch, per metric", "sqlite", 30),
    ("get_run after a write", "sqlite", 5),
    ("history as entities, per point", "sqlite", 5),
    ("history as Arrow, per point", "sqlite", 100),
)
"""How many times as long MLflow is to take, with which store."""

LIMITS = (
    ("log_metric over the floor", 8.0, "x"),
    ("table of points, bytes per point", 10.0, " bytes"),
    ("import", 0.150, " s"),
)
"""What lakeflow itself is to stay within."""


def main() -> None:
    options = parsed()
    lakeflow = lakeflow_peer(options)
    peers = [lakeflow]
    for library in options.mlflow:
        peers += mlflow_peers(options, library, "sqlite", "files")
    options.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="tracking-", dir=options.folder.resolve()))
    try:
        print(report.machine(work, *(peer.python for peer in peers)), flush=True)
        alone = one_process(options, peers, work)
        together, losses = many_processes(options, peers, work)
        histories = long_history(options, peers, work)
    finally:
        shutil.rmtree(work)
    imports = import_times(options, peers)
    floor = {lakeflow.name: alone.pop("floor")[lakeflow.name]}
    labelled = {f"{name} {points_note(options)}": t for name, t in histories["times"].items()}
    print_times("One process, seconds per call", alone | labelled | imports, peers)
    print(f"\nFloor, os.write of one log line: {report.seconds(floor[lakeflow.name])}")
    print_times(
        f"{options.processes} processes at once, seconds per call of a process",
        together,
        peers,
    )
    print("\n" + "\n".join(losses))
    print_bytes(histories["bytes"])
    limits = {
        "log_metric over the floor": alone["log_metric"][lakeflow.name] / floor[lakeflow.name],
        "table of points, bytes per point": histories["bytes"]["table of points"][0],
        "import": imports["import"][lakeflow.name],
    }
    print_targets(alone | histories["times"], limits, peers)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow3", "mlflow2")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--calls", default=5000, **number, help="of lakeflow")
    parser.add_argument("--mlflow-calls", default=200, **number, help="of each MLflow")
    parser.add_argument(
        "--mlflow-calls-at-once", default=50, **number, help="of each of its processes"
    )
    parser.add_argument("--batches", default=10, **number, help="of 1000 metrics")
    parser.add_argument("--repeats", default=3, **number, help="of the calls")
    parser.add_argument("--processes", default=8, **number, help="that log at once")
    parser.add_argument("--history-points", default=1_000_000, **number, help="of lakeflow")
    parser.add_argument("--mlflow-history-points", **number, help="(default: as lakeflow)")
    parser.add_argument("--imports", default=7, **number, help="fresh interpreters")
    parser.add_argument(
        "--mlflow",
        nargs="*",
        choices=("mlflow3", "mlflow2"),
        default=("mlflow3", "mlflow2"),
        help="which to compare with",
    )
    return parser.parse_args()


def one_process(options: argparse.Namespace, peers: list[Peer], work: Path) -> Samples:
    """Time the calls of each peer, taking turns; the median of the repetitions."""
    samples: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    for repeat in range(options.repeats):
        for peer in peers:
            say(f"calls {repeat + 1}/{options.repeats}: {peer.name}")
            folder = new_folder(work)
            calls = options.calls if peer.store == "lake" else options.mlflow_calls
            samples[peer.name].append(
                peer.run("calls.py", folder, calls=calls, batches=options.batches)
            )
            shutil.rmtree(folder)
    return by_measure({name: report.middle(each) for name, each in samples.items()})


def many_processes(
    options: argparse.Namespace, peers: list[Peer], work: Path
) -> tuple[Samples, list[str]]:
    """Time the calls of several processes at once, and count afterwards what is there."""
    times: dict[str, dict[str, float]] = {}
    losses = []
    for peer in peers:
        say(f"{options.processes} processes: {peer.name}")
        folder = new_folder(work)
        calls = options.calls if peer.store == "lake" else options.mlflow_calls_at_once
        command = peer.command("together.py", folder, calls=calls)
        times[peer.name], done = at_once(command, folder, options.processes, calls)
        found = peer.run("count.py", folder, stdin=json.dumps(done))
        losses.append(f"{peer.name}: {lost(found, done, calls)}")
        shutil.rmtree(folder)
    return by_measure(times), losses


def at_once(
    command: list[str], folder: Path, processes: int, calls: int
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Start the processes, make all of them do one kind of call at a time, end them."""
    workers: list[subprocess.Popen[str]] = []
    for number in range(processes):
        workers.append(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=environment(),
                cwd=folder,
            )
        )
        if number == 0:
            answers(workers)  # the first one makes the store, alone
    answers(workers[1:])
    times = {}
    for kind in ("create_run", "log_metric", "log_param", "set_tag"):
        for worker in workers:
            worker.stdin.write(f"{kind}\n")
            worker.stdin.flush()
        times[kind] = median(answers(workers)) / calls
    for worker in workers:
        worker.stdin.close()
    done = answers(workers)
    for worker in workers:
        worker.wait()
    return times, done


def answers(workers: list[subprocess.Popen[str]]) -> list[Any]:
    """Return the next line of each worker."""
    return [json.loads(worker.stdout.readline()) for worker in workers]


def lost(found: dict[str, int], done: list[dict[str, Any]], calls: int) -> str:
    """Say how much of what was acknowledged is not there, and how many calls failed."""
    acknowledged = {name: sum(each["acknowledged"][name] for each in done) for name in found}
    missing = sum(max(0, acknowledged[name] - found[name]) for name in found)
    total = sum(acknowledged.values())
    failed = calls * len(done) * len(found) - total
    return f"{total:,} calls acknowledged, {missing} of them lost, {failed} calls failed"


def long_history(
    options: argparse.Namespace, peers: list[Peer], work: Path
) -> dict[str, dict[str, Any]]:
    """Time the reading of one long history, and measure what it takes on the disk."""
    times: Samples = {"history as entities, per point": {}, "history as Arrow, per point": {}}
    taken: dict[str, tuple[float, int]] = {}
    for peer in peers:
        is_lake = peer.store == "lake"
        points = options.history_points
        if not is_lake:
            points = options.mlflow_history_points or points
        say(f"history of {points:,} points: {peer.name}, writing")
        folder = new_folder(work)
        written = peer.run("history.py", folder, step="write", points=points)
        if is_lake:
            compacted = peer.run("history.py", folder, step="compact")
            taken["table of points"] = compacted["points_bytes"] / points, points
            taken["whole lake"] = compacted["lake_bytes"] / points, points
        else:
            taken[peer.name] = size(folder) / points, points
        say(f"history of {points:,} points: {peer.name}, reading")
        read = peer.run("history.py", folder, step="read", run=written["run"], points=points)
        times["history as entities, per point"][peer.name] = read["entities"]
        # MLflow has nothing but objects: that is what Arrow is compared with.
        times["history as Arrow, per point"][peer.name] = read.get("arrow", read["entities"])
        shutil.rmtree(folder)
    return {"times": times, "bytes": taken}


def points_note(options: argparse.Namespace) -> str:
    """Say how long the histories are, of each library where they differ."""
    points = options.history_points
    others = options.mlflow_history_points or points
    return f"of {points:,}" if others == points else f"of {points:,}, MLflow of {others:,}"


def import_times(options: argparse.Namespace, peers: list[Peer]) -> Samples:
    """Time the import in fresh interpreters, without their own start."""
    times: dict[str, float] = {}
    pythons: dict[str, float] = {}
    for peer in peers:
        if peer.python not in pythons:
            say(f"import: {peer.library} of {peer.name}")
            samples = [import_time(peer) for _ in range(options.imports + 1)]
            pythons[peer.python] = median(samples[1:])  # the first one may compile
        times[peer.name] = pythons[peer.python]
    return {"import": times}


def import_time(peer: Peer) -> float:
    code = f"import time; t = time.perf_counter(); import {peer.library}; "
    code += "print(time.perf_counter() - t)"
    done = subprocess.run(
        [peer.python, "-c", code], capture_output=True, text=True, env=environment(), check=True
    )
    return float(done.stdout)


def new_folder(work: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=work))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def by_measure(by_peer: dict[str, dict[str, float]]) -> Samples:
    """Turn times by peer and measure into times by measure and peer."""
    turned: Samples = {}
    for peer, times in by_peer.items():
        for measure, value in times.items():
            turned.setdefault(measure, {})[peer] = value
    return turned


def print_times(title: str, times: Samples, peers: list[Peer]) -> None:
    """Print a row for each measure: the times, and how many times lakeflow's they are."""
    rows = []
    for measure, by_peer in times.items():
        base = by_peer[peers[0].name]
        row = [measure, report.seconds(base)]
        for peer in peers[1:]:
            value = by_peer[peer.name]
            row.append(f"{report.seconds(value)} ({report.ratio(value / base)})")
        rows.append(row)
    print(f"\n{title} (and how many times lakeflow's)\n")
    print(report.table(["", *(peer.name for peer in peers)], rows), flush=True)


def print_bytes(taken: dict[str, tuple[float, int]]) -> None:
    rows = [[name, f"{value:.1f}", f"{points:,}"] for name, (value, points) in taken.items()]
    print("\nOn the disk\n")
    print(report.table(["", "bytes per point", "points"], rows))


def print_targets(times: Samples, limits: dict[str, float], peers: list[Peer]) -> None:
    """Print what the figures should be: ratios to the quickest MLflow with that store."""
    rows = []
    for measure, store, target in TARGETS:
        base = times[measure][peers[0].name]
        against = [times[measure][peer.name] for peer in peers if peer.store == store]
        if against:
            found = min(against) / base
            name = f"{measure}, MLflow {store} / lakeflow"
            rows.append(
                [name, f"at least {target}x", report.ratio(found), report.met(found >= target)]
            )
    for measure, most, unit in LIMITS:
        found = limits[measure]
        rows.append(
            [
                measure,
                f"at most {most:g}{unit}",
                f"{found:.3g}{unit}",
                report.met(found <= most),
            ]
        )
    print("\nTargets\n")
    print(report.table(["", "target", "found", ""], rows))


if __name__ == "__main__":
    main()
