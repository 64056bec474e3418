"""Names of attributes, old and new, of several families, end in the same columns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakeflow.schema import SPANS
from lakeflow.tracing.conventions import COLUMNS, USAGE, lifted

FAMILIES = {
    "GenAI": {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-9",
        "gen_ai.response.model": "gpt-9-2026",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 7,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.conversation.id": "s1",
        "user.id": "ann",
        "gen_ai.input.messages": '[{"role": "user"}]',
        "gen_ai.output.messages": [{"role": "assistant"}],
    },
    "GenAI as it was": {
        "gen_ai.operation.name": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "gpt-9",
        "gen_ai.response.model": "gpt-9-2026",
        "gen_ai.usage.prompt_tokens": 12,
        "gen_ai.usage.completion_tokens": 5,
        "gen_ai.usage.cache_read_input_tokens": 7,
        "gen_ai.response.finish_reasons": ["stop"],
        "session.id": "s1",
        "enduser.id": "ann",
        "gen_ai.prompt": '[{"role":"user"}]',
        "gen_ai.completion": '[{"role":"assistant"}]',
    },
    "OpenInference": {
        "openinference.span.kind": "CHAT_MODEL",
        "llm.request.type": "chat",
        "llm.provider": "openai",
        "llm.model_name": "gpt-9",
        "llm.response.model_name": "gpt-9-2026",
        "llm.token_count.prompt": 12,
        "llm.token_count.completion": 5,
        "llm.token_count.prompt_details.cache_read": 7,
        "llm.finish_reason": "stop",
        "session.id": "s1",
        "user.id": "ann",
        "input.value": '[{"role":"user"}]',
        "output.value": '[{"role":"assistant"}]',
    },
    "MLflow": {
        "mlflow.spanType": '"CHAT_MODEL"',
        "gen_ai.operation.name": "chat",
        "mlflow.llm.provider": "openai",
        "mlflow.llm.model": "gpt-9",
        "gen_ai.response.model": "gpt-9-2026",
        "mlflow.chat.tokenUsage": '{"input_tokens": 12, "output_tokens": 5, '
        '"cache_read_input_tokens": 7}',
        "gen_ai.response.finish_reasons": '["stop"]',
        "mlflow.trace.session": "s1",
        "mlflow.trace.user": "ann",
        "mlflow.spanInputs": '[{"role": "user"}]',
        "mlflow.spanOutputs": '[{"role": "assistant"}]',
    },
}


def said_by(attributes):
    """Return the columns that the attributes of one span say."""
    return {
        column: value for column, (value,) in lifted([attributes]).items() if value is not None
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_of_names_says_the_same(family):
    assert said_by(FAMILIES[family]) == {
        "span_type": "CHAT_MODEL",
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-9",
        "response_model": "gpt-9-2026",
        "input_tokens": 12,
        "output_tokens": 5,
        "cached_tokens": 7,
        "total_tokens": 17,
        "finish_reasons": '["stop"]',
        "session_id": "s1",
        "user_id": "ann",
        "inputs": '[{"role":"user"}]',
        "outputs": '[{"role":"assistant"}]',
    }


def test_only_columns_of_the_table_are_lifted_to():
    parts = [column for each in USAGE.values() for column in each]
    assert {*COLUMNS, *parts} <= {*SPANS.column_names}


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_attributes_does_not_tell_which_wins(order):
    names = ["gen_ai.system", "gen_ai.provider.name"][::order]
    assert said_by({name: name for name in names})["provider"] == "gen_ai.provider.name"


@pytest.mark.parametrize("count", [-1, 1.5, True, "12", None, 2**63, float("nan"), [1]])
def test_what_is_no_count_is_not_lifted_and_another_name_is_asked(count):
    counts = {"gen_ai.usage.input_tokens": count, "gen_ai.usage.prompt_tokens": 3}
    assert said_by(counts)["input_tokens"] == 3


def test_a_whole_number_of_javascript_is_a_count():
    assert said_by({"gen_ai.usage.input_tokens": 12.0})["input_tokens"] == 12


@pytest.mark.parametrize("text", ["", "plain", "42", "{no json", '"', "[" * 5000])
def test_a_text_that_is_no_object_stays_a_text(text):
    assert json.loads(said_by({"input.value": text})["inputs"]) == text


def test_what_mlflow_says_is_json_whatever_it_is():
    found = said_by({"mlflow.spanInputs": '"42"', "mlflow.spanOutputs": "42"})
    assert found == {"inputs": '"42"', "outputs": "42"}


@pytest.mark.parametrize("value", [3, [], {}, b"x", None, ("a", 1)])
def test_names_and_reasons_are_texts_or_nothing(value):
    text = "gen_ai.response.finish_reasons"
    found = said_by(
        {"gen_ai.request.model": value, "gen_ai.operation.name": value, text: value}
    )
    assert found in ({}, {"finish_reasons": "[]"})


def test_the_page_lists_every_name_in_its_order():
    page = (Path(__file__).parents[2] / "docs/how-to/opentelemetry.md").read_text()
    for column, names in COLUMNS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{column}` |")]
        assert ", ".join(f"`{name}`" for name in names) in row
