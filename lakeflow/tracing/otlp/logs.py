"""GenAI events, which come as log records: what a model was asked and answered, and verdicts.

An event has a row of its own below its span, and not a place in the span's row: it comes before
the span as often as after it, and each is durable when it is acknowledged. Its id follows from
what it says, so that the same event sent twice is one row.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lakeflow.entities import AssessmentError, AssessmentSource, Feedback
from lakeflow.entities.json_text import json_text
from lakeflow.tracing.columns import (
    COLUMN_NAMES,
    LATEST_NS,
    empty_columns,
    scope_text,
    set_attributes,
)
from lakeflow.tracing.otlp.attributes import attributes_of, of_value
from lakeflow.tracing.otlp.messages import is_span_id, is_trace_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

    from lakeflow.tracing.columns import Columns

EVALUATION = "gen_ai.evaluation.result"
"""The event that is a verdict, and becomes an assessment."""

_PREFIX = "gen_ai."

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "total_tokens")


class EventBatch:
    """GenAI events of one request that belong to one experiment.

    Attributes:
        columns: Those that become rows of ``spans``, by column.
        assessments: Those that become assessments.
        refused: How many log records were left out, by the reason.
    """

    def __init__(self) -> None:
        self.columns: Columns = {name: [] for name in COLUMN_NAMES}
        self.assessments: list[Feedback] = []
        self.refused: dict[str, int] = {}

    def refuse(self, reason: str, count: int) -> None:
        """Count log records that were left out."""
        if count:
            self.refused[reason] = self.refused.get(reason, 0) + count

    def add(self, message: ResourceLogs, resource: Mapping[str, Any]) -> None:
        """Add the log records of a resource."""
        for scoped in message.scope_logs:
            for record in scoped.log_records:
                self._add(record, scoped.scope, resource)

    def _add(
        self, record: LogRecord, scope: InstrumentationScope, resource: Mapping[str, Any]
    ) -> None:
        attributes = attributes_of(record.attributes)
        # Clients that are older than the field have the name in an attribute.
        name = record.event_name or attributes.pop("event.name", None)
        if type(name) is not str or not name.startswith(_PREFIX):
            self.refuse("a name that is of no GenAI event", 1)
        elif not is_trace_id(record.trace_id):
            self.refuse("no trace that it belongs to", 1)
        elif name == EVALUATION:
            self._assess(record, attributes, scope.name)
        else:
            self._add_row(name, record, attributes, scope, resource)

    def _add_row(
        self,
        name: str,
        record: LogRecord,
        attributes: dict[str, Any],
        scope: InstrumentationScope,
        resource: Mapping[str, Any],
    ) -> None:
        time_ns = _time(record)
        said = dict(attributes)
        if record.HasField("body"):
            said["body"] = of_value(record.body)
        row = empty_columns(1)
        set_attributes(row, [attributes])
        # The span has these too, and they are not to be counted twice.
        row |= {column: [None] for column in _TOKENS}
        service = resource.get("service.name")
        parent = record.span_id.hex() if is_span_id(record.span_id) else None
        values = {
            "trace_id": f"tr-{record.trace_id.hex()}",
            "start_time_ns": time_ns,
            "span_id": _digest(record)[:16],
            "parent_span_id": parent,
            "end_time_ns": time_ns,
            "name": name,
            "kind": "INTERNAL",
            "status": "UNSET",
            "service_name": service if type(service) is str else None,
            "events": json_text([{"name": name, "time_ns": time_ns, "attributes": said}]),
            "resource": json_text(resource),
            "scope": scope_text(scope.name, scope.version, attributes_of(scope.attributes)),
            "flags": record.flags,
        }
        row |= {column: [value] for column, value in values.items()}
        for column, listed in self.columns.items():
            listed += row[column]

    def _assess(self, record: LogRecord, attributes: dict[str, Any], scope: str) -> None:
        name = attributes.get("gen_ai.evaluation.name")
        if type(name) is not str or not name:
            self.refuse("no gen_ai.evaluation.name", 1)
            return
        score = attributes.get("gen_ai.evaluation.score.value")
        label = _text(attributes.get("gen_ai.evaluation.score.label"))
        more = {
            # Without a score the label is the value itself.
            "gen_ai.evaluation.score.label": label if score is not None else None,
            "gen_ai.response.id": _text(attributes.get("gen_ai.response.id")),
        }
        error = _text(attributes.get("error.type"))
        self.assessments.append(
            Feedback(
                name=name,
                value=score if type(score) in (int, float) else label,
                error=None if error is None else AssessmentError(error),
                source=AssessmentSource("CODE", scope or "opentelemetry"),
                trace_id=f"tr-{record.trace_id.hex()}",
                metadata={key: value for key, value in more.items() if value is not None},
                span_id=record.span_id.hex() if is_span_id(record.span_id) else None,
                create_time_ms=_time(record) // 1_000_000,
                rationale=_text(attributes.get("gen_ai.evaluation.explanation")),
                assessment_id=f"a-{_digest(record)[:32]}",
            )
        )


def _time(record: LogRecord) -> int:
    # As OpenTelemetry has it: the first time may be left out.
    return min(record.time_unix_nano or record.observed_time_unix_nano, LATEST_NS)


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


def _digest(record: LogRecord) -> str:
    return hashlib.sha256(record.SerializeToString(deterministic=True)).hexdigest()
