"""Traces: OpenTelemetry's spans as rows of a lake.

What is here is for programs: whether and where to spans are recorded, and how they go on in
another service.
"""

from typing import TYPE_CHECKING

from lakeflow.lazy_loading import attach

if TYPE_CHECKING:
    from lakeflow.tracing.exporter import LakeflowSpanExporter as LakeflowSpanExporter
    from lakeflow.tracing.exporter import LakeflowSpanProcessor as LakeflowSpanProcessor
    from lakeflow.tracing.headers import (
        get_tracing_context_headers_for_http_request as get_tracing_context_headers_for_http_request,  # noqa: E501
    )
    from lakeflow.tracing.headers import (
        set_tracing_context_from_http_request_headers as set_tracing_context_from_http_request_headers,  # noqa: E501
    )
    from lakeflow.tracing.switches import configure as configure
    from lakeflow.tracing.switches import context as context
    from lakeflow.tracing.switches import disable as disable
    from lakeflow.tracing.switches import enable as enable
    from lakeflow.tracing.switches import reset as reset
    from lakeflow.tracing.switches import set_destination as set_destination
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "lakeflow.tracing.exporter": "LakeflowSpanExporter LakeflowSpanProcessor",
            "lakeflow.tracing.headers": (
                "get_tracing_context_headers_for_http_request "
                "set_tracing_context_from_http_request_headers"
            ),
            "lakeflow.tracing.switches": (
                "configure context disable enable reset set_destination"
            ),
        },
    )
