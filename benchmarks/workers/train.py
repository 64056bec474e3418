"""Logs what a training loop does, by one of several trackers, and prints how long that took."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def steps_of(options: argparse.Namespace) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield what is logged at each step of a run."""
    names = [f"metric_{number}" for number in range(options.metrics)]
    for step in range(options.steps):
        yield step, {name: 1 / (step + place + 1) for place, name in enumerate(names)}


def lakeflow(options: argparse.Namespace) -> None:
    import lakeflow

    lakeflow.set_tracking_uri(options.uri)
    for _ in range(options.runs):
        with lakeflow.start_run():
            for step, values in steps_of(options):
                lakeflow.log_metrics(values, step=step)


def trackio(options: argparse.Namespace) -> None:
    os.environ["TRACKIO_DIR"] = options.uri
    import trackio

    for number in range(options.runs):
        trackio.init(project="p", name=f"run {number}", embed=False)
        for step, values in steps_of(options):
            trackio.log(values, step=step)
        trackio.finish()


def wandb(options: argparse.Namespace) -> None:
    os.makedirs(options.uri, exist_ok=True)
    import wandb

    for number in range(options.runs):
        with wandb.init(
            project="p", name=f"run {number}", dir=options.uri, mode="offline"
        ) as run:
            for step, values in steps_of(options):
                run.log(values, step=step)


def mltraq(options: argparse.Namespace) -> None:
    import mltraq

    session = mltraq.create_session(f"sqlite:///{options.uri}.db")
    experiment = session.create_experiment("e")
    for _ in range(options.runs):
        with experiment.run() as run:
            run.fields.metrics = mltraq.Sequence()
            for step, values in steps_of(options):
                run.fields.metrics.append(step=step, **values)
    experiment.persist()


TRACKERS = {each.__name__: each for each in (lakeflow, trackio, wandb, mltraq)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", choices=TRACKERS)
    parser.add_argument("--uri")
    for name in ("runs", "steps", "metrics"):
        parser.add_argument(f"--{name}", type=int)
    options = parser.parse_args()
    __import__(options.library)
    began = time.perf_counter()
    TRACKERS[options.library](options)
    print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
