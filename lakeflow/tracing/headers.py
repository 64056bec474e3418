"""The active span in headers of HTTP, as W3C Trace Context has it: out, and in again."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, cast

from lakeflow.entities import LiveSpan
from lakeflow.exceptions import InvalidInputError
from lakeflow.tracing import active

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.trace import NonRecordingSpan

_logger = logging.getLogger(__name__)


def get_tracing_context_headers_for_http_request() -> dict[str, str]:
    """Return the headers that let another service go on with the active span.

    Returns:
        ``traceparent``, and ``tracestate`` where there is one; nothing, with a warning, where
        no span is active.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-headers")
        >>> with lakeflow.start_span("ask") as span:
        ...     headers = lakeflow.tracing.get_tracing_context_headers_for_http_request()
        >>> headers["traceparent"].startswith(f"00-{span.trace_id[3:]}-{span.span_id}-")
        True
    """
    span = active.SPAN.get()
    headers: dict[str, str] = {}
    if span is None:
        _logger.warning("no span is active, so there are no headers of one")
        return headers
    # Whoever has a span has loaded them.
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from lakeflow.tracing.provider import ROOT

    around = span._otel if isinstance(span, LiveSpan) else span
    TraceContextTextMapPropagator().inject(headers, set_span_in_context(around, ROOT))
    return headers


@contextlib.contextmanager
def set_tracing_context_from_http_request_headers(headers: Mapping[str, str]) -> Iterator[None]:
    """Let spans that begin within a block be of the trace that a request's headers name.

    What is recorded here is stored when the first span of the block ends, whether or not the
    trace has come from where it began.

    Args:
        headers: Headers of the request, in upper or lower case; ``traceparent`` must be one.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, there is no ``traceparent``, or it is
            malformed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-headers-in")
        >>> headers = {"Traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        >>> with lakeflow.tracing.set_tracing_context_from_http_request_headers(headers):
        ...     with lakeflow.start_span("answer") as span:
        ...         pass
        >>> span.trace_id == "tr-" + "ab" * 16, span.parent_id == "cd" * 8
        (True, True)
    """
    # A block that is to be traced needs it anyhow.
    from opentelemetry.trace import get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    from lakeflow.tracing.provider import ROOT

    # The propagator looks for names in lower case alone.
    given = {key.lower(): value for key, value in headers.items()}
    found = get_current_span(TraceContextTextMapPropagator().extract(given, ROOT))
    if not found.get_span_context().is_valid:
        raise InvalidInputError(
            f"the headers have no traceparent that can be read: {given.get('traceparent')!r}",
            hint="get_tracing_context_headers_for_http_request makes one",
        )
    token = active.SPAN.set(cast("NonRecordingSpan", found))
    try:
        yield
    finally:
        active.SPAN.reset(token)
