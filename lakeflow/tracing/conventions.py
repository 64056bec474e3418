"""Which attribute of a span means which column of the table ``spans``.

No name of the GenAI conventions is stable, libraries of all ages are in use at once, and each
family of instrumentation has names of its own. So names are data: a new one is a new line here.

The names are of OpenTelemetry's GenAI conventions, those that they had before included;
OpenInference; OpenLLMetry (``traceloop.*``); the AI SDK of Vercel (``ai.*``); and MLflow.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import decoded, json_text
from lakeflow.entities.trace_info import COST_NAMES, TOKEN_NAMES
from lakeflow.printable import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VERSION = 2
"""Raised with every change of what is lifted."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "session_id": (
        "mlflow.trace.session",
        "session.id",
        "gen_ai.conversation.id",
        "traceloop.association.properties.session_id",
        "ai.telemetry.metadata.sessionId",
    ),
    "user_id": (
        "mlflow.trace.user",
        "user.id",
        "enduser.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
    ),
    "operation": ("gen_ai.operation.name", "llm.request.type", "ai.operationId"),
    "provider": (
        "mlflow.llm.provider",
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
    ),
    "request_model": (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.model_name",
        "embedding.model_name",
        "reranker.model_name",
        "ai.model.id",
        "mlflow.llm.model",
    ),
    "response_model": ("gen_ai.response.model", "llm.response.model_name", "ai.response.model"),
    "agent_name": ("gen_ai.agent.name", "agent.name"),
    "tool_name": ("gen_ai.tool.name", "tool.name", "ai.toolCall.name"),
    "finish_reasons": (
        "gen_ai.response.finish_reasons",
        "llm.finish_reason",
        "ai.response.finishReason",
    ),
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "cached_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cached_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
    ),
    "cache_creation_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.token_count.total",
        "llm.usage.total_tokens",
        "ai.usage.totalTokens",
    ),
    "span_type": (
        "mlflow.spanType",
        "openinference.span.kind",
        "traceloop.span.kind",
        "gen_ai.operation.name",
        "llm.request.type",
        "ai.operationId",
    ),
    "inputs": (
        "mlflow.spanInputs",
        "gen_ai.input.messages",
        "gen_ai.tool.call.arguments",
        "gen_ai.retrieval.query.text",
        "input.value",
        "traceloop.entity.input",
        "ai.prompt",
        "ai.prompt.messages",
        "ai.toolCall.args",
        "ai.value",
        "ai.values",
        "gen_ai.prompt",
    ),
    "outputs": (
        "mlflow.spanOutputs",
        "gen_ai.output.messages",
        "gen_ai.tool.call.result",
        "gen_ai.retrieval.documents",
        "output.value",
        "traceloop.entity.output",
        "ai.response.text",
        "ai.response.object",
        "ai.toolCall.result",
        "gen_ai.completion",
    ),
}
"""The attributes of each column; the first one that a span has, and that fits, is taken."""

USAGE = {"mlflow.chat.tokenUsage": TOKEN_NAMES, "mlflow.llm.cost": COST_NAMES}
"""Attributes that hold an object with several columns, which come before all others."""

MOVED = frozenset({"mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.spanType"})
"""Attributes that are in their column alone. All others stay in ``attributes`` as well."""

SPAN_TYPES = {
    "agent": "AGENT",
    "chat": "CHAT_MODEL",
    "completion": "LLM",
    "create_agent": "AGENT",
    "create_memory": "MEMORY",
    "create_memory_store": "MEMORY",
    "delete_memory": "MEMORY",
    "delete_memory_store": "MEMORY",
    "embedding": "EMBEDDING",
    "embeddings": "EMBEDDING",
    "execute_tool": "TOOL",
    "generate_content": "LLM",
    "invoke_agent": "AGENT",
    "invoke_workflow": "WORKFLOW",
    "plan": "AGENT",
    "rerank": "RERANKER",
    "retrieval": "RETRIEVER",
    "search_memory": "MEMORY",
    "task": "TASK",
    "text_completion": "LLM",
    "tool": "TOOL",
    "update_memory": "MEMORY",
    "upsert_memory": "MEMORY",
    "workflow": "WORKFLOW",
    "ai.embed": "EMBEDDING",
    "ai.embed.doEmbed": "EMBEDDING",
    "ai.embedMany": "EMBEDDING",
    "ai.embedMany.doEmbed": "EMBEDDING",
    "ai.generateObject": "LLM",
    "ai.generateObject.doGenerate": "LLM",
    "ai.generateText": "LLM",
    "ai.generateText.doGenerate": "LLM",
    "ai.streamObject": "LLM",
    "ai.streamObject.doStream": "LLM",
    "ai.streamText": "LLM",
    "ai.streamText.doStream": "LLM",
    "ai.toolCall": "TOOL",
}
"""Types of spans by what others call them; MLflow's and OpenInference's stay as they are."""

UNKNOWN_TYPE = "UNKNOWN"
"""The type of a span that has no attribute for it."""

_LONGEST_NAME = 4_096
"""Characters; what has more is no name."""

_JSON_COLUMNS = {"inputs", "outputs"}
_AS_THEY_ARE = {"mlflow.spanType", "openinference.span.kind"}


def lifted(several: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the columns of ``spans`` that the attributes of some spans say.

    What does not fit is not taken: a count of tokens that is no whole number of at least 0, a
    name that is no text. Without a count for both, ``total_tokens`` is the sum of the two.

    Args:
        several: Of each span what OpenTelemetry has: MLflow's inputs, outputs and types are
            texts of JSON.

    Returns:
        Values as the table holds them, JSON as text; None for a span that does not say it.
        Columns of which no span has an attribute are left out.

    Examples:
        >>> lifted([{"gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 12}, {}])
        {'provider': ['openai', None], 'input_tokens': [12, None], 'total_tokens': [12, None]}
        >>> lifted([{"openinference.span.kind": "TOOL", "input.value": '{"city": "Rome"}'}])
        {'span_type': ['TOOL'], 'inputs': ['{"city":"Rome"}']}
    """
    nothing = [None] * len(several)
    found: dict[str, list[Any]] = {}
    for column, name, read in _sources(_NAMES.intersection(set().union(*several))):
        found[column] = [
            read(each[name]) if value is None and name in each else value
            for value, each in zip(found.get(column, nothing), several, strict=True)
        ]
    if "input_tokens" in found or "output_tokens" in found:
        counts = [
            found.get(column, nothing)
            for column in ("total_tokens", "input_tokens", "output_tokens")
        ]
        # Where neither is known, so that ``asked is answered is None``, there is no sum.
        found["total_tokens"] = [
            (asked or 0) + (answered or 0)
            if total is None and not asked is answered is None
            else total
            for total, asked, answered in zip(*counts, strict=True)
        ]
    return found


def _text(value: Any) -> str | None:
    if type(value) is not str or not 0 < len(value) <= _LONGEST_NAME:
        return None
    return value if value.isascii() else readable(value)


def _whole_number(value: Any) -> int | None:
    # A client in JavaScript sends 12.0 for 12.
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < 2**63 else None


def _texts(value: Any) -> str | None:
    """Return a JSON array of texts."""
    if type(value) is str:
        value = _parsed(value) if value[:1] == "[" else [value]
    if not isinstance(value, list | tuple) or not all(type(each) is str for each in value):
        return None
    return json_text(list(value))


def _json(value: Any) -> str | None:
    """Return a value as JSON; a text that has an object or array in JSON is that."""
    if type(value) is str and value[:1] in ("{", "["):
        value = _parsed(value)
    return None if value is None else json_text(value)


def _json_of_mlflow(value: Any) -> str | None:
    return json_text(_parsed(value) if type(value) is str else value)


def _type_of_mlflow(value: Any) -> str | None:
    return _text(_parsed(value) if type(value) is str else value)


def _type_of_others(value: Any) -> str | None:
    return SPAN_TYPES.get(value) if type(value) is str else None


def _parsed(text: str) -> Any:
    try:
        return decoded(text)
    except ValueError:
        return text


def _reader(column: str, name: str) -> Callable[[Any], Any]:
    if column == "span_type":
        return _type_of_mlflow if name in _AS_THEY_ARE else _type_of_others
    if column in _JSON_COLUMNS:
        return _json_of_mlflow if name in MOVED else _json
    if column.endswith("_tokens"):
        return _whole_number
    return _texts if column == "finish_reasons" else _text


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A whole number may be too large for a float.
    return float(value) if abs(value) < _MOST_AMOUNT else None


_MOST_AMOUNT = 1e300


def _part(key: str, read_one: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        usage = _parsed(value) if type(value) is str else value
        return read_one(usage.get(key)) if isinstance(usage, dict) else None

    return read


_SOURCES: list[tuple[str, str, Callable[[Any], Any]]] = [
    *(
        (column, name, _part(key, _amount if column in COST_NAMES else _whole_number))
        for name, parts in USAGE.items()
        for column, key in parts.items()
    ),
    *(
        (column, name, _reader(column, name))
        for column, names in COLUMNS.items()
        for name in names
    ),
]
"""Columns, attributes that say them, and what reads these: of a column the first one first."""

_NAMES = frozenset(name for _, name, _ in _SOURCES)


# The spans of an application have few sets of names.
@functools.lru_cache(maxsize=1_024)
def _sources(names: frozenset[str]) -> list[tuple[str, str, Callable[[Any], Any]]]:
    """Return those of the sources that attributes of these names are."""
    return [each for each in _SOURCES if each[1] in names]
