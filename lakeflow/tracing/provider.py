"""Our own tracers of OpenTelemetry: nothing here touches those of the application."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased

from lakeflow.config import environment

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_logger = logging.getLogger(__name__)

ROOT = Context()
"""Where nothing is active: what the application has there is not our parent."""

SCOPE = "lakeflow"
"""Name of the instrumentation."""

# By itself the SDK drops what a span has beyond 128 attributes, events and links.
_NO_LIMITS = SpanLimits(
    max_span_attributes=SpanLimits.UNSET,
    max_attributes=SpanLimits.UNSET,
    max_events=SpanLimits.UNSET,
    max_links=SpanLimits.UNSET,
    max_event_attributes=SpanLimits.UNSET,
    max_link_attributes=SpanLimits.UNSET,
    max_attribute_length=SpanLimits.UNSET,
    max_span_attribute_length=SpanLimits.UNSET,
)


@functools.lru_cache(maxsize=64)
def tracer(ratio: float | None = None) -> Tracer:
    """Return the tracer that samples a share of traces.

    Args:
        ratio: From 0 to 1; None for ``TRACE_SAMPLING_RATIO`` of the environment, else 1. What
            begins within a trace is recorded if that is.
    """
    chosen = _ratio() if ratio is None else ratio
    # What OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME say, and no more: the version of the
    # SDK beside each span says nothing of the application.
    provider = TracerProvider(
        ParentBased(root=ALWAYS_ON if chosen == 1 else TraceIdRatioBased(chosen)),
        OTELResourceDetector().detect(),
        # It has no processors that would be ended.
        shutdown_on_exit=False,
        span_limits=_NO_LIMITS,
    )
    return provider.get_tracer(SCOPE)


def _ratio() -> float:
    text = environment("TRACE_SAMPLING_RATIO")
    if text is None:
        return 1.0
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if 0 <= ratio <= 1:
        return ratio
    _logger.warning("TRACE_SAMPLING_RATIO is %r, not a number from 0 to 1; 1 is taken", text)
    return 1.0
