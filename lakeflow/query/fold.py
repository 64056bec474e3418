"""What a fold does to each table, as SQL: log records and stored rows in, rows out.

The records of a fold are staged once. For each table, ``changes`` are the rows that they
add or alter, at most one a key; ``stored`` are the stored rows that go into new files, all
those of runs that change among them. ``merge`` lays the changes over the stored rows; what
is stored is older.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.query.documents import PACKED, SUMMARY, documents
from lakeflow.query.engine import LATER
from lakeflow.tables import (
    INPUTS,
    LATEST_METRICS,
    METRICS,
    PARAMS,
    RECORD,
    RUN_DOCUMENTS,
    RUNS,
    TAGS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLUMNS = ", ".join(f"\"{name}\": '{kind}'" for name, kind in RECORD.items())

CREATE_RECORDS = "CREATE OR REPLACE TEMP TABLE records AS"

ADD_RECORDS = "INSERT INTO records"

STAGE = f"""
    SELECT (clock, split_part(filename, '/', -2), seq) AS ord,
        seq IS NOT NULL AND clock IS NOT NULL AND run_id IS NOT NULL
            AND experiment_id IS NOT NULL AS is_record,
        * EXCLUDE (clock, seq)
    FROM read_json($files, format = 'newline_delimited', columns = {{{_COLUMNS}}},
                   filename = true, ignore_errors = true,
                   hive_partitioning = false)
"""  # noqa: S608 - the columns are constants
"""Parses the staged lines; a line that does not parse becomes a row of nulls."""

COUNT_STAGED = "SELECT count(*), count(*) FILTER (is_record) FROM records"

DROP_REJECTED = "DELETE FROM records WHERE NOT is_record"

OVERLAPPING = """
    SELECT path FROM (
        SELECT unnest($paths) AS path, unnest($least) AS least, unnest($most) AS most
    ) AS files SEMI JOIN (SELECT DISTINCT run_id FROM {changes}) AS runs
        ON runs.run_id BETWEEN files.least AND files.most
"""

BOUNDS_IN_FOOTERS = """
    SELECT file_name, min(stats_min_value), max(stats_max_value) FROM parquet_metadata($files)
    WHERE path_in_schema = 'run_id' GROUP BY file_name
"""
"""Run ids of files whose statistics are not published."""

MOVED = """
    CREATE OR REPLACE TEMP TABLE moved AS
    SELECT * EXCLUDE (filename) FROM (
        SELECT *, filename FROM read_parquet($files, filename = true, hive_partitioning = false)
    ) SEMI JOIN changes USING (run_id)
"""
"""Rows of runs that change, out of files whose other rows stay together."""

REST = """
    SELECT * FROM read_parquet(getvariable('rest_file'), hive_partitioning = false)
    ANTI JOIN changes USING (run_id)
"""
"""The other rows of such a file."""

FILES_WITH_CHANGES = """
    SELECT DISTINCT filename
    FROM read_parquet($files, filename = true, hive_partitioning = false)
    WHERE run_id IN (SELECT run_id FROM changes)
"""

_PAIRS = """
    SELECT * FROM (
        SELECT experiment_id, run_id, ord,
               unnest({field}."key") AS "key", unnest({field}."value") AS "value"
        FROM records WHERE {field} IS NOT NULL
    ) WHERE "key" IS NOT NULL
"""

NEW_POINTS = """
    CREATE OR REPLACE TEMP TABLE new_points AS
    SELECT DISTINCT * FROM (
        SELECT experiment_id, run_id,
               unnest(metrics."key") AS "key", unnest(metrics.step) AS step,
               unnest(metrics."timestamp") AS "timestamp", unnest(metrics."value") AS "value"
        FROM records WHERE metrics IS NOT NULL
    ) WHERE "key" IS NOT NULL AND step IS NOT NULL AND "timestamp" IS NOT NULL
        AND "value" IS NOT NULL
"""

DROP_STORED_POINTS = """
    DELETE FROM new_points USING (
        SELECT experiment_id, run_id, "key", step, "timestamp", "value"
        FROM read_parquet($files, hive_partitioning = false)
        WHERE run_id IN (SELECT run_id FROM new_points)
    ) AS old
    WHERE new_points.experiment_id = old.experiment_id AND new_points.run_id = old.run_id
        AND new_points."key" = old."key" AND new_points.step = old.step
        AND new_points."timestamp" = old."timestamp" AND new_points."value" = old."value"
"""
"""A point that was logged twice is stored once, also when it was folded in between."""

_RUN_CHANGES = """
    SELECT run_id, any_value(experiment_id) AS experiment_id,
        {made}, {changed}
    FROM records WHERE run IS NOT NULL GROUP BY run_id
"""

_MADE = (
    "start_time",
    "end_time",
    "status",
    "lifecycle_stage",
    "run_name",
    "user_id",
    "artifact_uri",
)
_SETTABLE = ("end_time", "status", "lifecycle_stage", "run_name")


def _run_changes() -> str:
    made = ", ".join(
        f"arg_min(run.{name}, ord) FILTER (run.start_time IS NOT NULL) AS made_{name}"
        for name in _MADE
    )
    changed = ", ".join(
        f"arg_max(run.{name}, ord) "
        f"FILTER (run.start_time IS NULL AND run.{name} IS NOT NULL) AS new_{name}"
        for name in _SETTABLE
    )
    return _RUN_CHANGES.format(made=made, changed=changed)


def _run_merge() -> str:
    columns = ", ".join(
        f"coalesce(new_{name}, stored.{name}, made_{name}) AS {name}"
        if name in _SETTABLE
        else f"coalesce(stored.{name}, made_{name}) AS {name}"
        for name in RUNS.column_names[2:]
    )
    return f"""
        SELECT run_id, coalesce(stored.experiment_id, changes.experiment_id) AS experiment_id,
            {columns}
        FROM stored FULL JOIN changes USING (run_id)
        WHERE stored.run_id IS NOT NULL OR made_start_time IS NOT NULL
    """  # noqa: S608 - the columns are constants


_FIRST_OF_PAIRS = f"""
    SELECT any_value(experiment_id) AS experiment_id, run_id, "key",
           arg_min("value", ord) AS "value"
    FROM ({_PAIRS.format(field="params")}) GROUP BY run_id, "key"
"""  # noqa: S608 - constants

_LAST_OF_PAIRS = f"""
    SELECT any_value(experiment_id) AS experiment_id, run_id, "key",
           arg_max({{'text': "value"}}, ord).text AS "value"
    FROM ({_PAIRS.format(field="tags")}) GROUP BY run_id, "key"
"""  # noqa: S608 - constants

_INPUT = [f'"{name}"' for name in INPUTS.column_names[2:]]

_FIRST_INPUTS = f"""
    SELECT experiment_id, run_id, {", ".join(_INPUT)}
    FROM (
        SELECT experiment_id, run_id, ord,
               {", ".join(f"unnest(inputs.{name}) AS {name}" for name in _INPUT)}
        FROM records WHERE inputs IS NOT NULL
    )
    QUALIFY row_number() OVER (PARTITION BY run_id, "name", digest ORDER BY ord) = 1
"""  # noqa: S608 - constants


def _summaries(rows: str) -> str:
    return f"""
        SELECT experiment_id, run_id, "key", last."value" AS "value", last.step AS step,
            last."timestamp" AS "timestamp", "min", "max", "count"
        FROM (
            SELECT experiment_id, run_id, "key", max({LATER}) AS last,
                min("min") AS "min", max("max") AS "max", sum("count")::BIGINT AS "count"
            FROM ({rows}) GROUP BY experiment_id, run_id, "key"
        )
    """  # noqa: S608 - constants


_POINTS_AS_SUMMARIES = """
    SELECT experiment_id, run_id, "key", "value", step, "timestamp",
        CASE WHEN isnan("value") THEN NULL ELSE "value" END AS "min",
        CASE WHEN isnan("value") THEN NULL ELSE "value" END AS "max", 1 AS "count"
    FROM new_points
"""

_STORED_FIRST = """
    SELECT * FROM stored
    UNION ALL BY NAME
    SELECT * FROM changes ANTI JOIN stored USING ({key})
"""

_CHANGES_FIRST = """
    SELECT * FROM stored ANTI JOIN changes USING ({key})
    UNION ALL BY NAME
    SELECT * FROM changes WHERE "value" IS NOT NULL
"""

_BOTH = "SELECT * FROM stored UNION ALL BY NAME SELECT * FROM changes"

_TOUCHED = """
    SELECT * FROM stored SEMI JOIN changes USING (run_id, "key")
    UNION ALL BY NAME
    SELECT * FROM changes
"""

_SUMMED_UP = f"""
    SELECT * FROM stored ANTI JOIN changes USING (run_id, "key")
    UNION ALL BY NAME
    {_summaries(_TOUCHED)}
"""  # noqa: S608 - constants
"""Only what changes is grouped: the groups of a whole table would not fit into memory."""

_CHANGED_RUNS = " UNION ALL ".join(
    f"SELECT run_id, experiment_id FROM changes_{spec.name}"  # noqa: S608 - constants
    for spec in (RUNS, PARAMS, TAGS, INPUTS, LATEST_METRICS)
)

CHANGES: Mapping[str, str] = {
    RUNS.name: _run_changes(),
    PARAMS.name: _FIRST_OF_PAIRS,
    TAGS.name: _LAST_OF_PAIRS,
    INPUTS.name: _FIRST_INPUTS,
    LATEST_METRICS.name: _summaries(_POINTS_AS_SUMMARIES),
    RUN_DOCUMENTS.name: (
        "SELECT run_id, any_value(experiment_id) AS experiment_id "  # noqa: S608 - constants
        f"FROM ({_CHANGED_RUNS}) GROUP BY run_id"
    ),
    METRICS.name: "SELECT * FROM new_points",
}
"""For each table the rows that the staged records add or alter.

For ``run_documents`` these are the runs; it comes after the tables that it sums up.
"""

NOT_READ_FROM: Mapping[str, Sequence[str]] = {
    LATEST_METRICS.name: ("records",),
    METRICS.name: tuple(
        f"changes_{spec.name}"
        for spec in (RUNS, PARAMS, TAGS, INPUTS, LATEST_METRICS, RUN_DOCUMENTS)
    ),
}
"""What is staged and not read any more from a table on: its memory is for the sorting."""

MERGES: dict[str, str] = {
    RUNS.name: _run_merge(),
    PARAMS.name: _STORED_FIRST.format(key='run_id, "key"'),
    TAGS.name: _CHANGES_FIRST.format(key='run_id, "key"'),
    INPUTS.name: _STORED_FIRST.format(key='run_id, "name", digest'),
    LATEST_METRICS.name: _summaries(_BOTH),
    METRICS.name: _BOTH,
}
"""For each table the rows that replace the stored ones."""

_DOCUMENT = {
    "run": {
        column.name: "BIGINT" if column.type == "long" else "VARCHAR" for column in RUNS.columns
    },
    "params": "MAP(VARCHAR, VARCHAR)",
    "tags": "MAP(VARCHAR, VARCHAR)",
    "metrics": (
        'MAP(VARCHAR, STRUCT(step BIGINT, "timestamp" BIGINT, "value" DOUBLE, "min" DOUBLE, '
        '"max" DOUBLE, "count" BIGINT))'
    ),
    "inputs": [dict.fromkeys(INPUTS.column_names[2:], "VARCHAR")],
}


def _unpacked_map(field: str, values: str) -> str:
    return f"""
        SELECT experiment_id, run_id, "key", {values} FROM (
            SELECT experiment_id, run_id, unnest(map_keys(fields.{field})) AS "key",
                unnest(map_values(fields.{field})) AS "value"
            FROM old
        )
    """  # noqa: S608 - constants


def _packed(table: str, stored: str) -> str:
    """Return the query for each changed run's rows of one table as one value."""
    return f"""
        WITH stored AS ({stored}), changes AS (SELECT * FROM changes_{table})
        SELECT run_id, {PACKED[table]} AS packed FROM ({MERGES[table]}) GROUP BY run_id
    """  # noqa: S608 - constants


_SUMMARY_COLUMNS = ", ".join(f'"value"."{name}" AS "{name}"' for name in SUMMARY)

_UNPACKED = {
    PARAMS.name: _unpacked_map("params", '"value"'),
    TAGS.name: _unpacked_map("tags", '"value"'),
    LATEST_METRICS.name: _unpacked_map("metrics", _SUMMARY_COLUMNS),
    INPUTS.name: """
        SELECT experiment_id, run_id, unnest(input) FROM (
            SELECT experiment_id, run_id, unnest(fields.inputs) AS input FROM old
        )
    """,
}

MERGES[RUN_DOCUMENTS.name] = f"""
    WITH old AS MATERIALIZED (
        SELECT run_id, experiment_id, from_json("document", '{json.dumps(_DOCUMENT)}') AS fields
        FROM stored SEMI JOIN changes USING (run_id)
    ),
    runs AS (
        WITH stored AS (SELECT unnest(fields.run) FROM old),
            changes AS (SELECT * FROM changes_{RUNS.name})
        {MERGES[RUNS.name]}
    )
    SELECT run_id, experiment_id, "document" FROM stored ANTI JOIN changes USING (run_id)
    UNION ALL
    {documents("runs", {name: _packed(name, stored) for name, stored in _UNPACKED.items()})}
"""  # noqa: S608 - constants

# The documents group the rows of the runs that change, which fit.
MERGES[LATEST_METRICS.name] = _SUMMED_UP

MERGES_WITH_NOTHING: dict[str, str] = MERGES | {
    spec.name: "SELECT * FROM changes" for spec in (PARAMS, INPUTS, LATEST_METRICS, METRICS)
}
"""The same where no rows are stored."""

ORPHANS = """
    SELECT count(*) FROM changes ANTI JOIN stored USING (run_id) WHERE made_start_time IS NULL
"""
"""Changes of runs that neither the tables nor the log know: their creation was lost."""
