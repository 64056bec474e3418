"""Searching runs, beside MLflow and beside SQL by hand: python benchmarks/search.py.

Parts: ``peers`` (MLflow on SQLite and PostgreSQL), ``large`` (a lake of many experiments),
``remote`` (the same, its requests counted), ``frame`` (a wide experiment as one frame),
``curves`` (points of many runs).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import postgres
import report
from peers import Peer, add_arguments, environment, filled, lakeflow_peer, mlflow_peers, say

FLOOR = "DuckDB by hand"


@dataclass(frozen=True)
class Answer:
    """What a new process answered.

    Attributes:
        value: The line that it reported.
        seconds: From its start to that line.
        memory: Most bytes that it had resident.
    """

    value: Any
    seconds: float
    memory: int


def main() -> None:
    options = parsed()
    lakeflow = lakeflow_peer(options)
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, lakeflow.python), flush=True)
    parts = {
        "peers": peers,
        "large": large,
        "remote": remote,
        "frame": frame,
        "curves": curves,
    }
    for part in options.parts:
        parts[part](options, lakeflow)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow3")
    number = {"type": int, "metavar": "N"}
    every = ("peers", "large", "remote", "frame", "curves")
    parser.add_argument("--parts", type=parts_of(every), default=every, help=",".join(every))
    parser.add_argument("--peer-runs", default=20_000, **number, help="runs of peers")
    parser.add_argument(
        "--as-left",
        action="store_true",
        help="also SQLite without ANALYZE, as MLflow leaves it",
    )
    parser.add_argument("--runs", default=1_000_000, **number, help="runs of large")
    parser.add_argument("--experiments", default=100, **number, help="that they are in")
    parser.add_argument("--deep-page", default=1_000, **number, help="of large")
    parser.add_argument("--frame-runs", default=30_000, **number, help="runs of frame")
    parser.add_argument("--frame-metrics", default=300, **number, help="of each of them")
    parser.add_argument("--frame-params", default=100, **number, help="of each of them")
    parser.add_argument("--points", default=10_000_000, **number, help="points of curves")
    parser.add_argument("--run-points", default=100_000, **number, help="in 10 metrics a run")
    parser.add_argument("--series-runs", default=50, **number, help="runs drawn at once")
    parser.add_argument("--max-points", default=1_000, **number, help="of each curve then")
    parser.add_argument("--repeats", default=5, **number, help="of a search")
    parser.add_argument("--frames", default=3, **number, help="repeats of a frame")
    parser.add_argument("--processes", default=5, **number, help="fresh ones of a kind")
    parser.add_argument("--seed", default=0, **number, help="of the content")
    return parser.parse_args()


def parts_of(every: tuple[str, ...]) -> Any:
    """Return what reads a list of parts."""

    def parts(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := sorted(set(chosen) - set(every)):
            raise argparse.ArgumentTypeError(f"no parts: {', '.join(unknown)}")
        return chosen

    return parts


def peers(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Search the same runs in a lake and in MLflow's databases."""
    runs = options.peer_runs
    shape = {"runs": runs, "seed": options.seed}
    # A quarter of the runs is found, 100 of them a page.
    asked = {"runs": runs, "page": max(1, min(10, runs // 500))}
    repeats = {"repeats": options.repeats, "frames": options.frames}
    lake = filled(options, lakeflow, "fill_client.py", **shape)
    found = {lakeflow.name: lakeflow.run("find.py", lake, step="peers", **asked, **repeats)}
    (sqlite,) = mlflow_peers(options, "mlflow3", "sqlite")
    kinds = {sqlite.name: 1} | ({f"{sqlite.name}, no ANALYZE": 0} if options.as_left else {})
    for name, analyze in kinds.items():
        database = filled(options, sqlite, "fill_tables.py", **shape, analyze=analyze)
        say(f"searching: {name}")
        found[name] = sqlite.run("find.py", database, step="peers", **asked, **repeats)
    if programs := postgres.binaries():
        with postgres.server(programs, options.folder) as address:
            name = sqlite.name.replace("sqlite", "postgresql")
            served = postgres.ServedPeer(name, sqlite.python, "mlflow", "postgresql", address)
            say(f"{runs:,} runs: {name}, filling")
            served.run("fill_tables.py", options.folder, **shape)
            say(f"searching: {name}")
            found[name] = served.run(
                "find.py", options.folder, step="peers", **asked, **repeats
            )
    else:
        say(f"without PostgreSQL, which is not here: {postgres.INSTALL}")
    check_same(found, "names")
    print_searches(f"{runs:,} runs of 10 metrics, 10 params, 5 tags", found)


def large(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Search a lake of many experiments, and its files by hand."""
    shape = {"runs": options.runs, "experiments": options.experiments, "seed": options.seed}
    folder = filled(options, lakeflow, "fill_log.py", step="runs", **shape)
    places = json.dumps(lakeflow.run("places.py", folder))
    asked = {"runs": options.runs, "page": options.deep_page, "repeats": options.repeats}
    found = {}
    for name, script in ((lakeflow.name, "find.py"), (FLOOR, "floor_find.py")):
        say(f"searching: {name}")
        answers = lakeflow.run(script, folder, stdin=places, step="lake", **asked)
        for title, within in (("one experiment", 1), ("whole lake", 0)):
            command = lakeflow.command(script, folder, step="first", within=within)
            times = [answered(command, places).seconds for _ in range(options.processes + 1)]
            # The first one may compile.
            answers[f"{title}, first of a process"] = {"seconds": median(times[1:])}
        found[name] = answers
    check_same(found, "runs")
    print_searches(f"{options.runs:,} runs in {options.experiments:,} experiments", found)


def remote(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Count what a first search within one experiment asks of a store."""
    rows = []
    for in_turn, title in ((0, "one after another"), (1, "taking turns")):
        shape = {"runs": options.runs, "experiments": options.experiments, "seed": options.seed}
        if not in_turn:
            shape["in_turn"] = in_turn
        folder = filled(options, lakeflow, "fill_log.py", step="runs", **shape)
        places = json.dumps(lakeflow.run("places.py", folder))
        found = lakeflow.run("cold.py", folder, stdin=places)
        rows += [
            [f"{title}, {when}", f"{spent['requests']:,}", mib(spent["bytes"])]
            for when, spent in found.items()
        ]
    title = f"{options.runs:,} runs in {options.experiments:,} experiments"
    print("\n" + report.table([f"{title}, page of one", "requests", "bytes"], rows), flush=True)


def frame(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Read a wide experiment as one frame."""
    runs, metrics, params = options.frame_runs, options.frame_metrics, options.frame_params
    shape = {"runs": runs, "metrics": metrics, "params": params, "seed": options.seed}
    folder = filled(options, lakeflow, "fill_log.py", step="runs", **shape)
    places = json.dumps(lakeflow.run("places.py", folder))
    ways = {
        "polars frame": (lakeflow.command("find.py", folder, step="polars", runs=runs), ""),
        f"{FLOOR}: the values only": (
            lakeflow.command("floor_find.py", folder, step="columns"),
            places,
        ),
    }
    rows = []
    for name, way in ways.items():
        say(f"reading: {name}")
        rows.append([name, *costs([answered(*way) for _ in range(options.frames)])])
    title = f"{runs:,} runs of {metrics:,} metrics and {params:,} params"
    print("\n" + report.table([title, "process start to answer", "most memory"], rows))


def curves(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Read one curve whole, and many with fewer points."""
    shape = {"points": options.points, "run_points": options.run_points, "seed": options.seed}
    folder = filled(options, lakeflow, "fill_log.py", step="curves", **shape)
    places = json.dumps(lakeflow.run("places.py", folder, sample=options.series_runs))
    asked = {"repeats": options.repeats, "max_points": options.max_points}
    names = {
        "history": "one curve as Arrow",
        "series": f"{options.series_runs} curves, {options.max_points:,} points each",
    }
    rows = []
    for step, title in names.items():
        for name, script in ((lakeflow.name, "series.py"), (FLOOR, "floor_find.py")):
            say(f"reading: {title}, {name}")
            answer = answered(lakeflow.command(script, folder, step=step, **asked), places)
            taken, read = report.seconds(answer.value["seconds"]), f"{answer.value['rows']:,}"
            rows.append([f"{title}: {name}", taken, read, mib(answer.memory)])
    title = f"{options.points:,} points, {options.run_points:,} in 10 metrics a run"
    print("\n" + report.table([title, "median", "rows", "most memory"], rows), flush=True)
    found = lakeflow.run("cold.py", folder, stdin=places, step="curve")
    sizes = (f"{found[name] / 1024:,.0f} KiB" for name in ("bytes", "chunks"))
    row = [f"{found['requests']:,}", *sizes]
    header = ["one curve, cold, as from an object store", "requests", "bytes", "its row groups"]
    print("\n" + report.table(header, [["lakeflow", *row]]), flush=True)


def answered(command: list[str], given: str) -> Answer:
    """Run a worker in a process of its own until it has reported."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        process.stdin.write(given)
        process.stdin.close()
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{Path(command[1]).name} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Answer(json.loads(line), seconds, usage.ru_maxrss * unit)


def check_same(found: dict[str, dict[str, Any]], field: str) -> None:
    """Compare what was found: a quick answer has to be the right one."""
    expected = next(iter(found.values()))
    for name, answers in found.items():
        for measure, answer in answers.items():
            if answer.get(field) != expected[measure].get(field):
                raise SystemExit(f"{measure}: {name} has found other runs")


def costs(answers: list[Answer]) -> list[str]:
    """Return the median time and the most memory as cells."""
    taken = median(answer.seconds for answer in answers)
    return [report.seconds(taken), mib(max(answer.memory for answer in answers))]


def mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"


def print_searches(title: str, found: dict[str, dict[str, Any]]) -> None:
    """Print a row for each search: the times, and how many times lakeflow's they are."""
    base, *others = found.values()
    rows = []
    for measure, answer in base.items():
        row = [measure, report.seconds(answer["seconds"])]
        for other in others:
            value = other[measure]["seconds"]
            row.append(f"{report.seconds(value)} ({report.ratio(value / answer['seconds'])})")
        rows.append(row)
    print(f"\n{title} (and how many times lakeflow's)\n")
    print(report.table(["", *found], rows), flush=True)


if __name__ == "__main__":
    main()
