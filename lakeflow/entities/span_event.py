"""Something that happened in a span."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from lakeflow.entities._base import Entity


@dataclass(frozen=True, slots=True, repr=False)
class SpanEvent(Entity):
    """Something that happened in a span, an exception for instance.

    Attributes:
        name: What happened.
        timestamp: Nanoseconds since the Unix epoch, UTC; now, unless it is given.
        attributes: Details: texts, numbers, booleans, bytes, and lists of one of them.
    """

    name: str
    timestamp: int = field(default_factory=time.time_ns)
    attributes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_exception(cls, exception: BaseException) -> SpanEvent:
        """Return the event of an exception: its type, its message and its stack trace.

        Examples:
            >>> SpanEvent.from_exception(ValueError("no")).attributes["exception.type"]
            'ValueError'
        """
        return cls(
            "exception",
            attributes={
                "exception.message": _text_of(exception),
                "exception.type": type(exception).__name__,
                "exception.stacktrace": _stack_of(exception),
            },
        )


def _text_of(exception: BaseException) -> str:
    try:
        return str(exception)
    except Exception:  # noqa: BLE001 - whatever a class of the user's does
        return f"<{type(exception).__name__} whose text cannot be had>"


def _stack_of(exception: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(exception)).strip()
    except Exception:  # noqa: BLE001
        return _text_of(exception)
