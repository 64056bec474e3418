"""Log to one run from four places: this process, its queue, a fork, and a later process.

python examples/resume_and_fork.py [--lake DIR]
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["lakeflow[polars]"]
#
# [tool.uv.sources]
# lakeflow = { path = ".." }
# ///

from __future__ import annotations

import argparse
import multiprocessing
import os
import time

import lakeflow as mlflow

STEPS = 250


def log_steps(first: int) -> None:
    """Log a falling loss to the active run, one call a step."""
    for step in range(first, first + STEPS):
        mlflow.log_metric("loss", 100 / (step + 1), step=step)


def log_queued(first: int) -> None:
    """Do the same without waiting for the disk, then wait for all of it."""
    began = time.perf_counter()
    steps = range(first, first + STEPS)
    calls = [
        mlflow.log_metric("loss", 100 / (step + 1), step=step, synchronous=False)
        for step in steps
    ]
    queued = time.perf_counter()
    for call in calls:
        assert call is not None
        call.wait()
    written = time.perf_counter()
    print(
        f"  {STEPS} calls were queued in {1000 * (queued - began):.1f} ms "
        f"and written {1000 * (written - queued):.1f} ms later"
    )


def log_in_fork(first: int) -> None:
    """Go on in a fork: it inherits the active run, and leaves ending it to its parent."""
    run = mlflow.active_run()
    assert run is not None
    print(f"  process {os.getpid()} inherited {run.info.run_name!r}, {run.info.status}")
    log_steps(first)


def log_resumed(lake: str, run_id: str, first: int) -> None:
    """Go on in a process that knows nothing but the lake and the id of the run."""
    mlflow.set_tracking_uri(lake)
    with mlflow.start_run(run_id=run_id) as run:
        seen = mlflow.metric_history(run_id, "loss").num_rows
        print(f"  process {os.getpid()} resumed {run.info.run_name!r} with {seen} points")
        log_steps(first)


def elsewhere(method: str, *call: object) -> None:
    """Call a function in another process, and wait for it."""
    function, *args = call
    context = multiprocessing.get_context(method)
    process = context.Process(target=function, args=args)  # type: ignore[attr-defined]
    process.start()
    process.join()
    assert process.exitcode == 0, f"the process ended with {process.exitcode}"


def main() -> None:
    """Log to one run from everywhere, then read it as a polars frame."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lake", default="demo-lake", metavar="DIR")
    mlflow.set_tracking_uri(parser.parse_args().lake)
    mlflow.set_experiment("resume")

    with mlflow.start_run(run_name="relay") as run:
        print(f"Process {os.getpid()} started {run.info.run_name!r} ({run.info.run_id})")
        log_steps(0)
        print("\nAsynchronous logging")
        log_queued(STEPS)
        if "fork" in multiprocessing.get_all_start_methods():
            print("\nA forked process")
            elsewhere("fork", log_in_fork, 2 * STEPS)
    run_id = run.info.run_id
    print(f"\nThe run is {mlflow.get_run(run_id).info.status}; a new process resumes it")
    elsewhere("spawn", log_resumed, mlflow.get_tracking_uri(), run_id, 3 * STEPS)

    history = mlflow.metric_history(run_id, "loss", output_format="polars")
    assert history["step"].n_unique() == history.height
    print(f"\nThe run is {mlflow.get_run(run_id).info.status}; its history")
    print(history.sort("step"))


if __name__ == "__main__":
    main()
