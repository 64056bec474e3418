"""Moves files up and down: many small ones, one large one, beside a plain copy."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report, time_per_call

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator


def main() -> None:
    options = parse(files=1000, bytes=7000, repeats=5, calls=500, mib=64)
    steps = {"beside-copy": beside_copy, "calls": calls, "many": many, "large": large}
    # Nothing is deleted here: for minutes after that, ext4 takes ten times as long for each new
    # file near by, since it looks at what was deleted first. So who came later would be slower.
    steps[options.step](options, Path(tempfile.mkdtemp(dir=Path.cwd())))


def beside_copy(options: argparse.Namespace, folder: Path) -> None:
    """Report the seconds of small files up, down, and copied, all taking turns."""
    client = client_of(options)
    source = made(folder, options)
    samples: dict[str, list[float]] = {"up": [], "down": [], "copy": []}
    for repeat in range(options.repeats + 1):
        run = client.create_run("0").info.run_id
        copy, target = folder / f"copy-{repeat}", new(folder / f"down-{repeat}")
        for name, call in (
            ("copy", lambda copy=copy: shutil.copytree(source, copy)),
            ("up", lambda run=run: client.log_artifacts(run, source)),
            ("down", lambda run=run, to=target: client.download_artifacts(run, "", to)),
        ):
            began = time.perf_counter()
            call()
            # The first round compiles and imports.
            samples[name] += [time.perf_counter() - began] if repeat else []
        check(target, options)
    report({name: median(times) for name, times in samples.items()})


def calls(options: argparse.Namespace, folder: Path) -> None:
    """Report the seconds of a call that logs one small file, each another one."""
    client = client_of(options)
    options.files = options.calls + 1
    paths = sorted(made(folder, options).iterdir())
    run = client.create_run("0").info.run_id
    log = client.log_artifact
    report({"seconds": time_per_call(lambda n: log(run, str(paths[n])), options.calls)})


def many(options: argparse.Namespace, _: Path) -> None:
    """Send many files when told so, and fetch them when told so."""
    client = client_of(options)
    # What a disk takes to make files is measured elsewhere, and the floor makes none.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        source, target = made(Path(memory), options), new(Path(memory) / "down")
        run = client.create_run("0").info.run_id
        client.log_text(run, "so that connections are there", "first.txt")
        report("ready")
        report(told(lambda: client.log_artifacts(run, source, "files")))
        report(told(lambda: client.download_artifacts(run, "files", target)))
        check(target / "files", options)


def large(options: argparse.Namespace, folder: Path) -> None:
    """Report seconds and memory of one large file up and down."""
    client = client_of(options)
    source, target = folder / "large", new(folder / "down")
    with source.open("wb") as file:
        for _ in range(options.mib):
            file.write(os.urandom(1 << 20))
    run = client.create_run("0").info.run_id
    client.log_text(run, "so that everything is loaded", "first.txt")
    client.download_artifacts(run, "first.txt", target)
    found = {}
    for name, call in (
        ("up", lambda: client.log_artifact(run, source)),
        ("down", lambda: client.download_artifacts(run, "large", target)),
    ):
        with peak() as above:
            began = time.perf_counter()
            call()
            found[name] = time.perf_counter() - began
        found[f"{name}_mib"] = above[0]
    assert (target / "large").stat().st_size == options.mib << 20
    report(found)


@contextmanager
def peak() -> Iterator[list[float]]:
    """Give where the most memory above that of the start will be, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, above = resident("VmRSS"), [0.0]
    yield above
    above[0] = resident("VmHWM") - before


def resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def told(call: Callable[[], Any]) -> dict[str, float]:
    """Wait for a line; return the seconds of a call, and what it used of the processors."""
    sys.stdin.readline()
    began, used = time.perf_counter(), time.process_time()
    call()
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}


def made(folder: Path, options: argparse.Namespace) -> Path:
    """Return a folder with files of one size, each with another content."""
    source = new(folder / "source")
    for number in range(options.files):
        (source / f"{number:06}.bin").write_bytes(os.urandom(options.bytes))
    return source


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def check(folder: Path, options: argparse.Namespace) -> None:
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert sizes == [options.bytes] * options.files, (len(sizes), set(sizes))


if __name__ == "__main__":
    main()
