"""Tables of traces, of their spans, and of what people and judges said of them."""

from __future__ import annotations

from lakeflow.schema.spec import Column, TableSpec

_EXPERIMENT_ID = Column("experiment_id", "string", "experiment it belongs to")
_TRACE_ID = Column("trace_id", "string", "tr- and the 32 hexadecimal digits of OpenTelemetry")
_TRACE_KEY = ("experiment_id", "trace_id", "key")
# A search reads one key of very many traces.
_SEARCH_ORDER = ("key", "experiment_id", "trace_id")


def _text(name: str, comment: str) -> Column:
    return Column(name, "string", comment, nullable=True)


def _number(name: str, comment: str) -> Column:
    return Column(name, "long", comment, nullable=True)


_TOKENS = (
    _number("input_tokens", "tokens that went into models, cached ones included"),
    _number("output_tokens", "tokens that models gave back"),
    _number("cached_tokens", "those of input_tokens that were read from a cache"),
    _number("total_tokens", "input_tokens and output_tokens, or what was given for both"),
    _number("cache_creation_tokens", "those of input_tokens that were written to a cache"),
)

_COSTS = tuple(
    Column(name, "double", comment, nullable=True)
    for name, comment in (
        ("input_cost", "US dollars that input_tokens cost"),
        ("output_cost", "US dollars that output_tokens cost"),
        ("total_cost", "US dollars of both"),
    )
)

TRACES = TableSpec(
    "traces",
    "one row per trace",
    (
        _TRACE_ID,
        _EXPERIMENT_ID,
        Column("request_time", "long", "start in milliseconds since the Unix epoch, UTC"),
        _number("execution_duration", "milliseconds; null while it is under way"),
        Column("state", "string", "OK, ERROR, IN_PROGRESS or STATE_UNSPECIFIED"),
        _text("name", "name of the root span"),
        _text("run_id", "run that was active when it began"),
        _text("session_id", "conversation that it is part of"),
        _text("user_id", "who asked"),
        _text("client_request_id", "id that the application has given it"),
        *_TOKENS,
        *_COSTS,
        _number("span_count", "spans that have come"),
        _number("first_time_ns", "start of its first span, nanoseconds since the Unix epoch"),
        _number("last_time_ns", "start of its last span, nanoseconds since the Unix epoch"),
        _text("request_preview", "beginning of what was asked"),
        _text("response_preview", "beginning of what was answered"),
    ),
    key=("trace_id",),
    sort=("experiment_id", "request_time", "trace_id"),
    row_group_rows=8_192,
    looked_up=(("trace_id", 8_192),),
)

TRACE_TAGS = TableSpec(
    "trace_tags",
    "one row per tag of a trace",
    (
        _EXPERIMENT_ID,
        _TRACE_ID,
        Column("key", "string", "name"),
        Column("value", "string", "text"),
    ),
    key=_TRACE_KEY,
    sort=_SEARCH_ORDER,
)

TRACE_METADATA = TableSpec(
    "trace_metadata",
    "one row per metadata entry of a trace",
    TRACE_TAGS.columns,
    key=_TRACE_KEY,
    sort=_SEARCH_ORDER,
)


def _links(name: str, comment: str, column: Column) -> TableSpec:
    return TableSpec(
        name,
        comment,
        (
            _EXPERIMENT_ID,
            _TRACE_ID,
            column,
            Column("linked_time", "long", "milliseconds since the Unix epoch, UTC"),
        ),
        key=("experiment_id", "trace_id", column.name),
        # Those of a trace are in its document; a search asks for those of one run or prompt.
        sort=(column.name, "experiment_id", "trace_id"),
    )


TRACE_RUNS = _links(
    "trace_runs",
    "one row per run that a trace was linked to after it had begun",
    Column("run_id", "string", "the run"),
)

TRACE_PROMPTS = _links(
    "trace_prompts",
    "one row per version of a prompt that a trace has used",
    Column("prompt", "string", "name of the prompt, a slash, and the version"),
)

SPANS = TableSpec(
    "spans",
    "one row per span",
    (
        _EXPERIMENT_ID,
        _TRACE_ID,
        Column("day", "long", "days since the Unix epoch of its start, UTC"),
        Column("start_time_ns", "long", "nanoseconds since the Unix epoch, UTC"),
        Column("span_id", "string", "16 hexadecimal digits"),
        _text("parent_span_id", "span within which it ran; null for a root"),
        _number("end_time_ns", "nanoseconds since the Unix epoch, UTC; null if it never ended"),
        Column("name", "string", "need not be unique"),
        Column("span_type", "string", "what it does, such as LLM, TOOL or RETRIEVER"),
        Column("kind", "string", "INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER or UNSPECIFIED"),
        Column("status", "string", "OK, ERROR or UNSET"),
        _text("status_message", "why it failed"),
        _text("service_name", "service.name of its resource"),
        _text("session_id", "conversation that it is part of"),
        _text("user_id", "who asked"),
        _text("operation", "what the model was asked for, such as chat or embeddings"),
        _text("provider", "whose model it was"),
        _text("request_model", "model that was asked for"),
        _text("response_model", "model that answered"),
        _text("agent_name", "agent that ran"),
        _text("tool_name", "tool that was called"),
        _text("finish_reasons", "why the model stopped, a JSON array of texts"),
        *_TOKENS,
        *_COSTS,
        Column("attributes", "string", "its attributes with their types, a JSON object"),
        _text("inputs", "what went in, as JSON"),
        _text("outputs", "what came out, as JSON"),
        _text("events", "what happened in it, a JSON array of objects"),
        _text("links", "other spans that it names, a JSON array of objects"),
        _text("resource", "attributes of what it ran in, a JSON object"),
        _text("scope", "what made it: name, version and attributes, a JSON object"),
        _text("trace_state", "tracestate of W3C"),
        _number("flags", "flags of OpenTelemetry"),
    ),
    # Repeated, a span begins when it did: files are told apart by that.
    key=("experiment_id", "trace_id", "start_time_ns", "span_id"),
    sort=("experiment_id", "day", "trace_id", "start_time_ns", "span_id"),
    row_group_rows=8_192,
    # Ids of traces are random: in a row group of two days they say nothing.
    parted_by=("experiment_id", "day"),
    file_rows=1_048_576,
    # One trace of 60 row groups takes half the time by it, for 0.5% of the size.
    looked_up=(("trace_id", 1_024),),
)

ASSESSMENTS = TableSpec(
    "assessments",
    "one row per assessment of a trace or a span",
    (
        _EXPERIMENT_ID,
        _TRACE_ID,
        Column("assessment_id", "string", "unique, begins with a-"),
        Column("name", "string", "what is assessed"),
        Column("kind", "string", "feedback, expectation or issue"),
        Column("create_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("last_update_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("source_type", "string", "HUMAN, LLM_JUDGE or CODE"),
        _text("source_id", "who or what said it"),
        _text("span_id", "span that it is about; null for the trace"),
        _text("run_id", "run that it was made in"),
        _text("overrides", "assessment whose place it takes"),
        _text("value", "any value, as JSON"),
        _text("rationale", "why"),
        _text("error", "why there is no value, a JSON object"),
        _text("metadata", "a JSON object of texts"),
    ),
    key=("experiment_id", "trace_id", "assessment_id"),
    # Searches ask for assessments of one name.
    sort=("experiment_id", "name", "trace_id", "assessment_id"),
)
