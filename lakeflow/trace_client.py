"""TraceClient: MLflow's calls about traces. It documents and delegates too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lakeflow.entities import SpanType

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from lakeflow.entities import Assessment, PagedList, Span, SpanStatus, Trace
    from lakeflow.tracing.client_traces import ClientTraces


class TraceClient(ABC):
    """What ``LakeflowClient`` does with traces, their spans, and what is said of them.

    A trace that ``start_trace`` has begun is in the lake at once, as one that goes on, and
    with its spans when ``end_trace`` returns. Traces of the fluent functions are stored in the
    background; reads here wait for those of this process.
    """

    @property
    @abstractmethod
    def _traces(self) -> ClientTraces: ...

    # Traces: record

    def start_trace(
        self,
        name: str,
        span_type: str = SpanType.UNKNOWN,
        inputs: dict[str, Any] | None = None,
        attributes: dict[str, Any] | None = None,
        tags: dict[str, Any] | None = None,
        experiment_id: str | None = None,
        start_time_ns: int | None = None,
    ) -> Span:
        """Begin a trace and its root span; it does not become the active span.

        If that fails, there is a warning, and the span that is returned records nothing: the
        application goes on.

        Cost: one append.

        Args:
            name: Name of the trace and of the span.
            span_type: What the span does.
            inputs: What goes in; any value.
            attributes: Attributes of the span; any values.
            tags: Tags of the trace; values become text. ``mlflow.user`` and
                ``mlflow.artifactLocation`` are left out.
            experiment_id: The experiment; by default that of ``set_destination``, of the active
                run, of ``set_experiment``, of the environment, else ``"0"``.
            start_time_ns: When, nanoseconds since the Unix epoch, UTC; now by default.

        Raises:
            InvalidInputError: BAD_REQUEST, a fluent span is active.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-start-trace")
            >>> root = client.start_trace("ask", inputs={"question": "why?"})
            >>> child = client.start_span("read", root.request_id, root.span_id)
            >>> client.end_span(root.request_id, child.span_id, outputs=[1, 2])
            >>> client.end_trace(root.request_id, outputs={"answer": "so"})
            >>> trace = client.get_trace(root.request_id)
            >>> [(span.name, span.outputs) for span in trace.data.spans]
            [('ask', {'answer': 'so'}), ('read', [1, 2])]
        """
        return self._traces.start_trace(
            name, span_type, inputs, attributes, tags, experiment_id, start_time_ns
        )

    def end_trace(
        self,
        request_id: str,
        outputs: object = None,
        attributes: dict[str, Any] | None = None,
        status: SpanStatus | str = "OK",
        end_time_ns: int | None = None,
    ) -> None:
        """End a trace with its root span, and store it with all its spans.

        Spans that have not ended are stored without an end. Of spans with one name the first
        is renamed ``name_1``, the next one ``name_2``.

        Cost: one append.

        Args:
            request_id: Id of the trace; that of a span that records nothing is passed over.
            outputs: What came out; any value.
            attributes: Attributes of the root span, besides those that it has.
            status: How it went, a ``SpanStatus`` or ``"OK"``, ``"ERROR"`` or ``"UNSET"``,
                which becomes ``"OK"``.
            end_time_ns: When, nanoseconds since the Unix epoch, UTC; now by default.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
            InvalidInputError: INVALID_PARAMETER_VALUE, it has ended already, or there is no
                such status; BAD_REQUEST, it was begun by a process that is gone.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-end-trace")
            >>> root = client.start_trace("ask")
            >>> client.end_trace(root.request_id, status="ERROR")
            >>> client.get_trace(root.request_id).info.status.value
            'ERROR'
        """
        return self._traces.end_trace(request_id, outputs, attributes, status, end_time_ns)

    def start_span(
        self,
        name: str,
        request_id: str,
        parent_id: str,
        span_type: str = SpanType.UNKNOWN,
        inputs: object = None,
        attributes: dict[str, Any] | None = None,
        start_time_ns: int | None = None,
    ) -> Span:
        """Begin a span within another one, of the client or a fluent one.

        It does not become the active span. Nothing is written before the trace ends.

        Args:
            name: Its name.
            request_id: Id of the trace; within a span that records nothing so does this one.
            parent_id: Id of the span within which it runs.
            span_type: What it does.
            inputs: What goes in; any value.
            attributes: Its attributes; any values.
            start_time_ns: When, nanoseconds since the Unix epoch, UTC; now by default.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, no parent or no trace is given.
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such parent goes on.

        Examples:
            >>> import lakeflow
            >>> client = lakeflow.LakeflowClient("memory://doc-start-span")
            >>> lakeflow.set_tracking_uri(client.tracking_uri)
            >>> with lakeflow.start_span("ask") as root:
            ...     child = client.start_span("read", root.request_id, root.span_id)
            ...     client.end_span(root.request_id, child.span_id)
            >>> [span.name for span in client.get_trace(root.request_id).data.spans]
            ['ask', 'read']
        """
        return self._traces.start_span(
            name, request_id, parent_id, span_type, inputs, attributes, start_time_ns
        )

    def end_span(
        self,
        request_id: str,
        span_id: str,
        outputs: object = None,
        attributes: dict[str, Any] | None = None,
        status: SpanStatus | str = "OK",
        end_time_ns: int | None = None,
    ) -> None:
        """End a span; if it is the root, its trace ends as well.

        Args:
            request_id: Id of the trace; that of a span that records nothing is passed over.
            span_id: Id of the span.
            outputs: What came out; any value; nothing is set for None.
            attributes: Attributes besides those that it has; of one key the last one stays.
            status: As for ``end_trace``.
            end_time_ns: When, nanoseconds since the Unix epoch, UTC; now by default.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such span, or its trace has ended.
            InvalidInputError: INVALID_PARAMETER_VALUE, there is no such status.
        """
        return self._traces.end_span(
            request_id, span_id, outputs, attributes, status, end_time_ns
        )

    # Traces: read

    def get_trace(self, request_id: str, display: bool = True) -> Trace:
        """Return a trace with its spans, the one that began first first.

        Cost: one look at the log, and one statement for the spans.

        Args:
            request_id: Id of the trace.
            display: Has no effect: a notebook shows what a cell returns.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
            InvalidInputError: BAD_REQUEST, it has no spans yet.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-get-trace")
            >>> root = client.start_trace("ask", tags={"team": "nlp"})
            >>> client.end_trace(root.request_id)
            >>> client.get_trace(root.request_id).info.tags["team"]
            'nlp'
        """
        return self._traces.get(request_id)

    def search_traces(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        max_results: int = 100,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        run_id: str | None = None,
        *,
        include_spans: bool = True,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[Trace]:
        """Return the traces that a filter lets through, page by page.

        The language of filters is in docs/reference/filters.md.

        Args:
            experiment_ids: Ids of experiments.
            filter_string: The filter; None for all traces.
            max_results: Size of the page.
            order_by: Lines such as ``"timestamp_ms ASC"``; by default the latest first.
            page_token: ``token`` of the page before.
            run_id: The run that was active when they began; None for any.
            include_spans: Whether spans are read too; without them, traces that have none yet
                are found as well.
            as_of: A time, or a Delta version of the table ``traces``: what the lake held in
                its tables then.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, order or token, or
                a run in two ways.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-search-traces")
            >>> for name in ("ask", "tell"):
            ...     root = client.start_trace(name, experiment_id="0")
            ...     client.end_trace(root.request_id)
            >>> [trace.info.name for trace in client.search_traces(["0"], "name = 'ask'")]
            ['ask']
        """
        return self._traces.search(
            experiment_ids,
            filter_string,
            max_results,
            order_by,
            page_token,
            run_id,
            include_spans=include_spans,
            as_of=as_of,
        )

    def count_traces(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        run_id: str | None = None,
    ) -> int:
        """Return how many traces a filter lets through, those without spans among them.

        Args:
            experiment_ids: As for ``search_traces``.
            filter_string: Likewise.
            run_id: Likewise.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, a malformed filter, or a run in two
                ways.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-count-traces")
            >>> root = client.start_trace("ask", experiment_id="0")
            >>> client.end_trace(root.request_id)
            >>> client.count_traces(["0"], "status = 'OK'")
            1
        """
        return self._traces.count(experiment_ids, filter_string, run_id)

    # Traces: change

    def delete_traces(
        self,
        experiment_id: str,
        max_timestamp_millis: int | None = None,
        max_traces: int | None = None,
        request_ids: Sequence[str] | None = None,
    ) -> int:
        """Delete traces with their spans and assessments; return how many.

        Args:
            experiment_id: The experiment; traces of others stay.
            max_timestamp_millis: Those that began until then, that moment included;
                milliseconds since the Unix epoch, UTC.
            max_traces: Of those at most so many, the oldest ones.
            request_ids: Those with one of these ids, instead of a time.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, both or neither of a time and ids, a
                number with ids, or one that is not positive.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-delete-traces")
            >>> root = client.start_trace("ask", experiment_id="0")
            >>> client.end_trace(root.request_id)
            >>> client.delete_traces("0", request_ids=[root.request_id])
            1
        """
        return self._traces.delete(experiment_id, max_timestamp_millis, max_traces, request_ids)

    def set_trace_tag(self, request_id: str, key: str, value: Any) -> None:
        """Set a tag of a trace, one that goes on or one that is stored.

        Args:
            request_id: Id of the trace.
            key: Name, at most 250 characters; none that begins with ``mlflow.``.
            value: Becomes text; of more than 8,000 characters the first are kept.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
            InvalidInputError: INVALID_PARAMETER_VALUE, the name cannot be one.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-set-trace-tag")
            >>> root = client.start_trace("ask")
            >>> client.end_trace(root.request_id)
            >>> client.set_trace_tag(root.request_id, "seen", True)
            >>> client.get_trace(root.request_id).info.tags["seen"]
            'True'
        """
        return self._traces.set_tag(request_id, key, value)

    def delete_trace_tag(self, request_id: str, key: str) -> None:
        """Remove a tag of a trace, one that goes on or one that is stored.

        Args:
            request_id: Id of the trace.
            key: Name of the tag.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace, or it has no such tag.
        """
        return self._traces.delete_tag(request_id, key)

    # Assessments

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        """Link traces to a run besides the one that they began in; again is fine.

        Searches by the run find them from then on: ``run_id``, here and in filters. A trace
        that has not come yet is expected in the run's experiment.

        Cost: a look for the run and the traces, and one append.

        Args:
            trace_ids: At most 100 traces.
            run_id: The run.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such run.
            InvalidInputError: INVALID_PARAMETER_VALUE, more than 100 traces.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-link-traces")
            >>> root = client.start_trace("ask", experiment_id="0")
            >>> client.end_trace(root.trace_id)
            >>> run_id = client.create_run("0").info.run_id
            >>> client.link_traces_to_run([root.trace_id], run_id)
            >>> [trace.info.trace_id == root.trace_id for trace in client.search_traces(
            ...     ["0"], run_id=run_id)]
            [True]
        """
        self._traces.link_to_run(trace_ids, run_id)

    def unlink_traces_from_run(self, trace_ids: list[str], run_id: str) -> None:
        """Remove links of traces to a run; those that are not there are passed over.

        Traces that began in the run stay with it.

        Cost: a look for the traces, and one append.

        Args:
            trace_ids: The traces.
            run_id: The run.
        """
        self._traces.unlink_from_run(trace_ids, run_id)

    def log_assessment(self, trace_id: str, assessment: Assessment) -> Assessment:
        """Log a feedback or an expectation; return it with its id.

        Args:
            trace_id: The trace that it is about; one that goes on in this process too.
            assessment: A ``Feedback`` or an ``Expectation``.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace, or none that it overrides.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> from lakeflow.entities import Feedback
            >>> client = LakeflowClient("memory://doc-log-assessment")
            >>> root = client.start_trace("ask")
            >>> client.end_trace(root.request_id)
            >>> _ = client.log_assessment(root.request_id, Feedback("correct", True))
            >>> [each.value for each in client.get_trace(root.request_id).info.assessments]
            [True]
        """
        return self._traces.log_assessment(trace_id, assessment)

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """Return an assessment.

        Args:
            trace_id: The trace that it is about.
            assessment_id: Its id.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace, or no such assessment.
        """
        return self._traces.get_assessment(trace_id, assessment_id)

    def update_assessment(
        self, trace_id: str, assessment_id: str, assessment: Assessment
    ) -> Assessment:
        """Change name, value, rationale, error and metadata of an assessment; return it.

        What is None in the new one stays as it is; metadata is merged by key.

        Args:
            trace_id: The trace that it is about.
            assessment_id: Its id.
            assessment: What it becomes, of the same kind.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace, or no such assessment.
            InvalidInputError: INVALID_PARAMETER_VALUE, it is of the other kind.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> from lakeflow.entities import Feedback
            >>> client = LakeflowClient("memory://doc-update-assessment")
            >>> trace_id = client.start_trace("ask").request_id
            >>> client.end_trace(trace_id)
            >>> made = client.log_assessment(trace_id, Feedback("correct", True))
            >>> changed = Feedback("correct", False)
            >>> client.update_assessment(trace_id, made.assessment_id, changed).value
            False
        """
        return self._traces.update_assessment(trace_id, assessment_id, assessment)

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Delete an assessment; one whose place it had taken is valid again.

        Args:
            trace_id: The trace that it is about.
            assessment_id: Its id; one that is not there is no error.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
        """
        return self._traces.delete_assessment(trace_id, assessment_id)
