"""What people review: questions, queues of traces, and issues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakeflow.entities._base import Entity


@dataclass(frozen=True, slots=True, repr=False)
class LabelSchema(Entity):
    """A question that reviewers of an experiment are asked.

    Attributes:
        schema_id: Its id.
        experiment_id: The experiment.
        name: Unique in the experiment.
        type: ``"feedback"`` or ``"expectation"``.
        input_type: ``"pass_fail"``, ``"categorical"``, ``"numeric"`` or ``"text"``.
        input_config: What may be answered.
        instruction: What reviewers are told.
        enable_comment: Whether they may add a comment.
        is_default: Whether it is the question that every experiment has.
        created_time: Milliseconds since the Unix epoch, UTC.
        last_update_time: Milliseconds since the Unix epoch, UTC.
    """

    schema_id: str
    experiment_id: str
    name: str
    type: str
    input_type: str
    input_config: dict[str, Any]
    instruction: str | None
    enable_comment: bool
    is_default: bool
    created_time: int
    last_update_time: int


@dataclass(frozen=True, slots=True, repr=False)
class ReviewQueue(Entity):
    """A queue of traces that some users review.

    Attributes:
        queue_id: Its id.
        experiment_id: The experiment.
        name: Unique in the experiment, in any case.
        queue_type: ``"user"`` or ``"custom"``.
        created_by: Whose it is.
        created_time: Milliseconds since the Unix epoch, UTC.
        last_update_time: Milliseconds since the Unix epoch, UTC.
        users: Who reviews.
        schema_ids: The questions; none for all that the experiment has.
    """

    queue_id: str
    experiment_id: str
    name: str
    queue_type: str
    created_by: str | None
    created_time: int
    last_update_time: int
    users: list[str]
    schema_ids: list[str]


@dataclass(frozen=True, slots=True, repr=False)
class ReviewQueueItem(Entity):
    """Something in a queue, most often a trace.

    Attributes:
        queue_id: The queue.
        item_id: Id of the trace.
        item_type: ``"trace"``.
        status: ``"pending"``, ``"complete"`` or ``"declined"``.
        created_time: Milliseconds since the Unix epoch, UTC.
        last_update_time: Milliseconds since the Unix epoch, UTC.
        completed_by: Who reviewed it.
        completed_time: When; milliseconds since the Unix epoch, UTC.
    """

    queue_id: str
    item_id: str
    item_type: str
    status: str
    created_time: int
    last_update_time: int
    completed_by: str | None
    completed_time: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Issue(Entity):
    """An issue that was found in the traces of an experiment.

    Attributes:
        issue_id: Its id.
        experiment_id: The experiment.
        name: What it is, in short.
        description: What it is.
        status: ``"pending"``, ``"rejected"`` or ``"resolved"``.
        severity: ``"not_an_issue"``, ``"low"``, ``"medium"`` or ``"high"``.
        root_causes: Why.
        source_run_id: The run that found it.
        categories: What it belongs to.
        created_timestamp: Milliseconds since the Unix epoch, UTC.
        last_updated_timestamp: Milliseconds since the Unix epoch, UTC.
        created_by: Who made it.
    """

    issue_id: str
    experiment_id: str
    name: str
    description: str
    status: str
    severity: str | None
    root_causes: list[str] | None
    source_run_id: str | None
    categories: list[str] | None
    created_timestamp: int
    last_updated_timestamp: int
    created_by: str | None
