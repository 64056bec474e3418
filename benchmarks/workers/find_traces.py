"""Asks a lake of traces, and DuckDB by hand over the same files, in one process."""

from __future__ import annotations

import json
import os
import resource
import sys
from statistics import median
from typing import TYPE_CHECKING, Any

import duckdb
from cold import counted
from fill_traces import DAY_NS, RARE, START_NS
from library import parse, report, taken_times

import lakeflow

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

EXPERIMENT = "3"
FIRST_DAY = START_NS // DAY_NS
PAGE = 100

ON_SPANS = "span.name = 'retriever' AND span.duration_ms > 500"
ON_TEXT = f"trace.text ILIKE '%{RARE}%'"

BY_DAY = 'SELECT * FROM spans WHERE trace_id = $id AND "day" = $day ORDER BY start_time_ns'
BY_ID = "SELECT * FROM spans WHERE trace_id = $id ORDER BY start_time_ns"

FLOOR_ON_SPANS = """
    SELECT DISTINCT trace_id FROM read_parquet($spans)
    WHERE experiment_id = $experiment AND "day" = $day AND "name" = 'retriever'
        AND end_time_ns - start_time_ns > 500000000
"""
FLOOR_ON_TEXT = """
    SELECT DISTINCT trace_id FROM read_parquet($spans)
    WHERE experiment_id = $experiment AND "day" = $day AND ("name" ILIKE $text
        OR inputs ILIKE $text OR outputs ILIKE $text OR attributes ILIKE $text)
"""
# Of what was found: newest first, a page of it.
FLOOR_PAGE = """
    SELECT trace.* FROM read_parquet($traces) AS trace JOIN ({found}) USING (trace_id)
    WHERE trace.experiment_id = $experiment ORDER BY request_time DESC, trace_id LIMIT 100
"""
FLOOR_COUNT = "SELECT count(*) FROM read_parquet($traces)"


def main() -> None:
    options = parse(repeats=7)
    places = json.load(sys.stdin)
    steps = {"times": times, "requests": requests}
    report(steps[options.step](options, places))


class Floor:
    """DuckDB by hand over the files of a lake."""

    def __init__(self, files: dict[str, list[str]]) -> None:
        self._files = {name: files[name] for name in ("spans", "traces")}
        self._connection = duckdb.connect()
        # As in the library: the files do not change.
        self._connection.execute("SET parquet_metadata_cache = true")

    def ask(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        named = {name: each for name, each in self._files.items() if f"${name})" in statement}
        return self._connection.execute(statement, named | values).fetchall()


def times(options: argparse.Namespace, places: dict[str, Any]) -> dict[str, Any]:
    """Return for each question the median seconds here and by hand."""
    floor = Floor(places["files"])
    ids = sample(floor, options.repeats + 1)
    client = lakeflow.LakeflowClient(options.uri)
    read_by_id = BY_ID.replace("spans", "read_parquet($spans)")
    read_by_day = BY_DAY.replace("spans", "read_parquet($spans)")

    def sql(statement: str, **values: object) -> int:
        found: int = lakeflow.sql(statement, values, tracking_uri=options.uri).num_rows
        return found

    # Each time of another day: what was asked before a process keeps.
    def page(condition: str, number: int) -> int:
        first_ms = (FIRST_DAY + number) * 86_400_000
        within = f"timestamp_ms >= {first_ms} AND timestamp_ms < {first_ms + 86_400_000}"
        filter_string = f"{condition} AND {within}"
        return len(client.search_traces([EXPERIMENT], filter_string, PAGE, include_spans=False))

    def by_hand_page(statement: str, number: int, **more: object) -> int:
        statement = FLOOR_PAGE.replace("{found}", statement)
        given = {"experiment": EXPERIMENT, "day": FIRST_DAY + number}
        return len(floor.ask(statement, **given, **more))

    found = {
        "one trace, get_trace": (
            lambda n: len(client.get_trace(ids[n][0]).data.spans),
            lambda n: len(floor.ask(read_by_day, id=ids[n][0], day=ids[n][1])),
        ),
        "one trace, SQL with its day": (
            lambda n: sql(BY_DAY, id=ids[n][0], day=ids[n][1]),
            lambda n: len(floor.ask(read_by_day, id=ids[n][0], day=ids[n][1])),
        ),
        "one trace, SQL without its day": (
            lambda n: sql(BY_ID, id=ids[n][0]),
            lambda n: len(floor.ask(read_by_id, id=ids[n][0])),
        ),
        "condition on spans, one experiment and day": (
            lambda n: page(ON_SPANS, n),
            lambda n: by_hand_page(FLOOR_ON_SPANS, n),
        ),
        "free text, one experiment and day": (
            lambda n: page(ON_TEXT, n),
            lambda n: by_hand_page(FLOOR_ON_TEXT, n, text=f"%{RARE}%"),
        ),
        "count": (
            lambda _: client.count_traces(None),
            lambda _: floor.ask(FLOOR_COUNT)[0][0],
        ),
    }
    answers = {name: compared(*ways, options.repeats) for name, ways in found.items()}
    answers["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return answers


def sample(floor: Floor, count: int) -> list[tuple[str, int]]:
    """Return ids of traces and their days, far from each other."""
    statement = (
        "SELECT trace_id, request_time // 86400000 FROM read_parquet($traces) ORDER BY trace_id"
    )
    found = floor.ask(statement)
    return [(str(one), int(day)) for one, day in found[:: max(1, len(found) // count)]][:count]


def compared(
    ours: Callable[[int], int], floor: Callable[[int], int], repeats: int
) -> dict[str, float]:
    """Return median times of both, which have to find as much; the first is not timed."""
    assert ours(repeats) == floor(repeats)
    found: list[tuple[int, int]] = []
    taken = [
        median(taken_times(lambda n, way=way: found.append((n, way(n))), repeats))
        for way in (ours, floor)
    ]
    assert found[:repeats] == found[repeats:], found
    assert any(count for _, count in found), "nothing is found, which is quick"
    return {"seconds": taken[0], "floor": taken[1]}


def requests(options: argparse.Namespace, places: dict[str, Any]) -> dict[str, int]:
    """Return what one trace asks of a store, in a process that has read the fold."""
    ids = sample(Floor(places["files"]), 3)
    with counted(options.uri) as (store, counting):

        def spent(trace_id: str) -> tuple[int, int]:
            counting.requests = counting.bytes = 0
            assert store.traces.get(trace_id).data.spans
            return counting.requests, counting.bytes

        found = [spent(trace_id) for trace_id, _ in ids]
    names = ("first of the process", "another one", "a third one")
    return dict(zip(names, found, strict=True))


if __name__ == "__main__":
    main()
    # deltalake's threads abort some processes on their way out, with the answer given.
    os._exit(0)
