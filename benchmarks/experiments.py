"""Making experiments from many processes at once: python benchmarks/experiments.py.

Parts: ``local`` (a folder, beside one file that every commit replaces), ``remote`` (Ceph's S3
server behind a proxy that counts requests and adds a latency).
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import report
from fleet import START_AT_ONCE, Fleet, Worker, check_memory
from peers import Peer, add_arguments, lakeflow_peer, python_of, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FASTER = 5.0
MOST_SECONDS = 35.0
MOST_CALL_S = 6.0
ANSWER_S = 600.0
DEFAULT = ["0", "Default"]

FLOOR = "one Parquet file, replaced by every commit"
NOT_FOUND = ("lost", "names twice", "ids twice", "not ours", "failed")

Found = list[list[str]]
"""Id and name of each experiment, as often as it is there."""


@dataclass(frozen=True)
class Made:
    """What some processes have made at once.

    Attributes:
        seconds: From the first call to the end of the last one.
        times: Of each call.
        told: Name and id of each experiment that somebody was told is made.
        failed: Calls that raised what they should not.
        unfair: Names that all wanted, and that not exactly one process has made.
        requests: What came by the proxy meanwhile, by what S3 calls it.
    """

    seconds: float
    times: list[float]
    told: list[tuple[str, str]]
    failed: int
    unfair: int
    requests: Counter[str]

    @property
    def a_second(self) -> float:
        """Experiments a second."""
        return len(self.times) / self.seconds


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options = parsed()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        {"local": local, "remote": remote}[part](options)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "fleet")
    number = {"type": int, "metavar": "N"}
    every = ("local", "remote")
    parser.add_argument("--parts", nargs="*", choices=every, default=every, help="which")
    parser.add_argument("--processes", default=8, **number, help="at once in a folder")
    parser.add_argument("--experiments", default=500, **number, help="that each makes")
    parser.add_argument(
        "--floor-experiments", default=50, **number, help="the same, of the file"
    )
    parser.add_argument("--repeats", default=3, **number, help="of a folder")
    parser.add_argument("--remote-processes", default=16, **number, help="at once on a store")
    parser.add_argument("--remote-experiments", default=50, **number, help="that each makes")
    parser.add_argument("--wanted", default=20, **number, help="names that all try to make")
    parser.add_argument("--delay-ms", default=30, **number, help="added to every request")
    parser.add_argument("--grace-s", default=120, **number, help="the setting vacuum_grace_s")
    parser.set_defaults(flush_interval_ms=2000)
    return parser.parse_args()


def local(options: argparse.Namespace) -> None:
    """Make experiments in a folder: one process alone, and several at once."""
    lakeflow = lakeflow_peer(options)
    floor = Peer(FLOOR, lakeflow.python, "deltalake", "lake")
    print(report.machine(options.folder, lakeflow.python), flush=True)
    samples: dict[str, list[dict[str, float]]] = {lakeflow.name: [], floor.name: []}
    wrong: dict[str, Counter[str]] = {}
    for repeat in range(options.repeats):
        for peer, count in (
            (lakeflow, options.experiments),
            (floor, options.floor_experiments),
        ):
            say(f"experiments {repeat + 1}/{options.repeats}: {peer.name}")
            alone = in_a_folder(options, peer, 1, count)
            together = in_a_folder(options, peer, options.processes, count)
            for _, errors in (alone, together):
                wrong.setdefault(peer.name, Counter()).update(errors)
            samples[peer.name].append(
                times_of("alone", alone[0])
                | times_of(f"{options.processes} processes", together[0])
            )
    found = {name: report.middle(each) for name, each in samples.items()}
    print_local(options, found)
    print("\n" + "\n".join(f"{name}: {said(each)}" for name, each in wrong.items()))
    base, slow = found.values()
    rows = [
        [
            f"{name}, one file / lakeflow",
            f"at least {FASTER:g}x",
            report.ratio(times),
            report.met(times >= FASTER),
        ]
        for name in base
        if "slowest" not in name
        for times in [slow[name] / base[name]]
    ]
    print_targets([*rows, nothing_wrong(wrong[lakeflow.name])])


def times_of(name: str, made: Made) -> dict[str, float]:
    """Return the time of an experiment, however many processes share it, and of the longest."""
    return {
        f"{name}, an experiment": 1 / made.a_second,
        f"{name}, slowest call": max(made.times),
    }


def in_a_folder(
    options: argparse.Namespace, peer: Peer, processes: int, count: int
) -> tuple[Made, Counter[str]]:
    """Make experiments in a new store in a folder, and compare what is there then."""
    scripts = {"lakeflow": ("make_experiments.py", "found_experiments.py")}
    script, listing = scripts.get(peer.library, ("floor_experiments.py",) * 2)
    with (
        tempfile.TemporaryDirectory(prefix="experiments-", dir=options.folder) as folder,
        contextlib.ExitStack() as stack,
    ):
        work = Path(folder)
        start = in_folder(peer, script, work, stack)
        made = raced(start, processes, count, options.wanted)
        errors = Counter[str]()
        for compact in (0, 1):
            given = {"compact": compact} if peer.library == "lakeflow" else {"step": "found"}
            errors |= compared(made, peer.run(listing, work, **given))
        return made, errors


def remote(options: argparse.Namespace) -> None:
    """Make experiments on a store, from processes that share nothing."""
    options.python = python_of(options, "fleet")
    print(report.machine(options.folder, options.python), flush=True)
    with contextlib.ExitStack() as stack:
        say("starting the store")
        fleet = Fleet(options, stack, ["makers"])
        start = on_store(fleet, "make_experiments.py")

        def listed(compact: int) -> Found:
            worker = fleet.start(
                f"check-{compact}", "found_experiments.py", "directly", compact=compact
            )
            found: Found = worker.said(ANSWER_S)
            return found

        processes, count = options.remote_processes, options.remote_experiments
        made = raced(start, processes, count, options.wanted, fleet)
        wrong = compared(made, listed(0)) | compared(made, listed(1))
    print_remote(options, made)
    print(f"\nlakeflow: {said(wrong)}")
    slowest = max(made.times)
    rows = [
        [
            "all of them",
            f"under {MOST_SECONDS:g} s",
            report.seconds(made.seconds),
            report.met(made.seconds < MOST_SECONDS),
        ],
        [
            "slowest call",
            f"at most {MOST_CALL_S:g} s",
            report.seconds(slowest),
            report.met(slowest <= MOST_CALL_S),
        ],
        nothing_wrong(wrong),
    ]
    print_targets(rows)


def in_folder(
    peer: Peer, script: str, work: Path, stack: contextlib.ExitStack
) -> Callable[[int], Worker]:
    """Return what starts one of several processes by its number, in one folder."""

    def start(number: int) -> Worker:
        command = peer.command(script, work, number=number)
        worker = Worker(f"process-{number}", command, work, {})
        stack.callback(worker.end)
        return worker

    return start


def on_store(fleet: Fleet, script: str) -> Callable[[int], Worker]:
    """Return what starts one of several processes by its number, on the store of a fleet."""

    def start(number: int) -> Worker:
        check_memory()
        return fleet.start(f"process-{number}", script, "makers", number=number)

    return start


def raced(
    start: Callable[[int], Worker],
    processes: int,
    count: int,
    wanted: int,
    fleet: Fleet | None = None,
) -> Made:
    """Let processes make experiments at once, and then all of them the same ones.

    Args:
        start: Starts one of them by its number.
        processes: How many.
        count: Experiments that each makes.
        wanted: Names that all of them try to make.
        fleet: Whose proxy counts.
    """
    say(f"{processes} processes make {count} each")
    workers, first = started(start, processes)
    if fleet:
        fleet.asked("makers", "reset")
    own = [[f"{number}-{each}" for each in range(count)] for number in range(processes)]
    answers = told(workers, own)
    requests = Counter(fleet.asked("makers")["operations"] if fleet else {})
    same = told(workers, [[f"wanted-{each}" for each in range(wanted)]] * processes)
    made = [pair for each in [*first, *answers, *same] for pair in each["made"].items()]
    winners = Counter(name for each in same for name in each["made"])
    for worker in workers:
        worker.end()
    return Made(
        max(each["end"] for each in answers) - min(each["start"] for each in answers),
        [seconds for each in answers for seconds in each["times"]],
        made,
        sum(each["failed"] for each in [*answers, *same]),
        sum(winners[f"wanted-{each}"] != 1 for each in range(wanted)),
        requests,
    )


def started(
    start: Callable[[int], Worker], processes: int
) -> tuple[list[Worker], list[dict[str, Any]]]:
    """Start processes, a few at a time; the first one makes the store, alone."""
    workers = [start(0)]
    answers = [workers[0].said(ANSWER_S)]
    for number in range(1, processes):
        workers.append(start(number))
        if len(workers) - len(answers) == START_AT_ONCE:
            answers.append(workers[len(answers)].said(ANSWER_S))
    answers += [worker.said(ANSWER_S) for worker in workers[len(answers) :]]
    return workers, answers


def told(workers: Sequence[Worker], names: Sequence[list[str]]) -> list[dict[str, Any]]:
    """Have each process make experiments, all from one moment on."""
    when = time.time() + 0.2
    for worker, its in zip(workers, names, strict=True):
        worker.tell([when, its])
    return [worker.said(ANSWER_S) for worker in workers]


def compared(made: Made, found: Found) -> Counter[str]:
    """Compare what processes were told with what a fresh one has found."""
    there = {(name, identity) for identity, name in found}
    names = Counter(name for name, _ in made.told)
    ids = Counter(identity for _, identity in made.told)
    names |= Counter(name for _, name in found)
    ids |= Counter(identity for identity, _ in found)
    ours = {*made.told, (DEFAULT[1], DEFAULT[0])}
    return Counter(
        {
            "made": len(made.told),
            "lost": len(set(made.told) - there),
            "names twice": sum(number > 1 for number in names.values()) + made.unfair,
            "ids twice": sum(number > 1 for number in ids.values()),
            "not ours": len(there - ours),
            "failed": made.failed,
        }
    )


def said(wrong: Counter[str]) -> str:
    """Say what has come of what was made."""
    parts = [f"{wrong[name]} {name}" for name in NOT_FOUND]
    return f"{wrong['made']:,} experiments made, {', '.join(parts)}"


def nothing_wrong(wrong: Counter[str]) -> list[str]:
    """Return the row of the targets about what must not happen."""
    number = sum(wrong[name] for name in NOT_FOUND)
    return [", ".join(NOT_FOUND), "0", str(number), report.met(number == 0)]


def print_local(options: argparse.Namespace, found: dict[str, dict[str, float]]) -> None:
    """Print a row for each time, and how many times lakeflow's it is."""
    base, slow = found.values()
    rows = [
        [
            name,
            report.seconds(seconds),
            f"{report.seconds(slow[name])} ({report.ratio(slow[name] / seconds)})",
        ]
        for name, seconds in base.items()
    ]
    counts = options.experiments, options.floor_experiments
    title = f"{counts[0]:,} experiments a process, of the file {counts[1]:,}"
    print(f"\n{title} (and how many times lakeflow's)\n")
    print(report.table(["", *found], rows), flush=True)


def print_remote(options: argparse.Namespace, made: Made) -> None:
    """Print what it took on a store, and which requests an experiment was."""
    count = len(made.times)
    ordered = sorted(made.times)
    kinds = Counter(PUT=0, GET=0, LIST=0)
    for operation, number in made.requests.items():
        kinds[kind_of(operation)] += number
    rows = [
        ["all of them", report.seconds(made.seconds)],
        ["experiments a second", f"{made.a_second:.1f}"],
        ["a call: median", report.seconds(median(ordered))],
        ["a call: p95", report.seconds(ordered[int(count * 0.95)])],
        ["a call: slowest", report.seconds(ordered[-1])],
        *[[f"{kind} an experiment", f"{n / count:.2f}"] for kind, n in kinds.items()],
    ]
    title = f"{options.remote_processes} processes, {options.remote_experiments} each"
    title += f", {options.delay_ms} ms added to each request"
    print("\n" + report.table([title, "found"], rows), flush=True)


def kind_of(operation: str) -> str:
    """Return the kind of request that an operation of S3 is."""
    kinds = {"Put": "PUT", "Get": "GET", "List": "LIST", "Head": "HEAD", "Delete": "DELETE"}
    return next((kind for word, kind in kinds.items() if operation.startswith(word)), operation)


def print_targets(rows: list[list[str]]) -> None:
    print("\nTargets\n")
    print(report.table(["", "target", "found", ""], rows), flush=True)


if __name__ == "__main__":
    main()
