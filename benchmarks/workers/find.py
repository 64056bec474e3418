"""Searches a store: pages of a filtered search, and whole experiments as a frame."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report, taken_times
from shapes import FILTER, ORDER, PAGE, deep_search

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

STRIDE = 100
"""Pages that are skipped at once: a token does not depend on the size of its page."""


def main() -> None:
    options = parse(runs=20_000, page=10, repeats=5, frames=3, within=0)
    steps = {"peers": peers, "lake": lake, "first": first, "polars": polars}
    report(steps[options.step](options))


def peers(options: argparse.Namespace) -> dict[str, Any]:
    """Time what users wait for in one experiment."""
    library = import_module(options.library)
    library.set_tracking_uri(options.uri)

    def frame(_: int) -> None:
        found = library.search_runs(experiment_ids=["0"], max_results=options.runs)
        assert len(found) == options.runs, len(found)

    def by_another(number: int) -> None:
        order = [f"metrics.`metric-{number % 10}` DESC"]
        assert len(client.search_runs(["0"], FILTER, 1, PAGE, order)) == PAGE

    client = client_of(options)
    return {
        "page 1, sorted by another metric": {"seconds": median(by_another, options.repeats)},
        "page 1": page(client, options, ["0"], FILTER, ORDER, 1),
        f"page {options.page}": page(client, options, ["0"], FILTER, ORDER, options.page),
        "frame": {"seconds": median(frame, options.frames)},
    }


def lake(options: argparse.Namespace) -> dict[str, Any]:
    """Time pages of one experiment and of all of a lake."""
    client, experiments = client_of(options), json.load(sys.stdin)["experiments"]
    filter_string, order, deep = deep_search(options.runs, options.page)
    return {
        "one experiment, page 1": page(client, options, ["0"], FILTER, ORDER, 1),
        "whole lake, page 1": page(client, options, experiments, FILTER, ORDER, 1),
        f"whole lake, page {deep:,}": page(
            client, options, experiments, filter_string, order, deep
        ),
    }


def first(options: argparse.Namespace) -> list[str]:
    """Search once: what a new process answers."""
    experiments = ["0"] if options.within else json.load(sys.stdin)["experiments"]
    return runs_of(client_of(options).search_runs(experiments, FILTER, 1, PAGE, ORDER))


def polars(options: argparse.Namespace) -> dict[str, int]:
    """Read a whole experiment as one polars frame."""
    library = import_module(options.library)
    library.set_tracking_uri(options.uri)
    frame = library.search_runs(
        experiment_ids=["0"], output_format="polars", max_results=options.runs
    )
    assert frame.height == options.runs, frame.height
    return {"columns": frame.width}


def page(
    client: Any,
    options: argparse.Namespace,
    experiments: list[str],
    filter_string: str,
    order: list[str],
    number: int,
) -> dict[str, Any]:
    """Time one page; return its runs too, to see that all found the same ones."""

    def search(token: str | None, pages: int) -> Any:
        size = pages * PAGE
        return client.search_runs(experiments, filter_string, 1, size, order, token)

    token = None
    for skipped in range(0, number - 1, STRIDE):
        token = search(token, min(STRIDE, number - 1 - skipped)).token
        assert token, "there are fewer pages"
    found = search(token, 1)
    return {
        "seconds": median(lambda _: search(token, 1), options.repeats),
        "names": [run.info.run_name for run in found],
        "runs": runs_of(found),
    }


def runs_of(found: Any) -> list[str]:
    return [run.info.run_id for run in found]


def median(call: Callable[[int], object], repeats: int) -> float:
    """Return the median time of several calls after one that is not timed."""
    call(repeats)
    return taken_times(call, repeats)[repeats // 2]


if __name__ == "__main__":
    main()
