"""Traces: OpenTelemetry's spans as rows of a lake.

What is here is for programs: whether and where to spans are recorded, and how they go on in
another service.
"""

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

__all__ = [
    "configure",
    "context",
    "disable",
    "enable",
    "get_tracing_context_headers_for_http_request",
    "reset",
    "set_destination",
    "set_tracing_context_from_http_request_headers",
]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
