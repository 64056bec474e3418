"""How a span went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lakeflow.entities._base import Entity
from lakeflow.exceptions import InvalidInputError


class SpanStatusCode(StrEnum):
    """The states that OpenTelemetry knows of a span."""

    UNSET = "UNSET"
    OK = "OK"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, repr=False)
class SpanStatus(Entity):
    """How a span went.

    Attributes:
        status_code: A ``SpanStatusCode``, or its name.
        description: Why it failed; only kept with ``ERROR``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE: there is no such code.

    Examples:
        >>> SpanStatus("ERROR", "timeout").status_code is SpanStatusCode.ERROR
        True
    """

    status_code: SpanStatusCode
    description: str = ""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "status_code", SpanStatusCode(self.status_code))
        except ValueError:
            raise InvalidInputError(
                f"{self.status_code!r} is no status of a span; "
                f"there are {', '.join(SpanStatusCode)}"
            ) from None
