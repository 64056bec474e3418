"""Traces that have ended as what is stored of them: its info, and its spans by column."""

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
from lakeflow.entities.trace_info import (
    PREVIEW_CHARACTERS,
    SESSION,
    TOKEN_NAMES,
    TOKEN_USAGE,
    USER,
)
from lakeflow.printable import readable
from lakeflow.tracing.span_columns import of_live_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities import LiveSpan
    from lakeflow.tracing.columns import Columns
    from lakeflow.tracing.live_trace import LiveTrace

TRACE_INPUTS = "mlflow.traceInputs"
TRACE_OUTPUTS = "mlflow.traceOutputs"
TRACE_SPANS = "mlflow.traceSpans"

_BYTES_OF_A_SPAN = 2_000
"""What a span holds besides long values."""

# As much as MLflow keeps of a value.
_METADATA_CHARACTERS = 250
_OUTLINE_CHARACTERS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """A trace of which nothing changes any more.

    Attributes:
        trace: The trace.
        spans: Its spans, in the order in which they began.
        open: Columns of those that had not ended, by id: they may still be changed.
    """

    trace: LiveTrace
    spans: list[LiveSpan]
    open: dict[str, Columns]

    def held(self) -> int:
        """Return roughly how many bytes it holds in memory."""
        total = _BYTES_OF_A_SPAN * len(self.spans)
        for span in self.spans:
            # No function for each value: every trace comes this way while somebody waits.
            # A list: another thread may change a span that has not ended.
            for value in list(span._values.values()):
                kind = type(value)
                if kind is str:
                    total += len(value)
                elif kind is Encoded:
                    total += len(value.text)
                elif kind is dict:
                    for each in value.values():
                        if type(each) is str:
                            total += len(each)
        return total


def frozen(trace: LiveTrace) -> Finished:
    """Return a trace as it is now."""
    spans = list(trace.spans.values())
    of_open = {
        span.span_id: of_live_spans([span]) for span in spans if span.end_time_ns is None
    }
    return Finished(trace, spans, of_open)


def stored_forms(several: Sequence[Finished]) -> tuple[list[TraceInfo], Columns]:
    """Return what is known of each trace, and the spans of all of them by column.

    Most traces have few spans, and to make columns takes as long for one as for a hundred.
    """
    columns = of_live_spans([span for each in several for span in each.spans])
    infos, first = [], 0
    for each in several:
        end = first + len(each.spans)
        infos.append(_stored(each, columns, slice(first, end)))
        first = end
    return infos, columns


def _stored(finished: Finished, columns: Columns, part: slice) -> TraceInfo:
    """Return what is known of a trace, and set what its spans have of it.

    Args:
        finished: The trace.
        columns: Those of the spans of all traces.
        part: The places of its spans.
    """
    trace = finished.trace
    for place, span in enumerate(finished.spans, part.start):
        # One that goes on is stored as it was when the trace ended.
        if span.span_id in finished.open:
            for name, (value,) in finished.open[span.span_id].items():
                columns[name][place] = value
    for column, key in (("session_id", SESSION), ("user_id", USER)):
        if trace.metadata.get(key) is not None:
            columns[column][part] = [readable(str(trace.metadata[key]))] * len(finished.spans)
    # Some pages of others draw spans by name.
    columns["name"][part] = distinct(columns["name"][part])
    for span, name in zip(finished.spans, columns["name"][part], strict=True):
        span._name = name
    if trace.is_part:
        return _info_of_part(trace)
    return _info_of(finished, columns, part)


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


def _values_of(finished: Finished, columns: Columns, part: slice) -> list[dict[str, Any]]:
    """Return what went into each span and what came out, as far as it was said."""
    several = []
    for place, span in enumerate(finished.spans, part.start):
        said = {}
        for key, column in ((INPUTS, "inputs"), (OUTPUTS, "outputs")):
            text = columns[column][place]
            if text is not None:
                value = span._values.get(key, _JSON)
                # What is JSON already is read: small values need not be written first.
                is_read = type(value) is Encoded or span.span_id in finished.open
                said[column] = typed(text) if is_read else value
        several.append(said)
    return several


_JSON = Encoded("")


def _info_of(finished: Finished, columns: Columns, part: slice) -> TraceInfo:
    trace = finished.trace
    values = _values_of(finished, columns, part)
    asked, answered = (
        as_mlflow(values[0][column]) if column in values[0] else ""
        for column in ("inputs", "outputs")
    )
    metadata = {
        **trace.metadata,
        TRACE_INPUTS: _cut(asked, _METADATA_CHARACTERS),
        TRACE_OUTPUTS: _cut(answered, _METADATA_CHARACTERS),
    }
    usage = _usage(columns, part)
    if usage:
        metadata.setdefault(TOKEN_USAGE, json.dumps(usage))
    root = part.start
    start, end = columns["start_time_ns"][root], columns["end_time_ns"][root]
    outline = _outline(columns["name"][part], columns["span_type"][part], values)
    return TraceInfo(
        trace.trace_id,
        trace.experiment_id or trace.origin.experiment_id(),
        start // 1_000_000,
        trace.state or _state_of(columns["status"][root], end),
        # A clock that was put back is not to make it end before it began.
        None if end is None else max(0, end - start) // 1_000_000,
        _texts(metadata),
        _texts({**trace.origin.tags(), **trace.tags, TRACE_SPANS: outline}),
        _preview(trace.request_preview or asked),
        _preview(trace.response_preview or answered),
        trace.client_request_id and readable(trace.client_request_id),
    )


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {readable(str(key)): readable(str(value)) for key, value in values.items()}


def _state_of(status: str, end_time_ns: int | None) -> TraceState:
    if end_time_ns is None:
        return TraceState.IN_PROGRESS
    is_said = status != SpanStatusCode.UNSET
    return TraceState(status) if is_said else TraceState.STATE_UNSPECIFIED


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _preview(text: str) -> str | None:
    return readable(_cut(text, PREVIEW_CHARACTERS)) or None


def _outline(names: list[str], types: list[str], values: list[dict[str, Any]]) -> str:
    """Return names, types and keys of the spans, as lists of traces show them.

    Of a long trace the first ones.
    """
    spans: list[str] = []
    size = 0
    for name, span_type, said in zip(names, types, values, strict=True):
        span: dict[str, Any] = {"name": name, "type": span_type}
        for column, value in said.items():
            if isinstance(value, dict) and value:
                span[column] = [str(key) for key in value]
        text = as_mlflow(span)
        size += len(text)
        if size > _OUTLINE_CHARACTERS:
            break
        spans.append(text)
    return f"[{', '.join(spans)}]"


def _usage(columns: Columns, part: slice) -> dict[str, int]:
    """Return sums of tokens over the spans that count them, without those within such spans."""
    totals = columns["total_tokens"][part]
    # Who counts one of them has the sum.
    if totals.count(None) == len(totals):
        return {}
    ids = columns["span_id"][part]
    counting = {each for each, total in zip(ids, totals, strict=True) if total is not None}
    parents = dict(zip(ids, columns["parent_span_id"][part], strict=True))
    outer = [
        place
        for place, each in enumerate(ids, part.start)
        if each in counting and not _is_within(each, parents, counting)
    ]
    counted = {
        name: [columns[column][place] for place in outer if columns[column][place] is not None]
        for column, name in TOKEN_NAMES.items()
    }
    return {name: sum(counts) for name, counts in counted.items() if counts}


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
