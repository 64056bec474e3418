"""Traces of MLflow as ours, and back."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from mlflow.entities import Trace, TraceData, TraceInfo

from lakeflow import entities
from lakeflow.mlflow.assessment_entities import assessment_from, assessment_of
from lakeflow.mlflow.span_entities import lazy_span_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities.trace_location import TraceLocation
    from mlflow.entities.trace_state import TraceState

ARTIFACT_LOCATION = "mlflow.artifactLocation"
"""Tag: the folder with files of a trace."""

SPANS_LOCATION = "mlflow.trace.spansLocation"
"""Tag: where the spans of a trace are."""

TRACKING_STORE = "TRACKING_STORE"
"""That they are in the store; without it clients of MLflow 3 upload each trace once more."""

ARTIFACT_REPOSITORY = "ARTIFACT_REPO"
"""That they are a file in that folder, as clients of MLflow 2 have written it."""

_IN_STORE = {SPANS_LOCATION: TRACKING_STORE}


def info_from(info: TraceInfo) -> entities.TraceInfo:
    """Return what MLflow knows of a trace."""
    return entities.TraceInfo(
        info.trace_id,
        str(info.experiment_id),
        info.request_time,
        entities.TraceState(info.state.value),
        info.execution_duration,
        _texts(info.trace_metadata),
        _texts(info.tags),
        info.request_preview,
        info.response_preview,
        info.client_request_id,
        [assessment_from(each, info.trace_id) for each in info.assessments],
    )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def info_of(info: entities.TraceInfo, artifact_location: str) -> TraceInfo:
    """Return what is known of a trace, as MLflow 3's.

    Args:
        info: What is known.
        artifact_location: The folder of its files.
    """
    return TraceInfo(
        trace_id=info.trace_id,
        trace_location=_location(info.experiment_id),
        request_time=info.request_time,
        state=_state(info.state),
        request_preview=info.request_preview,
        response_preview=info.response_preview,
        client_request_id=info.client_request_id,
        execution_duration=info.execution_duration,
        trace_metadata=dict(info.trace_metadata),
        # What the trace says comes last: spans of one of MLflow 2 are in a file.
        tags=_IN_STORE | {ARTIFACT_LOCATION: artifact_location} | info.tags,
        assessments=[assessment_of(each) for each in info.assessments],
    )


# One for all traces of an experiment: nothing sets anything of it.
@functools.lru_cache
def _location(experiment_id: str) -> TraceLocation:
    from mlflow.entities.trace_location import TraceLocation

    return TraceLocation.from_experiment_id(experiment_id)


@functools.cache
def _state(state: entities.TraceState) -> TraceState:
    from mlflow.entities.trace_state import TraceState

    return TraceState(state.value)


def trace_of(trace: entities.Trace, artifact_location: str) -> Trace:
    """Return a trace as MLflow 3's: the spans without a parent first, then as they began."""
    spans = sorted(trace.data.spans, key=lambda span: span.parent_id is not None)
    return Trace(
        info_of(trace.info, artifact_location), TraceData(list(map(lazy_span_of, spans)))
    )
