"""Points of runs, in the order of logging, from the lake to MLflow in bounded batches."""

from __future__ import annotations

import math
import sys
from collections import Counter
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric

from lakeflow.mlflow.exporting.target import IS_2, batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lakeflow.mlflow.exporting.target import Export
    from lakeflow.query.engine.connection import Cursor

MOST_POINTS = 1_000
"""Most points that MLflow takes with one call."""

_ROWS_AT_ONCE = 8_192

_WANTED = "CREATE OR REPLACE TABLE wanted_runs AS SELECT unnest($ids) AS run_id"

_COUNTS = """
    SELECT run_id, "key", "count" FROM lakeflow.latest_metrics
    SEMI JOIN wanted_runs USING (run_id) ORDER BY ALL
"""

# A point of a logged model is one of its run, too: MLflow writes both with one call.
_POINTS = """
    SELECT points.run_id, points."key", points."value", points."timestamp", points.step,
        of_models.model_id, of_models.dataset_name, of_models.dataset_digest
    FROM lakeflow.metrics AS points
    SEMI JOIN wanted_runs ON wanted_runs.run_id = points.run_id
    LEFT JOIN lakeflow.logged_model_metrics AS of_models
        ON of_models.writer = points.writer AND of_models.seq = points.seq
        AND of_models.place = points.place AND of_models.run_id = points.run_id
        AND of_models."key" = points."key"
    {distinct}
    ORDER BY points.run_id, points."key", points.clock, points.writer, points.seq, points.place
"""

_FIRST_OF_ALIKE = """
    QUALIFY row_number() OVER (
        PARTITION BY
            points.run_id, points."key", points."timestamp", points.step, points."value"
        ORDER BY points.clock, points.writer, points.seq, points.place
    ) = 1
"""

_ALIKE = """
    SELECT coalesce(sum(rows - kinds), 0)::BIGINT FROM (
        SELECT count(*) AS rows, count(DISTINCT ("timestamp", step, "value")) AS kinds
        FROM lakeflow.metrics SEMI JOIN wanted_runs USING (run_id) GROUP BY run_id, "key"
    )
"""


def counts(cursor: Cursor, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many points each metric of some runs has.

    Args:
        cursor: A snapshot of the lake.
        run_ids: The runs; those that later statements are about.
    """
    cursor.run(_WANTED, {"ids": list(run_ids)})
    found: dict[str, dict[str, int]] = {run_id: {} for run_id in run_ids}
    for run_id, key, count in cursor.run(_COUNTS):
        found[run_id][key] = count
    return found


def alike(cursor: Cursor, run_ids: Sequence[str]) -> int:
    """Return how many points of some runs are like one before."""
    cursor.run(_WANTED, {"ids": list(run_ids)})
    return int(cursor.run(_ALIKE)[0][0])


def of_runs(
    cursor: Cursor, run_ids: Sequence[str], *, distinct: bool
) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
    """Yield each run of some that has points, with the points.

    A point is a run, a key, a value, a time, a step, and the logged model and the dataset that
    it is of, or nulls.

    Args:
        cursor: A snapshot of the lake.
        run_ids: The runs.
        distinct: Whether to leave out a point that is like one before.
    """
    cursor.run(_WANTED, {"ids": list(run_ids)})
    statement = _POINTS.format(distinct=_FIRST_OF_ALIKE if distinct else "")
    rows = (
        row
        for batch in cursor.batches(statement, _ROWS_AT_ONCE)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    )
    yield from groupby(rows, itemgetter(0))


def send(
    export: Export,
    run_id: str,
    points: Iterable[tuple[Any, ...]],
    known: Callable[[str], Iterable[Metric]],
) -> bool:
    """Send those points of a run that MLflow lacks; returns whether it took all of them.

    Args:
        export: The export.
        run_id: Its id in MLflow.
        points: All of its points.
        known: Returns what MLflow has of a metric.
    """
    missing = (
        _metric(export, row)
        # Sorted by the key, so that MLflow is asked for one history at a time.
        for key, rows in groupby(points, itemgetter(1))
        for row in lacking(rows, known(key))
    )
    is_whole = True
    for batch in batches(missing, MOST_POINTS, _texts):
        is_whole &= export.sent(
            f"run {run_id}",
            batch,
            # Whatever the environment says of asynchronous logging: a refusal has to come here.
            lambda some: export.target.log_batch(run_id, metrics=some, synchronous=True),
        )
        export.report.written["points"] += len(batch)
    return is_whole


def lacking(
    rows: Iterable[tuple[Any, ...]], known: Iterable[Metric]
) -> Iterator[tuple[Any, ...]]:
    """Yield the points of a metric that are not among those that MLflow has of it."""
    there = Counter((each.step, each.timestamp, _number(each.value)) for each in known)
    for row in rows:
        _, _, value, timestamp, step, *_ = row
        point = (step, timestamp, _number(value))
        if there[point]:
            there[point] -= 1
        else:
            yield row


def _number(value: float) -> float | str:
    """Return a value in which NaN is equal to NaN, and an infinity to what SQL keeps of it."""
    if math.isnan(value):
        return "NaN"
    return max(-sys.float_info.max, min(sys.float_info.max, value))


def is_same(ours: float, theirs: float) -> bool:
    """Return whether a value is what MLflow has: SQL keeps the largest number for infinity."""
    return _number(ours) == _number(theirs)


def _metric(export: Export, row: tuple[Any, ...]) -> Metric:
    _, key, value, timestamp, step, model_id, name, found = row
    if model_id is None or IS_2:
        return Metric(key, value, timestamp, step)
    # No dataset is an empty name in the lake, and none in MLflow.
    return Metric(
        key, value, timestamp, step, export.models.get(model_id), name or None, found or None
    )


def _texts(point: Metric) -> str:
    names = (getattr(point, each, None) for each in ("dataset_name", "dataset_digest"))
    return "".join([point.key, *(name for name in names if name)])
