"""What people, judges and code say of a trace, or of one of its spans."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lakeflow.entities._base import Entity
from lakeflow.entities.assessment_source import AssessmentSource, AssessmentSourceType
from lakeflow.entities.span_event import SpanEvent
from lakeflow.entities.times import milliseconds_of, text_of
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE_RUN_ID = "mlflow.assessment.sourceRunId"
"""Metadata of an assessment: the run that it was made in."""

# As many as in MLflow 3.
_MOST_STACK_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True, repr=False)
class AssessmentError(Entity):
    """Why there is no value.

    Attributes:
        error_code: A short name of the cause.
        error_message: What happened.
        stack_trace: Where; only its last 10,000 characters are kept.
    """

    error_code: str
    error_message: str | None = None
    stack_trace: str | None = None

    def __post_init__(self) -> None:
        if self.stack_trace is not None and len(self.stack_trace) > _MOST_STACK_CHARACTERS:
            # Its end, where Python names the error. The four are those of the line before it.
            kept = f"...\n{self.stack_trace[4 - _MOST_STACK_CHARACTERS :]}"
            object.__setattr__(self, "stack_trace", kept)

    @classmethod
    def from_dictionary(cls, error_dict: Mapping[str, Any]) -> AssessmentError:
        """Return the error of what ``to_dictionary`` gives."""
        names = ("error_code", "error_message", "stack_trace")
        return cls(*(error_dict.get(name) for name in names))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, repr=False)
class FeedbackValue(Entity):
    """What a feedback says.

    Attributes:
        value: A number, a text, a boolean, a list or a dictionary of them.
        error: Why there is none.
    """

    value: Any
    error: AssessmentError | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ExpectationValue(Entity):
    """What is expected.

    Attributes:
        value: Whatever is JSON.
    """

    value: Any


class Assessment(Entity):
    """What somebody says of a trace or a span.

    It is a ``Feedback``, an ``Expectation`` or an ``IssueReference``.

    Attributes:
        name: What is assessed.
        value: What is said of it.
        source: Who says it.
        trace_id: The trace; None as long as it is about none.
        span_id: The span of it; None for all of the trace.
        run_id: The run that it was made in.
        rationale: Why.
        metadata: Further texts.
        error: Why there is no value.
        create_time_ms: Milliseconds since the Unix epoch, UTC; now, unless it is given.
        last_update_time_ms: The same, of the last change.
        overrides: The assessment whose place it takes.
        valid: Whether no other one has taken its place.
        assessment_id: Its id, given when it is logged.
    """

    __slots__ = ()

    name: str
    value: Any
    source: AssessmentSource | None
    trace_id: str | None
    span_id: str | None
    run_id: str | None
    rationale: str | None
    metadata: dict[str, str] | None
    error: AssessmentError | Exception | str | None
    create_time_ms: int | None
    last_update_time_ms: int | None
    overrides: str | None
    valid: bool | None
    assessment_id: str | None

    kind: ClassVar[Literal["feedback", "expectation", "issue"]]

    @property
    def feedback(self) -> FeedbackValue | None:
        """Value and error of a feedback; None of an expectation."""
        return None

    @property
    def expectation(self) -> ExpectationValue | None:
        """Value of an expectation; None of a feedback."""
        return None

    def to_dictionary(self) -> dict[str, Any]:
        """Return what MLflow 3 writes of it; what is None is left out.

        Examples:
            >>> feedback = Feedback("correct", True, trace_id="tr-1", create_time_ms=0)
            >>> found = feedback.to_dictionary()
            >>> found["assessment_name"], found["feedback"], found["create_time"]
            ('correct', {'value': True}, '1970-01-01T00:00:00Z')
        """
        assert self.source is not None
        assert self.create_time_ms is not None
        assert self.last_update_time_ms is not None
        found = {
            "assessment_id": self.assessment_id,
            "assessment_name": self.name,
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "source": self.source.to_dictionary(),
            "create_time": text_of(self.create_time_ms),
            "last_update_time": text_of(self.last_update_time_ms),
            self.kind: self._value_dictionary(),
            "rationale": self.rationale,
            "metadata": self.metadata or None,
            "overrides": self.overrides,
            "valid": self.valid,
        }
        return {key: value for key, value in found.items() if value is not None}

    @classmethod
    def from_dictionary(cls, d: Mapping[str, Any]) -> Assessment:
        """Return the assessment of what ``to_dictionary`` gives.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: it is none.
        """
        try:
            return _from_dictionary(d)
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidInputError(
                f"a dictionary is no assessment: {type(error).__name__}: {error}"
            ) from error

    def _value_dictionary(self) -> dict[str, Any]:
        raise NotImplementedError

    def _complete(self, source_type: str) -> None:
        """Set what follows from the rest."""
        now = time.time_ns() // 1_000_000
        made = now if self.create_time_ms is None else self.create_time_ms
        changed = made if self.last_update_time_ms is None else self.last_update_time_ms
        source = AssessmentSource(source_type) if self.source is None else self.source
        if not isinstance(source, AssessmentSource):
            raise InvalidInputError(
                f"`source` must be an AssessmentSource, not a {type(source).__name__}"
            )
        run_id = self.run_id or (self.metadata or {}).get(SOURCE_RUN_ID)
        for name, value in (
            ("source", source),
            ("create_time_ms", made),
            ("last_update_time_ms", changed),
            ("run_id", run_id),
        ):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True, repr=False)
class Feedback(Assessment):
    """How good something was. The attributes are those of ``Assessment``.

    ``source`` is code unless it is given; an exception and a text become an
    ``AssessmentError``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE: ``error`` or ``source`` is something else.

    Examples:
        >>> Feedback("faithful", error=ValueError("no judge")).error_code
        'ValueError'
    """

    # In the order of MLflow's arguments, which people give by position; as those below.
    name: str = "feedback"
    value: Any = None
    error: AssessmentError | Exception | str | None = None
    source: AssessmentSource | None = None
    trace_id: str | None = None
    metadata: dict[str, str] | None = None
    span_id: str | None = None
    create_time_ms: int | None = None
    last_update_time_ms: int | None = None
    rationale: str | None = None
    overrides: str | None = None
    valid: bool | None = True
    run_id: str | None = None
    assessment_id: str | None = None

    kind = "feedback"

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", _error_of(self.error))
        self._complete(AssessmentSourceType.CODE)

    @property
    def feedback(self) -> FeedbackValue:
        """Its value and its error."""
        # It is one already, but to a type checker it may be whatever could be given.
        return FeedbackValue(self.value, _error_of(self.error))

    @property
    def error_code(self) -> str | None:
        """Short name of why there is no value."""
        error = _error_of(self.error)
        return None if error is None else error.error_code

    @property
    def error_message(self) -> str | None:
        """Why there is no value."""
        error = _error_of(self.error)
        return None if error is None else error.error_message

    def _value_dictionary(self) -> dict[str, Any]:
        error = _error_of(self.error)
        found: dict[str, Any] = {"value": self.value}
        if error is not None:
            found["error"] = error.to_dictionary()
        return found


@dataclass(frozen=True, slots=True, repr=False)
class Expectation(Assessment):
    """What should have come out. The attributes are those of ``Assessment``.

    ``source`` is a human unless it is given.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE: ``value`` is None, or ``source`` is no
            source.

    Examples:
        >>> Expectation("capital", "Paris").source.source_type
        'HUMAN'
    """

    name: str
    value: Any
    source: AssessmentSource | None = None
    trace_id: str | None = None
    metadata: dict[str, str] | None = None
    span_id: str | None = None
    create_time_ms: int | None = None
    last_update_time_ms: int | None = None
    rationale: str | None = None
    error: AssessmentError | Exception | str | None = None
    overrides: str | None = None
    valid: bool | None = None
    run_id: str | None = None
    assessment_id: str | None = None

    kind = "expectation"

    def __post_init__(self) -> None:
        if self.value is None:
            raise InvalidInputError(f"`value` of the expectation {self.name!r} is missing")
        self._complete(AssessmentSourceType.HUMAN)

    @property
    def expectation(self) -> ExpectationValue:
        """Its value."""
        return ExpectationValue(self.value)

    def _value_dictionary(self) -> dict[str, Any]:
        if isinstance(self.value, str | int | float):
            return {"value": self.value}
        # MLflow's messages have other values as a text alone.
        text = json.dumps(self.value)
        return {"serialized_value": {"value": text, "serialization_format": "JSON_FORMAT"}}


@dataclass(frozen=True, slots=True, repr=False)
class IssueReference(Assessment):
    """That a trace shows an issue. The attributes are those of ``Assessment``.

    ``name`` is the id of the issue and ``value`` its name; ``source`` is a judge unless it is
    given.

    Examples:
        >>> reference = IssueReference("iss-1", "answers are cut")
        >>> reference.issue_id, reference.issue_name, reference.source.source_type
        ('iss-1', 'answers are cut', 'LLM_JUDGE')
    """

    name: str
    value: Any
    source: AssessmentSource | None = None
    trace_id: str | None = None
    run_id: str | None = None
    rationale: str | None = None
    metadata: dict[str, str] | None = None
    span_id: str | None = None
    create_time_ms: int | None = None
    last_update_time_ms: int | None = None
    error: AssessmentError | Exception | str | None = None
    overrides: str | None = None
    valid: bool | None = None
    assessment_id: str | None = None

    kind = "issue"

    def __post_init__(self) -> None:
        self._complete(AssessmentSourceType.LLM_JUDGE)

    @property
    def issue_id(self) -> str:
        """Id of the issue."""
        return self.name

    @property
    def issue_name(self) -> Any:
        """Name of the issue."""
        return self.value

    def _value_dictionary(self) -> dict[str, Any]:
        return {"issue_name": self.value}


def _error_of(error: object) -> AssessmentError | None:
    if error is None or isinstance(error, AssessmentError):
        return error
    if isinstance(error, str):
        return AssessmentError("ASSESSMENT_ERROR", error)
    if isinstance(error, Exception):
        event = SpanEvent.from_exception(error).attributes
        return AssessmentError(
            event["exception.type"], event["exception.message"], event["exception.stacktrace"]
        )
    raise InvalidInputError(
        f"`error` must be an exception, a text or an AssessmentError, not a "
        f"{type(error).__name__}"
    )


def _from_dictionary(found: Mapping[str, Any]) -> Assessment:
    shared: dict[str, Any] = {
        "name": found["assessment_name"],
        "source": AssessmentSource.from_dictionary(found["source"]),
        "create_time_ms": milliseconds_of(found["create_time"]),
        "last_update_time_ms": milliseconds_of(found["last_update_time"]),
        **{
            name: found.get(name)
            for name in ("trace_id", "span_id", "metadata", "rationale", "overrides")
        },
        # The run is not among them: it follows from the metadata.
        "assessment_id": found.get("assessment_id"),
    }
    if "feedback" in found:
        error = found["feedback"].get("error")
        return Feedback(
            value=found["feedback"].get("value"),
            error=error and AssessmentError.from_dictionary(error),
            valid=found.get("valid", True),
            **shared,
        )
    if "issue" in found:
        name = found["issue"]["issue_name"]
        return IssueReference(value=name, valid=found.get("valid"), **shared)
    if "expectation" not in found:
        raise InvalidInputError(
            f"the assessment {found['assessment_name']!r} is neither feedback nor expectation"
        )
    expected = found["expectation"]
    serialized = expected.get("serialized_value")
    value = json.loads(serialized["value"]) if serialized else expected.get("value")
    return Expectation(value=value, valid=found.get("valid"), **shared)
