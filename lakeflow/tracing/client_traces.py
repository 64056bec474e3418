"""What the client's calls about traces mean: those that go on here, and those in the lake.

Before the lake is read, what this process has recorded is stored: a program sees its own
traces.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from lakeflow.entities import (
    NO_OP_SPAN_REQUEST_ID,
    Feedback,
    LiveSpan,
    NoOpSpan,
    PagedList,
    TraceStatus,
    tag_names,
)
from lakeflow.entities.trace_info import SOURCE_RUN
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.tracing import finished, live_trace, outbox, switches

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.entities import (
        Assessment,
        AssessmentSource,
        Span,
        SpanStatus,
        SpanStatusCode,
        Trace,
    )
    from lakeflow.stores.store import Store
    from lakeflow.tracing.live_trace import LiveTrace

_logger = logging.getLogger(__name__)

# MLflow's client leaves these out, too, where somebody gives them.
# Its store refuses to read a trace whose spans are said to be elsewhere.
_IMMUTABLE_TAGS = {tag_names.USER, "mlflow.artifactLocation", "mlflow.trace.spansLocation"}


class ClientTraces:
    """The traces of one lake as a client sees them.

    Args:
        location: The lake.
        made: Returns its store, and makes the lake where there is none.
        existing: Returns its store.
    """

    def __init__(
        self, location: str, made: Callable[[], Store], existing: Callable[[], Store]
    ) -> None:
        self._location = location
        self._made = made
        self._existing = existing

    # Recording

    def start_trace(
        self,
        name: str,
        span_type: str,
        inputs: object,
        attributes: Mapping[str, Any] | None,
        tags: Mapping[str, Any] | None,
        experiment_id: str | None,
        start_time_ns: int | None,
    ) -> Span:
        """Begin a trace, and store that it has begun; see ``LakeflowClient.start_trace``."""
        # Loads OpenTelemetry, which who only reads does not need.
        from lakeflow.tracing import recorder

        active = recorder.current()
        if active is not None:
            raise InvalidInputError(
                f"Another trace is already set in the global context with ID {active.trace_id}",
                "BAD_REQUEST",
                hint="begin a span of it with start_span, or begin this trace outside of "
                "blocks and functions that are traced",
            )
        if not switches.is_enabled():
            return NoOpSpan()
        span = None
        try:
            span = recorder.begin(
                name, span_type, None, start_time_ns=start_time_ns, location=self._location,
                experiment_id=None if experiment_id is None else str(experiment_id),
                ended=_store_end,
            )  # fmt: skip
            if not isinstance(span, LiveSpan):
                return NoOpSpan()
            _fill(span, inputs, attributes)
            self._begin(span.trace_id, tags or {})
        # As in MLflow: the application goes on without the trace.
        except Exception as error:
            _logger.warning("trace %r is not recorded: %s", name, error)
            _logger.debug("trace %r", name, exc_info=True)
            if isinstance(span, LiveSpan):
                # Nobody gets its root, so that nobody would end it.
                live_trace.forget(span.trace_id)
            return NoOpSpan()
        return span

    def _begin(self, trace_id: str, tags: Mapping[str, Any]) -> None:
        trace = live_trace.find(trace_id)
        assert trace is not None
        trace.tags.update(
            (key, str(value)) for key, value in tags.items() if key not in _IMMUTABLE_TAGS
        )
        info = finished.begun_info(trace)
        # From now on it is there, whatever else is set.
        trace.experiment_id, trace.is_stored = info.experiment_id, True
        self._made().traces.start(info)

    def end_trace(
        self,
        trace_id: str,
        outputs: object,
        attributes: Mapping[str, Any] | None,
        status: SpanStatus | SpanStatusCode | str,
        end_time_ns: int | None,
    ) -> None:
        """End a trace, and store it; see ``LakeflowClient.end_trace``."""
        if trace_id == NO_OP_SPAN_REQUEST_ID:
            return
        trace = live_trace.find(trace_id)
        if trace is None:
            outbox.flush()
            if self._existing().traces.info(trace_id).status in TraceStatus.end_statuses():
                raise InvalidInputError(f"Trace with ID {trace_id} already finished.")
            raise _no_spans(trace_id)
        self.end_span(trace_id, trace.root.span_id, outputs, attributes, status, end_time_ns)

    def start_span(
        self,
        name: str,
        trace_id: str,
        parent_id: str,
        span_type: str,
        inputs: object,
        attributes: Mapping[str, Any] | None,
        start_time_ns: int | None,
    ) -> Span:
        """Begin a span within another one; see ``LakeflowClient.start_span``."""
        if trace_id == NO_OP_SPAN_REQUEST_ID:
            return NoOpSpan()
        if not parent_id:
            raise InvalidInputError(
                "start_span() needs parent_id, the span within which this one runs",
                hint="start_trace() begins a trace and its first span",
            )
        if not trace_id:
            raise InvalidInputError("start_span() needs request_id, the trace of the span")
        trace = live_trace.find(trace_id)
        parent = None if trace is None else trace.spans.get(parent_id)
        if parent is None:
            raise NotFoundError(f"Parent span with ID '{parent_id}' not found.")
        from lakeflow.tracing import recorder

        try:
            span = recorder.begin(name, span_type, parent, start_time_ns=start_time_ns)
            if not isinstance(span, LiveSpan):
                return NoOpSpan()
            _fill(span, inputs, attributes)
        # As in MLflow: the application goes on without the span.
        except Exception as error:  # noqa: BLE001
            _logger.warning("span %r is not recorded: %s", name, error)
            return NoOpSpan()
        return span

    def end_span(
        self,
        trace_id: str,
        span_id: str,
        outputs: object,
        attributes: Mapping[str, Any] | None,
        status: SpanStatus | SpanStatusCode | str,
        end_time_ns: int | None,
    ) -> None:
        """End a span; see ``LakeflowClient.end_span``."""
        if trace_id == NO_OP_SPAN_REQUEST_ID:
            return
        trace = live_trace.find(trace_id)
        span = None if trace is None else trace.spans.get(span_id)
        if span is None:
            raise NotFoundError(f"Span with ID {span_id} is not found or already finished.")
        span.end(outputs, attributes, status, end_time_ns)

    # Reading

    def get(self, trace_id: str) -> Trace:
        """Return a trace; see ``LakeflowClient.get_trace``."""
        outbox.flush()
        if live_trace.find(trace_id) is not None:
            raise _no_spans(trace_id)
        trace = self._existing().traces.get(trace_id)
        if not trace.data.spans:
            raise _no_spans(trace_id)
        return trace

    def search(
        self,
        experiment_ids: object,
        filter_string: str | None,
        max_results: int,
        order_by: Sequence[str] | None,
        page_token: str | None,
        run_id: str | None,
        *,
        include_spans: bool = True,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[Trace]:
        """Return traces that have spans; see ``LakeflowClient.search_traces``."""
        _check_run(run_id, filter_string)
        outbox.flush()
        # A search makes the lake, as MLflow makes its store; a look for one trace does not.
        traces = self._made().traces
        found: list[Trace] = []
        token = page_token
        while True:
            page = traces.search(
                experiment_ids, filter_string, max_results - len(found), order_by, token,
                run_id=run_id, include_spans=include_spans, as_of=as_of,
            )  # fmt: skip
            # What a page loses here comes from the next one.
            found += [each for each in page if each.data.spans or not include_spans]
            token = page.token
            if token is None or len(found) >= max_results:
                return PagedList(found, token)

    def count(
        self, experiment_ids: object, filter_string: str | None, run_id: str | None
    ) -> int:
        """Return how many traces there are; see ``LakeflowClient.count_traces``."""
        _check_run(run_id, filter_string)
        outbox.flush()
        return self._made().traces.count(experiment_ids, filter_string, run_id)

    # Changing

    def delete(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None,
        max_traces: int | None,
        trace_ids: Sequence[str] | None,
    ) -> int:
        """Delete traces; see ``LakeflowClient.delete_traces``."""
        outbox.flush()
        return self._made().traces.delete(
            experiment_id, max_timestamp_millis, max_traces, trace_ids
        )

    def set_tag(self, trace_id: str, key: object, value: Any) -> None:
        """Set a tag; see ``LakeflowClient.set_trace_tag``."""
        if isinstance(key, str) and key.startswith("mlflow."):
            raise InvalidInputError(
                f"the tag {key!r} of trace {trace_id} cannot be set: names that begin with "
                "'mlflow.' are reserved"
            )
        trace = live_trace.find(trace_id)
        if trace is not None:
            trace.tags[str(key)] = str(value)
            return
        outbox.flush()
        self._existing().traces.set_tag(trace_id, key, str(value))  # type: ignore[arg-type]

    def delete_tag(self, trace_id: str, key: str) -> None:
        """Remove a tag; see ``LakeflowClient.delete_trace_tag``."""
        trace = live_trace.find(trace_id)
        if trace is None:
            outbox.flush()
            self._existing().traces.delete_tag(trace_id, key)
        elif key in trace.tags:
            del trace.tags[key]
        else:
            raise NotFoundError(f"Tag with key {key} not found in trace with ID {trace_id}.")

    def link_to_run(self, trace_ids: Sequence[str], run_id: str) -> None:
        """Link traces to a run; see ``LakeflowClient.link_traces_to_run``."""
        outbox.flush()
        self._existing().traces.link_to_run(trace_ids, run_id)

    def unlink_from_run(self, trace_ids: Sequence[str], run_id: str) -> None:
        """Remove such links; see ``LakeflowClient.unlink_traces_from_run``."""
        outbox.flush()
        self._existing().traces.unlink_from_run(trace_ids, run_id)

    # Assessments

    def log_assessment(self, trace_id: str, assessment: Assessment) -> Assessment:
        """Log an assessment; see ``LakeflowClient.log_assessment``."""
        made = dataclasses.replace(assessment, trace_id=trace_id)  # type: ignore[type-var]
        trace = live_trace.find(trace_id)
        if trace is not None:
            made = dataclasses.replace(made, assessment_id=f"a-{new_id()}")  # type: ignore[type-var]
            trace.assessments.append(made)
            return made
        outbox.flush()
        return self._existing().traces.create_assessment(made)

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """Return an assessment; see ``LakeflowClient.get_assessment``."""
        outbox.flush()
        return self._existing().traces.get_assessment(trace_id, assessment_id)

    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        """Change an assessment; see ``LakeflowClient.update_assessment``."""
        known = self.get_assessment(trace_id, assessment_id)
        if known.kind != assessment.kind:
            raise InvalidInputError(
                f"assessment {assessment_id} is a {known.kind}, and cannot become a "
                f"{assessment.kind}"
            )
        changes = {"name": assessment.name, "value": assessment.value}
        given = {name: getattr(assessment, name) for name in ("rationale", "metadata", "error")}
        changes |= {name: value for name, value in given.items() if value is not None}
        return self._existing().traces.update_assessment(trace_id, assessment_id, **changes)

    def override_feedback(
        self,
        trace_id: str,
        assessment_id: str,
        value: object,
        rationale: str | None,
        source: AssessmentSource | None,
        metadata: dict[str, Any] | None,
    ) -> Assessment:
        """Put a feedback in the place of another; see ``lakeflow.override_feedback``."""
        known = self.get_assessment(trace_id, assessment_id)
        if not isinstance(known, Feedback):
            raise InvalidInputError(
                f"assessment {assessment_id} is an {known.kind}; only feedback is overridden"
            )
        return self.log_assessment(
            trace_id,
            Feedback(
                known.name,
                value,
                source=source,
                metadata=metadata,
                span_id=known.span_id,
                rationale=rationale,
                overrides=assessment_id,
            ),
        )

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Delete an assessment; see ``LakeflowClient.delete_assessment``."""
        outbox.flush()
        self._existing().traces.delete_assessment(trace_id, assessment_id)


def _fill(span: LiveSpan, inputs: object, attributes: Mapping[str, Any] | None) -> None:
    if attributes is not None:
        span.set_attributes(attributes)
    if inputs is not None:
        span.set_inputs(inputs)


def _store_end(trace: LiveTrace) -> None:
    """Store a trace that has ended, at once: who has ended it sees it everywhere."""
    live_trace.note_last(trace.trace_id)
    try:
        outbox.log(trace.origin.store(), [finished.frozen(trace)])
    # As in MLflow: the application goes on without the trace.
    except Exception as error:  # noqa: BLE001
        _logger.warning("the end of trace %s is not recorded: %s", trace.trace_id, error)


def _check_run(run_id: str | None, filter_string: str | None) -> None:
    if run_id is not None and SOURCE_RUN in (filter_string or ""):
        raise InvalidInputError(
            f"traces are asked for by run_id, and by {SOURCE_RUN} in the filter as well",
            hint="give one of the two",
        )


def _no_spans(trace_id: str) -> InvalidInputError:
    return InvalidInputError(
        f"Trace with ID {trace_id} cannot be loaded because it is missing span data: it has "
        "not ended",
        "BAD_REQUEST",
    )
