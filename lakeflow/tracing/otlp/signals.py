"""What is stored, traces and logs of GenAI events, and in which experiment."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.printable import printable
from lakeflow.tracing.otlp.attributes import attributes_of
from lakeflow.tracing.otlp.bodies import RefusedError
from lakeflow.tracing.otlp.logs import EventBatch
from lakeflow.tracing.otlp.messages import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.protobuf.message import Message

    from lakeflow.stores.store import Store

RESOURCE_ATTRIBUTE = "mlflow.experimentId"
"""The attribute by which a resource says in which experiment its spans belong."""


@dataclass
class Outcome:
    """What became of a request.

    Attributes:
        taken: How many spans or log records are durable.
        refused: How many are not stored, by the reason.
    """

    taken: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def refused_count(self) -> int:
        """How many are not stored."""
        return sum(self.refused.values())

    def add(self, taken: int, refused: Mapping[str, int]) -> None:
        """Add what became of a part of it."""
        self.taken += taken
        for reason, count in refused.items():
            self.refused[reason] = self.refused.get(reason, 0) + count

    @property
    def message(self) -> str:
        """Why some are not stored."""
        return "; ".join(f"{count} with {reason}" for reason, count in self.refused.items())


class Destination:
    """Where spans go.

    Args:
        store: The lake's.
        experiment_id: The experiment of what names none.
    """

    def __init__(self, store: Store, experiment_id: str) -> None:
        self.store = store
        self._experiment_id = experiment_id

    def experiment_of(self, header: str | None, resource: Mapping[str, Any]) -> str:
        """Return the experiment that a request or a resource names, else that of the option.

        Raises:
            RefusedError: 400, there is none of this id, or it is deleted.
        """
        named = header or resource.get(RESOURCE_ATTRIBUTE) or self._experiment_id
        try:
            experiment_id = validation.experiment_id(named)
            self.store.experiments.require_active(experiment_id)
        # Not the message of the error: it names the lake, which a client need not know.
        except (InvalidInputError, NotFoundError):
            shown = printable(str(named)[:80])
            raise RefusedError(
                f"no experiment has the id '{shown}', or it is deleted", HTTPStatus.BAD_REQUEST
            ) from None
        return experiment_id


@dataclass(frozen=True)
class Signal:
    """What may be sent to one path.

    Attributes:
        meaning: What it is.
        counter: Under which name it is counted.
        request: The class of a request.
        store: Stores a request, as ``attributes.as_read`` has it; DecodeError if an attribute
            is none.
        answer: Makes the answer.
    """

    meaning: str
    counter: str
    request: type[Message]
    store: Callable[[Any, Destination, str | None], Outcome]
    answer: Callable[[Outcome], Message]


def _by_experiment(
    messages: Any, destination: Destination, header: str | None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for message in messages:
        resource = attributes_of(message.resource.attributes)
        yield destination.experiment_of(header, resource), message, resource


def _store_spans(request: Any, destination: Destination, header: str | None) -> Outcome:
    batches: dict[str, Batch] = {}
    # All are read first: of a request that is refused nothing is stored.
    for experiment_id, message, resource in _by_experiment(
        request.resource_spans, destination, header
    ):
        batches.setdefault(experiment_id, Batch()).add(message, resource)
    outcome = Outcome()
    for experiment_id, batch in batches.items():
        count = len(batch.columns["span_id"])
        if count:
            destination.store.traces.log_spans(experiment_id, batch.columns)
        outcome.add(count, batch.refused)
    return outcome


def _answer_spans(outcome: Outcome) -> ExportTraceServiceResponse:
    answer = ExportTraceServiceResponse()
    if outcome.refused:
        answer.partial_success.rejected_spans = outcome.refused_count
        answer.partial_success.error_message = outcome.message
    return answer


def _store_events(request: Any, destination: Destination, header: str | None) -> Outcome:
    batches: dict[str, EventBatch] = {}
    for experiment_id, message, resource in _by_experiment(
        request.resource_logs, destination, header
    ):
        batches.setdefault(experiment_id, EventBatch()).add(message, resource)
    outcome = Outcome()
    for experiment_id, batch in batches.items():
        count = len(batch.columns["span_id"]) + len(batch.assessments)
        traces = destination.store.traces
        if batch.columns["span_id"]:
            traces.log_spans(experiment_id, batch.columns)
        # Two appends: if this one fails all is sent again, and is there once by its ids.
        if batch.assessments:
            traces.log_assessments(experiment_id, batch.assessments)
        outcome.add(count, batch.refused)
    return outcome


def _answer_events(outcome: Outcome) -> ExportLogsServiceResponse:
    answer = ExportLogsServiceResponse()
    if outcome.refused:
        answer.partial_success.rejected_log_records = outcome.refused_count
        answer.partial_success.error_message = outcome.message
    return answer


SIGNALS = {
    "/v1/traces": Signal(
        "spans", "spans", ExportTraceServiceRequest, _store_spans, _answer_spans
    ),
    "/v1/logs": Signal(
        "GenAI events", "log_records", ExportLogsServiceRequest, _store_events, _answer_events
    ),
}
"""The signals by the path that they are sent to."""
