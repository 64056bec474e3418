"""Curves of metrics with fewer points than were logged."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from lakeflow.kinds.kind import LOGGED
from lakeflow.query.engine.columns import column, table
from lakeflow.query.engine.connection import literally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow

    from lakeflow.query.engine.connection import Engine

_MOST_RUNS_BOUND_ONE_BY_ONE = 1_000

_POINT = ("step", "timestamp", *LOGGED, "value")
"""Columns of a point; of several the last one is the largest, field by field."""

_COLUMNS = ", ".join(f'"{name}"' for name in ("run_id", *_POINT))

_LAST = "{{{}}}".format(", ".join(f"'{name}': \"{name}\"" for name in _POINT))

_STORED = f"""
    SELECT {_COLUMNS} FROM read_parquet($files, hive_partitioning = false)
    WHERE "key" = $key AND {{wanted}}
"""  # noqa: S608 - constants

_NOTHING = f"SELECT {_COLUMNS} FROM hot WHERE false"  # noqa: S608 - constants

# To DuckDB NaN is the largest number: one of them would be the maximum of its bucket.
_NUMBER = 'CASE WHEN isnan("value") THEN NULL ELSE "value" END'

# The points are used twice, for the steps of each run and for its buckets, and read once.
# A bucket's number is computed in HUGEINT: a range of steps may be wider than a BIGINT.
_BUCKETS = f"""
    points AS MATERIALIZED (
        SELECT * FROM stored
        UNION ALL
        SELECT {_COLUMNS} FROM hot
    ),
    runs AS (
        SELECT run_id, position, min(step) AS least, max(step) AS most,
            count(*) > $max_points AS is_long
        FROM points JOIN wanted USING (run_id) GROUP BY run_id, position
    ),
    buckets AS (
        SELECT run_id, position, max({_LAST}) AS last, min({_NUMBER}) AS "min",
            max({_NUMBER}) AS "max", count(*) AS "count"
        FROM points JOIN runs USING (run_id) WHERE is_long
        GROUP BY run_id, position,
            (step::HUGEINT - least) * $max_points // (most::HUGEINT - least + 1)
        UNION ALL
        SELECT run_id, position, {_LAST}, {_NUMBER}, {_NUMBER}, 1
        FROM points JOIN runs USING (run_id) WHERE NOT is_long
    )
    SELECT run_id, last.step AS step, "min", "max", last."value" AS "last", "count"
    FROM buckets ORDER BY position, buckets.last
"""  # noqa: S608 - constants


def series(
    engine: Engine,
    files: Sequence[str],
    run_ids: Sequence[str],
    key: str,
    max_points: int,
    hot: pyarrow.Table,
) -> pyarrow.Table:
    """Return one metric of several runs in at most so many buckets of steps a run.

    Args:
        engine: What computes it.
        files: Files of the metrics table that may hold the runs.
        run_ids: The runs, each once.
        key: The metric.
        max_points: Most buckets of a run; with no more points than that each has its own.
        hot: Points of this metric that are not in the files, as rows of ``metrics``.

    Returns:
        Columns ``run_id, step, min, max, last, count``; runs in the order given, steps
        ascending.
    """
    # So that its product with any range of steps stays within a HUGEINT.
    values: dict[str, Any] = {"max_points": min(max_points, 2**31)}
    stored = _NOTHING
    if files:
        values |= {"files": literally(files), "key": key}
        stored = _STORED.format(wanted=_among(run_ids, values))
    places = column("long", range(len(run_ids)))
    wanted = table({"run_id": column("string", run_ids), "position": places})
    with contextlib.closing(engine.cursor()) as cursor:
        cursor.register("hot", hot)
        cursor.register("wanted", wanted)
        statement = f"WITH stored AS MATERIALIZED ({stored}), {_BUCKETS}"
        return cursor.table(statement, values)


_POINTS = """
    SELECT position AS run, step, "timestamp", "value"
    FROM (SELECT * FROM stored UNION ALL SELECT {columns} FROM hot) JOIN wanted USING (run_id)
    {between}
"""

_BETWEEN = "WHERE step BETWEEN $first AND $last"


def points(
    engine: Engine,
    files: Sequence[str],
    runs: Mapping[str, int],
    key: str,
    between: tuple[int, int] | None,
    hot: pyarrow.Table,
) -> pyarrow.Table:
    """Return the points of one metric of several runs, in no order.

    Args:
        engine: What reads them.
        files: Files of the metrics table that may hold the runs.
        runs: What stands for each run in the answer.
        key: The metric.
        between: First and last step; None for all.
        hot: As for ``series``.

    Returns:
        Columns ``run, step, timestamp, value``.
    """
    values: dict[str, Any] = {}
    stored = _NOTHING
    if files and runs:
        values |= {"files": literally(files), "key": key}
        stored = _STORED.format(wanted=_among(list(runs), values))
    if between is not None:
        values |= {"first": between[0], "last": between[1]}
    with contextlib.closing(engine.cursor()) as cursor:
        cursor.register("hot", hot)
        wanted = {
            "run_id": column("string", list(runs)),
            "position": column("long", list(runs.values())),
        }
        cursor.register("wanted", table(wanted))
        text = _POINTS.format(columns=_COLUMNS, between=_BETWEEN if between else "")
        return cursor.table(f"WITH stored AS ({stored}) {text}", values)


def _among(run_ids: Sequence[str], values: dict[str, Any]) -> str:
    """Return the condition on the runs, and bind them."""
    # Only with runs that are bound one by one DuckDB skips the row groups without any of them.
    if len(run_ids) > _MOST_RUNS_BOUND_ONE_BY_ONE:
        values["run_ids"] = list(run_ids)
        return "run_id IN (SELECT unnest($run_ids))"
    bound = {f"run{number}": run_id for number, run_id in enumerate(run_ids)}
    values |= bound
    return f"run_id IN ({', '.join(f'${name}' for name in bound)})"
