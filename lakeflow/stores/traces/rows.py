"""Traces and assessments as rows of their tables, and back. Pure."""

from __future__ import annotations

import json
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from lakeflow.entities import (
    AssessmentError,
    AssessmentSource,
    Expectation,
    Feedback,
    IssueReference,
    TraceInfo,
    trace_info,
)
from lakeflow.entities.json_text import decoded_if_json
from lakeflow.entities.span import as_mlflow
from lakeflow.kinds import TRACE
from lakeflow.schema import ASSESSMENTS, SPANS, TRACE_METADATA, TRACE_TAGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import Assessment
    from lakeflow.stores.things import Thing

_DAY_NS = 86_400 * 10**9


def begun(info: TraceInfo) -> dict[str, Any]:
    """Return the row that makes a trace which goes on."""
    return {"request_time": info.request_time, **_known(info)}


def ended(info: TraceInfo) -> dict[str, Any]:
    """Return what is set of a trace when it ends."""
    return {
        "state": info.state.value,
        "execution_duration": info.execution_duration,
        **_known(info),
    }


def of_trace(info: TraceInfo, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a trace with its ids, its columns as the table has them."""
    whole = {"experiment_id": info.experiment_id, "trace_id": info.trace_id, **row}
    # In this order a fold takes the line as it is, and need not judge it in Python.
    return {name: whole[name] for name in TRACES.column_names if name in whole}


def _known(info: TraceInfo) -> dict[str, Any]:
    usage, cost = info.token_usage or {}, info.cost or {}
    return {
        "name": info.name,
        "run_id": info.run_id,
        "session_id": info.session_id,
        "user_id": info.user_id,
        "client_request_id": info.client_request_id,
        "request_preview": _preview(info.request_preview),
        "response_preview": _preview(info.response_preview),
        **{column: _count(usage.get(name)) for column, name in trace_info.TOKEN_NAMES.items()},
        **{column: _amount(cost.get(name)) for column, name in trace_info.COST_NAMES.items()},
    }


def _preview(text: str | None) -> str | None:
    return None if text is None else text[: trace_info.PREVIEW_CHARACTERS]


def _count(value: object) -> int | None:
    # By the type itself: true is an int as well, and no count.
    return value if type(value) is int and 0 <= value < 2**63 else None


def _amount(value: object) -> float | None:
    return float(value) if type(value) in {int, float} and abs(value) < 1e300 else None  # type: ignore[arg-type]


def by_column(scope: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows about one trace as columns."""
    columns = {name: [value] * len(rows) for name, value in scope.items()}
    return {**columns, **{name: [row[name] for row in rows] for name in rows[0]}}


def day_of(time_ns: int) -> int:
    """Return the day of a time, as days since the Unix epoch."""
    return time_ns // _DAY_NS


def of_experiments(
    experiment_ids: list[str], columns: Mapping[str, list[Any]]
) -> dict[str, list[Any]]:
    """Return the columns of spans with the two that are not of OpenTelemetry.

    Args:
        experiment_ids: The experiment of each span.
        columns: The columns.
    """
    days = [each // _DAY_NS for each in columns["start_time_ns"]]
    known = {**columns, "experiment_id": experiment_ids, "day": days}
    return {name: known[name] for name in SPANS.column_names if name in known}


def info_of(thing: Thing) -> TraceInfo:
    """Return what is known of a trace besides its spans."""
    row = thing.row(TRACE)
    assert row is not None
    metadata = thing.values(TRACE_METADATA.name)
    tags = thing.values(TRACE_TAGS.name)
    # Of a trace that nobody has started these were found in its spans.
    for key, column in _FOUND.items():
        if row[column] is not None:
            metadata.setdefault(key, row[column])
    for key, names, values_of in _SUMS:
        values = values_of(row)
        if values.count(None) < len(values):
            sums = zip(names, values, strict=True)
            text = json.dumps({name: each for name, each in sums if each is not None})
            metadata.setdefault(key, text)
    if row["name"] is not None:
        tags.setdefault(trace_info.TRACE_NAME, row["name"])
    return TraceInfo(
        trace_id=row["trace_id"],
        experiment_id=row["experiment_id"],
        request_time=row["request_time"],
        state=trace_info.state_named(row["state"]),
        execution_duration=row["execution_duration"],
        trace_metadata=metadata,
        tags=tags,
        request_preview=row["request_preview"],
        response_preview=row["response_preview"],
        client_request_id=row["client_request_id"],
        assessments=assessments_of(thing),
    )


_SUMS = [
    (key, (*names.values(),), itemgetter(*names))
    for key, names in (
        (trace_info.TOKEN_USAGE, trace_info.TOKEN_NAMES),
        (trace_info.COST, trace_info.COST_NAMES),
    )
]
_FOUND = {trace_info.USER: "user_id", trace_info.SESSION: "session_id"}


def assessment_row(assessment: Assessment) -> dict[str, Any]:
    """Return the row of an assessment, without the trace that it is about."""
    source = assessment.source
    assert source is not None
    error = assessment.error
    return {
        "assessment_id": assessment.assessment_id,
        "name": assessment.name,
        "kind": assessment.kind,
        "create_time": assessment.create_time_ms,
        "last_update_time": assessment.last_update_time_ms,
        "source_type": source.source_type,
        "source_id": source.source_id,
        "span_id": assessment.span_id,
        "run_id": assessment.run_id,
        "overrides": assessment.overrides,
        "value": None if assessment.value is None else as_mlflow(assessment.value),
        "rationale": assessment.rationale,
        "error": as_mlflow(error.to_dictionary())
        if isinstance(error, AssessmentError)
        else None,
        "metadata": None if assessment.metadata is None else as_mlflow(assessment.metadata),
    }


def assessments_of(thing: Thing) -> list[Assessment]:
    """Return the assessments of a trace, the oldest first.

    One whose place another one has taken is there, and not valid.
    """
    if not thing.parts[ASSESSMENTS.name]:
        return []
    known = list(thing.rows(ASSESSMENTS.name))
    columns = TRACE.values(ASSESSMENTS)
    rows = [
        {"assessment_id": key, **dict(zip(columns, values, strict=True))}
        for key, values in known
    ]
    replaced = {row["overrides"] for row in rows}
    found = [
        _assessment_of(thing.id, row, row["assessment_id"] not in replaced) for row in rows
    ]
    return sorted(found, key=lambda each: (each.create_time_ms or 0, each.assessment_id or ""))


def _assessment_of(trace_id: str, row: Mapping[str, Any], valid: bool) -> Assessment:
    shared: dict[str, Any] = {
        "name": row["name"],
        "source": AssessmentSource(row["source_type"], row["source_id"]),
        "trace_id": trace_id,
        "create_time_ms": row["create_time"],
        "last_update_time_ms": row["last_update_time"],
        "metadata": decoded_if_json(row["metadata"]),
        **{
            name: row[name]
            for name in ("span_id", "run_id", "rationale", "overrides", "assessment_id")
        },
    }
    value, error = decoded_if_json(row["value"]), decoded_if_json(row["error"])
    if row["kind"] == "expectation":
        return Expectation(value=value, valid=valid, **shared)
    if row["kind"] == "issue":
        return IssueReference(value=value, valid=valid, **shared)
    of_error = error and AssessmentError.from_dictionary(error)
    return Feedback(value=value, error=of_error, valid=valid, **shared)
