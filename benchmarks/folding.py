"""Folding a long log into the tables: python benchmarks/folding.py --records 1000000."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import report
from peers import Peer, add_arguments, environment, lakeflow_peer, say

LEAST_RECORDS_PER_SECOND = 300_000
MOST_MEMORY = 2**30
MOST_BYTES_PER_POINT = 10.0


@dataclass(frozen=True)
class Outcome:
    """One log, folded.

    Attributes:
        log_bytes: Size of the log.
        write_seconds: Time that the slowest writer took.
        fold_seconds: Time of `lakeflow compact`, from its start to its end.
        memory: Most bytes that it had resident.
        files: Files of the table of points.
        points_bytes: Their size.
        tables_bytes: Size of all tables.
        floor_seconds: Time of the statement written by hand.
        floor_bytes: Size of its file.
    """

    log_bytes: int
    write_seconds: float
    fold_seconds: float
    memory: int
    files: int
    points_bytes: int
    tables_bytes: int
    floor_seconds: float
    floor_bytes: int


def main() -> None:
    options = parsed()
    peer = lakeflow_peer(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, peer.python), flush=True)
    outcomes = []
    for repeat in range(options.repeats):
        folder = Path(tempfile.mkdtemp(prefix="folding-", dir=options.folder.resolve()))
        try:
            say(f"repetition {repeat + 1}/{options.repeats}")
            outcomes.append(measured(options, peer, folder))
        finally:
            shutil.rmtree(folder)
    print_outcomes(outcomes, options.records)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--records", default=1_000_000, **number, help="lines of the log")
    parser.add_argument("--run-points", default=10_000, **number, help="points of a run")
    parser.add_argument("--writers", default=2, **number, help="processes that write the log")
    parser.add_argument("--repeats", default=1, **number, help="logs to write and to fold")
    parser.add_argument("--floor-mib", default=2048, **number, help="memory of the floor")
    return parser.parse_args()


def measured(options: argparse.Namespace, peer: Peer, folder: Path) -> Outcome:
    """Write a log, fold it, and run the floor over the same log."""
    say(f"writing {options.records:,} records")
    write_seconds = written(options, peer, folder)
    log = [path.stat().st_size for path in folder.glob("lake/log/*/*.jsonl")]
    say(f"folding {sum(log) / 1e6:,.0f} MB in {len(log)} segments")
    fold_seconds, memory = folded(peer, folder)
    tables = peer.run("stored.py", folder)
    points = tables["metrics"]
    if points["rows"] != options.records:
        raise SystemExit(f"{options.records:,} points logged, {points['rows']:,} in the table")
    say("the same log by one statement of DuckDB")
    floor = peer.run("floor_fold.py", folder, memory_mib=options.floor_mib)
    return Outcome(
        sum(log),
        write_seconds,
        fold_seconds,
        memory,
        points["files"],
        points["bytes"],
        sum(table["bytes"] for table in tables.values()),
        floor["seconds"],
        floor["bytes"],
    )


def written(options: argparse.Namespace, peer: Peer, folder: Path) -> float:
    """Write the log with several processes; return the time of the slowest one."""
    share, rest = divmod(options.records, options.writers)
    workers = []
    for number in range(options.writers):
        command = peer.command(
            "write_log.py",
            folder,
            records=share + (rest if number == 0 else 0),
            run_points=options.run_points,
            seed=number,
        )
        workers.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        )
    times = [json.loads(worker.communicate()[0]) for worker in workers]
    return float(max(times))


def folded(peer: Peer, folder: Path) -> tuple[float, int]:
    """Run `lakeflow compact` in a process of its own; return its time and its most memory."""
    command = [peer.python, "-m", "lakeflow", "compact", peer.uri(folder)]
    # The log has to stay for the floor, however long the fold takes.
    variables = environment(LAKEFLOW_VACUUM_GRACE_S="86400")
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr, env=variables)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"lakeflow compact ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_maxrss * unit


def print_outcomes(outcomes: list[Outcome], records: int) -> None:
    """Print the median of the repetitions."""

    def middle(name: str) -> float:
        return float(median(getattr(outcome, name) for outcome in outcomes))

    speed = records / middle("fold_seconds")
    memory = middle("memory")
    per_point = middle("points_bytes") / records
    slower = middle("fold_seconds") / middle("floor_seconds")
    rows = [
        ["log written, records/s", f"{records / middle('write_seconds'):,.0f}", ""],
        ["log, bytes per record", f"{middle('log_bytes') / records:.0f}", ""],
        ["fold, records/s", f"{speed:,.0f}", f"at least {LEAST_RECORDS_PER_SECOND:,}"],
        ["fold, seconds", f"{middle('fold_seconds'):.2f}", ""],
        ["floor, seconds", f"{middle('floor_seconds'):.2f}", ""],
        ["fold / floor, time", report.ratio(slower), ""],
        ["fold, most memory", f"{memory / 2**20:,.0f} MiB", f"under {MOST_MEMORY >> 20:,} MiB"],
        ["points, bytes per point", f"{per_point:.2f}", f"at most {MOST_BYTES_PER_POINT:g}"],
        ["all tables, bytes per point", f"{middle('tables_bytes') / records:.2f}", ""],
        ["floor, bytes per point", f"{middle('floor_bytes') / records:.2f}", ""],
        ["files of points", f"{middle('files'):.0f}", ""],
    ]
    print("\n" + report.table([f"{records:,} records", "found", "target"], rows))


if __name__ == "__main__":
    main()
