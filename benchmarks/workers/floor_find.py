"""The least that a search can be: statements of DuckDB, by hand, over a lake's files."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from find import median
from library import parse, report
from shapes import FILTER, PAGE, deep_search

from lakeflow.tables.block_reader import BlockReader, look_up
from lakeflow.tables.blocks import BlockFile

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

MATCHING = """
    SELECT run_id
    FROM read_parquet($latest_metrics) AS bound
    JOIN read_parquet($params) AS choice USING (run_id)
    JOIN read_parquet($latest_metrics) AS "order" USING (run_id)
    JOIN read_parquet($runs) AS run USING (run_id)
    WHERE bound."key" = 'metric-3' AND bound."value" > 0.5
        AND choice."key" = 'param-2' AND choice."value" = 'adam'
        AND "order"."key" = 'metric-5' AND run.lifecycle_stage = 'active' {within}
    ORDER BY "order"."value" DESC, run.start_time DESC, run_id
    LIMIT {limit} OFFSET {offset}
"""

BY_TIME = """
    SELECT run_id FROM read_parquet($runs) AS run
    WHERE lifecycle_stage = 'active'
    ORDER BY start_time, run_id LIMIT {limit} OFFSET {offset}
"""

WITHIN = "".join(
    f" AND {each}.experiment_id = '0'" for each in ("bound", "choice", '"order"', "run")
)

NARROW = (
    "SELECT * FROM read_parquet($runs) WHERE list_contains($found, run_id)",
    """
    SELECT run_id, "key", "value" FROM read_parquet($params)
    WHERE list_contains($found, run_id)
    """,
    """
    SELECT run_id, "key", "value" FROM read_parquet($tags)
    WHERE list_contains($found, run_id)
    """,
    """
    SELECT run_id, "key", "value", step, "timestamp" FROM read_parquet($latest_metrics)
    WHERE list_contains($found, run_id)
    """,
)

COLUMNS = (
    'SELECT "value" FROM read_parquet($latest_metrics)',
    'SELECT "value" FROM read_parquet($params)',
)

CURVE = """
    SELECT "value", "timestamp", step FROM read_parquet($metrics)
    WHERE experiment_id = '0' AND run_id = $run AND "key" = 'metric-5'
    ORDER BY "timestamp", step, "value"
"""

CURVES = """
    SELECT run_id, step, "value" FROM read_parquet($metrics)
    WHERE experiment_id = '0' AND run_id IN (SELECT unnest($runs_asked::VARCHAR[]))
        AND "key" = 'metric-5'
"""


class Floor:
    """A connection, the files that statements may name by their table, and the documents."""

    def __init__(self, files: dict[str, list[str]], documents: Sequence[Sequence[Any]]) -> None:
        self._files = files
        self.documents = [
            BlockReader(BlockFile(*each), partial(part_of, each[0])) for each in documents
        ]
        self._connection = duckdb.connect()
        # As in the library: the files do not change.
        self._connection.execute("SET parquet_metadata_cache = true")

    def ask(self, statement: str, **values: object) -> duckdb.DuckDBPyRelation:
        """Return the answer to a statement, given the files of the tables that it reads."""
        named = {name: files for name, files in self._files.items() if f"${name})" in statement}
        return self._connection.sql(statement, params=named | values)


def part_of(path: str, start: int, end: int) -> bytes:
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def main() -> None:
    options = parse(runs=20_000, page=10, repeats=5, max_points=1000, within=0)
    places = json.load(sys.stdin)
    floor = Floor(places["files"], places["documents"])
    steps = {
        "lake": lake,
        "first": first,
        "columns": columns,
        "history": history,
        "series": series,
    }
    report(steps[options.step](options, floor, places))


def lake(options: argparse.Namespace, floor: Floor, _: Any) -> dict[str, Any]:
    """Time the pages that ``find.py`` times."""
    filter_string, _order, deep = deep_search(options.runs, options.page)
    far = MATCHING if filter_string == FILTER else BY_TIME
    return {
        "one experiment, page 1": page(floor, options, limited(MATCHING, 1, WITHIN)),
        "whole lake, page 1": page(floor, options, limited(MATCHING, 1)),
        f"whole lake, page {deep:,}": page(floor, options, limited(far, deep)),
    }


def limited(statement: str, number: int, within: str = "") -> str:
    return statement.format(within=within, limit=PAGE, offset=(number - 1) * PAGE)


def page(floor: Floor, options: argparse.Namespace, statement: str) -> dict[str, Any]:
    """Time one page with the quicker way to what its runs hold."""
    ways = (documents, narrow)
    return {
        "seconds": min(
            median(lambda _, way=way: way(floor, ids(floor, statement)), options.repeats)
            for way in ways
        ),
        "runs": ids(floor, statement),
    }


def ids(floor: Floor, statement: str) -> list[str]:
    return [run_id for (run_id,) in floor.ask(statement).fetchall()]


def documents(floor: Floor, found: list[str]) -> dict[str, Any]:
    texts = look_up(floor.documents, found)
    return {run_id: json.loads(text) for run_id, text in texts.items()}


def narrow(floor: Floor, found: list[str]) -> list[Any]:
    return [floor.ask(statement, found=found).fetchall() for statement in NARROW]


def first(options: argparse.Namespace, floor: Floor, _: Any) -> list[str]:
    """Search once; the files were looked up before."""
    found = ids(floor, limited(MATCHING, 1, WITHIN if options.within else ""))
    documents(floor, found)
    return found


def columns(_: argparse.Namespace, floor: Floor, __: Any) -> list[int]:
    """Read every last value and param of a lake as columns, not arranged in any way."""
    tables = [floor.ask(statement).to_arrow_table() for statement in COLUMNS]
    return [table.num_rows for table in tables]


def history(options: argparse.Namespace, floor: Floor, places: Any) -> dict[str, Any]:
    run = places["runs"][0]
    return read(options, lambda: floor.ask(CURVE, run=run).to_arrow_table())


def series(options: argparse.Namespace, floor: Floor, places: Any) -> dict[str, Any]:
    runs = places["runs"]
    return read(options, lambda: floor.ask(CURVES, runs_asked=runs).to_arrow_table())


def read(options: argparse.Namespace, call: Callable[[], Any]) -> dict[str, Any]:
    return {"rows": len(call()), "seconds": median(lambda _: call(), options.repeats)}


if __name__ == "__main__":
    main()
