"""Files beside runs, from a small one to a large one: python benchmarks/artifacts.py."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import report
from fleet import Fleet, Worker
from peers import Peer, add_arguments, lakeflow_peer, mlflow_peers, python_of, say

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "files"


class Target(NamedTuple):
    """What a figure is to be.

    Attributes:
        what: The figure.
        found: What it is.
        limit: The least or the most that it may be.
        unit: Of both.
        is_least: Which of the two.
    """

    what: str
    found: float
    limit: float
    unit: str
    is_least: bool = False

    def row(self) -> list[str]:
        """Return it as a row of a table."""
        is_met = self.found >= self.limit if self.is_least else self.found <= self.limit
        word = "at least" if self.is_least else "at most"
        found = f"{self.found:,.3g}" if self.found < 1000 else f"{self.found:,.0f}"
        wanted = f"{word} {self.limit:g}{self.unit}"
        return [self.what, wanted, f"{found}{self.unit}", report.met(is_met)]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    options = parsed()
    options.folder = options.folder.resolve()
    options.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="artifacts-", dir=options.folder))
    targets: list[Target] = []
    try:
        print(report.machine(work, sys.executable), flush=True)
        for name in options.only:
            targets += PARTS[name](options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("\nTargets\n")
    print(report.table(["", "target", "found", ""], [each.row() for each in targets]))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow", "mlflow2")
    parser.add_argument(
        "--python-fleet",
        help="interpreter that has lakeflow[s3] (default: one in .venv-bench/, made once)",
    )
    number = {"type": int, "metavar": "N"}
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(PARTS),
        metavar="PART,...",
        help=f"of {', '.join(PARTS)} (default: all)",
    )
    parser.add_argument("--files", default=1000, **number, help="in a folder on this machine")
    parser.add_argument("--bytes", default=7000, **number, help="of each small file")
    parser.add_argument("--repeats", default=5, **number, help="of what is taken in turns")
    parser.add_argument("--calls", default=500, **number, help="that log one small file")
    parser.add_argument("--s3-files", default=10_000, **number, help="to the object store")
    parser.add_argument("--delay-ms", default=30, **number, help="added to every request")
    parser.add_argument("--mib", default=2048, **number, help="of the large file")
    parser.add_argument("--images", default=200, **number, help="at a pace, and again without")
    parser.add_argument("--rate", default=20, **number, help="images a second")
    parser.add_argument("--runs", default=500, **number, help="with a table each")
    parser.add_argument("--rows", default=20, **number, help="of each table")
    parser.set_defaults(flush_interval_ms=2000, grace_s=3600)
    options = parser.parse_args()
    if unknown := set(options.only) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return options


def files(options: argparse.Namespace, work: Path) -> Iterator[Target]:
    """Small files on a folder of this machine."""
    lakeflow = lakeflow_peer(options)
    (mlflow,) = mlflow_peers(options, "mlflow2", "files")
    say("small files beside a copy")
    shape = {"files": options.files, "bytes": options.bytes, "repeats": options.repeats}
    found = lakeflow.run("files.py", new(work), step="beside-copy", **shape)
    copied = found["copy"]
    rows = [
        [what, report.seconds(found[name]), report.ratio(found[name] / copied)]
        for name, what in (
            ("copy", "shutil.copytree"),
            ("up", "log_artifacts"),
            ("down", "download_artifacts"),
        )
    ]
    title = f"{options.files:,} files of {options.bytes:,} bytes"
    print(f"\n{report.table([title, 'seconds', '/ copytree'], rows)}")
    times: dict[str, list[float]] = {lakeflow.name: [], mlflow.name: []}
    for repeat in range(options.repeats):
        for peer in (lakeflow, mlflow):
            say(f"log_artifact {repeat + 1}/{options.repeats}: {peer.name}")
            given = {"calls": options.calls, "bytes": options.bytes}
            one = peer.run("files.py", new(work), step="calls", **given)
            times[peer.name].append(one["seconds"])
    calls = {name: sorted(each)[len(each) // 2] for name, each in times.items()}
    rows = [[name, report.seconds(value)] for name, value in calls.items()]
    print(f"\n{report.table(['log_artifact of a small file', 'a call'], rows)}", flush=True)
    yield Target("1,000 files up / copytree", found["up"] / copied, 2, "x")
    yield Target("1,000 files down / copytree", found["down"] / copied, 2, "x")
    ratio = calls[lakeflow.name] / calls[mlflow.name]
    yield Target(f"log_artifact / {mlflow.name}", ratio, 1.5, "x")


def s3(options: argparse.Namespace, work: Path) -> Iterator[Target]:
    """Small files to an object store that is not in the room."""
    shape = {"files": options.s3_files, "bytes": options.bytes}
    rows: list[list[str]] = []
    found: dict[str, dict[str, float]] = {}
    with started(options, work) as fleet:
        for name, script, words in (
            ("floor", "floor_objects.py", ("the floor, up", "the floor, down")),
            ("lakeflow", "files.py", ("log_artifacts", "download_artifacts")),
        ):
            worker = fleet.start(name, script, ROLE, step="many", **shape)
            worker.said(600)
            for way, what in zip(("up", "down"), words, strict=True):
                say(f"{options.s3_files:,} files, {what}")
                key = f"{name}, {way}"
                found[key] = moved(fleet, worker, options.s3_files)
                rows.append([what, *cells(found[key])])
    title = f"{options.s3_files:,} files of {options.bytes:,} bytes, {options.delay_ms} ms"
    header = ["seconds", "files a second", "in flight", "requests a file", "CPU a file"]
    print(f"\n{report.table([title, *header], rows)}", flush=True)
    for way in ("up", "down"):
        mine, floor = found[f"lakeflow, {way}"], found[f"floor, {way}"]
        yield Target(f"S3, files a second {way}", mine["rate"], 500, "", is_least=True)
        yield Target(f"S3, requests in flight {way}", mine["flight"], 20, "", is_least=True)
        ratio = mine["rate"] / floor["rate"]
        yield Target(f"S3, files a second {way} / floor", ratio, 0.5, "x", is_least=True)


def moved(fleet: Fleet, worker: Worker, files: int) -> dict[str, float]:
    """Let a worker move its files, and return what that took."""
    fleet.asked(ROLE, "reset")
    worker.tell("go")
    said = worker.said(1800)
    counts = fleet.asked(ROLE)
    return {
        "seconds": said["seconds"],
        "rate": files / said["seconds"],
        "flight": counts["seconds"] / said["seconds"],
        "requests": sum(counts["operations"].values()) / files,
        "cpu": said["cpu"] / files,
    }


def cells(found: dict[str, float]) -> list[str]:
    return [
        report.seconds(found["seconds"]),
        f"{found['rate']:,.0f}",
        f"{found['flight']:.1f}",
        f"{found['requests']:.3f}",
        report.seconds(found["cpu"]),
    ]


def big(options: argparse.Namespace, work: Path) -> Iterator[Target]:
    """One large file, to a folder and to an object store, which the proxy does not slow."""
    say(f"a file of {options.mib:,} MiB: folder")
    places = {
        "folder": lakeflow_peer(options).run(
            "files.py", new(work), step="large", mib=options.mib
        )
    }
    with started(options, work) as fleet:
        say(f"a file of {options.mib:,} MiB: S3")
        worker = fleet.start("large", "files.py", "directly", step="large", mib=options.mib)
        places["S3"] = worker.said(1800)
    rows = [
        [
            f"{place}, {name}",
            report.seconds(found[name]),
            f"{options.mib / found[name]:,.0f} MiB/s",
            f"{found[f'{name}_mib']:.1f} MiB",
        ]
        for place, found in places.items()
        for name in ("up", "down")
    ]
    header = [f"a file of {options.mib:,} MiB", "seconds", "", "memory above the start"]
    print(f"\n{report.table(header, rows)}", flush=True)
    for place, found in places.items():
        for name in ("up", "down"):
            yield Target(f"large file, {place}, {name}", found[f"{name}_mib"], 150, " MiB")


def images(options: argparse.Namespace, work: Path) -> Iterator[Target]:
    """Images that are logged without waiting."""
    say(f"{options.images} images at {options.rate} a second, and again as fast as they go")
    shape = {"images": options.images, "rate": options.rate}
    found = lakeflow_peer(options).run("images.py", new(work), **shape)
    rows = [
        [f"a call at {options.rate} a second: median", report.seconds(found["call"])],
        ["p99", report.seconds(found["call_p99"])],
        ["images a second then, until all are logged", f"{found['paced_rate']:.1f}"],
        ["images a second, as fast as they are taken", f"{found['rate']:.1f}"],
        ["memory above the start then", f"{found['mib']:.0f} MiB"],
    ]
    title = "log_image(synchronous=False), 1024 x 1024 RGB"
    print(f"\n{report.table([title, ''], rows)}", flush=True)
    yield Target("log_image, median call", found["call"] * 1e3, 5, " ms")
    yield Target("images a second", found["rate"], options.rate, "", is_least=True)


def tables(options: argparse.Namespace, work: Path) -> Iterator[Target]:
    """Tables of many runs, loaded as one."""
    times: dict[str, dict[str, Any]] = {}
    lakeflow, *others = everybody = [
        lakeflow_peer(options),
        *mlflow_peers(options, "mlflow2", "files", "sqlite"),
    ]
    for peer in everybody:
        say(f"tables of {options.runs} runs: {peer.name}")
        times[peer.name] = loaded(options, peer, new(work))
    rows = []
    for name, found in times.items():
        ratio = found["seconds"] / times[lakeflow.name]["seconds"]
        cells = [report.seconds(found[each]) for each in ("log", "first", "seconds")]
        rows.append([name, *cells, report.ratio(ratio)])
    title = f"{options.runs} runs with {options.rows} rows each"
    header = [title, "log_table", "first load_table", "load_table", "/ lakeflow"]
    print(f"\n{report.table(header, rows)}", flush=True)
    quickest = min(times[peer.name]["seconds"] for peer in others)
    ratio = quickest / times[lakeflow.name]["seconds"]
    yield Target("load_table, MLflow 2.19 / lakeflow", ratio, 10, "x", is_least=True)


def loaded(options: argparse.Namespace, peer: Peer, folder: Path) -> dict[str, float]:
    """Return the seconds of logging a table, and of loading all of them in a new process."""
    shape = {"runs": options.runs, "rows": options.rows}
    written = peer.run("evaluations.py", folder, step="write", **shape)
    found: dict[str, float] = peer.run("evaluations.py", folder, step="load", **shape)
    return found | {"log": written["seconds"]}


@contextlib.contextmanager
def started(options: argparse.Namespace, work: Path) -> Iterator[Fleet]:
    """Give an object store behind a proxy; both end with this."""
    options.python = python_of(options, "fleet")
    options.folder = work
    with contextlib.ExitStack() as stack:
        yield Fleet(options, stack, [ROLE])


def new(work: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=work))


PARTS = {"files": files, "s3": s3, "big": big, "images": images, "tables": tables}


if __name__ == "__main__":
    main()
