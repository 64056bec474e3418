"""The views that users' SQL reads, and the relations under them. Pure but for their text.

A view is a file of ``sql/views``; it adds readable columns to relations of the schema
``lakeflow``, one for each table. What these hold is up to whoever sets them up: here the
files of a fold, and the hot rows in the schema ``hot`` beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.query.documents import PACKED, documents
from lakeflow.query.engine import no_rows
from lakeflow.query.overlay import hot
from lakeflow.tables import (
    EXPERIMENT_TAGS,
    EXPERIMENTS,
    INPUTS,
    LATEST_METRICS,
    METRICS,
    PARAMS,
    RUN_DOCUMENTS,
    RUNS,
    TABLES,
    TAGS,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lakeflow.tables import TableSpec

VIEWS = {
    "experiments": (EXPERIMENTS, EXPERIMENT_TAGS),
    "runs": (RUNS,),
    "params": (PARAMS,),
    "tags": (TAGS,),
    "metrics": (METRICS,),
    "latest_metrics": (LATEST_METRICS,),
    "inputs": (INPUTS,),
    "runs_wide": (RUN_DOCUMENTS,),
}
"""The tables that each view reads."""


_HOT_DOCUMENTS = documents(
    hot(RUNS),
    {
        table: f"SELECT run_id, {packed} AS packed FROM {hot(TABLES[table])} GROUP BY run_id"  # noqa: S608
        for table, packed in PACKED.items()
    },
)


def hot_rows(spec: TableSpec) -> str:
    """Return the query for the rows of a table that the overlay holds."""
    return _HOT_DOCUMENTS if spec is RUN_DOCUMENTS else f"SELECT * FROM {hot(spec)}"  # noqa: S608


def view(name: str) -> str:
    """Return the statement that makes a view."""
    shipped = Path(__file__).parent / "sql"
    folder = shipped if shipped.is_dir() else Path(__file__).parents[2] / "sql"
    return (folder / "views" / f"{name}.sql").read_text()


def relation(spec: TableSpec, files: Sequence[str], fresh: Collection[str] = ()) -> str:
    """Return the statement that makes the relation of one table.

    Args:
        spec: The table.
        files: Its files.
        fresh: Tables that have rows in the schema ``hot``; where any table of runs has, then
            ``runs`` has too.
    """
    columns = ", ".join(f'"{name}"' for name in spec.column_names)
    added = f"SELECT {columns} FROM hot.{spec.name}"  # noqa: S608
    stored = _stored(spec, columns, files)
    if spec.name not in fresh:
        rows = stored
    elif not files:
        rows = added
    elif spec is METRICS:
        rows = f"{stored}\nUNION ALL {added}"
    else:
        rows = f"{stored}\nANTI JOIN hot.{RUNS.name} USING (run_id)\nUNION ALL {added}"
    return f"CREATE OR REPLACE VIEW lakeflow.{spec.name} AS\n{rows};\n"


def _stored(spec: TableSpec, columns: str, files: Sequence[str]) -> str:
    if not files:
        return no_rows(spec)
    listed = ",\n    ".join(literal(file) for file in files)
    return (
        f"SELECT {columns} FROM read_parquet([\n    {listed}\n], "  # noqa: S608
        "hive_partitioning = false)"
    )


def literal(text: str) -> str:
    """Return a text as SQL writes it; for statements that take no parameters."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def setup(files: Mapping[str, Sequence[str]]) -> str:
    """Return a script that makes every view in any DuckDB.

    Args:
        files: The files of each table, by the paths under which that DuckDB opens them.
    """
    relations = [relation(TABLES[name], files[name]) for name in TABLES]
    return "\n".join(["CREATE SCHEMA IF NOT EXISTS lakeflow;\n", *relations, *map(view, VIEWS)])
