"""The span that is active here, and what holds for traces that begin here.

Kept in context variables: a task of asyncio, ``asyncio.to_thread`` and whoever copies the
context begin with what was active where they began.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import NonRecordingSpan

    from lakeflow.entities import LiveSpan

SPAN: ContextVar[LiveSpan | NonRecordingSpan | None] = ContextVar("lakeflow_span", default=None)
"""The active span; OpenTelemetry's where it is another service's, or is not sampled."""

LAST_TRACE_ID: ContextVar[str | None] = ContextVar("lakeflow_last_trace", default=None)
"""The trace that has ended last here."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What holds for traces that begin within a block.

    Attributes:
        metadata: Added to their metadata.
        tags: Added to their tags.
        is_enabled: Whether there are any.
    """

    metadata: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    is_enabled: bool = True


SCOPE: ContextVar[Scope | None] = ContextVar("lakeflow_trace_scope", default=None)
"""What holds here; None where nothing was said."""

DESTINATION: ContextVar[str | None] = ContextVar("lakeflow_trace_destination", default=None)
"""The experiment that was set for this task or thread."""
