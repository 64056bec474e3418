"""Many machines on one S3 bucket: python benchmarks/fleet.py.

Each writer is a process with a cache of its own; one more reads, and one compacts. All go
through proxies that count requests and add the latency of a store that is not in the room.
``--requests`` only counts the requests of single operations.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
import report
from peers import add_arguments, environment, python_of, say
from postgres import ServedPeer

if TYPE_CHECKING:
    from collections.abc import Sequence

URI = "s3://fleet/lake"
ROLES = ("writers", "reader", "compactor")
START_AT_ONCE = 2
LEAST_FREE = 2 << 30
MOST_VALUES = 200_000
NEW_SEGMENTS = 10
peers.REQUIREMENTS["fleet"] = ["-e", f"{peers.ROOT}[s3]"]


class Worker:
    """One worker in a process of its own; it reports line by line.

    Args:
        name: Name of its folder, which is its machine.
        command: What it is.
        folder: Where its folder is made.
        variables: Its environment variables.
    """

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, variables: dict[str, str]
    ) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        variables["LAKEFLOW_CACHE_FOLDER"] = str(self.folder / "cache")
        # Where it can be, it is killed with this process.
        bound = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with Path(self.folder, "errors").open("wb") as errors:
            self.process = subprocess.Popen(
                [*bound, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.folder,
                env=environment(**variables),
            )

    def tell(self, value: object) -> None:
        """Send a line."""
        assert self.process.stdin is not None
        # Where it has ended already, said() tells why.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(value).encode() + b"\n")
            self.process.stdin.flush()

    def said(self, timeout_s: float) -> Any:
        """Return what its next line says."""
        output = self.process.stdout
        assert output is not None
        ready, _, _ = select.select([output], [], [], timeout_s)
        line = output.readline() if ready else b""
        if not line:
            words = Path(self.folder, "errors").read_text(errors="replace")[-4000:]
            reason = "has ended" if ready else f"has said nothing for {timeout_s:.0f} s"
            raise SystemExit(f"{self.name} {reason}\n{words}")
        return json.loads(line)

    def end(self) -> None:
        """Kill it, unless it has ended."""
        self.process.kill()
        self.process.communicate()


class Fleet:
    """The store with its proxies, and the processes on it; all of them end with this.

    Args:
        options: The arguments.
        stack: What ends them.
        roles: Each gets a proxy.

    Attributes:
        folder: Folder of everything.
        endpoints: Where each role reaches the store, and ``directly``.
    """

    def __init__(
        self, options: argparse.Namespace, stack: contextlib.ExitStack, roles: Sequence[str]
    ) -> None:
        self._stack = stack
        self._options = options
        self._peer = ServedPeer("lakeflow", options.python, "lakeflow", "s3", URI)
        made = tempfile.TemporaryDirectory(
            prefix="fleet-", dir=options.folder, ignore_cleanup_errors=True
        )
        self.folder = Path(stack.enter_context(made))
        servers = self._started("servers", "fleet_servers.py", {})
        # It ends its processes when its input ends; killed, it would leave them to the kernel.
        stack.callback(servers.process.communicate, timeout=60)
        servers.tell([options.delay_ms / 1000, roles])
        self._server = servers.said(600)
        self.endpoints = self._server["endpoints"]

    def start(self, name: str, script: str, role: str, **given: int) -> Worker:
        """Start a worker that reaches the store as one of a role."""
        variables = {
            "FSSPEC_S3_KEY": self._server["key"],
            "FSSPEC_S3_SECRET": self._server["secret"],
            "FSSPEC_S3_ENDPOINT_URL": self.endpoints[role],
            "LAKEFLOW_AUTO_COMPACT": "false",
            "LAKEFLOW_FLUSH_INTERVAL_MS": str(self._options.flush_interval_ms),
            "LAKEFLOW_VACUUM_GRACE_S": str(self._options.grace_s),
        }
        worker = self._started(name, script, variables, **given)
        self._stack.callback(worker.end)
        return worker

    def _started(
        self, name: str, script: str, variables: dict[str, str], **given: int
    ) -> Worker:
        servers = os.environ.get("LAKEFLOW_SERVERS")
        variables |= {"LAKEFLOW_SERVERS": servers} if servers else {}
        command = self._peer.command(script, self.folder, **given)
        return Worker(name, command, self.folder, variables)

    def asked(self, role: str, word: str = "") -> dict[str, Any]:
        """Return what the proxy of a role has counted; ``reset`` has it begin anew."""
        address = f"{self.endpoints[role]}/__proxy/{word}"
        data = b"" if word else None
        with urllib.request.urlopen(address, data=data, timeout=60) as answer:
            said: dict[str, Any] = json.load(answer)
            return said


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options = parsed()
    options.python = python_of(options, "fleet")
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, options.python), flush=True)
    with contextlib.ExitStack() as stack:
        found = (operations if options.requests else measured)(options, stack)
    kept = Path(options.folder, f"{'requests' if options.requests else 'fleet'}.json")
    kept.write_text(json.dumps(found))
    with kept.open() as given:
        command = [sys.executable, peers.HERE / "workers" / "fleet_tables.py"]
        subprocess.run(command, stdin=given, check=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument(
        "--python-fleet",
        help="interpreter that has lakeflow[s3] (default: one in .venv-bench/, made once)",
    )
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--requests", action="store_true", help="of single operations only")
    parser.add_argument("--writers", default=50, **number, help="machines that log")
    parser.add_argument("--rate", default=20, **number, help="values a second of each of them")
    parser.add_argument("--seconds", default=300, **number, help="for which they log")
    parser.add_argument("--compact-every", default=30, **number, help="seconds")
    parser.add_argument("--delay-ms", default=30, **number, help="added to every request")
    parser.add_argument("--flush-interval-ms", default=2000, **number, help="the setting")
    parser.add_argument("--grace-s", default=120, **number, help="the setting vacuum_grace_s")
    parser.add_argument("--synchronous", action="store_true", help="log with a request a call")
    options = parser.parse_args()
    if options.rate * options.seconds > MOST_VALUES:
        parser.error(f"a writer keeps its values in memory: at most {MOST_VALUES:,}")
    return options


def measured(options: argparse.Namespace, stack: contextlib.ExitStack) -> dict[str, Any]:
    """Start a fleet, let it log, and see what has come of it."""
    fleet = Fleet(options, stack, ROLES)
    lake = {"seconds": options.seconds}
    # It also finds out, for all who come by that proxy, what the store can do.
    maker = fleet.start("maker", "fleet_writer.py", "writers", rate=1, seconds=0)
    maker.said(120)
    writers, run_ids = started(fleet, options)
    reader = fleet.start("reader", "fleet_reader.py", "reader", **lake)
    reader.tell(run_ids)
    every = options.compact_every
    compactor = fleet.start("compactor", "fleet_compactor.py", "compactor", every=every, **lake)
    watch = fleet.start("watch", "fleet_watch.py", "directly", **lake)
    others = [reader, compactor, watch]
    for each in others:
        each.said(120)
    say(f"{len(writers)} writers log for {options.seconds} s")
    for role in ROLES:
        fleet.asked(role, "reset")
    start = time.time() + 1
    for each in [*writers, *others]:
        each.tell(start)
    load = waited(start + options.seconds, [*writers, *others])
    said = [each.said(180) for each in [*writers, *others]]
    counts = {role: fleet.asked(role) for role in ROLES}
    say("reading what was logged")
    files = [str(writer.folder / "values") for writer in writers]
    checks = []
    for compact in (0, 1):
        check = fleet.start(f"check-{compact}", "fleet_check.py", "directly", compact=compact)
        check.tell(dict(zip(run_ids, files, strict=True)))
        checks.append(check.said(600))
    sizes = ("writers", "rate", "seconds", "compact_every", "delay_ms", "flush_interval_ms")
    return {
        "options": {
            name: getattr(options, name) for name in (*sizes, "grace_s", "synchronous")
        },
        "writers": said[:-3],
        **dict(zip(("reader", "compactor", "samples"), said[-3:], strict=True)),
        "counts": counts,
        "check": {name: max(each[name] for each in checks) for name in checks[0]},
        "load": load,
    }


def started(fleet: Fleet, options: argparse.Namespace) -> tuple[list[Worker], list[str]]:
    """Start the writers, a few at a time, and return them with their runs."""
    given = {name: getattr(options, name) for name in ("rate", "seconds")}
    given["synchronous"] = int(options.synchronous)
    writers: list[Worker] = []
    run_ids: list[str] = []
    say(f"starting {options.writers} writers")
    for number in range(options.writers):
        writers.append(fleet.start(f"writer-{number}", "fleet_writer.py", "writers", **given))
        if len(writers) - len(run_ids) == START_AT_ONCE:
            run_ids.append(writers[len(run_ids)].said(120)["run"])
        check_memory()
    run_ids += [writer.said(120)["run"] for writer in writers[len(run_ids) :]]
    return writers, run_ids


def waited(until: float, workers: Sequence[Worker]) -> list[float]:
    """Wait while all work, and return the load of the machine each few seconds."""
    load = []
    while (rest := until - time.time()) > 0:
        time.sleep(min(5.0, rest))
        load.append(os.getloadavg()[0])
        check_memory()
        for each in workers:
            if each.process.poll():
                each.said(1)
    return load


def check_memory() -> None:
    """End everything where the machine is about to run out of memory."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    if free < LEAST_FREE:
        raise SystemExit(f"only {free >> 20} MiB of memory are left: try fewer --writers")


def operations(options: argparse.Namespace, stack: contextlib.ExitStack) -> dict[str, Any]:
    """Return what single operations cost."""
    fleet = Fleet(options, stack, ROLES[:1])
    maker = fleet.start("maker", "fleet_writer.py", "writers", rate=1, seconds=0)
    maker.said(120)
    worker = fleet.start("one", "fleet_requests.py", "writers", segments=NEW_SEGMENTS)
    worker.tell(fleet.endpoints["directly"])
    return {"operations": worker.said(300), "delay_ms": options.delay_ms}


if __name__ == "__main__":
    main()
