"""MLflow's server over several stores: python benchmarks/mlflow_server.py.

Parts: ``requests`` (over HTTP, beside a store that does nothing), ``pages`` (of the UI, in a
browser).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import postgres
import report
from peers import HERE, Peer, add_arguments, environment, filled, python_of, say

if TYPE_CHECKING:
    from collections.abc import Iterator

FLOOR = "a store that does nothing"
LAKE = "lakeflow"
SHARED = "PostgreSQL"

REQUESTS = {
    "log-batch": "10 metrics of a run",
    "spans": "100 spans, OTLP",
    "search": "a page of 100 of {runs:,} runs",
}
AT_ONCE = (1, 20)
MEASURES = ("mean", "p95")

MOST_OVER_FLOOR = 1.25
MOST_OF_SHARED = 0.2
MOST_PAGE_S = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "inside")
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--parts", default="requests,pages", help="requests,pages")
    parser.add_argument("--stores", default="SQLite,PostgreSQL", help="beside lakeflow's")
    parser.add_argument("--runs", default=20_000, **number, help="that are searched")
    parser.add_argument("--requests", default=400, **number, help="of each kind")
    parser.add_argument("--workers", default=2, **number, help="of each server")
    parser.add_argument("--points", default=100_000, **number, help="of a metric of 10 runs")
    parser.add_argument("--repeats", default=5, **number, help="of a page")
    parser.add_argument("--browser", default="chromium", help="that shows the pages")
    parser.add_argument("--seed", default=0, **number, help="of the content")
    options = parser.parse_args()
    python = python_of(options, "inside")
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, python), flush=True)
    parts = {"requests": requests, "pages": pages}
    for part in options.parts.split(","):
        parts[part](options, python)


def requests(options: argparse.Namespace, python: str) -> None:
    """Ask each server the same."""
    with contextlib.ExitStack() as running:
        stores = stores_of(options, python, running)
        found = {name: asked(options, python, name, uri) for name, uri in stores.items()}
    print_requests(options, found)


def stores_of(
    options: argparse.Namespace, python: str, running: contextlib.ExitStack
) -> dict[str, str]:
    """Return the URI that MLflow is given for each store, filled with the same runs."""
    shape = {"runs": options.runs, "seed": options.seed}
    lake = filled(options, Peer(LAKE, python, "lakeflow", "lake"), "fill_client.py", **shape)
    stores = {FLOOR: "nothing://", LAKE: f"lakeflow://{lake}/lake"}
    chosen = options.stores.split(",")
    if "SQLite" in chosen:
        sqlite = Peer("SQLite", python, "mlflow", "sqlite")
        stores["SQLite"] = sqlite.uri(
            filled(options, sqlite, "fill_tables.py", **shape, analyze=1)
        )
    if SHARED not in chosen:
        return stores
    programs = postgres.binaries()
    if programs is None:
        say(f"without PostgreSQL, which is not here: {postgres.INSTALL}")
        return stores
    address = running.enter_context(postgres.server(programs, options.folder))
    served = postgres.ServedPeer(SHARED, python, "mlflow", "postgresql", address)
    say(f"{options.runs:,} runs: {SHARED}, filling")
    served.run("fill_tables.py", options.folder, **shape)
    return stores | {SHARED: address}


def asked(options: argparse.Namespace, python: str, name: str, uri: str) -> dict[str, Any]:
    """Return what each kind of request takes, with as many clients as there are at once."""
    found = {}
    with served(options, python, uri) as url:
        peer = postgres.ServedPeer(name, python, "mlflow", "server", url)
        for step in REQUESTS:
            for clients in AT_ONCE:
                # Pages take much longer than what is logged.
                count = options.requests // (4 if step == "search" else 1)
                shape = {"step": step, "clients": clients, "requests": count}
                took = peer.run("server_calls.py", options.folder, **shape)
                found[step, clients] = took
                times = ", ".join(f"{each} {report.seconds(took[each])}" for each in MEASURES)
                say(f"{name}: {step}, {clients} at once: {times}")
    return found


@contextlib.contextmanager
def served(options: argparse.Namespace, python: str, uri: str) -> Iterator[str]:
    """Run MLflow's server over a store; give its URL."""
    port = postgres.free_port()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        plugin(Path(folder))
        command = [python, "-m", "mlflow", "server", "--backend-store-uri", uri]
        command += ["--port", str(port), "--workers", str(options.workers)]
        command += ["--artifacts-destination", f"{folder}/artifacts"]
        # What is said of each request costs the same everywhere, and is not what is asked. And
        # a client that waits for the slowest of the others keeps its connection.
        command += ["--uvicorn-opts", "--log-level warning --timeout-keep-alive 600"]
        paths = os.pathsep.join([folder, str(HERE / "workers"), str(HERE.parent)])
        variables = {"PYTHONPATH": paths, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with open(f"{folder}/output", "w") as output:
            server = subprocess.Popen(
                command,
                env=environment(**variables),
                cwd=folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                wait_for(f"http://127.0.0.1:{port}/health", server, Path(folder, "output"))
                yield f"http://127.0.0.1:{port}"
            finally:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait()


def plugin(folder: Path) -> None:
    """Let MLflow find the store that does nothing, as if it were installed."""
    package = folder / "nothing-0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: nothing\nVersion: 0\n")
    (package / "entry_points.txt").write_text(
        "[mlflow.tracking_store]\nnothing = nothing_store:NothingStore\n"
        "[mlflow.model_registry_store]\nnothing = nothing_store:NothingRegistry\n"
    )


def wait_for(url: str, server: subprocess.Popen[Any], output: Path) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the server ended with {server.returncode}\n{output.read_text()[-4000:]}")


def print_requests(options: argparse.Namespace, found: dict[str, dict[Any, Any]]) -> None:
    """Print a table for each number of clients, and whether the targets are met."""
    floor, shared = found[FLOOR], found.get(SHARED)
    for clients in AT_ONCE:
        rows = []
        for step, title in REQUESTS.items():
            for measure in MEASURES:
                base = floor[step, clients][measure]
                cells = [
                    f"{report.seconds(each[step, clients][measure])} "
                    f"({each[step, clients][measure] / base:.2f})"
                    for each in found.values()
                ]
                rows.append([f"{title.format(runs=options.runs)}, {measure}", *cells])
        title = f"{clients} client{'s' * (clients > 1)} (and how many times the floor)"
        print("\n" + report.table([title, *found], rows), flush=True)
    rows = []
    for (step, clients), each in found[LAKE].items():
        over = each["mean"] / floor[step, clients]["mean"]
        name = f"{step}, {clients} at once"
        row = [f"{name}, mean / floor", f"at most {MOST_OVER_FLOOR}", f"{over:.2f}"]
        rows.append([*row, report.met(over <= MOST_OVER_FLOOR)])
        if shared is not None:
            part = each["p95"] / shared[step, clients]["p95"]
            row = [f"{name}, p95 / {SHARED}'s", f"at most {MOST_OF_SHARED}", f"{part:.2f}"]
            rows.append([*row, report.met(part <= MOST_OF_SHARED)])
    print("\nTargets\n\n" + report.table(["", "target", "found", ""], rows), flush=True)


def pages(options: argparse.Namespace, python: str) -> None:
    """Show pages of the UI in a browser."""
    shape = {"runs": options.runs, "seed": options.seed}
    lake = filled(options, Peer(LAKE, python, "lakeflow", "lake"), "fill_client.py", **shape)
    peer = Peer(LAKE, python, "lakeflow", "lake")
    curves = filled(options, peer, "fill_curves.py", points=options.points)
    rows = []
    for page, folder in (("runs", lake), ("curves", curves)):
        with served(options, python, f"lakeflow://{folder}/lake") as url:
            say(f"showing: {page}")
            shown = postgres.ServedPeer(LAKE, python, "mlflow", "server", url)
            words = {"step": page, "repeats": options.repeats, "browser": options.browser}
            took = shown.run("server_pages.py", options.folder, **words)
        row = [took["title"], f"at most {report.seconds(MOST_PAGE_S)}"]
        row += [report.seconds(took[each]) for each in ("shown", "asked")]
        rows.append([*row, report.met(took["shown"] <= MOST_PAGE_S)])
    header = ["", "target", "shown", "longest request", ""]
    print("\nPages of the UI in a browser\n\n" + report.table(header, rows), flush=True)


if __name__ == "__main__":
    main()
