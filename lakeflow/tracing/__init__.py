"""Traces: OpenTelemetry's spans as rows of a lake.

What is here is for programs: whether and where to spans are recorded, and how they go on in
another service.
"""

from typing import TYPE_CHECKING

from lakeflow.tracing.headers import (
    get_tracing_context_headers_for_http_request,
    set_tracing_context_from_http_request_headers,
)
from lakeflow.tracing.switches import (
    configure,
    context,
    disable,
    enable,
    reset,
    set_destination,
)

if TYPE_CHECKING:
    from lakeflow.tracing.exporter import LakeflowSpanExporter, LakeflowSpanProcessor

__all__ = [
    "LakeflowSpanExporter",
    "LakeflowSpanProcessor",
    "configure",
    "context",
    "disable",
    "enable",
    "get_tracing_context_headers_for_http_request",
    "reset",
    "set_destination",
    "set_tracing_context_from_http_request_headers",
]


_OF_EXPORTER = {"LakeflowSpanExporter", "LakeflowSpanProcessor"}


def __getattr__(name: str) -> object:
    # They load OpenTelemetry's SDK, which a job that only logs does not need.
    if name in _OF_EXPORTER:
        from lakeflow.tracing import exporter

        return getattr(exporter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
