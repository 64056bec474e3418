"""Live spans by column: what OpenTelemetry has of them, and what we keep beside that."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import json_text
from lakeflow.entities.live_span import Encoded
from lakeflow.entities.span import INPUTS, OUTPUTS, SPAN_TYPE, SpanType
from lakeflow.entities.trace_info import SESSION, USER
from lakeflow.printable import readable
from lakeflow.tracing.columns import Columns, of_spans, shortened
from lakeflow.tracing.conventions import lifted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import LiveSpan


def of_live_spans(spans: Sequence[LiveSpan], metadata: Mapping[str, Any]) -> Columns:
    """Return the columns of spans as they are now.

    Args:
        spans: The spans.
        metadata: That of their trace, which may say whose session it is.
    """
    columns = of_spans([span._otel for span in spans])
    statuses = [span.status for span in spans]
    columns["status"] = [each.status_code.value for each in statuses]
    columns["status_message"] = [
        readable(shortened(each.description)) or None for each in statuses
    ]
    for place, span in enumerate(spans):
        _set_values(columns, place, span._values.copy())
    for column, key in (("session_id", SESSION), ("user_id", USER)):
        if metadata.get(key) is not None:
            columns[column] = [readable(str(metadata[key]))] * len(spans)
    return columns


def _set_values(columns: Columns, place: int, values: dict[str, Any]) -> None:
    """Set what was set of a span beside OpenTelemetry."""
    span_type = values.pop(SPAN_TYPE)
    said = {
        column: _json(values.pop(key))
        for key, column in ((INPUTS, "inputs"), (OUTPUTS, "outputs"))
        if key in values
    }
    # What is JSON already is read by whoever has a column for it.
    texts = {key: each.text if type(each) is Encoded else each for key, each in values.items()}
    for column, value in {**lifted(texts), **said}.items():
        columns[column][place] = value
    if span_type != SpanType.UNKNOWN:
        columns["span_type"][place] = readable(span_type)
    if values:
        columns["attributes"][place] = _object(values)


def _json(value: Any) -> str:
    kind = type(value)
    if kind is Encoded:
        return value.text  # type: ignore[no-any-return]
    if kind is str:
        return encode_basestring(readable(value))
    return str(value) if kind is int else json_text(value)


def _object(values: Mapping[str, Any]) -> str:
    """Return values by name as a JSON object, of which some values are JSON already."""
    pairs = (
        f"{encode_basestring(readable(key))}:{_json(each)}" for key, each in values.items()
    )
    return f"{{{','.join(pairs)}}}"
