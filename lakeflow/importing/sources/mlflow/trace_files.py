"""The spans of a trace of MLflow's: texts of a database, or a file among its artifacts."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING

from lakeflow.entities import TraceState
from lakeflow.exceptions import LakeflowException
from lakeflow.importing.items import Problem
from lakeflow.importing.sources.artifact_files import SERVED, local_path
from lakeflow.importing.trace_items import span_columns
from lakeflow.stores.artifacts.places import place_at
from lakeflow.tracing.columns import empty_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.entities import TraceInfo
    from lakeflow.tracing.columns import Columns

SPANS_LOCATION = "mlflow.trace.spansLocation"
"""Tag: where the spans of a trace are."""

TRACKING_STORE = "TRACKING_STORE"
"""That they are in the store itself."""

_ARCHIVE = "ARCHIVE_REPO"
_ARCHIVE_LOCATION = "mlflow.trace.archiveLocation"
_ARTIFACT_LOCATION = "mlflow.artifactLocation"
_FILE = "traces.json"


def columns_or_problem(
    info: TraceInfo, texts: Sequence[str], report: Callable[[Problem], None]
) -> tuple[TraceInfo, Columns]:
    """Return a trace whose spans are here now, and the spans that can be read.

    Args:
        info: The trace.
        texts: The spans, each as JSON.
        report: What is told of those that cannot be read.
    """
    try:
        return _here(info), _columns(info, texts)
    except _NO_SPAN:
        # Nearly all can be read: only where one cannot, each is tried by itself.
        whole = [text for text in texts if _is_span(info, text, report)]
        return _here(info), _columns(info, whole)


_NO_SPAN = (ValueError, LookupError, TypeError, AttributeError)


def _columns(info: TraceInfo, texts: Sequence[str]) -> Columns:
    return span_columns(info.trace_id, [json.loads(text) for text in texts])


def _is_span(info: TraceInfo, text: str, report: Callable[[Problem], None]) -> bool:
    try:
        _columns(info, [text])
    except _NO_SPAN as error:
        why = f"it cannot be read: {type(error).__name__}: {error}"
        report(Problem(f"a span of trace {info.trace_id}", why))
        return False
    return True


def spans_beside(
    info: TraceInfo, report: Callable[[Problem], None], folder: str | None = None
) -> tuple[TraceInfo, Columns]:
    """Return a trace with the spans that are a file among its artifacts.

    Args:
        info: The trace.
        report: What is told of spans that cannot be read.
        folder: The folder with its artifacts, where that is not the one that it says itself:
            a store may have been moved.
    """
    location = folder or info.tags.get(_ARTIFACT_LOCATION)
    where = f"trace {info.trace_id}"
    if info.tags.get(SPANS_LOCATION) == _ARCHIVE:
        why = f"its spans are archived in {info.tags.get(_ARCHIVE_LOCATION)}, and stay there"
        report(Problem(where, why))
        return info, empty_columns(0)
    try:
        found = json.loads(_content(location)) if location is not None else {"spans": []}
        columns = span_columns(info.trace_id, found["spans"])
    except FileNotFoundError:
        # A trace that goes on has no file yet.
        if info.state != TraceState.IN_PROGRESS:
            why = f"{location} has no {_FILE} with its spans"
            report(Problem(where, why, is_loss=False))
        return info, empty_columns(0)
    except (OSError, LakeflowException, *_NO_SPAN) as error:
        why = f"its spans cannot be read: {type(error).__name__}: {error}"
        report(Problem(f"{where}, {location}/{_FILE}", why))
        return info, empty_columns(0)
    return _here(info), columns


def _here(info: TraceInfo) -> TraceInfo:
    """Return a trace without the tag that says where its spans were."""
    # Clients that meet it look for the spans there, and they are in the lake now.
    tags = {key: value for key, value in info.tags.items() if key != SPANS_LOCATION}
    return dataclasses.replace(info, tags=tags)


def _content(location: str) -> bytes:
    """Return the file with the spans of a trace.

    Args:
        location: The folder of its artifacts.
    """
    folder = local_path(location)
    if folder is not None:
        with open(os.path.join(folder, _FILE), "rb") as file:
            return file.read()
    if location.startswith(SERVED):
        raise ValueError("only MLflow's server opens that")
    place = place_at(location)
    return place.fs.read(place.full(_FILE))
