"""Assessments of MLflow as ours, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import entities

if TYPE_CHECKING:
    from mlflow.entities import Assessment


def assessment_from(assessment: Assessment, trace_id: str | None = None) -> entities.Assessment:
    """Return an assessment of MLflow's.

    Args:
        assessment: The assessment.
        trace_id: The trace, where it does not say one.
    """
    source = assessment.source
    shared: dict[str, Any] = {
        "source": entities.AssessmentSource(source.source_type, source.source_id),
        "trace_id": assessment.trace_id or trace_id,
        **{name: getattr(assessment, name) for name in _SAME},
    }
    if assessment.expectation is not None:
        return entities.Expectation(value=assessment.expectation.value, **shared)
    if getattr(assessment, "issue", None) is not None:
        return entities.IssueReference(value=assessment.issue.issue_name, **shared)
    return entities.Feedback(
        value=assessment.feedback.value, error=error_from(assessment.feedback.error), **shared
    )


_SAME = (
    "name",
    "run_id",
    "span_id",
    "rationale",
    "metadata",
    "create_time_ms",
    "last_update_time_ms",
    "assessment_id",
    "overrides",
    "valid",
)
"""What is called the same here and there, and is the same."""


def error_from(error: Any) -> entities.AssessmentError | None:
    """Return why there is no value, of MLflow's."""
    if error is None:
        return None
    return entities.AssessmentError(error.error_code, error.error_message, error.stack_trace)


def assessment_of(assessment: entities.Assessment) -> Assessment:
    """Return an assessment as MLflow's."""
    from mlflow.entities import AssessmentSource, Expectation, Feedback, IssueReference

    assert assessment.source is not None
    shared = {name: getattr(assessment, name) for name in _GIVEN}
    shared["source"] = AssessmentSource(
        assessment.source.source_type, assessment.source.source_id
    )
    if isinstance(assessment, entities.Expectation):
        made = Expectation(value=assessment.value, **shared)
        # Set, since MLflow's constructor takes none for this kind; so is what all lack, below.
        made.rationale = assessment.rationale
    elif isinstance(assessment, entities.IssueReference):
        # MLflow's class keeps the id of the issue as its name.
        del shared["name"]
        made = IssueReference(
            issue_id=assessment.issue_id,
            issue_name=assessment.issue_name,
            rationale=assessment.rationale,
            **shared,
        )
    else:
        made = Feedback(
            value=assessment.value,
            error=_error_of(assessment.error),
            rationale=assessment.rationale,
            **shared,
        )
    for name in ("assessment_id", "run_id", "overrides", "valid"):
        setattr(made, name, getattr(assessment, name))
    return made


_GIVEN = ("name", "trace_id", "span_id", "metadata", "create_time_ms", "last_update_time_ms")
"""What MLflow's classes take as it is."""


def _error_of(error: Any) -> Any:
    from mlflow.entities import AssessmentError

    if not isinstance(error, entities.AssessmentError):
        return None
    return AssessmentError(error.error_code, error.error_message, error.stack_trace)
