"""Filters: what they mean, what they become, and what is refused."""

from __future__ import annotations

import math
import re
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakeflow import LakeflowClient, compact
from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from lakeflow.exceptions import InvalidInputError
from lakeflow.kinds import EXPERIMENT, MODEL_VERSION, REGISTERED_MODEL, RUN
from lakeflow.query.engine.compile import compile_search
from lakeflow.query.engine.search import Search
from lakeflow.query.language.filters import MAX_CHARACTERS, parse_filter, parse_order

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"

CASES = {
    "metric_and_param": (
        "metrics.acc > 0.5 AND params.`lr x` = '0.1'",
        ["metrics.acc DESC"],
        "1",
    ),
    "or_not_parentheses": ("NOT (params.a IS NULL OR min(metrics.loss) < -0.1)", [], ""),
    "attributes": ("status IN ('FINISHED', 'FAILED') AND start_time BETWEEN 1 AND 2", [], "12"),
    "numbers_in_params": ("params.lr >= 0.01 AND tags.n != 3", ["params.lr"], "1"),
    "datasets": ("dataset.context = 'train' AND datasets.name LIKE 'm%'", [], "1"),
    "patterns": ("tags.x RLIKE 'a+' AND params.y NOT LIKE 'b%' AND run_name ILIKE 'C'", [], ""),
    "history": (
        "count(metrics.loss) > 10 AND max(metrics.loss) < 2",
        ["min(metrics.loss)"],
        "",
    ),
    "models": ("tags.team = 'a' OR aliases = 'champion'", ["timestamp DESC"], ""),
    "model_versions": ("name LIKE 'a%' AND NOT aliases IS NULL AND version_number > 2", [], ""),
}
KINDS = {"models": REGISTERED_MODEL, "model_versions": MODEL_VERSION}


@pytest.mark.parametrize("name", CASES)
def test_a_filter_becomes_the_statement_written_down(name: str) -> None:
    text, order, experiments = CASES[name]
    kind = KINDS.get(name, RUN)
    search = Search(
        kind,
        parse_filter(text, kind),
        tuple(parse_order(order, kind)),
        experiment_ids=tuple(experiments),
    )
    statement = compile_search(search, 100)
    values = statement.related | statement.values
    bound = "\n".join(f"-- ${key} = {value!r}" for key, value in values.items())
    assert f"{statement.text({})}\n{bound}\n" == (GOLDEN / f"{name}.sql").read_text()


# What the extended grammar means, by a second evaluation in Python.

RUNS: list[dict[str, Any]] = [
    {"loss": [0.5, 0.1], "acc": [1.0], "lr": "0.01", "model": "cnn", "x": "a b"},
    {"loss": [0.3], "acc": [math.nan], "lr": "1e-3", "model": "CNN"},
    {"loss": [2.0, 3.0, 1.0], "lr": "auto", "x": "a"},
    {"acc": [math.nan, 0.5], "model": "rnn", "x": "100%"},
    {"loss": [-1.0], "acc": [math.inf], "lr": "7"},
    {"loss": [math.nan], "model": "it's", "lr": "-2.5"},
    {},
    {"loss": [0.5], "acc": [-math.inf, 0.0], "lr": "0.5", "x": "", "model": "cnn"},
]


@pytest.fixture(scope="module", params=["folded", "half", "hot"])
def lake(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:

    uri = tmp_path_factory.mktemp("search") / "lake"
    client = LakeflowClient(uri)
    ids = []
    for number, run in enumerate(RUNS):
        ids.append(client.create_run("0", 1000 + number).info.run_id)
        points = [
            Metric(key, value, step, step)
            for key in ("loss", "acc")
            for step, value in enumerate(run.get(key, []))
        ]
        params = [Param(key, run[key]) for key in ("lr", "model") if key in run]
        tags = [RunTag("x", run["x"])] if "x" in run else []
        if request.param == "half" and number % 2:
            client.log_batch(ids[-1], points[:1], params[:1], [RunTag("x", "?")])
            compact(uri)
            client.log_batch(ids[-1], points[1:], params[1:], tags)
            if not tags:
                client.delete_tag(ids[-1], "x")
        else:
            client.log_batch(ids[-1], points, params, tags)
    if request.param == "folded":
        compact(uri)
    return client, ids


Truth = bool | None


def negate(truth: Truth) -> Truth:
    return None if truth is None else not truth


def both(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: Truth, right: Truth) -> Truth:
    return negate(both(negate(left), negate(right)))


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def last(points: list[float] | None) -> float | None:
    return points[-1] if points else None


def numbers(points: list[float] | None) -> list[float]:
    return [value for value in points or () if value == value]


METRICS: dict[str, Callable[[list[float] | None], Any]] = {
    "metrics.{}": last,
    "last(metrics.{})": last,
    "min(metrics.{})": lambda points: min(numbers(points), default=None),
    "max(metrics.{})": lambda points: max(numbers(points), default=None),
    "count(metrics.{})": lambda points: len(points) if points else None,
}


def known(value: Any, test: Callable[[Any], bool]) -> Truth:
    return None if value is None else test(value)


def number_of(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def pattern(like: str, flags: int = 0) -> Callable[[str], bool]:
    parts = {"%": ".*", "_": "."}
    regex = "".join(parts.get(letter, re.escape(letter)) for letter in like)
    return lambda text: re.fullmatch(regex, text, flags | re.DOTALL) is not None


Clause = tuple[str, Any]
literals = st.sampled_from([-1.5, 0, 0.1, 0.5, 1, 3, 7])


@st.composite
def metric_clauses(draw: Any) -> Clause:
    form = draw(st.sampled_from(sorted(METRICS)))
    key = draw(st.sampled_from(["loss", "acc"]))
    how = draw(st.sampled_from([*COMPARE, "BETWEEN", "IN", "IS NULL", "IS NOT NULL"]))
    low, high = draw(literals), draw(literals)
    return numeric(form.format(key), lambda run: METRICS[form](run.get(key)), how, low, high)


def numeric(
    name: str, value: Callable[[Any], Any], how: str, low: float, high: float
) -> Clause:
    if how == "IS NULL":
        return f"{name} IS NULL", lambda run: value(run) is None
    if how == "IS NOT NULL":
        return f"{name} IS NOT NULL", lambda run: value(run) is not None
    if how == "BETWEEN":
        test = lambda found: low <= found <= high  # noqa: E731
        return f"{name} BETWEEN {low} AND {high}", lambda run: known(value(run), test)
    if how == "IN":
        member = lambda found: found in (low, high)  # noqa: E731
        return f"{name} IN ({low}, {high})", lambda run: known(value(run), member)
    compare = COMPARE[how]
    return f"{name} {how} {low}", lambda run: known(value(run), lambda v: compare(v, low))


@st.composite
def text_clauses(draw: Any) -> Clause:
    name, key = draw(
        st.sampled_from([("params.lr", "lr"), ("params.`model`", "model"), ('tags."x"', "x")])
    )
    if draw(st.booleans()):
        how = draw(st.sampled_from([*COMPARE, "BETWEEN", "IN"]))
        low, high = draw(literals), draw(literals)
        return numeric(name, lambda run: number_of(run.get(key)), how, low, high)
    how = draw(
        st.sampled_from(
            ["=", "!=", "LIKE", "NOT LIKE", "ILIKE", "IN", "NOT IN", "RLIKE", "IS NULL"]
        )
    )
    word = draw(st.sampled_from(["cnn", "a", "it's", "c%", "_nn", "%n%", "", "100%"]))
    shown = "'" + word.replace("'", "''") + "'"
    tests: dict[str, Callable[[str], bool]] = {
        "=": lambda text: text == word,
        "!=": lambda text: text != word,
        "LIKE": pattern(word),
        "NOT LIKE": lambda text: not pattern(word)(text),
        "ILIKE": pattern(word, re.IGNORECASE),
        "IN": lambda text: text in {word, "rnn"},
        "NOT IN": lambda text: text not in {word, "rnn"},
        "RLIKE": lambda text: re.search(re.escape(word), text) is not None,
    }
    if how == "IS NULL":
        return f"{name} IS NULL", lambda run: run.get(key) is None
    if how in {"IN", "NOT IN"}:
        shown = f"({shown}, 'rnn')"
    if how == "RLIKE":
        shown = "'" + re.escape(word).replace("'", "''") + "'"
    return f"{name} {how} {shown}", lambda run: known(run.get(key), tests[how])


def combined(parts: Any) -> Any:
    def join(word: str, meaning: Callable[[Truth, Truth], Truth]) -> Any:
        return st.tuples(parts, parts).map(
            lambda pair: (
                f"({pair[0][0]}) {word} ({pair[1][0]})",
                lambda run: meaning(pair[0][1](run), pair[1][1](run)),
            )
        )

    inverted = parts.map(lambda part: (f"NOT ({part[0]})", lambda run: negate(part[1](run))))
    return join("AND", both) | join("or", either) | inverted


trees = st.recursive(metric_clauses() | text_clauses(), combined, max_leaves=6)


@given(tree=trees)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_grammar_means_what_python_computes(lake: Any, tree: Clause) -> None:
    client, ids = lake
    text, meaning = tree
    wanted = [run_id for run_id, run in zip(ids, RUNS, strict=True) if meaning(run) is True]
    found = client.search_runs(["0"], text, order_by=["start_time"])
    assert [run.info.run_id for run in found] == wanted, text


def test_each_condition_on_datasets_may_hold_for_another_one(client: LakeflowClient) -> None:
    run_id = client.create_run("0").info.run_id
    uses = [("a", "train"), ("b", "test")]
    client.log_inputs(
        run_id,
        [
            DatasetInput(Dataset(n, "1", "local", "s"), [InputTag("mlflow.data.context", c)])
            for n, c in uses
        ],
    )
    other = client.create_run("0").info.run_id

    def found(text: str) -> set[str]:
        return {run.info.run_id for run in client.search_runs(["0"], text)}

    assert found("dataset.name = 'a' AND dataset.context = 'test'") == {run_id}
    assert found("dataset.name = 'c'") == set()
    assert found("dataset.name IS NULL") == {other}
    assert found("dataset.name IS NOT NULL AND dataset.digest IN ('1', '2')") == {run_id}


# What is refused.

REFUSED = [
    ("metrics.val/loss > 1", "character 1", "backticks"),
    ("metrics.acc > 'x'", "character 1", "Expected a number"),
    ("status > 'a'", "Invalid comparator '>'", "LIKE"),
    ("params.a > 'x'", "Invalid comparator '>'", "="),
    ("nothing.bar = 1", "Invalid entity type 'nothing'", "metrics"),
    ("a = 1 AND lifecycle_stage = 'x'", "Invalid attribute key 'a'", "run_name"),
    ("metrics.a > 1 -- b", "character 13", "comments"),
    ("metrics.a > 1 /* b */", "comments", "comments"),
    ("metrics.a > 1; DROP TABLE runs", "character 14", "not several"),
    ("metrics.a > (SELECT 1)", "Expected a value", "number"),
    ("metrics.a IN (SELECT 1)", "no comparison", "comparator"),
    ("EXISTS (SELECT 1)", "no comparison", "comparator"),
    ("read_csv('/etc/passwd') = 'a'", "is no field", "metrics.loss"),
    ("metrics.a > read_text('/etc/passwd')", "Expected a value", "number"),
    ("1 = 1", "is no field", "metrics.loss"),
    ("metrics.a > 1 OR 1", "no comparison", "comparator"),
    ("metrics.a > metrics.b", "Expected a value", "number"),
    ("metrics.a + 1 > 2", "is no field", "backticks"),
    ("min(params.a) > 1", "are of a metric", "min(metrics.loss)"),
    ("sum(metrics.a) > 1", "is no field", "metrics.loss"),
    ("min(min(metrics.a)) > 1", "are of a metric", "min"),
    ("tags.x LIKE 'a' ESCAPE 'b'", "no comparison", "comparator"),
    ("metrics.a > $1", "Expected a value", "number"),
    ("metrics.a > ?", "", ""),
    ("metrics.a >", "does not parse", ""),
    ("'a' = 'a", "not closed", ""),
    ("((((", "does not parse", ""),
    ("(" * 60 + "metrics.a > 1" + ")" * 60, "nested deeper", ""),
    (" AND ".join(["metrics.a > 1"] * 501), "500 conditions", ""),
    ("x" * (MAX_CHARACTERS + 1), "characters", ""),
    ("params.a RLIKE '('", "no regular expression", "RE2"),
    ("dataset.size = 'a'", "Invalid dataset key", "digest"),
    ("metrics.a > 1e999", "", ""),
    ("status = NULL", "Expected a value", ""),
    (
        "params.a = '1' AND attributes.status = 'FINSHED'",
        "at character 20: no run ever has the status 'FINSHED'; did you mean 'FINISHED'?",
        "expected: 'RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'",
    ),
    ("status != 'finished'", "the status 'finished'; did you mean 'FINISHED'?", "'KILLED'"),
    ("NOT status IN ('FAILED', 'done')", "no run ever has the status 'done': ", "'FAILED'"),
    ("metrics.a::int > 1", "is no field", ""),
    ("CASE WHEN metrics.a > 1 THEN 1 END = 1", "is no field", ""),
    ("metrics.* > 1", "is no field", ""),
]


@pytest.mark.parametrize(("text", "problem", "way_out"), REFUSED, ids=lambda each: each[:30])
def test_what_is_no_filter_is_refused_with_place_and_reason(
    client: LakeflowClient, text: str, problem: str, way_out: str
) -> None:
    client.create_run("0")
    with pytest.raises(InvalidInputError) as caught:
        client.search_runs(["0"], text)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert problem in str(caught.value)
    assert way_out in str(caught.value)


@pytest.mark.parametrize(
    "clause", ["LIKE 'FINSHED'", "ILIKE 'finished'", "RLIKE '^x$'", "NOT LIKE 'x%'"]
)
def test_a_pattern_may_match_no_status(clause: str) -> None:
    assert parse_filter(f"status {clause}", RUN) is not None


def test_keys_may_be_called_as_what_has_a_closed_set() -> None:
    assert parse_filter("tags.status = 'FINSHED' AND params.status != 'x'", RUN) is not None


@pytest.mark.parametrize(
    "line",
    [
        "metrics.a sideways",
        "metrics.a; DROP TABLE runs",
        "metrics.a DESC NULLS FIRST",
        "metrics.a NULLS  LAST",
        "metrics.a, metrics.b",
        "read_text('/etc/passwd')",
        "(SELECT 1)",
        "random()",
        "dataset.name",
        "",
        "1",
        7,
    ],
)
def test_what_is_no_order_is_refused(client: LakeflowClient, line: Any) -> None:
    with pytest.raises(InvalidInputError):
        client.search_runs(["0"], "", order_by=[line])


GOOD = [case[0] for case in CASES.values()]
pieces = st.sampled_from(
    ["metrics", ".", "a", "`", '"', "'", "(", ")", " AND ", " OR ", " NOT ", ";", "--", "/*", "=",
     "<", "LIKE", " IN ", "SELECT * FROM runs", "read_csv('x')", "1e5", "\x00", "é", "$p0", "\\",
     "BETWEEN", "CASE", "::", "[", "{", "\n"]
)  # fmt: skip
mutations = st.tuples(
    st.sampled_from(GOOD), st.integers(0, 200), st.integers(0, 8), pieces | st.text(max_size=5)
).map(lambda each: each[0][: each[1]] + each[3] + each[0][each[1] + each[2] :])


@given(text=st.lists(pieces, max_size=12).map("".join) | mutations | st.text(max_size=40))
@settings(max_examples=2000, deadline=None)
@example("metrics.`a")
@example("metrics." + "a." * 3000 + "a > 1")
@example("NOT " * 5000 + "status = 'a'")
@example("- " * 5000 + "1 = 1")
@example("metrics.a > " + "-" * 3000 + "1")
@example("[" * 3000)
@example("CASE " * 1000)
def test_any_text_is_a_filter_or_refused_and_never_becomes_sql(text: str) -> None:
    for catalogue in (RUN, EXPERIMENT, REGISTERED_MODEL, MODEL_VERSION):
        try:
            condition = parse_filter(text, catalogue)
        except InvalidInputError:
            continue
        statement = compile_search(Search(catalogue, condition), 10)
        # Constants, our own columns and numbers of parameters.
        allowed = r"[A-Za-z0-9_ \n.,()=<>!|$:'/%\"-]*"
        sql = statement.text({})
        assert re.fullmatch(allowed, sql), sql
        texts = re.findall(r"'([^']*)'", sql)
        assert set(texts) <= {"", "/", ":", '$."mlflow.data.context"'}
        names = set(re.findall(r'"([a-z]\w*)"', sql))
        assert names <= {"value", "min", "max", "count", "key", "mlflow"}


LARGE = [
    "9007199254740992",
    "9007199254740993",
    "9007199254740993.0",
    "9223372036854775809",
    "1e30",
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("params.n = 9007199254740992", LARGE[:1]),
        ("params.n = 9007199254740993", LARGE[1:3]),
        ("params.n = 9.007199254740993e15", LARGE[1:3]),
        ("params.n != 9007199254740993", [LARGE[0], *LARGE[3:]]),
        ("params.n > 9007199254740992", LARGE[1:]),
        ("params.n IN (0.5, 9007199254740993)", LARGE[1:3]),
        ("params.n BETWEEN 9007199254740993 AND 9223372036854775808", LARGE[1:3]),
        ("params.n = 9223372036854775809", LARGE[3:4]),
        ("tags.n >= 1e30", LARGE[4:]),
        ("metrics.n > 1e18", LARGE[3:]),
        ("metrics.n >= 9007199254740993.0", LARGE),
        ("metrics.n IN (1e30, -2E+300)", LARGE[4:]),
        ("metrics.n BETWEEN 1.0e18 AND 1e29", LARGE[3:4]),
        ("max(metrics.n) > 1e18 AND count(metrics.n) < 1e18", LARGE[3:]),
        ("start_time < 1e18 AND start_time > -1e18", LARGE),
    ],
)
def test_numbers_that_floats_cannot_tell_apart_are_compared(
    large: LakeflowClient, text: str, found: list[str]
) -> None:
    runs = large.search_runs(["0"], text, order_by=["start_time"])
    assert [run.data.params["n"] for run in runs] == found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> LakeflowClient:
    """Return a client of a lake with large numbers, the first of them folded."""
    uri = str(tmp_path_factory.mktemp("large"))
    client = LakeflowClient(uri)
    for place, number in enumerate(LARGE):
        run_id = client.create_run("0", start_time=place + 1).info.run_id
        client.log_param(run_id, "n", number)
        client.set_tag(run_id, "n", number)
        client.log_metric(run_id, "n", float(number))
        if place == 2:
            compact(uri)
    return client


@pytest.mark.parametrize("text", ["metrics.m > > 1", "metrics.m = 'x", "(" * 40 + "= 1"])
def test_a_filter_that_does_not_parse_is_a_short_error(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_filter(text, RUN)
    printed = "".join(traceback.format_exception(caught.value))
    assert "sqlglot" not in printed
    assert len(printed.splitlines()) < 25
