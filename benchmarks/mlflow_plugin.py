"""MLflow on a lake beside MLflow on its databases, all in one process.

Run it with an interpreter that has both: .venv-mlflow3/bin/python benchmarks/mlflow_plugin.py
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

# Both say so to their makers otherwise, in the middle of what is measured.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import mlflow
import postgres
import report
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAKE, SQLITE, POSTGRES = "lakeflow", "MLflow, SQLite", "MLflow, PostgreSQL"
LOG, BATCH, SEARCH = "log_metric", "log_batch of 10 metrics", "search_runs, a page of 100"

TARGETS = ((LOG, SQLITE, 20.0), (SEARCH, POSTGRES, 10.0))
"""How many times as fast as another store a call is to be."""


def main() -> None:
    """Measure, and print the times and whether the targets are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    number = {"type": int, "metavar": "N"}
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--calls", default=200, **number, help="of each kind in a round")
    parser.add_argument("--rounds", default=5, **number, help="in which the stores take turns")
    parser.add_argument("--runs", default=20_000, **number, help="that are searched")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    print(report.machine(options.folder, sys.executable), f"MLflow {mlflow.__version__}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        uris = stack.enter_context(stores(folder.resolve()))
        # Before its folder goes.
        lake = MlflowClient(uris[LAKE], uris[LAKE])._tracking_client.store.lake.lake
        stack.callback(lake.close)
        took = {
            (store, name): each
            for name, call in (
                (LOG, log_metrics),
                (BATCH, log_batches),
                (SEARCH, searches(uris, options.runs)),
            )
            for store, each in in_turns(uris, call, options.calls, options.rounds).items()
        }
    names = (LOG, BATCH, SEARCH)
    rows = [[name, *(report.seconds(took[each, name]) for each in uris)] for name in names]
    print("\n" + report.table([f"median, {options.runs:,} runs", *uris], rows), "\n")
    kept = [
        [
            f"{name}: {store} / {LAKE}",
            f"at least {least:g}x",
            report.ratio(found := took[store, name] / took[LAKE, name]),
            report.met(found >= least),
        ]
        for name, store, least in TARGETS
        if store in uris
    ]
    print(report.table(["", "target", "found", ""], kept))


@contextlib.contextmanager
def stores(folder: Path) -> Iterator[dict[str, str]]:
    """Give the tracking URI of each store; PostgreSQL where there is one to start."""
    uris = {LAKE: f"lakeflow://{folder}/lake", SQLITE: f"sqlite:///{folder}/mlflow.db"}
    programs = postgres.binaries()
    if programs is None or importlib.util.find_spec("psycopg2") is None:
        print(f"Without PostgreSQL: {postgres.INSTALL}; pip install psycopg2-binary")
        yield uris
        return
    # Nobody else may look into ours, and it is run by another user.
    with postgres.server(programs, folder.parent) as uri:
        yield uris | {POSTGRES: uri}


def in_turns(
    uris: dict[str, str], call: Callable[[str, int], float], calls: int, rounds: int
) -> dict[str, float]:
    """Return the median of the seconds that a call takes on each store, after a warm round."""
    took: dict[str, list[float]] = {store: [] for store in uris}
    for _ in range(rounds + 1):
        for store, uri in uris.items():
            took[store].append(call(uri, calls))
    return {store: median(found[1:]) for store, found in took.items()}


def log_metrics(uri: str, calls: int) -> float:
    """Log a point at a time to the active run."""
    mlflow.set_tracking_uri(uri)
    with mlflow.start_run(experiment_id="0"):
        mlflow.log_metric("loss", 1.0, step=0)
        started = time.perf_counter()
        for step in range(calls):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        return (time.perf_counter() - started) / calls


def log_batches(uri: str, calls: int) -> float:
    """Log ten points at a time by a client."""
    client = MlflowClient(uri, uri)
    run_id = client.create_run("0").info.run_id
    calls = max(1, calls // 5)
    started = time.perf_counter()
    for step in range(calls):
        client.log_batch(run_id, [Metric(f"m{n}", step / 7, step, step) for n in range(10)])
    return (time.perf_counter() - started) / calls


def searches(uris: dict[str, str], runs: int) -> Callable[[str, int], float]:
    """Fill an experiment of each store, and return what searches it."""
    ids = {uri: filled(uri, runs) for uri in uris.values()}
    lakeflow.compact(uris[LAKE])

    def search(uri: str, _: int) -> float:
        client = MlflowClient(uri, uri)
        asked: dict[str, Any] = {
            "filter_string": "metrics.m3 > 0.2 AND params.p2 = '3'",
            "order_by": ["metrics.m1 DESC"],
            "max_results": 100,
        }
        started = time.perf_counter()
        for _ in range(3):
            client.search_runs([ids[uri]], **asked)
        return (time.perf_counter() - started) / 3

    return search


def filled(uri: str, runs: int) -> str:
    """Make runs with ten metrics and ten params each; return their experiment."""
    client = MlflowClient(uri, uri)
    experiment_id: str = client.create_experiment("searched")
    if not uri.startswith("lakeflow"):
        # The client takes tens of milliseconds a run.
        fill_tables(uri, int(experiment_id), runs)
        return experiment_id
    for number in range(runs):
        run_id = client.create_run(experiment_id, run_name=f"run-{number}").info.run_id
        client.log_batch(
            run_id,
            [Metric(key, value, 1, 0) for key, value in metrics_of(number).items()],
            [Param(key, value) for key, value in params_of(number).items()],
        )
    return experiment_id


def metrics_of(number: int) -> dict[str, float]:
    return {f"m{n}": (number * (n + 1) % 1_009) / 1_009 for n in range(10)}


def params_of(number: int) -> dict[str, str]:
    return {f"p{n}": str(number // (n + 1) % 7) for n in range(10)}


def fill_tables(uri: str, experiment_id: int, runs: int) -> None:
    """Put the rows into MLflow's tables that its client would have written."""
    from mlflow.store.tracking.dbmodels import models
    from sqlalchemy import create_engine, text

    engine = create_engine(uri)
    rows: dict[Any, list[dict[str, Any]]] = {
        each: []
        for each in (
            models.SqlRun,
            models.SqlMetric,
            models.SqlLatestMetric,
            models.SqlParam,
            models.SqlTag,
        )
    }
    for number in range(runs):
        run = {"run_uuid": uuid.uuid4().hex}
        name = f"run-{number}"
        row = {"name": name, "status": "RUNNING", "start_time": number, "user_id": "unknown"}
        where = {"experiment_id": experiment_id, "artifact_uri": f"mlruns/{run['run_uuid']}"}
        rows[models.SqlRun].append(run | row | where | {"lifecycle_stage": "active"})
        points = [
            run | {"key": key, "value": value, "timestamp": 1, "step": 0, "is_nan": False}
            for key, value in metrics_of(number).items()
        ]
        rows[models.SqlMetric] += points
        rows[models.SqlLatestMetric] += points
        params = params_of(number).items()
        rows[models.SqlParam] += [run | {"key": key, "value": value} for key, value in params]
        rows[models.SqlTag].append(run | {"key": "mlflow.runName", "value": name})
    with engine.begin() as connection:
        for model, found in rows.items():
            connection.execute(model.__table__.insert(), found)
    # PostgreSQL gathers statistics by itself in time, SQLite never.
    is_served = engine.dialect.name == "postgresql"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if is_served else "ANALYZE"))


if __name__ == "__main__":
    main()
