"""A trace that has ended as what is stored of it: its info, and its spans by column."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.entities import SpanStatusCode, TraceInfo, TraceState
from lakeflow.entities.json_text import typed
from lakeflow.entities.live_span import Encoded
from lakeflow.entities.span import INPUTS, OUTPUTS, as_mlflow
from lakeflow.entities.trace import distinct
from lakeflow.entities.trace_info import TOKEN_USAGE
from lakeflow.printable import readable
from lakeflow.tracing.span_columns import Row, columns_of, row_of

if TYPE_CHECKING:
    from lakeflow.entities import LiveSpan
    from lakeflow.tracing.live_trace import LiveTrace

TRACE_INPUTS = "mlflow.traceInputs"
TRACE_OUTPUTS = "mlflow.traceOutputs"
TRACE_SPANS = "mlflow.traceSpans"

_BYTES_OF_A_SPAN = 2_000
"""What a span holds besides long values."""

_METADATA_CHARACTERS = 250
_PREVIEW_CHARACTERS = 1_000
_OUTLINE_CHARACTERS = 64 * 1024

# By MLflow's names.
_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cached_tokens": "cache_read_input_tokens",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """A trace of which nothing changes any more.

    Attributes:
        trace: The trace.
        spans: Its spans, in the order in which they began.
        open_rows: Rows of those that had not ended, by id: they may still be changed.
    """

    trace: LiveTrace
    spans: list[LiveSpan]
    open_rows: dict[str, Row]

    def held(self) -> int:
        """Return roughly how many bytes it holds in memory."""
        total = _BYTES_OF_A_SPAN * len(self.spans)
        for span in self.spans:
            # Not a function for each value: every trace comes this way while somebody waits.
            for value in list(span._values.values()):
                kind = type(value)
                if kind is str:
                    total += len(value)
                elif kind is Encoded:
                    total += len(value.text)
                elif kind is dict:
                    total += sum(len(each) for each in value.values() if type(each) is str)
        return total


def frozen(trace: LiveTrace) -> Finished:
    """Return a trace as it is now."""
    open_rows = {}
    if trace.open:
        open_rows = {key: row_of(trace.spans[key], trace.metadata) for key in list(trace.open)}
    return Finished(trace, list(trace.spans.values()), open_rows)


def stored_form(finished: Finished) -> tuple[TraceInfo, dict[str, list[Any]]]:
    """Return what is known of a trace, and its spans as columns of the table ``spans``."""
    trace = finished.trace
    rows = [
        finished.open_rows.get(span.span_id) or row_of(span, trace.metadata)
        for span in finished.spans
    ]
    # Some pages of others draw spans by name.
    for row, span, name in zip(
        rows, finished.spans, distinct([row["name"] for row in rows]), strict=True
    ):
        row["name"] = span._name = name
    if trace.is_part:
        return _info_of_part(trace), columns_of(rows)
    values = [_values_of(finished, *pair) for pair in zip(finished.spans, rows, strict=True)]
    return _info_of(trace, rows, values), columns_of(rows)


def begun_info(trace: LiveTrace) -> TraceInfo:
    """Return what is known of a trace that has just begun."""
    return TraceInfo(
        trace.trace_id,
        trace.experiment_id or trace.origin.experiment_id(),
        trace.root.start_time_ns // 1_000_000,
        TraceState.IN_PROGRESS,
        trace_metadata=_texts(trace.metadata),
        tags=_texts({**trace.origin.tags(), **trace.tags}),
    )


def _info_of_part(trace: LiveTrace) -> TraceInfo:
    """Return what was said here of a trace whose root is elsewhere."""
    return dataclasses.replace(begun_info(trace), tags=_texts(trace.tags))


def _values_of(finished: Finished, span: LiveSpan, row: Row) -> dict[str, Any]:
    """Return what went into a span and what came out, as far as it was said."""
    said = {}
    for key, column in ((INPUTS, "inputs"), (OUTPUTS, "outputs")):
        text = row[column]
        if text is not None:
            value = span._values.get(key, _JSON)
            # What is JSON already is read: small values need not be written first.
            is_read = type(value) is Encoded or value is _JSON or finished.open_rows
            said[column] = typed(text) if is_read else value
    return said


_JSON = Encoded("")


def _info_of(trace: LiveTrace, rows: list[Row], values: list[dict[str, Any]]) -> TraceInfo:
    root = rows[0]
    asked, answered = (
        as_mlflow(values[0][column]) if column in values[0] else ""
        for column in ("inputs", "outputs")
    )
    metadata = {
        **trace.metadata,
        TRACE_INPUTS: _cut(asked, _METADATA_CHARACTERS),
        TRACE_OUTPUTS: _cut(answered, _METADATA_CHARACTERS),
    }
    usage = _usage(rows)
    if usage:
        metadata.setdefault(TOKEN_USAGE, json.dumps(usage))
    start, end = root["start_time_ns"], root["end_time_ns"]
    return TraceInfo(
        trace.trace_id,
        trace.experiment_id or trace.origin.experiment_id(),
        start // 1_000_000,
        trace.state or _state_of(root),
        # A clock that was put back is not to make it end before it began.
        None if end is None else max(0, end - start) // 1_000_000,
        _texts(metadata),
        _texts({**trace.origin.tags(), **trace.tags, TRACE_SPANS: _outline(rows, values)}),
        _preview(trace.request_preview or asked),
        _preview(trace.response_preview or answered),
        trace.client_request_id and readable(trace.client_request_id),
    )


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {readable(str(key)): readable(str(value)) for key, value in values.items()}


def _state_of(root: Row) -> TraceState:
    if root["end_time_ns"] is None:
        return TraceState.IN_PROGRESS
    code = root["status"]
    return TraceState.STATE_UNSPECIFIED if code == SpanStatusCode.UNSET else TraceState(code)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _preview(text: str) -> str | None:
    return readable(_cut(text, _PREVIEW_CHARACTERS)) or None


def _outline(rows: list[Row], values: list[dict[str, Any]]) -> str:
    """Return names, types and keys of the spans, as lists of traces show them.

    Of a long trace the first ones.
    """
    spans: list[str] = []
    size = 0
    for row, said in zip(rows, values, strict=True):
        span: dict[str, Any] = {"name": row["name"], "type": row["span_type"]}
        for column, value in said.items():
            if isinstance(value, dict) and value:
                span[column] = [str(key) for key in value]
        text = json.dumps(span, ensure_ascii=False)
        size += len(text)
        if size > _OUTLINE_CHARACTERS:
            break
        spans.append(text)
    return f"[{', '.join(spans)}]"


def _usage(rows: list[Row]) -> dict[str, int]:
    """Return sums of tokens over the spans that count them, without those within such spans."""
    # Who counts one of them has the sum.
    counting = {row["span_id"] for row in rows if row["total_tokens"] is not None}
    if not counting:
        return {}
    parents = {row["span_id"]: row["parent_span_id"] for row in rows}
    sums: dict[str, int] = {}
    for row in rows:
        if row["span_id"] in counting and not _is_within(row["span_id"], parents, counting):
            for column, name in _USAGE.items():
                if row[column] is not None:
                    sums[name] = sums.get(name, 0) + row[column]
    return sums


def _is_within(span_id: str, parents: dict[str, str | None], counting: set[str]) -> bool:
    parent = parents[span_id]
    # A circle is nothing that OpenTelemetry makes, but ids can be given.
    for _ in range(len(parents)):
        if parent is None or parent not in parents:
            return False
        if parent in counting:
            return True
        parent = parents[parent]
    return False
