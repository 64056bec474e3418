"""Fields of spans as columns beside their traces."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities import Trace

_FIELD = re.compile(
    r"(?:`(?P<quoted>[^`]+)`|(?P<name>[^.`]+))\.(?P<side>inputs|outputs)"
    r"(?:\.(?:`(?P<quoted_key>[^`]+)`|(?P<key>[^`]+)))?"
)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of spans with a name.

    Attributes:
        span: Name of the spans.
        side: ``inputs`` or ``outputs``.
        key: Key in there; None for all of it.
    """

    span: str
    side: str
    key: str | None

    @property
    def column(self) -> str:
        """Name of the column."""
        return ".".join(filter(None, (self.span, self.side, self.key)))


def field_of(text: str) -> Field:
    """Return the field that a text names.

    Raises:
        InvalidInputError: It names none.

    Examples:
        >>> field_of("`a.b`.inputs.question")
        Field(span='a.b', side='inputs', key='question')
    """
    found = _FIELD.fullmatch(text)
    if found is None:
        raise InvalidInputError(
            f"{text!r} is no field of spans",
            hint="write name.inputs, name.outputs.key, or `name with dots`.outputs.`key.1`",
        )
    return Field(
        found["quoted"] or found["name"], found["side"], found["quoted_key"] or found["key"]
    )


def with_fields(traces: Sequence[Trace], texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each trace, with a column for each field that is named.

    Raises:
        InvalidInputError: A text names no field.
    """
    fields = [field_of(text) for text in texts]
    return [
        trace.to_pandas_dataframe_row() | {each.column: _value(trace, each) for each in fields}
        for trace in traces
    ]


def _value(trace: Trace, field: Field) -> Any:
    """Return the value of the first span that has the field; None if none has."""
    for span in trace.data.spans:
        found = getattr(span, field.side) if span.name == field.span else None
        if field.key is None and found is not None:
            return found
        if isinstance(found, dict) and field.key in found:
            return found[field.key]
    return None
