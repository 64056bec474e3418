"""Traces of MLflow's database with spans and assessments, by queries of any SQL."""

from __future__ import annotations

import json
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
from lakeflow.importing.items import Problem
from lakeflow.importing.sources.mlflow.tables import StoreTables
from lakeflow.importing.sources.mlflow.trace_files import (
    SPANS_LOCATION,
    TRACKING_STORE,
    columns_or_problem,
    spans_beside,
)
from lakeflow.importing.trace_items import TraceItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.entities import Assessment
    from lakeflow.importing.items import ExperimentItem
    from lakeflow.importing.sources.mlflow.tables import Row

_TRACES_AT_ONCE = 200

_TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_input_tokens_above_1hr",
)
"""Columns of the newest MLflow that were metadata before, by their names there."""


class SqlTraces(StoreTables):
    """What MLflow's database holds of traces."""

    def traces(self, experiment: ExperimentItem, since: int | None) -> Iterator[TraceItem]:
        """Yield the traces of an experiment, those first that began first."""
        # Before any time, and no id is less than an empty one.
        first, after = (-(2**62) if since is None else since), ""
        while "trace_info" in self.tables:
            within: dict[str, Any] = {
                "experiment": int(experiment.key), "first": first, "after": after,
            }  # fmt: skip
            # Behind the last trace of the page before: an OFFSET walks through all before it.
            rows = self.rows(_TRACES, **within, most=_TRACES_AT_ONCE)
            if not rows:
                return
            first, after = rows[-1]["timestamp_ms"], rows[-1]["request_id"]
            within |= {"last": first, "until": after}
            parts = {
                table: _by_trace(self.rows(sql, **within))
                for table, sql in _PARTS.items()
                if table in self.tables
            }
            for row in rows:
                found = {
                    table: of_traces.get(row["request_id"], [])
                    for table, of_traces in parts.items()
                }
                where = f"trace {row['request_id']}"
                if self.has_numbers(where, row, "timestamp_ms", "execution_time_ms"):
                    yield self._trace(row, found)

    def _trace(self, row: Row, parts: dict[str, list[Row]]) -> TraceItem:
        info = self._info(row, parts)
        # Newer versions have a tag where spans are; for what has none they are a file.
        if info.tags.get(SPANS_LOCATION) == TRACKING_STORE and "spans" in self.tables:
            contents = self.rows(_SPANS, trace=info.trace_id)
            spans = [each["content"] for each in contents]
            info, columns = columns_or_problem(info, spans, self.report)
        else:
            info, columns = spans_beside(info, self.report)
        links: dict[str, dict[str, int]] = {"run": {}, "prompt_version": {}}
        for each in parts.get("entity_associations", ()):
            if each["destination_type"] in links:
                to = links[each["destination_type"]]
                to[each["destination_id"]] = each["created_time"] or info.request_time
        return TraceItem(info, columns, links["run"], links["prompt_version"])

    def _info(self, row: Row, parts: dict[str, list[Row]]) -> TraceInfo:
        tags = _pairs(parts["trace_tags"])
        if row.get("trace_name") is not None:
            tags[trace_info.TRACE_NAME] = row["trace_name"]
        return TraceInfo(
            row["request_id"],
            str(row["experiment_id"]),
            row["timestamp_ms"],
            trace_info.state_named(row["status"]),
            row["execution_time_ms"],
            _pairs(parts["trace_request_metadata"]) | _promoted(row),
            tags,
            row.get("request_preview"),
            row.get("response_preview"),
            row.get("client_request_id"),
            list(self._assessments(parts.get("assessments", []))),
        )

    def _assessments(self, rows: list[Row]) -> Iterator[Assessment]:
        for row in rows:
            try:
                yield _assessment(row)
            except (ValueError, TypeError, AttributeError) as error:
                where = f"assessment {row['assessment_id']} of trace {row['trace_id']}"
                self.report(Problem(where, f"it cannot be read: {error}"))


_WITHIN = """
    i.experiment_id = :experiment AND i.timestamp_ms >= :first AND i.timestamp_ms <= :last
    AND (i.timestamp_ms > :first OR i.request_id > :after)
    AND (i.timestamp_ms < :last OR i.request_id <= :until)
"""
_TRACES = """
    SELECT * FROM trace_info i
    WHERE i.experiment_id = :experiment AND i.timestamp_ms >= :first
        AND (i.timestamp_ms > :first OR i.request_id > :after)
    ORDER BY i.timestamp_ms, i.request_id LIMIT :most
"""
_SPANS = "SELECT content FROM spans WHERE trace_id = :trace"
_PARTS = {
    table: f"SELECT p.*, p.{column} AS of_trace FROM trace_info i "  # noqa: S608 - constants
    f"JOIN {table} p ON p.{column} = i.request_id WHERE {_WITHIN} {also}"
    for table, column, also in (
        ("trace_tags", "request_id", ""),
        ("trace_request_metadata", "request_id", ""),
        ("assessments", "trace_id", ""),
        ("entity_associations", "source_id", "AND p.source_type = 'trace'"),
    )
}


def _by_trace(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["of_trace"], []).append(row)
    return found


def _pairs(rows: list[Row]) -> dict[str, str]:
    return {row["key"]: row["value"] or "" for row in rows}


def _promoted(row: Row) -> dict[str, str]:
    """Return the metadata that the newest MLflow has as columns."""
    found = {}
    if row.get("session_id") is not None:
        found[trace_info.SESSION] = row["session_id"]
    for key, names in (
        (trace_info.TOKEN_USAGE, _TOKENS),
        (trace_info.COST, tuple(trace_info.COST_NAMES)),
    ):
        sums = {name: row[name] for name in names if row.get(name) is not None}
        if sums:
            found[key] = json.dumps(sums)
    return found


def _assessment(row: Row) -> Assessment:
    value = json.loads(row["value"])
    shared: dict[str, Any] = {
        "name": row["name"],
        "source": AssessmentSource(row["source_type"], row["source_id"]),
        "create_time_ms": row["created_timestamp"],
        "last_update_time_ms": row["last_updated_timestamp"],
        "metadata": _decoded(row["assessment_metadata"]),
        **{
            name: row[name]
            for name in (
                "trace_id", "run_id", "rationale", "span_id", "overrides", "assessment_id",
            )
        },
    }  # fmt: skip
    if row["assessment_type"] == "feedback":
        error = _decoded(row["error"])
        known = error and AssessmentError.from_dictionary(error)
        return Feedback(value=value, error=known, **shared)
    if row["assessment_type"] == "expectation":
        return Expectation(value=value, **shared)
    if row["assessment_type"] == "issue":
        return IssueReference(value=value.get("issue_name"), **shared)
    raise ValueError(f"it is of the unknown type {row['assessment_type']!r}")


def _decoded(text: str | None) -> Any:
    return None if text is None else json.loads(text)
