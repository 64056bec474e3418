"""Syncing a lake into another one, beside copying its files: python benchmarks/syncing.py."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import report
from peers import add_arguments, lakeflow_peer, say

WORKER = """
import json, os, resource, sys, time
import lakeflow
from lakeflow import LakeflowClient
what, *given = sys.argv[1:]

def log(lake, points, name):
    client = LakeflowClient(lake)
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    for start in range(0, int(points), 10_000):
        run_id = client.create_run(experiment).info.run_id
        for step in range(start, min(start + 10_000, int(points))):
            client.log_metric(run_id, "loss", step / 7, step=step)
        client.set_terminated(run_id)

began = time.perf_counter()
said = {}
if what == "log":
    log(*given)
elif what == "compact":
    lakeflow.compact(given[0])
elif what == "copy":
    # What `lakeflow copy` does for its files, and nothing else.
    from lakeflow.config import Settings
    from lakeflow.filesystem.location import open_filesystem
    from lakeflow.transfer.between import send
    source, target = (open_filesystem(each, {}, Settings()) for each in given)
    began = time.perf_counter()
    sizes = source.sizes("log")
    for path, size in sizes.items():
        send(source, path, size, target, path)
    said["bytes"] = sum(sizes.values())
else:
    found = lakeflow.sync(*given)
    said = {"records": found.records, "stored": found.stored, "bytes": found.log_bytes}
said["seconds"] = time.perf_counter() - began
said["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(said))
"""


def main() -> None:
    options = parsed()
    peer = lakeflow_peer(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, peer.python), flush=True)
    outcomes = []
    for repeat in range(options.repeats):
        folder = Path(tempfile.mkdtemp(prefix="syncing-", dir=options.folder.resolve()))
        try:
            say(f"repetition {repeat + 1}/{options.repeats}")
            outcomes.append(measured(options, peer.python, folder))
        finally:
            shutil.rmtree(folder)
    rows = {
        name: {each: median(outcome[name][each] for outcome in outcomes) for each in first}
        for name, first in outcomes[0].items()
    }
    print(f"\n{options.points:,} points, a line of the log each\n")
    print(
        "| step | seconds | MB written | MB/s | MiB resident |\n| --- | --- | --- | --- | --- |"
    )
    for name, row in rows.items():
        size = row["bytes"] / 1e6
        print(
            f"| {name} | {row['seconds']:.2f} | {size:.1f} | {size / row['seconds']:.0f} "
            f"| {row['memory'] / 2**20:.0f} |"
        )
    copied, synced = rows["files copied"], rows["log synced"]
    # Copies are longer than what they are of, so that both are said.
    read = copied["seconds"] / synced["seconds"]
    written = read * synced["bytes"] / copied["bytes"]
    print(f"\nsync of new data, of the speed of copying its files (0.5): {read:.2f} by what is")
    print(f"read, {written:.2f} by what is written")
    print(f"nothing new: {rows['nothing new']['seconds']:.2f} s (2)")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, "lakeflow")
    parser.add_argument("--points", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--repeats", type=int, default=1, metavar="N")
    return parser.parse_args()


def measured(
    options: argparse.Namespace, python: str, folder: Path
) -> dict[str, dict[str, float]]:
    mine, theirs, late = (str(folder / each) for each in ("mine", "theirs", "late"))
    environment = {**os.environ, "LAKEFLOW_AUTO_COMPACT": "false"}
    keeps = {**environment, "LAKEFLOW_VACUUM_GRACE_S": "0"}

    def step(*words: str, given: dict[str, str] = environment) -> dict[str, float]:
        say(" ".join(words[:1]))
        began = time.perf_counter()
        done = subprocess.run(
            [python, "-c", WORKER, *words], env=given, stdout=subprocess.PIPE, check=True
        )
        return {"bytes": 0, "process": time.perf_counter() - began, **json.loads(done.stdout)}

    # Another experiment first: ids differ, and every line has to be given another one.
    step("log", theirs, "1", "theirs")
    step("log", mine, str(options.points), "mine")
    found = {
        "files copied": step("copy", mine, str(folder / "copied")),
        "log synced": step("sync", mine, theirs),
        "nothing new": step("sync", mine, theirs),
    }
    step("compact", mine, given=keeps)
    found["nothing new, compacted since"] = step("sync", mine, theirs)
    found["tables synced"] = step("sync", mine, late)
    step("compact", late)
    return found


if __name__ == "__main__":
    main()
