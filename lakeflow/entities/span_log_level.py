"""How grave a span is."""

from __future__ import annotations

from enum import IntEnum

from lakeflow.exceptions import InvalidInputError


class SpanLogLevel(IntEnum):
    """The levels of ``logging``, for spans."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    @classmethod
    def from_value(cls, value: SpanLogLevel | str) -> SpanLogLevel:
        """Return the level of a name, in upper or lower case.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: there is no such level.

        Examples:
            >>> SpanLogLevel.from_value("warning")
            <SpanLogLevel.WARNING: 30>
        """
        if isinstance(value, cls):
            return value
        name = str(value).strip().upper()
        if name not in cls.__members__:
            raise InvalidInputError(
                f"{value!r} is no level of a span; there are {', '.join(cls.__members__)}"
            )
        return cls[name]
