"""Live spans by column: what OpenTelemetry has of them, and what we keep beside that."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import json_text
from lakeflow.entities.live_span import Encoded
from lakeflow.entities.span import INPUTS, OUTPUTS, SPAN_TYPE
from lakeflow.entities.span_type import SpanType
from lakeflow.printable import readable
from lakeflow.tracing.columns import Columns, lay_over, shortened, without_attributes
from lakeflow.tracing.conventions import lifted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.entities import LiveSpan


def of_live_spans(spans: Sequence[LiveSpan]) -> Columns:
    """Return the columns of spans as they are now."""
    columns = without_attributes([span._otel for span in spans])
    statuses = [span.status for span in spans]
    columns["status"] = [each.status_code.value for each in statuses]
    columns["status_message"] = [
        readable(shortened(each.description)) or None for each in statuses
    ]
    # What is taken out of them here stays with the spans, which the application may still read.
    several = [span._values.copy() for span in spans]
    types = [values.pop(SPAN_TYPE) for values in several]
    said: Columns = {
        column: [_json(values.pop(key)) if key in values else None for values in several]
        for key, column in ((INPUTS, "inputs"), (OUTPUTS, "outputs"))
    }
    said["span_type"] = [None if each == SpanType.UNKNOWN else readable(each) for each in types]
    # What is JSON already is read by whoever has a column for it.
    texts = [
        {key: each.text if type(each) is Encoded else each for key, each in values.items()}
        for values in several
    ]
    # What was said by the functions of this package comes last, and wins.
    lay_over(columns, lifted(texts))
    lay_over(columns, said)
    columns["attributes"] = [*map(_object, several)]
    return columns


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
