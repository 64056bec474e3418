"""Traces: read, search, change the active one, merge others into it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal

from lakeflow.client import LakeflowClient
from lakeflow.entities import LiveSpan, PagedList, Trace, TraceState, TraceStatus
from lakeflow.entities.span import REQUEST_ID, as_mlflow
from lakeflow.entities.trace_info import SESSION, USER
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.fluent.experiments import experiment_of_new_runs
from lakeflow.fluent.pages import all_pages
from lakeflow.fluent.spans import get_current_active_span, start_span_no_context
from lakeflow.fluent.trace_fields import with_fields
from lakeflow.formats import PANDAS, POLARS, require
from lakeflow.tracing import live_trace, switches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas
    import polars

    from lakeflow.entities import NoOpSpan, Span

_logger = logging.getLogger(__name__)

_PAGE = 500
_INSTALLS = {"pandas": PANDAS, "polars": POLARS}


def get_trace(trace_id: str, silent: bool = False) -> Trace | None:
    """Return a trace with its spans; None, with a warning, if there is none.

    Args:
        trace_id: Its id.
        silent: Whether there is no warning.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-get-trace")
        >>> with lakeflow.start_span("ask") as span:
        ...     pass
        >>> lakeflow.get_trace(span.trace_id).info.state.value
        'OK'
        >>> lakeflow.get_trace("tr-" + "0" * 32, silent=True) is None
        True
    """
    try:
        return LakeflowClient().get_trace(trace_id)
    except LakeflowException as error:
        if not silent:
            _logger.warning("trace %s cannot be read: %s", trace_id, error)
        return None


def get_last_active_trace_id(thread_local: bool = False) -> str | None:
    """Return the id of the trace that has ended last in this process; None if none has.

    Args:
        thread_local: Whether only those count that have ended in this thread or task.
    """
    return live_trace.last_trace_id(is_of_thread=thread_local)


def get_last_active_trace(thread_local: bool = False) -> Trace | None:
    """Return the trace that has ended last in this process, as it is in the lake; None if none.

    Args:
        thread_local: Whether only those count that have ended in this thread or task.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-last-trace")
        >>> with lakeflow.start_span("ask"):
        ...     pass
        >>> lakeflow.get_last_active_trace().info.name
        'ask'
    """
    trace_id = get_last_active_trace_id(thread_local)
    return None if trace_id is None else get_trace(trace_id)


def search_traces(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
    extract_fields: Sequence[str] | None = None,
    run_id: str | None = None,
    return_type: Literal["pandas", "list", "polars"] = "pandas",
    include_spans: bool = True,
) -> pandas.DataFrame | polars.DataFrame | list[Trace]:
    """Return all traces that a filter lets through, in a frame or a list.

    Args:
        experiment_ids: Ids of experiments; by default the one for new runs.
        filter_string: As for ``LakeflowClient.search_traces``.
        max_results: At most so many; None for all.
        order_by: As for ``LakeflowClient.search_traces``.
        extract_fields: Fields of spans that become columns of their own, such as
            ``"ask.inputs"`` or ``"ask.outputs.answer"``; names with dots in backticks. Of
            several spans with the name the first one that has the field.
        run_id: As for ``LakeflowClient.search_traces``.
        return_type: ``"pandas"`` or ``"polars"`` for a frame with the columns of
            ``Trace.pandas_dataframe_columns``, ``"list"`` for the traces.
        include_spans: As for ``LakeflowClient.search_traces``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, order or field, no such
            type, or fields with a list.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-fluent-search-traces")
        >>> @lakeflow.trace
        ... def double(x):
        ...     return {"twice": 2 * x}
        >>> _ = double(1), double(2)
        >>> found = lakeflow.search_traces(
        ...     order_by=["timestamp_ms ASC"], extract_fields=["double.outputs.twice"]
        ... )
        >>> sorted(found["double.outputs.twice"])
        [2, 4]
    """
    if return_type not in {"pandas", "polars", "list"}:
        raise InvalidInputError(
            f"return_type is {return_type!r}; it is 'pandas', 'polars' or 'list'"
        )
    if extract_fields and return_type == "list":
        raise InvalidInputError("extract_fields makes columns, which a list has not")
    # Before anything is read.
    frames = None if return_type == "list" else require(return_type, _INSTALLS[return_type])
    client = LakeflowClient()
    wanted = [experiment_of_new_runs()] if experiment_ids is None else experiment_ids
    traces = all_pages(
        lambda most, token: client.search_traces(
            wanted, filter_string, most, order_by, token, run_id, include_spans=include_spans
        ),
        max_results,
        _PAGE,
    )
    if frames is None:
        # Not a plain list: a notebook shows this one as a page of traces.
        return PagedList(traces, None)
    rows = with_fields(traces, extract_fields or ())
    return _frame(frames, return_type, rows)


def update_current_trace(
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    client_request_id: str | None = None,
    request_preview: str | None = None,
    response_preview: str | None = None,
    state: TraceState | str | None = None,
    session_id: str | None = None,
    user: str | None = None,
) -> None:
    """Change the trace that is active here; without one there is a warning and no change.

    Nothing is written before the trace ends.

    Args:
        tags: Tags besides those that it has.
        metadata: Metadata besides what it has.
        client_request_id: Id that the application has for it.
        request_preview: Beginning of what was asked, in place of that of the inputs.
        response_preview: Beginning of what was answered, in place of that of the outputs.
        state: ``"OK"`` or ``"ERROR"``, whatever its root says.
        session_id: The conversation that it is part of.
        user: Who asks.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, another state, or a preview that is no text.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-update-trace")
        >>> with lakeflow.start_span("ask"):
        ...     lakeflow.update_current_trace(tags={"fruit": "apple"}, user="kim")
        >>> info = lakeflow.get_last_active_trace().info
        >>> info.tags["fruit"], info.user_id
        ('apple', 'kim')
    """
    span = get_current_active_span()
    trace = None if span is None else live_trace.find(span.trace_id)
    if trace is None:
        _logger.warning("no trace is active, so none is updated")
        return
    # All is looked at before anything is changed.
    for name, preview in (("request", request_preview), ("response", response_preview)):
        if not isinstance(preview, str | None):
            raise InvalidInputError(f"{name}_preview is a text, not {preview!r}")
    if state is not None and state not in {TraceState.OK, TraceState.ERROR}:
        raise InvalidInputError(f"state is 'OK' or 'ERROR', not {state!r}")
    trace.tags.update(tags or {})
    trace.metadata.update(metadata or {})
    named = {SESSION: session_id, USER: user}
    trace.metadata.update({key: each for key, each in named.items() if each is not None})
    if client_request_id is not None:
        trace.client_request_id = str(client_request_id)
    trace.request_preview = request_preview or trace.request_preview
    trace.response_preview = response_preview or trace.response_preview
    trace.state = trace.state if state is None else TraceState(state)


def get_active_trace_id() -> str | None:
    """Return the id of the trace that is active in this thread or task; None if none is."""
    span = get_current_active_span()
    return None if span is None else span.trace_id


def set_trace_tag(trace_id: str, key: str, value: Any) -> None:
    """Set a tag of a trace; see ``LakeflowClient.set_trace_tag``."""
    LakeflowClient().set_trace_tag(trace_id, key, value)


def delete_trace_tag(trace_id: str, key: str) -> None:
    """Remove a tag of a trace; see ``LakeflowClient.delete_trace_tag``."""
    LakeflowClient().delete_trace_tag(trace_id, key)


def add_trace(
    trace: Trace | Mapping[str, Any], target: LiveSpan | NoOpSpan | None = None
) -> None:
    """Put the spans of a trace of elsewhere into one that goes on here.

    Its tags and metadata come along, but for those that there are already.

    Args:
        trace: A trace that has ended, or what ``to_dict`` gives of it. Each span is after its
            parent.
        target: The span within which they come; by default the active one, else the root of a
            new trace with the name ``Remote Trace <...>``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is no trace, or one that goes on, or a
            span comes before its parent.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-add-trace")
        >>> with lakeflow.start_span("far away"):
        ...     pass
        >>> answer = lakeflow.get_last_active_trace().to_dict()
        >>> with lakeflow.start_span("ask"):
        ...     lakeflow.add_trace(answer)
        >>> [span.name for span in lakeflow.get_last_active_trace().data.spans]
        ['far away', 'ask']
    """
    if not switches.is_enabled():
        return
    whole = trace if isinstance(trace, Trace) else Trace.from_dict(trace)
    if whole.info.status not in TraceStatus.end_statuses():
        raise InvalidInputError(
            f"trace {whole.trace_id} goes on: only one that has ended can be added"
        )
    within = target or get_current_active_span()
    if isinstance(within, LiveSpan):
        _merge(whole, within)
    elif within is None and whole.data.spans:
        _merge_into_new(whole)


def _merge_into_new(whole: Trace) -> None:
    far = whole.data.spans[0]
    root = start_span_no_context(
        f"Remote Trace <{far.name}>",
        inputs=far.inputs,
        attributes={key: each for key, each in far.attributes.items() if key != REQUEST_ID},
        start_time_ns=far.start_time_ns,
    )
    if isinstance(root, LiveSpan):
        _merge(whole, root)
        root.end(far.outputs, end_time_ns=far.end_time_ns, status=far.status)


def _merge(whole: Trace, target: LiveSpan) -> None:
    trace = live_trace.find(target.trace_id)
    if trace is None:
        _logger.warning("the trace of span %r has ended, so none is added", target.name)
        return
    copies: dict[str, LiveSpan] = {}
    for span in whole.data.spans:
        parent = target if span.parent_id is None else copies.get(span.parent_id)
        if parent is None:
            raise InvalidInputError(
                f"span {span.span_id} comes before its parent {span.parent_id}"
            )
        copy = _copied(span, parent)
        if copy is not None:
            copies[span.span_id] = copy
    trace.tags.update({**whole.info.tags, **trace.tags})
    trace.metadata.update({**whole.info.trace_metadata, **trace.metadata})


def _copied(span: Span, parent: LiveSpan) -> LiveSpan | None:
    copy = start_span_no_context(
        span.name, span.span_type, parent, start_time_ns=span.start_time_ns
    )
    if not isinstance(copy, LiveSpan):
        return None
    # But for the id of the trace that it came from: a copy says that of its own.
    copy.set_attributes(
        {key: each for key, each in span.attributes.items() if key != REQUEST_ID}
    )
    for event in span.events:
        copy.add_event(event)
    copy.end(status=span.status, end_time_ns=span.end_time_ns)
    return copy


def flush_trace_async_logging(terminate: bool = False) -> None:
    """Return once the traces that have ended in this process are stored, or lost.

    Args:
        terminate: Has no effect: the thread that stores them ends with the process.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-flush-traces")
        >>> with lakeflow.start_span("ask"):
        ...     pass
        >>> lakeflow.flush_trace_async_logging()
    """
    from lakeflow.tracing import outbox

    outbox.flush()


def _frame(frames: Any, return_type: str, rows: list[dict[str, Any]]) -> Any:
    columns = list(rows[0]) if rows else Trace.pandas_dataframe_columns()
    if return_type == "pandas":
        return frames.DataFrame.from_records(rows, columns=columns)
    # polars has a type for each column: what may be anything is JSON there.
    texts = [{key: _flat(value) for key, value in row.items()} for row in rows]
    # By all rows: polars would look at the first hundred alone, and refuse what differs later.
    return frames.DataFrame(texts, schema=columns, infer_schema_length=None)


def _flat(value: Any) -> Any:
    if isinstance(value, Trace):
        return value.to_json()
    if isinstance(value, dict | list):
        return as_mlflow(value)
    return str(value) if isinstance(value, str) else value
