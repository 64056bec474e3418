"""The document of a run, put together from its rows in the other tables, as SQL. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.tables import INPUTS, LATEST_METRICS, PARAMS, RUNS, TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUMMARY = LATEST_METRICS.column_names[3:]
"""What a document holds of each metric."""


def _struct(names: Sequence[str]) -> str:
    fields = (f"'{name}': \"{name}\"" for name in names)
    return f"{{{', '.join(fields)}}}"


_PAIRS = """map_from_entries(list({'k': "key", 'v': "value"}))"""

PACKED: Mapping[str, str] = {
    PARAMS.name: _PAIRS,
    TAGS.name: _PAIRS,
    LATEST_METRICS.name: f"""map_from_entries(list({{'k': "key", 'v': {_struct(SUMMARY)}}}))""",
    INPUTS.name: f'list({_struct(INPUTS.column_names[2:])} ORDER BY "name", digest)',
}
"""For each table the aggregate that makes one value of a run's rows."""


def documents(runs: str, packed: Mapping[str, str]) -> str:
    """Return the query for rows of ``run_documents``.

    Args:
        runs: Name of a relation with rows of ``runs``.
        packed: For each table of ``PACKED`` a query for ``run_id`` and its value as
            ``packed``.
    """
    joins = "".join(
        f"\n    LEFT JOIN ({query}) AS {table} USING (run_id)"
        for table, query in packed.items()
    )
    return f"""
    SELECT run_id, experiment_id, to_json({{
        'run': {_struct(RUNS.column_names)},
        'params': coalesce({PARAMS.name}.packed, MAP {{}}),
        'tags': coalesce({TAGS.name}.packed, MAP {{}}),
        'metrics': coalesce({LATEST_METRICS.name}.packed, MAP {{}}),
        'inputs': coalesce({INPUTS.name}.packed, [])
    }})::VARCHAR AS "document"
    FROM {runs}{joins}
    """  # noqa: S608 - constants
