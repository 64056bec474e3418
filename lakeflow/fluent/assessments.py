"""Assessments: what people, judges and code say of a trace, or of one of its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.client import LakeflowClient
from lakeflow.entities import Expectation, Feedback, IssueReference

if TYPE_CHECKING:
    from lakeflow.entities import Assessment, AssessmentError, AssessmentSource


def log_assessment(trace_id: str, assessment: Assessment) -> Assessment:
    """Log a feedback or an expectation about a trace; see ``LakeflowClient.log_assessment``."""
    return LakeflowClient().log_assessment(trace_id, assessment)


def log_feedback(
    *,
    trace_id: str,
    name: str = "feedback",
    value: Any = None,
    source: AssessmentSource | None = None,
    error: Exception | AssessmentError | str | None = None,
    rationale: str | None = None,
    metadata: dict[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Log how good something was; return it with its id.

    Args:
        trace_id: The trace that it is about; one that goes on in this process too.
        name: What is assessed.
        value: A number, a text, a boolean, a list or a dictionary of them.
        source: Who says it; code by default.
        error: Why there is no value.
        rationale: Why.
        metadata: Further texts.
        span_id: The span that it is about.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
        InvalidInputError: INVALID_PARAMETER_VALUE, ``error`` or ``source`` is something else.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-log-feedback")
        >>> with lakeflow.start_span("ask") as span:
        ...     pass
        >>> feedback = lakeflow.log_feedback(
        ...     trace_id=span.trace_id, name="correct", value=True, rationale="As in the book."
        ... )
        >>> found = lakeflow.get_trace(span.trace_id).info.assessments
        >>> [(each.name, each.value, each.rationale) for each in found]
        [('correct', True, 'As in the book.')]
    """
    feedback = Feedback(
        name,
        value,
        error,
        source,
        metadata=metadata,
        span_id=span_id,
        rationale=rationale,
    )
    return log_assessment(trace_id, feedback)


def log_expectation(
    *,
    trace_id: str,
    name: str,
    value: Any,
    source: AssessmentSource | None = None,
    metadata: dict[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Log what should have come out; return it with its id.

    Args:
        trace_id: The trace that it is about; one that goes on in this process too.
        name: What is expected.
        value: Any value that JSON has.
        source: Who says it; a human by default.
        metadata: Further texts.
        span_id: The span that it is about.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
        InvalidInputError: INVALID_PARAMETER_VALUE, no value, or ``source`` is something else.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-log-expectation")
        >>> with lakeflow.start_span("ask") as span:
        ...     pass
        >>> made = lakeflow.log_expectation(
        ...     trace_id=span.trace_id, name="answer", value=["Paris", "France"]
        ... )
        >>> lakeflow.get_assessment(span.trace_id, made.assessment_id).value
        ['Paris', 'France']
    """
    expectation = Expectation(name, value, source, metadata=metadata, span_id=span_id)
    return log_assessment(trace_id, expectation)


def log_issue(
    *,
    trace_id: str,
    issue_id: str,
    issue_name: str,
    source: AssessmentSource | None = None,
    run_id: str | None = None,
    rationale: str | None = None,
    metadata: dict[str, Any] | None = None,
    span_id: str | None = None,
) -> Assessment:
    """Log that a trace shows an issue; return it with its id.

    Args:
        trace_id: The trace; one that goes on in this process too.
        issue_id: Id of the issue; ``issue.id`` in filters finds the trace.
        issue_name: Its name.
        source: Who says it; a judge by default.
        run_id: The run in which it was found.
        rationale: Why.
        metadata: Further texts.
        span_id: The span that shows it.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace.
        InvalidInputError: INVALID_PARAMETER_VALUE, ``source`` is something else.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-log-issue")
        >>> with lakeflow.start_span("ask") as span:
        ...     pass
        >>> made = lakeflow.log_issue(
        ...     trace_id=span.trace_id, issue_id="iss-1", issue_name="answers are cut"
        ... )
        >>> len(lakeflow.search_traces(filter_string="issue.id = 'iss-1'", return_type="list"))
        1
    """
    reference = IssueReference(
        issue_id,
        issue_name,
        source,
        run_id=run_id,
        rationale=rationale,
        metadata=metadata,
        span_id=span_id,
    )
    return log_assessment(trace_id, reference)


def get_assessment(trace_id: str, assessment_id: str) -> Assessment:
    """Return an assessment; see ``LakeflowClient.get_assessment``."""
    return LakeflowClient().get_assessment(trace_id, assessment_id)


def update_assessment(trace_id: str, assessment_id: str, assessment: Assessment) -> Assessment:
    """Change an assessment; see ``LakeflowClient.update_assessment``."""
    return LakeflowClient().update_assessment(trace_id, assessment_id, assessment)


def override_feedback(
    *,
    trace_id: str,
    assessment_id: str,
    value: Any,
    rationale: str | None = None,
    source: AssessmentSource | None = None,
    metadata: dict[str, Any] | None = None,
) -> Assessment:
    """Log a feedback that takes the place of another one, which stays and is not valid.

    Args:
        trace_id: The trace that both are about.
        assessment_id: The feedback whose place it takes; name and span are of that one.
        value: What is said now.
        rationale: Why.
        source: Who says it; code by default.
        metadata: Further texts.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, no such trace, or no such feedback.
        InvalidInputError: INVALID_PARAMETER_VALUE, that one is an expectation.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-override-feedback")
        >>> with lakeflow.start_span("ask") as span:
        ...     pass
        >>> first = lakeflow.log_feedback(trace_id=span.trace_id, name="correct", value=True)
        >>> _ = lakeflow.override_feedback(
        ...     trace_id=span.trace_id, assessment_id=first.assessment_id, value=False
        ... )
        >>> [each.value for each in lakeflow.get_trace(span.trace_id).search_assessments()]
        [False]
    """
    return LakeflowClient()._traces.override_feedback(
        trace_id, assessment_id, value, rationale, source, metadata
    )


def delete_assessment(trace_id: str, assessment_id: str) -> None:
    """Delete an assessment; see ``LakeflowClient.delete_assessment``."""
    LakeflowClient().delete_assessment(trace_id, assessment_id)
