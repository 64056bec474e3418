"""Opens lakeflow or MLflow for a worker: the same names, whichever it is."""

from __future__ import annotations

import argparse
import importlib
import json
import random
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_MS = 1_700_000_000_000


def parse(**numbers: int) -> argparse.Namespace:
    """Read the arguments of every worker, and numbers with their defaults."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--step", default="")
    parser.add_argument("--run", default="")
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


def client_of(options: argparse.Namespace) -> Any:
    """Return a client of the library's."""
    return importlib.import_module(options.library).MlflowClient(options.uri)


def entities_of(options: argparse.Namespace) -> Any:
    """Return the module that has Metric, Param and RunTag."""
    return importlib.import_module(f"{options.library}.entities")


def report(values: object) -> None:
    """Hand the result to whoever started this worker: one line on its own."""
    print(json.dumps(values), flush=True)


def time_per_call(call: Callable[[int], object], calls: int) -> float:
    """Return the mean seconds of a call that gets 0, 1, ..., after one that is not timed."""
    call(calls)
    began = time.perf_counter()
    for number in range(calls):
        call(number)
    return (time.perf_counter() - began) / calls


def taken_times(call: Callable[[int], object], calls: int) -> list[float]:
    """Return the seconds of each call that gets 0, 1, ..., in order of length."""
    times = []
    for number in range(calls):
        began = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - began)
    return sorted(times)


def noisy_curve(seed: int) -> Iterator[float]:
    """Yield the values of a loss that falls, every digit of a float in use."""
    numbers = random.Random(seed)
    step = 0
    while True:
        step += 1
        yield 2.0 / step**0.3 + numbers.gauss(0.0, 0.05)
