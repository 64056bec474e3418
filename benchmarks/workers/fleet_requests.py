"""Counts the requests of single operations, in a process that has done each of them before."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator


def main() -> None:
    options = parse(segments=10, calls=100)
    directly = json.loads(sys.stdin.readline())
    other = another_machine(options, directly)
    client = client_of(options)
    report([measured(*each) for each in operations(options, client, other)])


def another_machine(options: argparse.Namespace, endpoint_url: str) -> Any:
    """Return a client that shares nothing with this process's and goes around the proxy."""
    import lakeflow

    lakeflow.set_storage_options(options.uri, {"endpoint_url": endpoint_url})
    kept = os.environ["LAKEFLOW_CACHE_FOLDER"]
    os.environ["LAKEFLOW_CACHE_FOLDER"] = str(Path(kept).with_name("another-cache"))
    client = client_of(options)
    client.create_run("0")
    lakeflow.set_storage_options(options.uri, {})
    os.environ["LAKEFLOW_CACHE_FOLDER"] = kept
    return client


def operations(
    options: argparse.Namespace, client: Any, other: Any
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield names and operations, each when all is ready for it."""
    import lakeflow

    uri, new = options.uri, options.segments
    theirs = other.create_run("0").info.run_id

    def log_elsewhere(segments: int) -> None:
        for number in range(segments):
            other.log_metric(theirs, "loss", 0.5, step=number)

    def search() -> None:
        client.search_runs(["0"], "metrics.loss < 1", max_results=10)

    yield "first create_run of a process", lambda: client.create_run("0")
    yield "create_run", lambda: client.create_run("0")
    mine = client.create_run("0").info.run_id
    client.log_metric(mine, "loss", 1.0)
    yield "log_metric", lambda: client.log_metric(mine, "loss", 0.5, step=1)
    for number in range(options.calls):
        last = client.log_metric(mine, "loss", 0.5, step=number, synchronous=False)
    yield f"a flush of {options.calls} asynchronous log_metric", last.wait
    client.get_run(theirs)
    yield "get_run, nothing new", lambda: client.get_run(theirs)
    log_elsewhere(1)
    yield "get_run, 1 new segment", lambda: client.get_run(theirs)
    search()
    yield "search_runs, nothing new", search
    log_elsewhere(new)
    yield f"search_runs, {new} new segments", search
    lakeflow.compact(uri)
    yield "compact, nothing new", lambda: lakeflow.compact(uri)
    log_elsewhere(new)
    yield f"compact, {new} new segments", lambda: lakeflow.compact(uri)
    search()
    yield "search_runs in a compacted lake", search
    client.get_run(theirs)
    yield "get_run of a compacted run", lambda: client.get_run(theirs)


def measured(name: str, call: Callable[[], object]) -> dict[str, Any]:
    """Return what one operation costs."""
    asked("reset", b"")
    began = time.perf_counter()
    call()
    seconds = time.perf_counter() - began
    return {"name": name, "seconds": seconds, **asked("")}


def asked(word: str, sent: bytes | None = None) -> dict[str, Any]:
    """Return what the proxy of this process has counted."""
    address = f"{os.environ['FSSPEC_S3_ENDPOINT_URL']}/__proxy/{word}"
    with urllib.request.urlopen(address, data=sent, timeout=60) as answer:
        said: dict[str, Any] = json.load(answer)
        return said


if __name__ == "__main__":
    main()
