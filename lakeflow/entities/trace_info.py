"""What is known of a trace besides its spans."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lakeflow.entities._base import Entity
from lakeflow.entities.assessment import Assessment
from lakeflow.entities.times import milliseconds_of
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACE_NAME = "mlflow.traceName"
"""Tag with the name of the root span."""
SOURCE_RUN = "mlflow.sourceRun"
"""Metadata: the run that was active when a trace began."""
USER = "mlflow.trace.user"
"""Metadata: who asked."""
SESSION = "mlflow.trace.session"
"""Metadata: the conversation that a trace is part of."""
TOKEN_USAGE = "mlflow.trace.tokenUsage"
"""Metadata: sums of tokens, a JSON object."""
TOKEN_NAMES = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cached_tokens": "cache_read_input_tokens",
    "cache_creation_tokens": "cache_creation_input_tokens",
}
"""MLflow's names of counts of tokens, by the columns that have them."""
COST = "mlflow.trace.cost"
"""Metadata: sums of costs, a JSON object."""
COST_NAMES = {name: name for name in ("input_cost", "output_cost", "total_cost")}
"""MLflow's names of costs in US dollars, by the columns that have them."""
# As many as in MLflow 3.
PREVIEW_CHARACTERS = 1_000
"""What is kept of a question and of an answer, as a preview."""


class TraceState(StrEnum):
    """The states of a trace, by MLflow 3's names."""

    STATE_UNSPECIFIED = "STATE_UNSPECIFIED"
    OK = "OK"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"


_STATES = {each.value: each for each in TraceState}


def state_named(name: str) -> TraceState:
    """Return the state of a name, MLflow 2's too; unspecified for any other text."""
    return _STATES.get(name, TraceState.STATE_UNSPECIFIED)


class TraceStatus(StrEnum):
    """The states of a trace, by MLflow 2's names."""

    UNSPECIFIED = "TRACE_STATUS_UNSPECIFIED"
    OK = "OK"
    ERROR = "ERROR"
    IN_PROGRESS = "IN_PROGRESS"

    @classmethod
    def pending_statuses(cls) -> set[TraceStatus]:
        """Return the states of traces that go on."""
        return {cls.IN_PROGRESS}

    @classmethod
    def end_statuses(cls) -> set[TraceStatus]:
        """Return the states of traces that have ended."""
        return {cls.UNSPECIFIED, cls.OK, cls.ERROR}


@dataclass(frozen=True, slots=True, repr=False)
class TraceInfo(Entity):
    """What is known of a trace besides its spans; MLflow 2's names work too.

    Attributes:
        trace_id: ``tr-`` and 32 hexadecimal digits.
        experiment_id: The experiment it belongs to.
        request_time: When it began, milliseconds since the Unix epoch, UTC.
        state: How far it is and how it went.
        execution_duration: Milliseconds; None while it is under way.
        trace_metadata: What was known when it was made, as texts.
        tags: What may be changed later, as texts.
        request_preview: Beginning of what was asked.
        response_preview: Beginning of what was answered.
        client_request_id: Id that the application has given it.
        assessments: What people and judges said of it and of its spans.

    Examples:
        >>> info = TraceInfo("tr-" + "a" * 32, "0", 1_700_000_000_000, TraceState.OK, 12)
        >>> info.request_id == info.trace_id, info.timestamp_ms, info.execution_time_ms
        (True, 1700000000000, 12)
        >>> info.status.value
        'OK'
    """

    trace_id: str
    experiment_id: str
    request_time: int
    state: TraceState
    execution_duration: int | None = None
    trace_metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    request_preview: str | None = None
    response_preview: str | None = None
    client_request_id: str | None = None
    assessments: list[Assessment] = field(default_factory=list)

    @property
    def request_id(self) -> str:
        """Its id, by MLflow 2's name."""
        return self.trace_id

    @property
    def timestamp_ms(self) -> int:
        """When it began, by MLflow 2's name."""
        return self.request_time

    @property
    def execution_time_ms(self) -> int | None:
        """How long it took, by MLflow 2's name."""
        return self.execution_duration

    @property
    def request_metadata(self) -> dict[str, str]:
        """Its metadata, by MLflow 2's name."""
        return self.trace_metadata

    @property
    def status(self) -> TraceStatus:
        """Its state, by MLflow 2's names."""
        if self.state == TraceState.STATE_UNSPECIFIED:
            return TraceStatus.UNSPECIFIED
        return TraceStatus(self.state.value)

    @property
    def name(self) -> str | None:
        """Name of its root span, of the tag ``mlflow.traceName``."""
        return self.tags.get(TRACE_NAME)

    @property
    def run_id(self) -> str | None:
        """The run that was active when it began, of the metadata ``mlflow.sourceRun``."""
        return self.trace_metadata.get(SOURCE_RUN)

    @property
    def user_id(self) -> str | None:
        """Who asked, of the metadata ``mlflow.trace.user``."""
        return self.trace_metadata.get(USER)

    @property
    def session_id(self) -> str | None:
        """The conversation it is part of, of the metadata ``mlflow.trace.session``."""
        return self.trace_metadata.get(SESSION)

    @property
    def token_usage(self) -> dict[str, int] | None:
        """Sums of tokens: input_tokens, output_tokens, total_tokens; None if nobody counted."""
        return self._object(TOKEN_USAGE)

    @property
    def cost(self) -> dict[str, float] | None:
        """US dollars: input_cost, output_cost, total_cost; None if nobody knows."""
        return self._object(COST)

    def _object(self, key: str) -> dict[str, Any] | None:
        text = self.trace_metadata.get(key)
        if text is None:
            return None
        try:
            found = json.loads(text)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def to_dict(self) -> dict[str, Any]:
        """Return what MLflow 2 writes of it, and of what only MLflow 3 has what there is.

        Examples:
            >>> info = TraceInfo("tr-1", "0", 5, TraceState.STATE_UNSPECIFIED)
            >>> info.to_dict()["status"]
            'TRACE_STATUS_UNSPECIFIED'
        """
        found = {
            "request_id": self.trace_id,
            "experiment_id": self.experiment_id,
            "timestamp_ms": self.request_time,
            "execution_time_ms": self.execution_duration,
            "status": self.status.value,
            "request_metadata": dict(self.trace_metadata),
            "tags": dict(self.tags),
        }
        if self.client_request_id is not None:
            found["client_request_id"] = self.client_request_id
        if self.assessments:
            found["assessments"] = [each.to_dictionary() for each in self.assessments]
        return found

    @classmethod
    def from_dict(cls, trace_info_dict: Mapping[str, Any]) -> TraceInfo:
        """Return what ``to_dict`` gives, here, in MLflow 2 or in MLflow 3.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE: it is none.
        """
        try:
            return cls(**_fields_of(trace_info_dict))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInputError(
                f"a dictionary is no trace: {type(error).__name__}: {error}"
            ) from error


def _fields_of(found: Mapping[str, Any]) -> dict[str, Any]:
    shared = {
        "tags": dict(found.get("tags") or {}),
        "client_request_id": found.get("client_request_id"),
        "request_preview": found.get("request_preview"),
        "response_preview": found.get("response_preview"),
        "assessments": [
            Assessment.from_dictionary(each) for each in found.get("assessments", ())
        ],
    }
    if "request_id" in found:
        state = TraceStatus(found["status"])
        return shared | {
            "trace_id": found["request_id"],
            "experiment_id": found["experiment_id"],
            "request_time": found["timestamp_ms"],
            "execution_duration": found["execution_time_ms"],
            "state": TraceState.STATE_UNSPECIFIED
            if state == TraceStatus.UNSPECIFIED
            else TraceState(state.value),
            "trace_metadata": dict(found.get("request_metadata") or {}),
        }
    location = found.get("trace_location") or {}
    return shared | {
        "trace_id": found["trace_id"],
        "experiment_id": (location.get("mlflow_experiment") or {}).get("experiment_id"),
        "request_time": milliseconds_of(found["request_time"]),
        "execution_duration": found.get("execution_duration_ms"),
        "state": TraceState(found["state"]),
        "trace_metadata": dict(found.get("trace_metadata") or {}),
    }
