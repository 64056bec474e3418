"""Traces: spans that belong together, and what was said of them."""

from __future__ import annotations

from lakeflow.kinds.catalogue import ATTRIBUTE_PREFIXES, Attribute, Catalogue, Rows
from lakeflow.kinds.experiment import EXPERIMENT
from lakeflow.kinds.kind import Derived, Keep, Kind, Part
from lakeflow.schema import (
    ASSESSMENTS,
    SPANS,
    TRACE_METADATA,
    TRACE_PROMPTS,
    TRACE_RUNS,
    TRACE_TAGS,
    TRACES,
)

_STARTED = Attribute("request_time", is_number=True)
_TOOK = Attribute("execution_duration", is_number=True)
_ENDED = Attribute("(request_time + coalesce(execution_duration, 0))", is_number=True)
_STATE = Attribute("state", values=("OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"))

_COUNTS = (
    "input_tokens", "output_tokens", "cached_tokens", "total_tokens", "cache_creation_tokens",
    "input_cost", "output_cost", "total_cost",
)  # fmt: skip
"""What models took and gave, and what that cost."""

_SPANS = Part(SPANS, Keep.LAST, in_document=False, in_columns=True, pruned_by="start_time_ns")

# Not ||, by which one null would make all of it null.
_CONTENT = "concat_ws(' ', name, inputs, outputs, attributes)"
"""All that is said in a span, as one text."""

_SPAN = Rows(
    "span",
    SPANS,
    by=("trace_id",),
    columns={
        **{
            name: Attribute(name)
            for name in (
                "name",
                "service_name",
                "session_id",
                "user_id",
                "operation",
                "provider",
                "request_model",
                "response_model",
                "agent_name",
                "tool_name",
                "status_message",
                "inputs",
                "outputs",
            )
        },
        **{
            name: Attribute(name, is_number=True)
            for name in ("start_time_ns", "end_time_ns", *_COUNTS)
        },
        "id": Attribute("span_id"),
        "type": Attribute("span_type"),
        "kind": Attribute("kind"),
        "status": Attribute("status", values=("OK", "ERROR", "UNSET")),
        "duration_ms": Attribute("((end_time_ns - start_time_ns) / 1e6)", is_number=True),
        "content": Attribute(_CONTENT),
    },
    objects={"attributes": "attributes", "resource": "resource"},
    is_one=True,
)


def _assessed(kind: str) -> Rows:
    """Return what assessments of a kind say, without those that others have overridden."""
    # Without the nulls: nothing is NOT IN a list that has one.
    replaced = f"SELECT overrides FROM {ASSESSMENTS.name} WHERE overrides IS NOT NULL"  # noqa: S608
    return Rows(
        kind,
        ASSESSMENTS,
        by=("trace_id",),
        key="name",
        # TRY: what is no JSON is null, and does not end the search.
        value="""TRY(json_extract_string("value", '$'))""",
        where=f"kind = '{kind}' AND assessment_id NOT IN ({replaced})",
    )


_ISSUE = Rows(
    "issue",
    ASSESSMENTS,
    by=("trace_id",),
    columns={"id": Attribute('"name"')},
    where="kind = 'issue'",
)

TRACE = Kind(
    "trace",
    row=TRACES,
    id="trace_id",
    makes="request_time",
    settable={
        # A trace ends once: whoever ends it again was too late.
        "state": Keep.FIRST,
        **dict.fromkeys(
            (
                "execution_duration",
                "name",
                "run_id",
                "session_id",
                "user_id",
                "client_request_id",
                *_COUNTS,
                "request_preview",
                "response_preview",
            ),
            Keep.LAST,
        ),
    },
    parts=(
        Part(TRACE_TAGS, Keep.LAST, removable=True),
        Part(TRACE_METADATA, Keep.LAST),
        Part(TRACE_RUNS, Keep.LAST, removable=True),
        Part(TRACE_PROMPTS, Keep.LAST, removable=True),
        Part(ASSESSMENTS, Keep.LAST, removable=True),
        _SPANS,
    ),
    owner=EXPERIMENT,
    is_removable=True,
    derived=Derived(
        _SPANS,
        (
            "request_time", "execution_duration", "state", "name", "session_id", "user_id",
            *_COUNTS, "span_count", "first_time_ns", "last_time_ns", "request_preview",
            "response_preview",
        ),
        bounds=("first_time_ns", "last_time_ns"),
        defaults={"state": "IN_PROGRESS"},
    ),
    catalogue=Catalogue(
        {
            **dict.fromkeys(
                ("timestamp_ms", "timestamp", "request_time", "trace.timestamp"), _STARTED
            ),
            **dict.fromkeys(
                ("execution_time_ms", "execution_time", "execution_duration"), _TOOK
            ),
            **dict.fromkeys(("end_time_ms", "end_time"), _ENDED),
            **dict.fromkeys(("status", "state"), _STATE),
            **dict.fromkeys(("request_id", "trace_id", "id"), Attribute("trace_id")),
            "experiment_id": Attribute("experiment_id"),
            "name": Attribute("name"),
            "run_id": Attribute(
                "run_id", also=Attribute("run_id", table=TRACE_RUNS, by=("trace_id",))
            ),
            "prompt": Attribute("prompt", table=TRACE_PROMPTS, by=("trace_id",)),
            "client_request_id": Attribute("client_request_id"),
            "text": Attribute(_CONTENT, table=SPANS, by=("trace_id",)),
            "session_id": Attribute("session_id"),
            "user_id": Attribute("user_id"),
            **{
                name: Attribute(name, is_number=True)
                for name in (*_COUNTS, "span_count")
            },
        },
        {
            **dict.fromkeys(("tag", "tags"), TRACE_TAGS),
            **dict.fromkeys(("metadata", "request_metadata", "trace_metadata"), TRACE_METADATA),
        },
        rows={
            **dict.fromkeys(("span", "spans"), _SPAN),
            "feedback": _assessed("feedback"),
            "expectation": _assessed("expectation"),
            "issue": _ISSUE,
        },
        words=ATTRIBUTE_PREFIXES | {"trace"},
        # Many traces may start in one millisecond; the id makes pages well defined.
        order=(("timestamp_ms", True), ("trace_id", False)),
    ),
)  # fmt: skip
"""A trace: spans that share an id, and what was said of all of them."""
