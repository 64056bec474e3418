"""The signals that are stored: traces, and logs of GenAI events; and which experiment gets them."""

from __future__ import annotations

import threading
import time
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

from lakeflow.entities import LifecycleStage
from lakeflow.exceptions import NotFoundError
from lakeflow.tracing.columns import without_too_long
from lakeflow.tracing.otlp.bodies import RefusedError
from lakeflow.tracing.otlp.logs import Assessed, EventBatch
from lakeflow.tracing.otlp.messages import Batch, of_key_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.protobuf.message import Message

    from lakeflow.stores.store import Store

RESOURCE_ATTRIBUTE = "mlflow.experimentId"
"""The attribute by which a resource says in which experiment its spans belong."""

_KNOWN_SECONDS = 10
"""For how long an experiment that was there is taken to be there."""

_LONGEST_ID = 64
_TOO_LONG = "a span that is longer than a line of the log"


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
        self._lock = threading.Lock()
        self._known: dict[str, float] = {}

    def experiment_of(self, header: str | None, resource: Mapping[str, Any]) -> str:
        """Return the experiment that a request or a resource names, else that of the option.

        Raises:
            RefusedError: 400, there is none of this id, or it is deleted.
        """
        named = header or resource.get(RESOURCE_ATTRIBUTE)
        if named is None:
            return self._checked(self._experiment_id)
        return self._checked(str(named) if type(named) is int else named)

    def _checked(self, experiment_id: Any) -> str:
        with self._lock:
            if self._known.get(experiment_id, 0) > time.monotonic():
                return str(experiment_id)
        if type(experiment_id) is not str or len(experiment_id) > _LONGEST_ID:
            raise _unknown(experiment_id)
        try:
            found = self.store.experiments.get(experiment_id)
        except NotFoundError:
            raise _unknown(experiment_id) from None
        if found.lifecycle_stage != LifecycleStage.ACTIVE:
            raise RefusedError(
                HTTPStatus.BAD_REQUEST, f"the experiment {experiment_id} is deleted"
            )
        with self._lock:
            # Only experiments that there are get in, so that it stays small.
            self._known[experiment_id] = time.monotonic() + _KNOWN_SECONDS
        return experiment_id


def _unknown(experiment_id: Any) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST, f"no experiment has the id {str(experiment_id)[:80]!r}"
    )


@dataclass(frozen=True)
class Signal:
    """What may be sent to one path.

    Attributes:
        meaning: What it is.
        counter: Under which name it is counted.
        request: Makes an empty request.
        store: Stores a request.
        answer: Makes the answer.
    """

    meaning: str
    counter: str
    request: Callable[[], Message]
    store: Callable[[Any, Destination, str | None], Outcome]
    answer: Callable[[Outcome], Message]


def _by_experiment(
    messages: Any, destination: Destination, header: str | None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    for message in messages:
        resource = of_key_values(message.resource.attributes)
        yield destination.experiment_of(header, resource), message, resource


def _store_spans(
    request: ExportTraceServiceRequest, destination: Destination, header: str | None
) -> Outcome:
    batches: dict[str, Batch] = {}
    # All are read first: of a request that is refused nothing is stored.
    for experiment_id, message, resource in _by_experiment(
        request.resource_spans, destination, header
    ):
        batches.setdefault(experiment_id, Batch()).add(message, resource)
    outcome = Outcome()
    for experiment_id, batch in batches.items():
        columns, too_long = without_too_long(batch.columns)
        batch.refuse(_TOO_LONG, too_long)
        count = len(columns["span_id"])
        if count:
            destination.store.traces.log_spans(experiment_id, columns)
        outcome.add(count, batch.refused)
    return outcome


def _answer_spans(outcome: Outcome) -> ExportTraceServiceResponse:
    answer = ExportTraceServiceResponse()
    if outcome.refused:
        answer.partial_success.rejected_spans = outcome.refused_count
        answer.partial_success.error_message = outcome.message
    return answer


def _store_events(
    request: ExportLogsServiceRequest, destination: Destination, header: str | None
) -> Outcome:
    batches: dict[str, EventBatch] = {}
    for experiment_id, message, resource in _by_experiment(
        request.resource_logs, destination, header
    ):
        batches.setdefault(experiment_id, EventBatch()).add(message, resource)
    outcome = Outcome()
    for experiment_id, batch in batches.items():
        columns, too_long = without_too_long(batch.columns)
        batch.refuse(_TOO_LONG, too_long)
        count = len(columns["span_id"])
        if count:
            destination.store.traces.log_spans(experiment_id, columns)
        for each in batch.assessed:
            _store_assessment(destination.store, each)
        outcome.add(count + len(batch.assessed), batch.refused)
    return outcome


def _store_assessment(store: Store, assessed: Assessed) -> None:
    raise NotImplementedError


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
