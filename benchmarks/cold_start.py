"""What a fresh process takes, from its start to its end: python benchmarks/cold_start.py.

Jobs that log, and what reads a folded lake of a thousand runs, with everything in the memory
of the machine. ``--large`` looks one thing up in a lake of 100,000 experiments and a million
runs, which is kept and used again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import report
from peers import HERE, Peer, add_arguments, environment, filled, lakeflow_peer, say

sys.path.append(str(HERE / "workers"))

from shapes import FILTER, ORDER

HEAVY = ("deltalake", "duckdb", "fsspec", "numpy", "pandas", "polars", "pyarrow", "sqlglot")
"""What takes long to import."""

MOST_ROUNDS = 50
"""Each round leaves a segment of the log; from 64 on, who ends compacts."""

MOST_MEMORY = 45 * 2**20
MOST_IMPORT_S = 0.100

NOTHING = "python, nothing"
IMPORT = "import lakeflow"
TIMED = "import lakeflow, by its own clock"
LOG = "log_metric"
SET_AND_LOG = "set_experiment(name), log_metric"
GET = "get_run"
LIST = "search_runs, list"

IN = "import sys, lakeflow\nlakeflow.set_tracking_uri(sys.argv[1])\n"
SET = "lakeflow.set_experiment(sys.argv[2])\n"
METRIC = "lakeflow.log_metric('loss', 0.5)\n"
READ = "lakeflow.get_run(sys.argv[2])\n"
CLOCK = """
import time
began = time.perf_counter()
import lakeflow
print(time.perf_counter() - began)
"""
SEARCH = f"""
found = lakeflow.search_runs(["0"], {FILTER!r}, order_by={ORDER!r}, output_format=sys.argv[2])
assert len(found) > 0
"""


@dataclass(frozen=True)
class Command:
    """One program.

    Attributes:
        name: As the tables call it.
        code: Its text.
        arguments: What it gets, ``{round}`` in them being the number of the round.
    """

    name: str
    code: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What the processes of one command took.

    Attributes:
        seconds: From the start of each to its end.
        memory: Most bytes that each had resident.
        modules: What they have imported.
        answers: What they printed.
    """

    seconds: list[float]
    memory: list[int]
    modules: list[str]
    answers: list[str]

    @property
    def middle(self) -> float:
        """The median time."""
        return median(self.seconds)


def main() -> None:
    options = parsed()
    lakeflow = lakeflow_peer(options)
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, lakeflow.python), flush=True)
    (large if options.large else small)(options, lakeflow)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--rounds", default=15, **number, help="after one that is not timed")
    parser.add_argument("--runs", **number, help="(default: 1,000; with --large 1,000,000)")
    parser.add_argument("--large", action="store_true", help="look up in a large lake only")
    parser.add_argument("--experiments", default=100_000, **number, help="of the large lake")
    parser.add_argument("--seed", default=0, **number, help="of the content")
    options = parser.parse_args()
    if not 1 <= options.rounds <= MOST_ROUNDS:
        parser.error(f"from 1 to {MOST_ROUNDS} rounds: with more of them, jobs would compact")
    if options.experiments < 2:
        parser.error("a large lake has two experiments at least")
    options.runs = options.runs or (1_000_000 if options.large else 1_000)
    return options


def small(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Measure jobs that log, and what reads a thousand folded runs."""
    work = Path(tempfile.mkdtemp(prefix="cold-", dir=options.folder))
    try:
        commands = prepared(options, lakeflow, work)
        found = measured(options, lakeflow, work, commands)
    finally:
        shutil.rmtree(work)
    print_commands(f"{options.runs:,} runs, {options.rounds} rounds", found)
    imports = median(float(each) for each in found[TIMED].answers)
    rows = [limit(IMPORT, imports, MOST_IMPORT_S)]
    for where, most in (("existing", 1.25), ("new", 1.5)):
        for what in (LOG, SET_AND_LOG):
            rows += over_import(f"{where} lake: {what}", most, found, with_memory=True)
    rows += over_import(GET, 1.2, found) + over_import(LIST, 2.0, found)
    for library in ("pandas", "polars"):
        most = found[LIST].middle + found[f"import {library}"].middle
        rows.append(
            limit(f"search_runs, {library}", found[f"search_runs, {library}"].middle, most)
        )
    print_targets(rows)


def prepared(options: argparse.Namespace, lakeflow: Peer, work: Path) -> list[Command]:
    """Make a lake with copies for those that write, and return what to run."""
    say(f"filling a lake with {options.runs:,} runs")
    folded = work / "folded"
    folded.mkdir()
    lakeflow.run("fill_client.py", folded, runs=options.runs, tags=3, seed=options.seed)
    lake = lakeflow.uri(folded)
    job = [lakeflow.python, "-c", f"{IN}{SET}", lake, "digits"]
    subprocess.run(job, check=True, env=environment())
    lakeflow.run("lookup.py", folded, step="compact")
    run = lakeflow.run("places.py", folded, sample=3)["runs"][1]
    lakes = {}
    for what in (LOG, SET_AND_LOG):
        copy = work / f"existing-{len(lakes)}"
        shutil.copytree(folded, copy)
        lakes[f"existing lake: {what}"] = lakeflow.uri(copy)
        lakes[f"new lake: {what}"] = str(work / f"new-{len(lakes)}" / "{round}")
    return [
        Command(NOTHING, "pass"),
        Command(IMPORT, IMPORT),
        Command(TIMED, CLOCK),
        *[
            Command(name, f"{IN}{SET if SET_AND_LOG in name else ''}{METRIC}", (uri, "digits"))
            for name, uri in lakes.items()
        ],
        Command(GET, f"{IN}{READ}", (lake, run)),
        *[
            Command(f"search_runs, {form}", f"{IN}{SEARCH}", (lake, form))
            for form in ("list", "pandas", "polars")
        ],
        *[Command(f"import {name}", f"import {name}") for name in ("pandas", "polars")],
        Command("import duckdb, sqlglot", "import duckdb, sqlglot"),
    ]


def large(options: argparse.Namespace, lakeflow: Peer) -> None:
    """Look one thing up among many."""
    runs, experiments = options.runs, options.experiments
    shape = {"runs": runs, "experiments": experiments, "tags": 3, "seed": options.seed}
    folder = filled(options, lakeflow, "fill_log.py", step="runs", **shape)
    lake = lakeflow.uri(folder)
    run = lakeflow.run("places.py", folder, sample=3)["runs"][1]
    name = "set_experiment(name)"
    commands = [
        Command(NOTHING, "pass"),
        Command(IMPORT, IMPORT),
        Command(name, f"{IN}{SET}", (lake, f"experiment-{experiments // 2}")),
        Command(GET, f"{IN}{READ}", (lake, run)),
    ]
    work = Path(tempfile.mkdtemp(prefix="cold-", dir=options.folder))
    try:
        found = measured(options, lakeflow, work, commands)
    finally:
        shutil.rmtree(work)
    title = f"{experiments:,} experiments, {runs:,} runs, {options.rounds} rounds"
    print_commands(title, found)
    print_targets(
        over_import(name, 1.3, found, with_memory=True)
        + over_import(GET, 1.3, found, with_memory=True)
    )


def measured(
    options: argparse.Namespace, lakeflow: Peer, work: Path, commands: list[Command]
) -> dict[str, Found]:
    """Run the commands, taking turns."""
    say(f"{options.rounds} rounds of {len(commands)} fresh processes")
    asked = {"rounds": options.rounds, "commands": [asdict(each) for each in commands]}
    found = lakeflow.run("cold_processes.py", work, stdin=json.dumps(asked))
    return {name: Found(**each) for name, each in found.items()}


def over_import(
    name: str, most: float, found: dict[str, Found], *, with_memory: bool = False
) -> list[list[str]]:
    """Return rows that say how many times the import a command takes, and its memory."""
    times = found[name].middle / found[IMPORT].middle
    rows = [
        [f"{name} / import", f"at most {most:g}x", f"{times:.2f}x", report.met(times <= most)]
    ]
    if with_memory:
        memory = max(found[name].memory)
        target = f"under {mib(MOST_MEMORY)}"
        rows.append([f"{name}, memory", target, mib(memory), report.met(memory < MOST_MEMORY)])
    return rows


def limit(name: str, seconds: float, most: float) -> list[str]:
    """Return a row with a time that has a limit."""
    found = report.seconds(seconds)
    return [name, f"at most {report.seconds(most)}", found, report.met(seconds <= most)]


def print_commands(title: str, found: dict[str, Found]) -> None:
    """Print a row for each command."""
    base = found[IMPORT].middle
    rows = [
        [
            name,
            report.seconds(each.middle),
            report.seconds(min(each.seconds)),
            f"{each.middle / base:.2f}x",
            mib(max(each.memory)),
            ", ".join(heavy(each.modules)) or "-",
        ]
        for name, each in found.items()
        if name != TIMED
    ]
    header = [title, "median", "least", "median / import", "most memory", "imports"]
    print("\n" + report.table(header, rows), flush=True)


def heavy(modules: list[str]) -> list[str]:
    """Return those of some modules that take long to import."""
    return [name for name in HEAVY if name in modules]


def print_targets(rows: list[list[str]]) -> None:
    print("\nTargets\n")
    print(report.table(["", "target", "found", ""], rows), flush=True)


def mib(size_bytes: float) -> str:
    return f"{size_bytes / 2**20:.1f} MiB"


if __name__ == "__main__":
    main()
