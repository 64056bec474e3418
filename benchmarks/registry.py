"""The model registry beside MLflow's: python benchmarks/registry.py.

Parts: ``calls`` (single changes and look-ups), ``search`` (by a tag, among a million versions),
``cold`` (a fresh process that looks one alias up among them), ``local`` and ``remote`` (many
processes that register versions of one model at once, in a folder, and on Ceph's S3 server
behind a proxy that adds a latency).
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import report
from cold_start import IMPORT, NOTHING, Command, limit, measured, over_import, print_commands
from experiments import in_folder, kind_of, on_store, print_targets, started, told
from fleet import Fleet
from peers import Peer, add_arguments, filled, lakeflow_peer, mlflow_peers, python_of, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from fleet import Worker

LEAST = {
    "create_model_version": 5.0,
    "set_registered_model_alias": 5.0,
    "set_model_version_tag": 5.0,
    "get_model_version_by_alias": 20.0,
    "again": 10.0,
}
MOST_LOCAL_S, MOST_REMOTE_S, MOST_CALL_S = 5.0, 40.0, 6.0
MOST_OVER_IMPORT = 1.3
ALIAS = (
    "import sys\nfrom lakeflow import MlflowClient\n"
    "version = MlflowClient(sys.argv[1]).get_model_version_by_alias(sys.argv[2], 'champion')\n"
    "assert version.version == 5\n"
)
LOOK_UP = "get_model_version_by_alias"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options = parsed()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    lakeflow = lakeflow_peer(options)
    print(report.machine(options.folder, lakeflow.python), flush=True)
    for part in options.parts:
        {"calls": calls, "search": search, "cold": cold, "local": local, "remote": remote}[
            part
        ](options, lakeflow)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow3", "fleet")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=[*PARTS], help="which")
    parser.add_argument("--calls", default=300, **number, help="of each kind")
    parser.add_argument("--turns", default=5, **number, help="of each peer, for single calls")
    parser.add_argument("--searches", default=5, **number, help="after the first one")
    parser.add_argument("--models", default=100_000, **number, help="of ten versions each")
    parser.add_argument("--rounds", default=15, **number, help="of fresh processes")
    parser.add_argument("--processes", default=16, **number, help="at once")
    parser.add_argument("--versions", default=50, **number, help="that each registers")
    parser.add_argument("--delay-ms", default=30, **number, help="added to every request")
    parser.add_argument("--grace-s", default=120, **number, help="the setting vacuum_grace_s")
    parser.set_defaults(flush_interval_ms=2000)
    return parser.parse_args()


def calls(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Time single calls of one client each, in new stores; the peers take turns."""
    peers = [lakeflow, *mlflow_peers(options, "mlflow3", "sqlite")]
    found: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    for _ in range(options.turns):
        for peer in peers:
            with tempfile.TemporaryDirectory(prefix="registry-", dir=options.folder) as folder:
                say(f"calls: {peer.name}")
                given = {"step": "calls", "calls": options.calls}
                found[peer.name].append(peer.run("registry_calls.py", Path(folder), **given))
    medians = {
        name: {call: median(turn[call] for turn in turns) for call in turns[0]}
        for name, turns in found.items()
    }
    compare(f"one call, median of {options.turns} medians", medians)


def search(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Search versions by a tag that one in 10,000 has."""
    found = {}
    (mlflow,) = mlflow_peers(options, "mlflow3", "sqlite")
    for peer in (lakeflow, mlflow):
        folder = filled(options, peer, "fill_registry.py", models=options.models)
        given = {"step": "search", "calls": options.searches, "models": options.models}
        found[peer.name] = peer.run("registry_calls.py", folder, **given)
    compare(f"search by a tag, {options.models:,} models of 10 versions", found)


def compare(title: str, found: dict[str, dict[str, float]]) -> None:
    """Print times of lakeflow and of MLflow, and what was to be reached."""
    ours, theirs = found.values()
    rows = [
        [name, report.seconds(took), f"{report.seconds(theirs[name])} ({times})"]
        for name, took in ours.items()
        for times in [report.ratio(theirs[name] / took)]
    ]
    print("\n" + report.table([title, *found], rows), flush=True)
    targets = []
    for name, least in LEAST.items():
        if name in ours:
            times = theirs[name] / ours[name]
            row = [
                name,
                f"at least {least:g}x",
                report.ratio(times),
                report.met(times >= least),
            ]
            targets.append(row)
    print_targets(targets)


def cold(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Look an alias up in fresh processes."""
    folder = filled(options, lakeflow, "fill_registry.py", models=options.models)
    name = f"model-{options.models // 2:06d}"
    commands = [
        Command(NOTHING, "pass"),
        Command(IMPORT, IMPORT),
        Command(LOOK_UP, ALIAS, (lakeflow.uri(folder), name)),
    ]
    with tempfile.TemporaryDirectory(prefix="cold-", dir=options.folder) as work:
        found = measured(options, lakeflow, Path(work), commands)
    title = f"{options.models:,} models of 10 versions, {options.rounds} rounds"
    print_commands(title, found)
    rows = over_import(LOOK_UP, MOST_OVER_IMPORT, found, with_memory=True)
    print_targets(rows)


def local(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Register versions of one model from many processes, in a folder."""
    with (
        tempfile.TemporaryDirectory(prefix="versions-", dir=options.folder) as folder,
        contextlib.ExitStack() as stack,
    ):
        start = in_folder(lakeflow, "make_versions.py", Path(folder), stack)
        raced(options, start, MOST_LOCAL_S, "in a folder")


def remote(options: argparse.Namespace, _: Peer) -> None:
    """The same on a store, from processes that share nothing."""
    options.python = python_of(options, "fleet")
    with contextlib.ExitStack() as stack:
        say("starting the store")
        fleet = Fleet(options, stack, ["makers"])
        start = on_store(fleet, "make_versions.py")
        where = f"{options.delay_ms} ms added to each request"
        raced(options, start, MOST_REMOTE_S, where, fleet)


def raced(
    options: argparse.Namespace,
    start: Callable[[int], Worker],
    most_s: float,
    where: str,
    fleet: Fleet | None = None,
) -> None:
    """Have processes register versions at once, and print what it took."""
    processes, count = options.processes, options.versions
    say(f"{processes} processes register {count} versions each, {where}")
    workers, first = started(start, processes)
    if fleet:
        fleet.asked("makers", "reset")
    sources = [
        [f"s3://{number}/{each}" for each in range(count)] for number in range(processes)
    ]
    answers = told(workers, sources)
    requests: Counter[str] = Counter()
    for operation, number in (fleet.asked("makers")["operations"] if fleet else {}).items():
        requests[kind_of(operation)] += number
    made = [int(version) for each in (*first, *answers) for version in each["made"].values()]
    took = max(each["end"] for each in answers) - min(each["start"] for each in answers)
    times = sorted(seconds for each in answers for seconds in each["times"])
    gaps = (
        len(set(range(1, processes * (count + 1) + 1)) ^ set(made)) + len(made) - len(set(made))
    )
    rows = [
        ["all of them", report.seconds(took)],
        ["versions a second", f"{len(times) / took:.1f}"],
        ["a call: median", report.seconds(median(times))],
        ["a call: slowest", report.seconds(times[-1])],
        *[
            [f"{kind} a version", f"{number / len(times):.2f}"]
            for kind, number in requests.items()
        ],
    ]
    title = f"{processes} processes, {count} versions each of one model, {where}"
    print("\n" + report.table([title, "found"], rows), flush=True)
    targets = [limit("all of them", took, most_s)]
    if fleet:
        targets.append(limit("slowest call", times[-1], MOST_CALL_S))
    print_targets(
        [*targets, ["gaps, and numbers twice", "0", str(gaps), report.met(gaps == 0)]]
    )


PARTS = {"calls": calls, "search": search, "cold": cold, "local": local, "remote": remote}

if __name__ == "__main__":
    main()
