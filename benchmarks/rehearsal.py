"""Many processes on one local folder: python benchmarks/rehearsal.py.

Writers log at a steady rate, two compactors fold, two readers read as a service does. At the
end each point that was acknowledged must be there once, and readers must have stopped growing.
With ``--folds`` it is one writer and one reader instead, which live through so many folds.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

import report
from fleet import START_AT_ONCE, Worker, check_memory, waited
from peers import add_arguments, lakeflow_peer, say

if TYPE_CHECKING:
    from collections.abc import Callable

READERS, COMPACTORS = 2, 2
SHOWN = (50, 200, 500, 1000, 1500, 2000, 2500)


def main() -> None:
    """Rehearse, and print what has come of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--writers", default=50, **number, help="processes that log")
    parser.add_argument("--rate", default=20, **number, help="values a second of each of them")
    parser.add_argument("--seconds", default=120, **number, help="for which they log")
    parser.add_argument("--compact-every", default=5, **number, help="seconds")
    parser.add_argument("--folds", default=0, **number, help="a client for a day; 2880 are one")
    options = parser.parse_args()
    peer = lakeflow_peer(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, peer.python))
    with contextlib.ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="rehearsal-", dir=options.folder.resolve())
        folder = Path(stack.enter_context(made))
        # Clients of one lake that end at once would each look whether there is to compact.
        settings = {"LAKEFLOW_AUTO_COMPACT": "false"}

        if options.folds:
            # Of a day that is over in an hour.
            settings |= {"LAKEFLOW_VACUUM_GRACE_S": "4", "LAKEFLOW_RETENTION_S": "30"}

        def start(name: str, script: str, **given: int | str) -> Worker:
            worker = Worker(name, peer.command(script, folder, **given), folder, {**settings})
            stack.callback(worker.end)
            return worker

        if options.folds:
            show_day(lived(options.folds, start))
        else:
            show(options, *rehearsed(options, start))


def rehearsed(
    options: argparse.Namespace, start: Callable[..., Worker]
) -> tuple[list[Any], list[Any], list[Any], dict[str, int]]:
    """Return what writers, readers and compactors say, and the worst of both checks."""
    seconds, every = options.seconds, options.compact_every
    given = {"rate": options.rate, "seconds": seconds, "synchronous": 1}
    writers: list[Worker] = []
    run_ids: list[str] = []
    say(f"starting {options.writers} writers")
    for number in range(options.writers):
        writers.append(start(f"writer-{number}", "fleet_writer.py", **given))
        if len(writers) - len(run_ids) == START_AT_ONCE:
            run_ids.append(writers[len(run_ids)].said(120)["run"])
        check_memory()
    run_ids += [writer.said(120)["run"] for writer in writers[len(run_ids) :]]
    readers = [
        start(f"reader-{number}", "rehearsal_reader.py", seconds=seconds)
        for number in range(READERS)
    ]
    for reader in readers:
        reader.tell(run_ids)
    compactors = [
        start(f"compactor-{number}", "fleet_compactor.py", every=every, seconds=seconds)
        for number in range(COMPACTORS)
    ]
    for each in [*readers, *compactors]:
        each.said(120)
    say(f"they work for {seconds} s")
    begin = time.time() + 1
    everybody = [*writers, *readers, *compactors]
    for each in everybody:
        each.tell(begin)
    waited(begin + seconds, everybody)
    wrote, read, compacted = (
        [each.said(300) for each in some] for some in (writers, readers, compactors)
    )
    files = [str(writer.folder / "values") for writer in writers]
    checks = []
    for compact in (0, 1):
        check = start(f"check-{compact}", "fleet_check.py", compact=compact)
        check.tell(dict(zip(run_ids, files, strict=True)))
        checks.append(check.said(600))
    return wrote, read, compacted, {name: max(c[name] for c in checks) for name in checks[0]}


def lived(folds: int, start: Callable[..., Worker]) -> list[list[Any]]:
    """Return after some folds what writer and reader take; they work at the same time."""
    writer = start("writer", "day_service.py", step="writer")
    writer.tell(0)
    writer.said(120)
    reader = start("reader", "day_service.py", step="reader")
    began, rows = time.time(), []
    for fold in range(1, folds + 1):
        for each in (writer, reader):
            each.tell(fold)
        wrote, read = (each.said(300) for each in (writer, reader))
        if fold in SHOWN or fold == folds:
            sizes = (f"{each['memory'] / 2**20:.0f} MiB" for each in (wrote, read))
            files = (wrote["files"], read["files"])
            rows.append([fold, *sizes, *files, read["runs"], read["points"]])
            say(f"{rows[-1]} after {time.time() - began:.0f} s")
    return rows


def show_day(rows: list[list[Any]]) -> None:
    """Print a table."""
    header = ["folds", "writer", "reader", "files of the writer", "files of the reader"]
    print("\n" + report.table([*header, "runs", "points"], [[*map(str, row)] for row in rows]))


def show(
    options: argparse.Namespace,
    wrote: list[Any],
    read: list[Any],
    compacted: list[Any],
    check: dict[str, int],
) -> None:
    """Print tables."""
    times = sorted(seconds for each in wrote for seconds in each["times"])
    percentiles = quantiles(times, n=100)
    acknowledged = sum(each["acknowledged"] for each in wrote)
    errors = [sum(each["errors"] for each in some) for some in (wrote, read, compacted)]
    folds = sum(len(each["folds"]) for each in compacted)
    rows = [
        ["points acknowledged", f"{acknowledged:,}"],
        ["points found", f"{check['found']:,}"],
        ["lost, doubled, altered", f"{check['lost']}, {check['doubled']}, {check['altered']}"],
        ["errors of writers, readers, compactors", ", ".join(map(str, errors))],
        ["a call: median, p99", ", ".join(report.seconds(percentiles[n]) for n in (49, 98))],
        ["compactions", str(folds)],
        ["a search and a history: median", report.seconds(max(e["median"] for e in read))],
    ]
    header = [f"{options.writers} writers for {options.seconds} s", "found"]
    print("\n" + report.table(header, rows), "\n")
    samples = [
        [f"{at:.0f} s", *(f"{each['samples'][n][1] / 2**20:.0f} MiB" for each in read)]
        + [str(each["samples"][n][2]) for each in read]
        for n, (at, *_) in enumerate(min((e["samples"] for e in read), key=len))
    ]
    names = [f"reader {number}" for number in range(READERS)]
    print(report.table(["after", *names, *(f"files of {name}" for name in names)], samples))


if __name__ == "__main__":
    main()
