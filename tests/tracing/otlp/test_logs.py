"""Logs of GenAI events: rows below their spans, and assessments; each once."""

from __future__ import annotations

import json

import pytest

LOGS = "/v1/logs"
TRACE, SPAN = "ab" * 16, "cd" * 8


def text(value):
    return {"stringValue": value}


def record(name, attributes, **fields):
    return {
        "timeUnixNano": "1000000",
        "eventName": name,
        "traceId": TRACE,
        "spanId": SPAN,
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
        **fields,
    }


def request_of(*records):
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": text("shop")}]},
                "scopeLogs": [
                    {"scope": {"name": "judge", "version": "1"}, "logRecords": records}
                ],
            }
        ]
    }


ASKED = record(
    "gen_ai.client.inference.operation.details",
    {
        "gen_ai.operation.name": text("chat"),
        "gen_ai.request.model": text("gpt-9"),
        "gen_ai.usage.input_tokens": {"intValue": "7"},
        "gen_ai.input.messages": text('[{"role": "user"}]'),
        "gen_ai.output.messages": text('[{"role": "assistant"}]'),
    },
)
JUDGED = record(
    "gen_ai.evaluation.result",
    {
        "gen_ai.evaluation.name": text("Relevance"),
        "gen_ai.evaluation.score.value": {"doubleValue": 0.5},
        "gen_ai.evaluation.score.label": text("so so"),
        "gen_ai.evaluation.explanation": text("half of it"),
        "gen_ai.response.id": text("r1"),
    },
)


def test_what_a_model_was_asked_is_a_row_below_its_span_once(post, stored, span):
    for _ in range(2):
        answer = post(request_of(ASKED), path=LOGS)
        assert (answer.status, answer.json) == (200, {})
    parent = span(traceId=TRACE, spanId=SPAN, attributes=[])
    parent["name"] = "chat gpt-9"
    assert post({"resourceSpans": [{"scopeSpans": [{"spans": [parent]}]}]}).status == 200
    above, below = stored()
    assert above["name"] == "chat gpt-9"
    assert below["name"] == "gen_ai.client.inference.operation.details"
    assert below["parent_span_id"] == above["span_id"] == SPAN
    assert below["trace_id"] == above["trace_id"]
    assert (below["start_time_ns"], below["end_time_ns"]) == (1_000_000, 1_000_000)
    assert (below["span_type"], below["request_model"]) == ("CHAT_MODEL", "gpt-9")
    assert (below["inputs"], below["outputs"]) == (
        '[{"role":"user"}]',
        '[{"role":"assistant"}]',
    )
    assert below["service_name"] == "shop"
    # The span has them, and a trace would have twice as many.
    assert below["input_tokens"] is None
    (event,) = json.loads(below["events"])
    assert event["attributes"]["gen_ai.usage.input_tokens"] == 7


def test_an_old_event_has_its_name_in_an_attribute_and_its_content_in_its_body(post, stored):
    old = record(
        "",
        {"event.name": text("gen_ai.user.message"), "gen_ai.system": text("openai")},
        body={"kvlistValue": {"values": [{"key": "content", "value": text("hi")}]}},
    )
    assert post(request_of(old), path=LOGS).json == {}
    (row,) = stored()
    assert (row["name"], row["provider"]) == ("gen_ai.user.message", "openai")
    assert json.loads(row["events"])[0]["attributes"]["body"] == {"content": "hi"}


def test_a_verdict_is_an_assessment_once_and_may_come_before_its_trace(post, rows, span, lake):
    from lakeflow.open_store import open_store

    for _ in range(2):
        assert post(request_of(JUDGED), path=LOGS).json == {}
    parent = span(traceId=TRACE, spanId=SPAN)
    assert post({"resourceSpans": [{"scopeSpans": [{"spans": [parent]}]}]}).status == 200
    info = open_store(lake, create=False).traces.info(f"tr-{TRACE}")
    (found,) = info.assessments
    assert (found.name, found.value, found.span_id) == ("Relevance", 0.5, SPAN)
    assert found.rationale == "half of it"
    assert found.create_time_ms == 1
    assert (found.source.source_type, found.source.source_id) == ("CODE", "judge")
    assert found.metadata == {
        "gen_ai.evaluation.score.label": "so so",
        "gen_ai.response.id": "r1",
    }


def test_a_verdict_without_a_score_is_its_label_or_its_error(post, span, lake):
    from lakeflow.open_store import open_store

    name = {"gen_ai.evaluation.name": text("Tone")}
    label = record(
        "gen_ai.evaluation.result", name | {"gen_ai.evaluation.score.label": text("ok")}
    )
    error = record(
        "gen_ai.evaluation.result", name | {"error.type": text("timeout")}, spanId=""
    )
    parent = span(traceId=TRACE, spanId=SPAN)
    assert post({"resourceSpans": [{"scopeSpans": [{"spans": [parent]}]}]}).status == 200
    assert post(request_of(label, error), path=LOGS).json == {}
    found = open_store(lake, create=False).traces.info(f"tr-{TRACE}").assessments
    assert {(each.value, each.error_code, each.span_id) for each in found} == {
        ("ok", None, SPAN),
        (None, "timeout", None),
    }


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record("http.request", {}), "a name that is of no GenAI event"),
        (record("", {}), "a name that is of no GenAI event"),
        (record("", {"event.name": {"intValue": 1}}), "a name that is of no GenAI event"),
        (record("gen_ai.choice", {}, traceId=""), "no trace that it belongs to"),
        (record("gen_ai.evaluation.result", {}), "no gen_ai.evaluation.name"),
    ],
)
def test_other_logs_are_counted_and_not_stored(post, rows, bad, reason):
    answer = post(request_of(bad, ASKED), path=LOGS)
    assert answer.json["partialSuccess"] == {
        "rejectedLogRecords": "1",
        "errorMessage": f"1 with {reason}",
    }
    assert len(rows()) == 1
