"""MLflow's calls about assessments, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import entities
from lakeflow.exceptions import InvalidInputError
from lakeflow.mlflow.assessment_entities import assessment_from, assessment_of, error_from
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from mlflow.entities import Assessment, ExpectationValue, FeedbackValue


@raises_mlflow
class AssessmentMethods(LakeMethods):
    """Calls about assessments."""

    def create_assessment(self, assessment: Assessment) -> Assessment:
        """Log an assessment of a trace, and return it with its id.

        Cost: a look for the trace, and one append.
        """
        made = assessment_from(assessment)
        return assessment_of(self.lake.traces.create_assessment(made))

    def get_assessment(self, trace_id: str, assessment_id: str) -> Assessment:
        """Return an assessment of a trace."""
        return assessment_of(self.lake.traces.get_assessment(trace_id, assessment_id))

    def update_assessment(
        self,
        trace_id: str,
        assessment_id: str,
        name: str | None = None,
        expectation: ExpectationValue | None = None,
        feedback: FeedbackValue | None = None,
        rationale: str | None = None,
        metadata: dict[str, str] | None = None,
        **_: Any,
    ) -> Assessment:
        """Change what is given of an assessment; metadata is merged by key."""
        if expectation is not None and feedback is not None:
            raise InvalidInputError(
                "Cannot specify both `expectation` and `feedback`: an assessment is one of them"
            )
        known = self.lake.traces.get_assessment(trace_id, assessment_id)
        changes: dict[str, Any] = {}
        if expectation is not None:
            _require(known, entities.Expectation, "an expectation")
            changes["value"] = expectation.value
        if feedback is not None:
            _require(known, entities.Feedback, "a feedback")
            changes |= {"value": feedback.value, "error": error_from(feedback.error)}
        given = {"name": name, "rationale": rationale, "metadata": metadata}
        changes |= {key: each for key, each in given.items() if each is not None}
        return assessment_of(
            self.lake.traces.update_assessment(trace_id, assessment_id, **changes)
        )

    def delete_assessment(self, trace_id: str, assessment_id: str) -> None:
        """Delete an assessment; one that it had overridden is valid again. Twice is fine."""
        self.lake.traces.delete_assessment(trace_id, assessment_id)


def _require(known: entities.Assessment, kind: type[entities.Assessment], noun: str) -> None:
    if not isinstance(known, kind):
        raise InvalidInputError(
            f"Cannot update assessment {known.assessment_id} with {noun}: it is of another type"
        )
