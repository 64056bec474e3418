"""What the searched stores hold and what they are asked: the same for every library."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from library import START_MS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

SHAPE = {"runs": 20_000, "metrics": 10, "params": 10, "tags": 5, "seed": 0}
"""Arguments of a worker that makes runs."""

CHOICES = ("adam", "sgd")

FILTER = "metrics.`metric-3` > 0.5 and params.`param-2` = 'adam'"
"""Holds for a quarter of the runs."""

ORDER = ["metrics.`metric-5` DESC"]
PAGE = 100


class Shape(NamedTuple):
    """One run; metrics are key, value, timestamp and step."""

    name: str
    start_time: int
    metrics: list[tuple[str, float, int, int]]
    params: list[tuple[str, str]]
    tags: list[tuple[str, str]]


def shapes(options: argparse.Namespace) -> Iterator[Shape]:
    """Yield the runs of a seed, a millisecond apart."""
    numbers = random.Random(options.seed)
    for number in range(options.runs):
        start = START_MS + number
        yield Shape(
            f"run-{number}",
            start,
            [
                (f"metric-{key}", numbers.random(), start, numbers.randrange(1000))
                for key in range(options.metrics)
            ],
            [(f"param-{key}", param(key, numbers)) for key in range(options.params)],
            [(f"tag-{key}", f"value {numbers.random()}") for key in range(options.tags)],
        )


def param(key: int, numbers: random.Random) -> str:
    return numbers.choice(CHOICES) if key == 2 else str(numbers.randrange(10**6))


def deep_search(runs: int, page: int) -> tuple[str, list[str], int]:
    """Return filter, order and number of a page far behind, or of the last one there is.

    Where the filter leaves too few runs, all of them by time.
    """
    if page * PAGE <= runs // 5:
        return FILTER, ORDER, page
    return "", ["attributes.start_time"], max(1, min(page, runs // PAGE))
