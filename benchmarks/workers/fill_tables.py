"""Fills MLflow's database: it makes its tables and indexes, the rows go straight in.

Its client takes tens of milliseconds a run. The rows are those that it would have written.
"""

from __future__ import annotations

import random
import time
import uuid
from itertools import islice
from typing import TYPE_CHECKING, Any

from library import client_of, parse, report
from mlflow.store.tracking.dbmodels import models
from shapes import SHAPE, shapes
from sqlalchemy import create_engine, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shapes import Shape

RUNS_AT_ONCE = 1000


def main() -> None:
    options = parse(**SHAPE, analyze=1)
    client_of(options).search_experiments()
    # Ids of version 4, as MLflow's: random, and from a seed of their own.
    ids = random.Random(options.seed)
    engine = create_engine(options.uri)
    left = shapes(options)
    began = time.perf_counter()
    with engine.begin() as connection:
        while batch := list(islice(left, RUNS_AT_ONCE)):
            named = [(uuid.UUID(int=ids.getrandbits(128), version=4).hex, it) for it in batch]
            for model, rows in rows_of(named).items():
                connection.execute(model.__table__.insert(), rows)
    if options.analyze:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statistics(engine.dialect.name)))
    report({"seconds": time.perf_counter() - began})


def statistics(dialect: str) -> str:
    """Return what gathers statistics: PostgreSQL does it by itself in time, SQLite never."""
    return "VACUUM ANALYZE" if dialect == "postgresql" else "ANALYZE"


def rows_of(named: list[tuple[str, Shape]]) -> dict[Any, list[dict[str, Any]]]:
    """Return the rows of some runs by MLflow's tables."""
    points = [
        {"run_uuid": run_id, "is_nan": False}
        | dict(zip(("key", "value", "timestamp", "step"), metric, strict=True))
        for run_id, shape in named
        for metric in shape.metrics
    ]
    return {
        models.SqlRun: [run_row(run_id, shape) for run_id, shape in named],
        models.SqlMetric: points,
        models.SqlLatestMetric: points,
        models.SqlParam: list(pair_rows((run_id, shape.params) for run_id, shape in named)),
        models.SqlTag: list(pair_rows((run_id, tags_of(shape)) for run_id, shape in named)),
    }


def run_row(run_id: str, shape: Shape) -> dict[str, Any]:
    return {
        "run_uuid": run_id,
        "name": shape.name,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": "unknown",
        "status": "FINISHED",
        "start_time": shape.start_time,
        "end_time": shape.start_time + 1,
        "deleted_time": None,
        "source_version": "",
        "lifecycle_stage": "active",
        "artifact_uri": f"mlruns/0/{run_id}/artifacts",
        "experiment_id": 0,
    }


def tags_of(shape: Shape) -> list[tuple[str, str]]:
    return [*shape.tags, ("mlflow.runName", shape.name)]


def pair_rows(named: Iterator[tuple[str, list[tuple[str, str]]]]) -> Iterator[dict[str, str]]:
    for run_id, pairs in named:
        for key, value in pairs:
            yield {"run_uuid": run_id, "key": key, "value": value}


if __name__ == "__main__":
    main()
