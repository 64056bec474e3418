"""Traces follow from their spans as a plain function says, whoever logs, folds or comes late."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lakeflow.config import Settings
from lakeflow.entities import Feedback, TraceInfo, TraceState
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.schema import SPANS
from lakeflow.stores.store import Store

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "10"))
SETTINGS = Settings(vacuum_grace_s=0, retention_s=0, auto_compact=False)
_NUMBERS = itertools.count()

TRACES = [f"tr-{each:032x}" for each in range(3)]
IDS = [f"{each:016x}" for each in range(4)]
BEGUN_NS = 1_790_000_000 * 10**9
DAY_NS = 86_400 * 10**9
TOKENS = ("input_tokens", "output_tokens", "total_tokens", "cached_tokens")
COSTS = ("input_cost", "output_cost", "total_cost")
COLUMNS = [name for name in SPANS.column_names if name not in {"experiment_id", "day"}]

clients = st.integers(0, 1)
traces = st.sampled_from(TRACES)
counts = st.sampled_from([None, 0, 5, 70])
costs = st.sampled_from([None, 0.0, 0.25, 1.5])
spans = st.builds(
    dict,
    span_id=st.sampled_from(IDS),
    parent_span_id=st.sampled_from([None, *IDS, "f" * 16]),
    # The same span may be said to have begun on another day: then it is another row.
    start_time_ns=st.sampled_from([0, 0, 0, 1_000_001, 3 * DAY_NS]),
    end_time_ns=st.sampled_from([None, 2_000_000, 4 * DAY_NS]),
    name=st.sampled_from(["root", "it's"]),
    status=st.sampled_from(["OK", "ERROR", "UNSET"]),
    session_id=st.sampled_from([None, "s1", "s2"]),
    flags=st.sampled_from([None, 1, 0x301]),
    inputs=st.sampled_from([None, '{"q":1}']),
    input_tokens=counts,
    output_tokens=counts,
    input_cost=costs,
    total_cost=costs,
)


def whole(trace_id: str, span: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a span, whose times are told from the same moment on."""
    place = IDS.index(span["span_id"])
    row = dict.fromkeys(COLUMNS) | span | {"trace_id": trace_id}
    row["start_time_ns"] += BEGUN_NS + place
    if row["end_time_ns"] is not None:
        row["end_time_ns"] += BEGUN_NS
    return row | {"span_type": "LLM", "kind": "INTERNAL", "attributes": "{}"}


def followed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what follows from the spans of a trace; written down a second time."""
    ids = {row["span_id"] for row in rows}

    def depth(row: dict[str, Any]) -> int:
        if row["parent_span_id"] is None:
            return 0
        if row["parent_span_id"] in ids:
            return 3
        return 1 if (row["flags"] or 0) & 0x300 == 0x300 else 2

    ordered = sorted(rows, key=lambda row: (depth(row), row["start_time_ns"], row["span_id"]))
    root, is_known = ordered[0], depth(ordered[0]) <= 1
    ended = [row["end_time_ns"] for row in rows if row["end_time_ns"] is not None]
    first = min(row["start_time_ns"] for row in rows)
    state = "IN_PROGRESS"
    if is_known and root["end_time_ns"] is not None:
        state = "ERROR" if root["status"] == "ERROR" else "OK"
    sessions = [row["session_id"] for row in ordered if row["session_id"] is not None]
    return {
        "request_time": first // 10**6,
        "execution_duration": max(max(ended) - first, 0) // 10**6 if ended else None,
        "state": state,
        "name": root["name"] if is_known else None,
        "session_id": sessions[0] if sessions else None,
        "request_preview": root["inputs"] if is_known else None,
        "span_count": len(rows),
        **summed(rows, TOKENS),
        **summed(rows, COSTS),
    }


def counts_any(row: dict[str, Any], names: tuple[str, ...]) -> bool:
    return any(row[name] is not None for name in names[:3])


def summed(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the sums over spans that count something and lie within no other that does."""
    outer = [row for row in rows if counts_any(row, names) and not is_within(row, rows, names)]
    found: dict[str, Any] = {}
    for name in names:
        values = [row[name] for row in outer if row[name] is not None]
        found[name] = sum(values) if values else None
    return found


def is_within(row: dict[str, Any], rows: list[dict[str, Any]], names: tuple[str, ...]) -> bool:
    """Return whether another span that counts the same is somewhere above."""
    others = {each["span_id"] for each in rows if counts_any(each, names)} - {row["span_id"]}
    # A span may be there twice, and count in one row alone: upwards from it goes the other.
    level = parents(rows, {row["span_id"]}, names, counting=True)
    seen: set[str | None] = set()
    while level - seen:
        if level & others:
            return True
        seen |= level
        level = parents(rows, level, names, counting=False)
    return False


def parents(
    rows: list[dict[str, Any]], ids: set[Any], names: tuple[str, ...], *, counting: bool
) -> set[Any]:
    return {
        row["parent_span_id"]
        for row in rows
        if row["span_id"] in ids and counts_any(row, names) == counting
    }


class TraceMachine(RuleBasedStateMachine):
    """Each rule is a call by one of two processes."""

    @initialize()
    def make(self) -> None:
        self.uri = f"memory://trace-machine-{next(_NUMBERS)}"
        self.stores = [self.opened(), self.opened()]
        self.spans: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
        self.started: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.said: dict[str, dict[str, bool]] = {}
        self.gone: set[str] = set()

    def opened(self) -> Store:
        return Store(Lake.on(open_filesystem(self.uri, {}, SETTINGS), SETTINGS))

    def there(self) -> set[str]:
        return {*self.spans, *self.started} - self.gone

    @rule(client=clients, some=st.lists(st.tuples(traces, spans), min_size=1, max_size=4))
    def log_spans(self, client: int, some: list[tuple[str, dict[str, Any]]]) -> None:
        rows = [whole(*each) for each in some]
        self.stores[client].traces.log_spans(
            "0", {name: [row[name] for row in rows] for name in COLUMNS}
        )
        for row in rows:
            if row["trace_id"] not in self.gone:
                key = row["span_id"], row["start_time_ns"]
                self.spans.setdefault(row["trace_id"], {})[key] = row

    @rule(client=clients, trace=traces, name=st.sampled_from([None, "named"]))
    def start(self, client: int, trace: str, name: str | None) -> None:
        tags = {} if name is None else {"mlflow.traceName": name}
        info = TraceInfo(trace, "0", 77, TraceState.IN_PROGRESS, tags=tags)
        self.stores[client].traces.start(info)
        if trace not in self.gone:
            # The first record makes the trace; tags are set by each.
            begun = self.started.setdefault(trace, {})
            begun.setdefault("request_time", 77)
            begun.setdefault("name", name)
            self.tags.setdefault(trace, {}).update(tags)

    @rule(client=clients, trace=traces, state=st.sampled_from(["OK", "ERROR"]))
    def end(self, client: int, trace: str, state: str) -> None:
        if trace not in self.there():
            return
        info = TraceInfo(trace, "0", 77, TraceState(state), 5)
        self.stores[client].traces.end(info, {each: [] for each in COLUMNS})
        ended = self.started.setdefault(trace, {})
        ended.setdefault("state", state)
        ended["execution_duration"] = 5

    @rule(client=clients, trace=traces, value=st.sampled_from(["x", None]))
    def tag(self, client: int, trace: str, value: str | None) -> None:
        if trace not in self.there():
            return
        if value is not None:
            self.stores[client].traces.set_tag(trace, "k", value)
            self.tags.setdefault(trace, {})["k"] = value
        elif "k" in self.tags.get(trace, {}):
            self.stores[client].traces.delete_tag(trace, "k")
            del self.tags[trace]["k"]

    @rule(client=clients, trace=traces)
    def assess(self, client: int, trace: str) -> None:
        if trace in self.there():
            made = self.stores[client].traces.create_assessment(
                Feedback("good", value=True, trace_id=trace)
            )
            assert made.assessment_id is not None
            self.said.setdefault(trace, {})[made.assessment_id] = True

    @precondition(lambda self: self.said)
    @rule(client=clients, data=st.data())
    def forget_assessment(self, client: int, data: st.DataObject) -> None:
        trace = data.draw(st.sampled_from(sorted(self.said)))
        if trace in self.there() and self.said[trace]:
            some = data.draw(st.sampled_from(sorted(self.said[trace])))
            self.stores[client].traces.delete_assessment(trace, some)
            del self.said[trace][some]

    @rule(client=clients, trace=traces)
    def delete(self, client: int, trace: str) -> None:
        deleted = self.stores[client].traces.delete("0", trace_ids=[trace])
        assert deleted == (trace in self.there())
        if deleted:
            self.gone.add(trace)

    @rule(client=clients)
    def fold(self, client: int) -> None:
        compact_lake(self.stores[client].lake)

    @rule()
    def open_again(self) -> None:
        self.stores[1] = self.opened()

    @invariant()
    def everybody_sees_what_follows(self) -> None:
        expected = {trace: self.expected(trace) for trace in self.there()}
        for store in self.stores:
            rows = store.columns.query("FROM traces", None).to_pylist()
            found = {row["trace_id"]: row for row in rows}
            assert found.keys() == expected.keys()
            for trace, fields in expected.items():
                assert {name: found[trace][name] for name in fields} == fields
            page = store.traces.search(["0"], max_results=10)
            assert {each.info.trace_id for each in page} == expected.keys()
            for each in page:
                self.check(each)

    def expected(self, trace: str) -> dict[str, Any]:
        rows = list(self.spans.get(trace, {}).values())
        started = self.started.get(trace, {})
        following = followed(rows) if rows else {"span_count": None, "state": "IN_PROGRESS"}
        return following | {name: each for name, each in started.items() if each is not None}

    def check(self, trace: Any) -> None:
        known = self.spans.get(trace.info.trace_id, {})
        got = {(each.span_id, each.start_time_ns): each for each in trace.data.spans}
        assert got.keys() == known.keys()
        for key, row in known.items():
            assert got[key].name == row["name"]
            assert got[key].inputs == json.loads(row["inputs"] or "null")
        tags = dict(trace.info.tags)
        expected = self.tags.get(trace.info.trace_id, {})
        if "mlflow.traceName" not in expected:
            tags.pop("mlflow.traceName", None)
        assert tags == expected
        said = {each.assessment_id for each in trace.info.assessments}
        assert said == self.said.get(trace.info.trace_id, {}).keys()

    def teardown(self) -> None:
        for store in self.stores:
            store.lake.close()


def test_random_traces() -> None:
    run_state_machine_as_test(
        TraceMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            # To make a failing example small takes longer than to read it.
            phases=set(Phase) - {Phase.shrink, Phase.explain},
            suppress_health_check=list(HealthCheck),
        ),
    )
