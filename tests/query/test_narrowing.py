"""What a user's statement asks of ids, days and times decides which files are opened."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

import lakeflow
from lakeflow.open_store import open_store
from lakeflow.query.engine import sandbox
from lakeflow.query.engine.narrowing import Narrowing, narrowed
from lakeflow.query.engine.views import NARROWED, VIEWS, Views
from lakeflow.schema import SPANS

DAY_NS = 86_400 * 10**9
FIRST_DAY = 19_700
LEAST, MOST = -(2**63), 2**63 - 1


def asked(sql: str, params: object = None) -> Narrowing:
    """Return what a statement is found to ask of the table of spans."""
    connection = duckdb.connect()
    (text,) = connection.execute("SELECT json_serialize_sql($q)", {"q": sql}).fetchone() or ()
    return narrowed(json.loads(text), VIEWS.reads, NARROWED, params)["spans"]


@pytest.mark.parametrize(
    ("where", "texts", "ranges"),
    [
        ("trace_id = 'a'", {"trace_id": ["a"]}, {}),
        ("'a' = TRACE_ID AND name = 'x'", {"trace_id": ["a"]}, {}),
        ("s.trace_id IN ('a', $b) AND day = 5", {"trace_id": ["a", "B"]}, {"day": [(5, 5)]}),
        ("day BETWEEN 1 AND $three AND day > 1", {}, {"day": [(1, 3)]}),
        ("start_time_ns >= 7", {}, {"start_time_ns": [(7, MOST)]}),
        ("7 > start_time_ns", {}, {"start_time_ns": [(LEAST, 7)]}),
        # Of these nothing is known, or something else is asked.
        ("trace_id = 'a' OR day = 5", {}, {}),
        ("NOT trace_id = 'a'", {}, {}),
        ("trace_id <> 'a' AND day NOT IN (5)", {}, {}),
        ("trace_id BETWEEN 'a' AND 'b' AND trace_id > 'a'", {}, {}),
        ("trace_id = name AND trace_id = $none AND trace_id = $three", {}, {}),
        ("day = '5' AND day = 5.5 AND day = $truth AND other.day = 5", {}, {}),
        ("span_id = 'a' AND lower(trace_id) = 'a'", {}, {}),
    ],
)
def test_what_where_asks_of_columns_is_known(
    where: str, texts: dict[str, Any], ranges: dict[str, Any]
) -> None:
    params = {"b": "B", "three": 3, "none": None, "truth": True}
    assert asked(f"SELECT * FROM spans AS s WHERE {where}", params) == Narrowing(texts, ranges)


def test_values_are_bound_by_position_too() -> None:
    found = asked("FROM spans WHERE day = ? AND trace_id = ?", [5, "a"])
    assert found == Narrowing({"trace_id": ["a"]}, {"day": [(5, 5)]})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM spans WHERE trace_id = 'a' UNION ALL SELECT * FROM spans",
        "SELECT * FROM spans WHERE trace_id = 'a' USING SAMPLE 10 ROWS",
        "SELECT * FROM spans TABLESAMPLE 10% WHERE trace_id = 'a'",
        "SELECT * FROM spans AS s(trace_id) WHERE trace_id = 'a'",
        "SELECT * FROM spans JOIN traces USING (trace_id) WHERE trace_id = 'a'",
        "SELECT * FROM spans POSITIONAL JOIN traces WHERE spans.trace_id = 'a'",
        "FROM spans ASOF JOIN traces ON spans.day >= traces.span_count WHERE spans.day = 5",
        "SELECT * FROM traces SEMI JOIN spans USING (trace_id) WHERE traces.trace_id = 'a'",
        "SELECT * FROM (FROM spans) WHERE trace_id = 'a'",
        "SELECT (SELECT count(*) FROM span_events WHERE day = 5) FROM spans WHERE day = 5",
        "WITH spans AS (FROM spans) SELECT * FROM spans WHERE trace_id = 'a'",
    ],
)
def test_what_sees_other_rows_of_the_table_as_well_is_not_narrowed(sql: str) -> None:
    assert asked(sql) == Narrowing()


def test_all_places_of_a_table_count_together() -> None:
    found = asked(
        "SELECT s.name FROM spans AS s LEFT JOIN span_events AS e ON e.span_id = s.span_id "
        "WHERE s.trace_id = 'a' AND e.trace_id = 'b' AND s.day = 5"
    )
    assert found == Narrowing({"trace_id": ["b", "a"]})


@pytest.mark.parametrize("view", NARROWED)
def test_columns_that_narrow_are_those_of_the_only_table(view: str) -> None:
    (spec,) = VIEWS.reads[view]
    connection = duckdb.connect()
    connection.execute("CREATE SCHEMA lakeflow")
    values = ", ".join(
        f"'{column.name} ' || i AS \"{column.name}\""
        if column.type == "string" and column.name not in {"events", "links"}
        else "'[{}]' AS " + column.name
        if column.type == "string"
        else f'(i * 7)::{"BIGINT" if column.type == "long" else "DOUBLE"} AS "{column.name}"'
        for column in spec.columns
    )
    connection.execute(
        f"CREATE TABLE lakeflow.{spec.name} AS SELECT {values} FROM range(9) r(i)"
    )
    connection.execute(VIEWS.view(view))
    columns = ", ".join(f'"{name}"' for name in NARROWED[view])
    rows = connection.execute(f"SELECT {columns} FROM {view} ORDER BY ALL").fetchall()
    table = connection.execute(
        f"SELECT {columns} FROM lakeflow.{spec.name} ORDER BY ALL"
    ).fetchall()
    assert rows == table


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a lake with a file of spans for each of three days, and some that are hot."""
    uri = str(tmp_path_factory.mktemp("lake"))
    client = lakeflow.LakeflowClient(uri)
    other = client.create_experiment("other")
    for day in range(3):
        log(uri, "0", day, "a", late=day == 2)
        log(uri, other, day, "b")
        lakeflow.compact(uri)
    log(uri, "0", 1, "a", name="again")
    log(uri, other, 3, "b")
    return uri


def log(
    uri: str, experiment_id: str, day: int, of: str, name: str = "first", *, late: bool = False
) -> None:
    """Log a trace of two spans in one day; with a late one of the first day's trace."""
    traces = [f"tr-{of}{day}"] * 2 + [f"tr-{of}0"] * late
    start = [(FIRST_DAY + day) * DAY_NS + number for number in range(len(traces))]
    spans: dict[str, list[Any]] = {
        column: [None] * len(traces)
        for column in SPANS.column_names
        if column not in {"experiment_id", "day"}
    }
    spans |= {
        "trace_id": traces,
        "span_id": [f"{number:016x}" for number in range(1, len(traces) + 1)],
        "start_time_ns": start,
        "name": [name] * len(traces),
        "span_type": ["LLM"] * len(traces),
        "kind": ["INTERNAL"] * len(traces),
        "status": ["OK"] * len(traces),
        "attributes": ["{}"] * len(traces),
        "events": ['[{"name":"e","time_ns":5}]'] * len(traces),
    }
    open_store(uri, create=False).traces.log_spans(experiment_id, spans)


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        ("SELECT * FROM spans WHERE trace_id = 'tr-b1' AND day = 19701", 1),
        ("SELECT * FROM spans WHERE trace_id = 'tr-b1'", 1),
        ("SELECT * FROM spans WHERE trace_id IN ('tr-b1', 'tr-b2')", 2),
        # Hot spans, in the place of stored ones too; of the first day's trace one was late.
        ("SELECT * FROM spans WHERE trace_id = 'tr-a1'", 1),
        ("SELECT * FROM spans WHERE trace_id = 'tr-b3'", 0),
        ("SELECT * FROM spans WHERE trace_id = 'tr-a0'", 2),
        ("SELECT * FROM spans WHERE trace_id = 'tr-none'", 0),
        ("SELECT * FROM spans WHERE day >= 19701", 2),
        ("SELECT count(*) FROM spans WHERE start_time_ns < 19700 * 86400000000000", 3),
        ("SELECT e.* FROM span_events AS e JOIN traces AS t USING (trace_id) "
         "WHERE e.trace_id = 'tr-b2' AND t.span_count > 1", 1),
        ("SELECT * FROM spans WHERE trace_id = 'tr-b1' OR day = 19700", 3),
        ("FROM trace_tags WHERE trace_id = 'tr-b1'", None),
    ],
)  # fmt: skip
def test_a_statement_opens_the_files_that_it_needs_and_sees_all_of_its_rows(
    lake: str, monkeypatch: pytest.MonkeyPatch, sql: str, files: int | None
) -> None:
    opened: dict[str, int] = {}

    def relation(self: Views, spec: Any, files: Any, *more: Any) -> str:
        opened[spec.name] = len(files)
        return whole(self, spec, files, *more)

    whole = Views.relation
    monkeypatch.setattr(Views, "relation", relation)
    rows = lakeflow.sql(f"SELECT * FROM ({sql}) ORDER BY ALL", tracking_uri=lake)
    assert opened.get("spans") == files
    monkeypatch.setattr(sandbox, "narrowed", lambda *_: {})
    everything = lakeflow.sql(f"SELECT * FROM ({sql}) ORDER BY ALL", tracking_uri=lake)
    assert opened.get("spans") == (None if files is None else 3)
    assert rows == everything
    assert rows.num_rows or "none" in sql or "tags" in sql
