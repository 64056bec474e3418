"""Searches of traces: the same filters and orders find the same on a lake as in a database."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from inside_mlflow.mlflow_spans import made_span
from mlflow.entities import (
    AssessmentSource,
    Expectation,
    Feedback,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.exceptions import MlflowException

import lakeflow

BEGUN_MS = 1_700_000_000_000
HUMAN = AssessmentSource("HUMAN", "kim")
NAMES = ["ask", "Ask", "search docs", "a%b_c", "ünïcode", None]
STATES = [TraceState.OK, TraceState.ERROR, TraceState.IN_PROGRESS]
RUN = "f" * 32


@pytest.fixture(scope="module")
def place(pair: Any) -> SimpleNamespace:
    """Twenty traces in two experiments, of which some are folded."""
    first, second = (
        next(iter({store.create_experiment(name) for store in pair})) for name in ("s1", "s2")
    )
    runs = [store.create_run(first, "u", 1, [], "r").info.run_id for store in pair]
    for number in range(20):
        for store, run_id in zip(pair, runs, strict=True):
            log_one(store, second if number % 5 == 4 else first, number)
            if number in {3, 11}:
                store.link_traces_to_run([trace_id_of(number)], run_id)
            if number in {2, 12}:
                prompts = [SimpleNamespace(name="greeting", version=each) for each in (1, 2)]
                store.link_prompts_to_trace(trace_id_of(number), prompts[: number // 6 + 1])
        if number == 9:
            lakeflow.compact(pair.lake.uri)
    return SimpleNamespace(ids=[first, second], runs=runs)


def trace_id_of(number: int) -> str:
    return f"tr-{number:032x}"


def log_one(store: Any, experiment_id: str, number: int) -> None:
    trace_id, begun = trace_id_of(number), BEGUN_MS + (number // 2) * 1_000
    name, state = NAMES[number % len(NAMES)], STATES[number % len(STATES)]
    tags = {"team": f"t{number % 3}", "a.b": "x", "odd `key`": str(number)}
    tags |= {} if name is None else {"mlflow.traceName": name}
    metadata = {"color": ["red", "Blue"][number % 2]}
    metadata |= {"mlflow.sourceRun": RUN} if number % 7 == 0 else {}
    metadata |= {"mlflow.trace.session": f"s{number % 2}"} if number % 3 else {}
    metadata |= {"only.some": str(number)} if number % 4 == 0 else {}
    store.start_trace(
        TraceInfo(
            trace_id,
            TraceLocation.from_experiment_id(experiment_id),
            begun,
            state,
            execution_duration=None if state == TraceState.IN_PROGRESS else 10 * number,
            client_request_id=f"client-{number}" if number % 2 else None,
            trace_metadata=metadata,
            tags=tags,
        )
    )
    if state != TraceState.IN_PROGRESS:
        root = made_span(trace_id, "root", begun, 10 * number)
        child = made_span(
            trace_id, f"step-{number % 4}", begun, 5, parent=root, span_type=["LLM", "TOOL"][number % 2],
            status="ERROR" if number % 6 == 0 else "OK",
            attributes={"model": f"gpt-{number % 3}", "mlflow.spanInputs": {"q": f"why {number}?"}},
        )  # fmt: skip
        store.log_spans(experiment_id, [root, child])
    if number % 2 == 0:
        store.create_assessment(
            Feedback("good", number % 4 == 0, source=HUMAN, trace_id=trace_id)
        )
        store.create_assessment(Feedback("score", number / 4, source=HUMAN, trace_id=trace_id))
        store.create_assessment(
            Expectation("answer", f"a{number % 3}", source=HUMAN, trace_id=trace_id)
        )


FILTERS = [
    "",
    'status = "OK"', 'status != "OK"', 'trace.status = "ERROR"', 'attributes.status = "OK"',
    'status IN ("OK", "ERROR")', 'status NOT IN ("OK")', 'status LIKE "%R%"',
    'name = "ask"', 'name != "ask"', 'name LIKE "%sk%"', 'name ILIKE "ASK%"',
    'name RLIKE "^[aA]sk$"', 'trace.name = "search docs"', 'name LIKE "ünï%"',
    f"timestamp_ms > {BEGUN_MS + 3_000}", f"timestamp <= {BEGUN_MS + 3_000}",
    f"timestamp_ms >= {BEGUN_MS + 2_000} AND timestamp_ms < {BEGUN_MS + 5_000}",
    "execution_time_ms > 50", "execution_time <= 50", "execution_time_ms != 70",
    f"end_time_ms > {BEGUN_MS + 6_080}", f"end_time <= {BEGUN_MS + 3_060}",
    f'request_id = "{trace_id_of(3)}"', f'request_id IN ("{trace_id_of(3)}", "{trace_id_of(9)}")',
    'client_request_id = "client-3"', 'client_request_id LIKE "client-1%"',
    f'run_id = "{RUN}"', f'run_id != "{RUN}"', f'run_id LIKE "{RUN[:3]}%"',
    'tags.team = "t1"', 'tag.team != "t1"', 'tags.team LIKE "t%"', 'tags.team ILIKE "T1"',
    'tags.team RLIKE "t[02]"', 'tags.a.b = "x"', 'tags.`a.b` = "x"', 'tags."a.b" = "x"',
    'tags.none = "x"', "tags.team IS NULL", "tags.team IS NOT NULL", "tags.none IS NULL",
    'tags.mlflow.traceName = "ask"',
    'metadata.color = "red"', 'request_metadata.color != "red"', 'metadata.color ILIKE "blue"',
    'metadata.only.some = "8"', "metadata.only.some IS NULL", "metadata.only.some IS NOT NULL",
    'metadata.color LIKE "%e%"', 'metadata.mlflow.trace.session = "s1"',
    "metadata.mlflow.trace.session IS NULL", 'metadata.`only.some` RLIKE "^1"',
    'span.name = "step-1"', 'span.name LIKE "step%"', 'span.name != "root"',
    'span.name IN ("step-1", "step-2")', 'span.type = "LLM"', 'span.status = "ERROR"',
    'span.name = "root" AND span.type = "LLM"', 'span.name = "step-0" AND span.status = "ERROR"',
    'span.content LIKE "%why 8%"', 'trace.text LIKE "%why 1%"', 'trace.text ILIKE "%WHY 9%"',
    'span.attributes.model LIKE "%gpt-1%"', 'span.attributes.model ILIKE "%GPT-2%"',
    'span.attributes.model RLIKE "^gpt-[02]$"',
    'feedback.good = "true"', 'feedback.good != "true"', 'feedback.score = "1.5"',
    "feedback.score > 1.5", "feedback.score <= 1.5", 'expectation.answer = "a1"',
    'expectation.answer LIKE "%a%"', "feedback.good IS NULL", "feedback.good IS NOT NULL",
    'feedback.none = "x"', 'feedback.good = "false" AND span.type = "LLM"',
    'prompt = "greeting/1"', 'prompt = "greeting/2"', 'prompt = "greeting/3"',
    'status = "OK" AND tags.team = "t0" AND metadata.color = "red"',
]  # fmt: skip

ORDERS = [
    [], ["timestamp_ms"], ["timestamp DESC"], ["timestamp_ms ASC", "execution_time_ms DESC"],
    ["execution_time ASC"], ["status DESC"], ["name"], ["name DESC"], ["request_id DESC"],
    ["experiment_id", "timestamp ASC"], ["run_id"], ["tags.team DESC"], ["tag.team", "name"],
    ["metadata.only.some"], ["metadata.only.some DESC"], ["tags.`a.b`"],
    ["attributes.timestamp_ms ASC"], ["trace.status", "trace.name"],
]  # fmt: skip

WRONG = [
    'unknown = "x"', 'name > "a"', "name =", "name",
    'nobody.x = "1"', "execution_time_ms LIKE 5", 'span.nothing = "x"', "status = 5",
]  # fmt: skip


def found(store: Any, experiment_ids: Any, *arguments: Any, **more: Any) -> list[str]:
    page, _ = store.search_traces(experiment_ids, *arguments, **more)
    return [each.trace_id for each in page]


@pytest.mark.parametrize("is_folded", [False, True], ids=["hot", "folded"])
def test_filters_find_the_same(pair: Any, place: SimpleNamespace, is_folded: bool) -> None:
    if is_folded:
        lakeflow.compact(pair.lake.uri)
    differing = {}
    some = 0
    for text in FILTERS:
        ours, theirs = (found(store, place.ids, text) for store in pair)
        some += 0 < len(theirs) < 20
        if ours != theirs:
            differing[text] = ours, theirs
    for each in differing.items():
        print(each)
    assert differing == {}
    assert some > 60


def test_orders_are_the_same(pair: Any, place: SimpleNamespace) -> None:
    orders = [
        (order, *(found(store, place.ids, None, 100, order) for store in pair))
        for order in ORDERS
    ]
    assert [each for each in orders if each[1] != each[2]] == []


def test_a_run_finds_what_began_in_it_and_what_was_linked_to_it(
    pair: Any, place: SimpleNamespace
) -> None:
    linked = [trace_id_of(11), trace_id_of(3)]
    for store, run_id in zip(pair, place.runs, strict=True):
        assert found(store, place.ids, f'run_id = "{run_id}"') == linked
        assert found(store, place.ids, f'metadata.mlflow.sourceRun = "{run_id}"') in (
            [],
            linked,
        )
    pair.lake.unlink_traces_from_run([trace_id_of(3), "tr-unknown"], place.runs[0])
    assert found(pair.lake, place.ids, f'run_id = "{place.runs[0]}"') == linked[:1]
    pair.lake.link_traces_to_run(linked + linked, place.runs[0])
    assert found(pair.lake, place.ids, f'run_id = "{place.runs[0]}"') == linked


def test_links_are_checked_alike(pair: Any, place: SimpleNamespace) -> None:
    prompt = SimpleNamespace(name="a", version=1)
    for store, run_id in zip(pair, place.runs, strict=True):
        store.link_traces_to_run([], "no run")
        store.link_prompts_to_trace(trace_id_of(0), [])
        with pytest.raises(MlflowException) as raised:
            store.link_traces_to_run(["x"] * 101, run_id)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
        with pytest.raises(MlflowException) as raised:
            store.link_prompts_to_trace("tr-x", [prompt])
        assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_a_run_that_is_not_there_gets_no_links(pair: Any, place: SimpleNamespace) -> None:
    with pytest.raises(MlflowException) as raised:
        pair.lake.link_traces_to_run([trace_id_of(0)], "0" * 32)
    assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_pages_have_everything_once(pair: Any, place: SimpleNamespace) -> None:
    for store in pair:
        ids: list[str] = []
        token = None
        while True:
            page, token = store.search_traces(place.ids, max_results=7, page_token=token)
            ids += [each.trace_id for each in page]
            if token is None:
                break
        assert len(ids) == len(set(ids)) == 20


def test_experiments_are_told_apart(pair: Any, place: SimpleNamespace) -> None:
    for ids in ([place.ids[0]], [place.ids[1]], place.ids, None):
        ours, theirs = (found(store, ids) for store in pair)
        assert ours == theirs
        located, theirs = (found(store, None, locations=ids) for store in pair)
        assert located == theirs == ours
    assert found(pair.lake, []) == []


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_filter_is_refused(pair: Any, place: SimpleNamespace, text: str) -> None:
    for store in pair:
        with pytest.raises(MlflowException) as raised:
            found(store, place.ids, text)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("most", [0, -1, 50_001])
def test_a_wrong_size_of_a_page_is_refused(
    pair: Any, place: SimpleNamespace, most: int
) -> None:
    for store in pair:
        with pytest.raises(MlflowException, match=f"Invalid value {most} for parameter"):
            found(store, place.ids, None, most)


def test_or_and_not_are_known_as_well(pair: Any, place: SimpleNamespace) -> None:
    either = found(pair.lake, place.ids, 'name = "ask" OR NOT status = "OK"')
    assert len(either) == 17
