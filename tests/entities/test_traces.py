"""Traces as they are read: what others have written, and what nobody should have."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow.entities import (
    Assessment,
    AssessmentSource,
    Expectation,
    Feedback,
    Span,
    Trace,
    TraceData,
    TraceInfo,
    TraceState,
    TraceStatus,
)
from lakeflow.entities.json_text import json_text, typed
from lakeflow.exceptions import InvalidInputError

TRACE_ID = "tr-" + "0a" * 16
# As MLflow 3.17 writes it: ids of spans in base64, names of its own, values as JSON texts.
OF_MLFLOW_3 = {
    "info": {
        "trace_id": TRACE_ID,
        "trace_location": {
            "type": "MLFLOW_EXPERIMENT",
            "mlflow_experiment": {"experiment_id": "7"},
        },
        "request_time": "2026-01-02T03:04:05.678Z",
        "execution_duration_ms": 12,
        "state": "OK",
        "request_preview": "why?",
        "trace_metadata": {"mlflow.trace.tokenUsage": '{"total_tokens": 3}'},
        "tags": {"mlflow.traceName": "ask"},
        "assessments": [
            {
                "assessment_id": "a-1",
                "assessment_name": "correct",
                "trace_id": TRACE_ID,
                "source": {"source_type": "HUMAN", "source_id": "kim"},
                "create_time": "2026-01-02T03:04:06Z",
                "last_update_time": "2026-01-02T03:04:07.500Z",
                "feedback": {"value": True},
                "rationale": "so",
                "valid": False,
            },
            {
                "assessment_name": "answer",
                "source": {"source_type": "CODE"},
                "create_time": "2026-01-02T03:04:06Z",
                "last_update_time": "2026-01-02T03:04:06Z",
                "expectation": {
                    "serialized_value": {
                        "serialization_format": "JSON_FORMAT",
                        "value": '["a", 1]',
                    }
                },
            },
        ],
    },
    "data": {
        "spans": [
            {
                "trace_id": "CgoKCgoKCgoKCgoKCgoKCg==",
                "span_id": "AAAAAAAAAAE=",
                "parent_span_id": None,
                "name": "ask",
                "start_time_unix_nano": "1767323045678000000",
                "end_time_unix_nano": 1767323045690000000,
                "events": [{"name": "e", "time_unix_nano": 5, "attributes": {"a": 1}}],
                "status": {"code": "STATUS_CODE_OK", "message": ""},
                "attributes": {
                    "mlflow.traceRequestId": json.dumps(TRACE_ID),
                    "mlflow.spanType": '"CHAIN"',
                    "mlflow.spanInputs": '{"q": 1}',
                    "k": "[1, 2.5]",
                },
            },
            {
                "trace_id": "CgoKCgoKCgoKCgoKCgoKCg==",
                "span_id": "AAAAAAAAAAI=",
                "parent_span_id": "AAAAAAAAAAE=",
                "name": "read",
                "start_time_unix_nano": 1767323045679000000,
                "end_time_unix_nano": None,
                "attributes": {"mlflow.traceRequestId": json.dumps(TRACE_ID)},
            },
        ]
    },
}


def test_a_trace_of_mlflow_3_is_read_and_written_as_one_of_mlflow_2() -> None:
    trace = Trace.from_json(json.dumps(OF_MLFLOW_3))
    info = trace.info
    assert (info.experiment_id, info.timestamp_ms, info.execution_time_ms) == (
        "7",
        1767323045678,
        12,
    )
    assert (info.status, info.token_usage) == (TraceStatus.OK, {"total_tokens": 3})
    root, child = trace.data.spans
    assert (root.span_id, child.parent_id) == ("0" * 15 + "1", "0" * 15 + "1")
    assert (root.inputs, root.span_type, root.attributes["k"]) == ({"q": 1}, "CHAIN", [1, 2.5])
    assert (child.end_time_ns, child.status.status_code) == (None, "UNSET")
    assert root.events[0].attributes == {"a": 1}
    feedback, expectation = info.assessments
    assert (feedback.value, feedback.valid, feedback.last_update_time_ms) == (
        True,
        False,
        1767323047500,
    )
    assert expectation.value == ["a", 1]
    assert trace.search_assessments() == [expectation]
    again = Trace.from_json(trace.to_json(pretty=True))
    assert again.to_dict() == trace.to_dict()
    assert again.info.assessments == info.assessments


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"info": {}, "data": {}}', '{"info": {"request_id": 1}, "data": {}}'],
)
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        Trace.from_json(text)


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": {}},
        {"attributes": None},
        {"status_code": "GOOD"},
        {"context": None},
        {"events": [1]},
        {"name": None, "context": {}},
    ],
)
def test_what_is_no_span_is_refused(change: dict[str, Any]) -> None:
    whole = Span.from_row(
        {"trace_id": TRACE_ID, "span_id": "a" * 16, "name": "n", "start_time_ns": 1}
    ).to_dict()
    assert Span.from_dict(whole).to_dict() == whole
    with pytest.raises(InvalidInputError):
        Span.from_dict(whole | change)


@pytest.mark.parametrize("garbage", ["", "{", "[1]", '"x"', "null", '{"a":' * 5_000])
def test_rows_that_nobody_should_have_written_are_read(garbage: str) -> None:
    span = Span.from_row(
        {
            "trace_id": TRACE_ID,
            "span_id": "a" * 16,
            "name": "n",
            "start_time_ns": 1,
            "status": garbage,
            **dict.fromkeys(
                ("attributes", "inputs", "outputs", "events", "links", "span_type"), garbage
            ),
        }
    )
    assert span.status.status_code == "UNSET"
    assert isinstance(span.to_dict(), dict)
    assert isinstance(span.links, list)
    assert repr(Trace(TraceInfo(TRACE_ID, "0", 1, TraceState.OK), TraceData([span])))


def test_spans_are_found_by_type_name_pattern_and_id() -> None:
    spans = [
        Span.from_row(
            {"trace_id": TRACE_ID, "span_id": f"{n:016x}", "name": name, "span_type": kind}
        )
        for n, (name, kind) in enumerate(
            [("ask", "CHAIN"), ("read", "TOOL"), ("reads", "TOOL")]
        )
    ]
    trace = Trace(TraceInfo(TRACE_ID, "0", 1, TraceState.OK), TraceData(spans))
    assert trace.search_spans(span_type="TOOL", name="read") == [spans[1]]
    assert trace.search_spans(name=re.compile("^read")) == spans[1:]
    assert trace.search_spans(span_id="0" * 16) == [spans[0]]
    for wrong in ({"name": 1}, {"span_type": 1}):
        with pytest.raises(InvalidInputError):
            trace.search_spans(**wrong)  # type: ignore[arg-type]


def test_intermediate_outputs_are_those_within_the_root() -> None:
    row = {"trace_id": TRACE_ID, "name": "read", "outputs": "1", "parent_span_id": "r"}
    spans = [
        Span.from_row({"trace_id": TRACE_ID, "span_id": "r", "name": "ask", "outputs": "0"}),
        Span.from_row(row),
        Span.from_row(row | {"outputs": "2"}),
    ]
    assert TraceData(spans).intermediate_outputs == {"read_1": 1, "read_2": 2}
    assert TraceData(spans[:1]).intermediate_outputs is None


@pytest.mark.parametrize(
    "value", [True, 1, 0.5, "yes", ["a", 1], {"a": [1]}], ids=lambda value: str(value)
)
def test_assessments_come_back_from_their_dictionaries(value: Any) -> None:
    for made in (
        Feedback("f", value, "no value", AssessmentSource("llm_judge"), rationale="so"),
        Feedback("f", value, metadata={"mlflow.assessment.sourceRunId": "r"}),
        Expectation("e", value, trace_id=TRACE_ID, span_id="a"),
    ):
        again = Assessment.from_dictionary(json.loads(json.dumps(made.to_dictionary())))
        assert again == made


def test_an_assessment_has_a_value_a_source_and_a_cause() -> None:
    with pytest.raises(InvalidInputError, match="no source of assessments"):
        AssessmentSource("robot")
    with pytest.raises(InvalidInputError, match="value"):
        Expectation("e", None)
    with pytest.raises(InvalidInputError, match="source"):
        Feedback("f", 1, source="kim")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="error"):
        Feedback("f", 1, error=1)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="neither"):
        Assessment.from_dictionary(
            {
                "assessment_name": "x",
                "source": {"source_type": "CODE"},
                "create_time": 1,
                "last_update_time": 1,
            }
        )
    with pytest.warns(FutureWarning, match="LLM_JUDGE"):
        assert AssessmentSource("ai_judge").source_type == "LLM_JUDGE"


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=20)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])).filter(
                lambda key: key[:1] != "$"
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@given(_values)
def test_values_keep_their_types(value: Any) -> None:
    text = json_text(value)
    text.encode()
    json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert _same(value, typed(text))


class Detached(Mapping[str, int]):
    """A row whose session is closed."""

    def __getitem__(self, key: str) -> int:
        raise RuntimeError("detached")

    def __iter__(self) -> Iterator[str]:
        return iter("ab")

    def __len__(self) -> int:
        return 2


class Unbound:
    """A proxy of nothing."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("unbound")


class Changed(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("none")


@pytest.mark.parametrize(
    ("make", "stored"),
    [
        (Detached, None),
        (Unbound, None),
        (lambda: Changed(a=1), {"a": 1}),
        (lambda: 10**5000, hex(10**5000)),
        # As a list it would take 80 TB.
        (lambda: range(10**13), None),
    ],
)
def test_no_value_fails(make: Callable[[], object], stored: object) -> None:
    value = make()
    assert json.loads(json_text([value])) == [str(value) if stored is None else stored]
