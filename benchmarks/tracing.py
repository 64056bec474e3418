"""Traces, beside OpenTelemetry's SDK, MLflow's stores and DuckDB: python benchmarks/tracing.py.

Parts: ``calls`` (a traced function, beside the SDK alone in one process; and until it is
durable, beside MLflow 2.19's files and MLflow 3.17's SQLite), ``month`` (questions about spans
of 30 days, beside DuckDB by hand over the same files in one process; and the requests that one
trace takes of an object store).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import report
from experiments import print_targets
from peers import Peer, add_arguments, filled, lakeflow_peer, mlflow_peers, say

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_OVER_SDK = 2.0
LEAST_DURABLE = 10.0
MOST_MS = {
    "one trace, SQL with its day": 10,
    "one trace, SQL without its day": 60,
    "condition on spans, one experiment and day": 50,
    "free text, one experiment and day": 200,
    "count": 100,
}
MOST_BYTES = 2**30
MOST_REQUESTS = 4


def main() -> None:
    options = parsed()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    lakeflow = lakeflow_peer(options)
    print(report.machine(options.folder, lakeflow.python), flush=True)
    for part in options.parts:
        PARTS[part](options, lakeflow)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow3", "mlflow2")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=[*PARTS], help="which")
    parser.add_argument("--calls", default=2_000, **number, help="of a traced function")
    parser.add_argument("--mlflow-calls", default=300, **number, help="the same of MLflow's")
    parser.add_argument("--rounds", default=5, **number, help="in which they take turns")
    parser.add_argument("--spans", default=200_000, **number, help="of 30 days")
    parser.add_argument("--experiments", default=10, **number, help="that they are in")
    parser.add_argument("--repeats", default=7, **number, help="of a question")
    parser.add_argument("--seed", default=0, **number, help="of the content")
    return parser.parse_args()


def calls(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Time a traced function."""
    say("a traced function, beside the SDK")
    given = {"calls": options.calls, "rounds": options.rounds}
    with tempfile.TemporaryDirectory(prefix="calls-", dir=options.folder) as folder:
        found = lakeflow.run("traced_calls.py", Path(folder), step="call", **given)
    floor = found["OpenTelemetry's SDK"]
    rows = [
        [
            name,
            *(
                cell
                for clock, value in took.items()
                for cell in (report.seconds(value), report.ratio(value / floor[clock]))
            ),
        ]
        for name, took in found.items()
    ]
    header = ["one call", "by the clock", "over the SDK", "of the processor", "over the SDK"]
    print("\n" + report.table(header, rows), flush=True)
    targets = []
    for clock, words in (("clock", "by the clock"), ("processor", "of the processor")):
        times = found["lakeflow.trace"][clock] / floor[clock]
        row = [f"lakeflow.trace over the SDK, {words}", f"at most {MOST_OVER_SDK:g}x"]
        targets.append([*row, report.ratio(times), report.met(times <= MOST_OVER_SDK)])
    peers = [
        lakeflow,
        *mlflow_peers(options, "mlflow2", "files"),
        *mlflow_peers(options, "mlflow3", "sqlite"),
    ]
    print_targets([*targets, *durable(options, peers)])


def durable(options: argparse.Namespace, peers: Sequence[Peer]) -> list[list[str]]:
    """Time it until what it logged is stored, in turns; return what was to be reached."""
    taken: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    for number in range(options.rounds):
        for peer in peers:
            say(f"durable, round {number + 1} of {options.rounds}: {peer.name}")
            count = options.calls if peer.store == "lake" else options.mlflow_calls
            with tempfile.TemporaryDirectory(prefix="calls-", dir=options.folder) as folder:
                answer = peer.run("traced_calls.py", Path(folder), step="durable", calls=count)
            taken[peer.name].append(answer)
    middle = {name: report.middle(each) for name, each in taken.items()}
    base, *others = middle.values()
    rows = []
    for measure, words in (("call", "the call"), ("durable", "until it is durable")):
        cells = [
            f"{report.seconds(each[measure])} ({report.ratio(each[measure] / base[measure])})"
            for each in others
        ]
        rows.append([words, report.seconds(base[measure]), *cells])
    print("\n" + report.table(["a trace of one span", *middle], rows), flush=True)
    targets = []
    for name, each in list(middle.items())[1:]:
        times = each["durable"] / base["durable"]
        row = [f"durable, {name} / lakeflow", f"at least {LEAST_DURABLE:g}x"]
        targets.append([*row, report.ratio(times), report.met(times >= LEAST_DURABLE)])
    return targets


def month(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Ask about the spans of a month."""
    shape = {"spans": options.spans, "experiments": options.experiments, "seed": options.seed}
    folder = filled(options, lakeflow, "fill_traces.py", **shape)
    places = json.dumps(lakeflow.run("places.py", folder))
    given = {"stdin": places, "repeats": options.repeats}
    say("asking")
    found = lakeflow.run("find_traces.py", folder, step="times", **given)
    memory = found.pop("memory")
    rows = [
        [
            name,
            report.seconds(each["seconds"]),
            report.seconds(each["floor"]),
            report.ratio(each["seconds"] / each["floor"]),
        ]
        for name, each in found.items()
    ]
    title = f"{options.spans:,} spans of 30 days"
    header = [title, "lakeflow", "DuckDB by hand", "ratio"]
    print("\n" + report.table(header, rows), flush=True)
    requests = lakeflow.run("find_traces.py", folder, step="requests", **given)
    cells = [
        [name, str(count), f"{size / 1024:,.0f} KiB"]
        for name, (count, size) in requests.items()
    ]
    print("\n" + report.table(["one trace, on an object store", "requests", "bytes"], cells))
    targets = []
    for name, most in MOST_MS.items():
        took = found[name]["seconds"]
        row = [name, f"at most {most} ms", report.seconds(took)]
        targets.append([*row, report.met(took <= most / 1000)])
    mib = memory / 2**20
    targets.append(
        ["memory", "under 1,024 MiB", f"{mib:,.0f} MiB", report.met(memory < MOST_BYTES)]
    )
    count = median(each for each, _ in list(requests.values())[1:])
    row = ["one trace, warm fold", f"at most {MOST_REQUESTS} requests", f"{count:g}"]
    print_targets([*targets, [*row, report.met(count <= MOST_REQUESTS)]])


PARTS = {"calls": calls, "month": month}

if __name__ == "__main__":
    main()
