"""Spans of MLflow as its exporters hand them over, with ids and times of one's own."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mlflow.entities import Span


def made_span(
    trace_id: str,
    name: str,
    start_ms: int,
    duration_ms: int | None = 1,
    *,
    parent: Span | None = None,
    span_type: str = "UNKNOWN",
    status: str = "OK",
    attributes: dict[str, Any] | None = None,
) -> Span:
    """Return a span whose id follows from its trace and its name."""
    digest = hashlib.sha256(f"{trace_id} {name}".encode()).hexdigest()
    given = {
        "mlflow.traceRequestId": trace_id,
        "mlflow.spanType": span_type,
        **(attributes or {}),
    }
    return Span.from_dict(
        {
            "name": name,
            "context": {
                "trace_id": f"0x{trace_id.removeprefix('tr-')}",
                "span_id": f"0x{digest[:16]}",
            },
            "parent_id": None if parent is None else f"0x{parent.span_id}",
            "start_time": start_ms * 1_000_000,
            "end_time": None if duration_ms is None else (start_ms + duration_ms) * 1_000_000,
            "status_code": status,
            "status_message": "why" if status == "ERROR" else "",
            "attributes": {key: json.dumps(each) for key, each in given.items()},
            "events": [],
        }
    )
