"""Assessments: what MLflow's store does with them is what ours does."""

from __future__ import annotations

import copy
import zlib
from typing import Any

import pytest
from inside_mlflow.programs import a_moment
from mlflow.entities import (
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
    IssueReference,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.entities.assessment import ExpectationValue, FeedbackValue
from mlflow.exceptions import MlflowException

import lakeflow

HUMAN = AssessmentSource("HUMAN", "kim")
JUDGE = AssessmentSource("LLM_JUDGE", "gpt")
BEGUN_MS = 1_700_000_000_000


@pytest.fixture
def trace_id(pair: Any, request: pytest.FixtureRequest) -> str:
    """A trace of its own for each test, on both."""
    name = f"tr-{zlib.crc32(request.node.name.encode()):032x}"
    for store in pair:
        store.start_trace(
            TraceInfo(name, TraceLocation.from_experiment_id("0"), BEGUN_MS, TraceState.OK)
        )
    return name


def shown(assessment: Any) -> dict[str, Any]:
    """Return what is the same on both stores: not ids, and not when something changed."""
    found = {**vars(assessment)}
    for name in ("assessment_id", "overrides"):
        found[name] = found[name] is not None
    found.pop("last_update_time_ms")
    # MLflow's store forgets why something is expected.
    if isinstance(assessment, Expectation):
        found.pop("rationale")
    return {key: repr(value) for key, value in found.items()}


MADE = [
    Feedback("plain", True, source=HUMAN),
    Feedback("number", 0.25, source=JUDGE, rationale="so so", metadata={"a": "b"}),
    Feedback("text", "yes", source=JUDGE, span_id="a" * 16),
    Feedback("list", [1, "a", False], source=HUMAN),
    Feedback("object", {"k": 1.5, "ü": "é"}, source=HUMAN),
    Feedback("none", None, source=HUMAN),
    Feedback("failed", error=AssessmentError("TIMEOUT", "too slow", "at line 1"), source=JUDGE),
    Feedback("raised", error=ValueError("no"), source=JUDGE),
    Feedback("of a run", 1, source=HUMAN, metadata={"mlflow.assessment.sourceRunId": "r" * 32}),
    Feedback("at", 1, source=HUMAN, create_time_ms=BEGUN_MS, last_update_time_ms=BEGUN_MS + 1),
    Expectation("answer", "42", source=HUMAN),
    Expectation("deep", {"a": [1, {"b": None}]}, source=HUMAN, metadata={"k": "v"}),
    Expectation("zero", 0, source=HUMAN),
    IssueReference("iss-1", "answers are cut", source=JUDGE, rationale="seen twice"),
]


@pytest.mark.parametrize("made", MADE, ids=lambda each: each.name)
def test_what_is_logged_comes_back(pair: Any, trace_id: str, made: Any) -> None:
    answers = []
    for store in pair:
        returned = store.create_assessment(make(made, trace_id))
        assert returned.assessment_id.startswith("a-")
        read = store.get_assessment(trace_id, returned.assessment_id)
        (of_trace,) = store.get_trace_info(trace_id).assessments
        answers.append(list(map(shown, (returned, read, of_trace))))
        assert type(read) is type(made)
    assert answers[0] == answers[1]


def make(made: Any, trace_id: str) -> Any:
    given = copy.deepcopy(made)
    given.trace_id = trace_id
    return given


def both(pair: Any, trace_id: str, made: Any) -> list[Any]:
    return [store.create_assessment(make(made, trace_id)) for store in pair]


UPDATES: list[tuple[Any, dict[str, Any]]] = [
    (MADE[1], {"feedback": FeedbackValue(0.5)}),
    (MADE[1], {"name": "renamed"}),
    (MADE[1], {"rationale": "because"}),
    (MADE[1], {"metadata": {"a": "c", "d": "e"}}),
    (MADE[6], {"feedback": FeedbackValue(1)}),
    (MADE[0], {"feedback": FeedbackValue(None, AssessmentError("E", "m"))}),
    (MADE[10], {"expectation": ExpectationValue([1, 2]), "name": "other"}),
    (MADE[0], {}),
]


@pytest.mark.parametrize("number", range(len(UPDATES)))
def test_updates_change_what_is_given_and_merge_metadata(
    pair: Any, trace_id: str, number: int
) -> None:
    made, changes = UPDATES[number]
    answers = []
    for store, known in zip(pair, both(pair, trace_id, made), strict=True):
        a_moment()
        returned = store.update_assessment(trace_id, known.assessment_id, **changes)
        read = store.get_assessment(trace_id, known.assessment_id)
        assert returned.last_update_time_ms > known.last_update_time_ms
        answers.append([shown(returned), shown(read)])
    ours, theirs = answers
    for each in (*ours, *theirs):
        each.pop("create_time_ms")
    assert ours == theirs


@pytest.mark.parametrize(
    ("made", "changes"),
    [
        (MADE[0], {"expectation": ExpectationValue(1)}),
        (MADE[10], {"feedback": FeedbackValue(1)}),
        (MADE[0], {"expectation": ExpectationValue(1), "feedback": FeedbackValue(1)}),
    ],
)
def test_a_feedback_does_not_become_an_expectation(
    pair: Any, trace_id: str, made: Any, changes: dict[str, Any]
) -> None:
    for store, known in zip(pair, both(pair, trace_id, made), strict=True):
        with pytest.raises(MlflowException) as raised:
            store.update_assessment(trace_id, known.assessment_id, **changes)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"


def test_what_overrides_makes_the_other_one_invalid_until_it_is_deleted(
    pair: Any, trace_id: str
) -> None:
    for store, first in zip(pair, both(pair, trace_id, MADE[0]), strict=True):
        second = store.create_assessment(
            Feedback("plain", False, trace_id=trace_id, overrides=first.assessment_id)
        )
        lakeflow.compact(pair.lake.uri)

        def valid(store: Any = store) -> dict[Any, Any]:
            known = store.get_trace_info(trace_id).assessments
            return {each.assessment_id: each.valid for each in known}

        assert valid() == {first.assessment_id: False, second.assessment_id: True}
        for _ in range(2):
            store.delete_assessment(trace_id, second.assessment_id)
            assert valid() == {first.assessment_id: True}


def test_what_is_not_there_is_not_found(pair: Any, trace_id: str) -> None:
    for store in pair:
        for call in (
            lambda s: s.get_assessment(trace_id, "a-none"),
            lambda s: s.get_assessment("tr-none", "a-none"),
            lambda s: s.update_assessment(trace_id, "a-none", name="x"),
            lambda s: s.create_assessment(Feedback("x", 1, trace_id="tr-none")),
            lambda s: s.create_assessment(Feedback("x", trace_id=trace_id, overrides="a-no")),
        ):
            with pytest.raises(MlflowException) as raised:
                call(store)
            assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"
        store.delete_assessment(trace_id, "a-none")


def test_assessments_of_a_trace_come_with_it(pair: Any) -> None:
    answers = []
    for store in pair:
        begun = TraceInfo(
            f"tr-{'e' * 32}",
            TraceLocation.from_experiment_id("0"),
            BEGUN_MS,
            TraceState.OK,
            assessments=[Feedback("given", 1, source=HUMAN), MADE[10]],
        )
        store.start_trace(begun)
        (info,) = store.batch_get_trace_infos([begun.trace_id])
        found = sorted(map(shown, info.assessments), key=lambda each: each["name"])
        answers.append([{**each, "create_time_ms": 0} for each in found])
    assert answers[0] == answers[1]
    assert len(answers[0]) == 2


def test_a_trace_is_found_by_its_issue(pair: Any, trace_id: str) -> None:
    both(pair, trace_id, IssueReference("iss-2", "slow", source=JUDGE))
    for store in pair:
        page, _ = store.search_traces(["0"], 'issue.id = "iss-2"')
        assert [each.trace_id for each in page] == [trace_id]
