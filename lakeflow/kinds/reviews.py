"""What people review: questions, queues of traces, and issues."""

from __future__ import annotations

from lakeflow.kinds.catalogue import Attribute, Catalogue
from lakeflow.kinds.experiment import EXPERIMENT
from lakeflow.kinds.kind import Keep, Kind, Part
from lakeflow.schema import (
    ISSUES,
    LABEL_SCHEMAS,
    REVIEW_QUEUE_ITEMS,
    REVIEW_QUEUE_SCHEMAS,
    REVIEW_QUEUE_USERS,
    REVIEW_QUEUES,
)

_CREATED = Attribute("created_time", is_number=True)

LABEL_SCHEMA = Kind(
    "label_schema",
    row=LABEL_SCHEMAS,
    id="schema_id",
    makes="created_time",
    settable=dict.fromkeys(
        (
            "name", "full_name", "input_type", "input_config", "instruction",
            "enable_comment", "last_update_time",
        ),
        Keep.LAST,
    ),
    owner=EXPERIMENT,
    is_removable=True,
    is_controlled=True,
    unique=("full_name",),
    catalogue=Catalogue(
        {"schema_id": Attribute("schema_id"), "created_time": _CREATED},
        {},
        order=(("created_time", True), ("schema_id", False)),
    ),
)  # fmt: skip
"""A question that reviewers of an experiment are asked."""

REVIEW_QUEUE = Kind(
    "review_queue",
    row=REVIEW_QUEUES,
    id="queue_id",
    makes="created_time",
    settable=dict.fromkeys(("name", "full_name", "created_by", "last_update_time"), Keep.LAST),
    parts=tuple(
        Part(table, Keep.LAST, removable=True)
        for table in (REVIEW_QUEUE_USERS, REVIEW_QUEUE_SCHEMAS, REVIEW_QUEUE_ITEMS)
    ),
    owner=EXPERIMENT,
    is_removable=True,
    is_controlled=True,
    unique=("full_name",),
    catalogue=Catalogue(
        {
            "queue_id": Attribute("queue_id"),
            "created_time": _CREATED,
            "user_id": Attribute("user_id", table=REVIEW_QUEUE_USERS, by=("queue_id",)),
            "item_id": Attribute("item_id", table=REVIEW_QUEUE_ITEMS, by=("queue_id",)),
        },
        {},
        order=(("created_time", True), ("queue_id", False)),
    ),
)
"""A queue of traces that some users review."""

ISSUE = Kind(
    "issue",
    # Not controlled: nothing of it is unique.
    row=ISSUES,
    id="issue_id",
    makes="created_timestamp",
    settable=dict.fromkeys(
        (
            "name", "description", "status", "severity", "severity_rank",
            "last_updated_timestamp",
        ),
        Keep.LAST,
    ),
    owner=EXPERIMENT,
    is_removable=True,
    catalogue=Catalogue(
        {
            "issue_id": Attribute("issue_id"),
            "status": Attribute("status"),
            "source_run_id": Attribute("source_run_id"),
            "severity": Attribute("severity"),
            "severity_rank": Attribute("severity_rank", is_number=True),
            "created_timestamp": Attribute("created_timestamp", is_number=True),
        },
        {},
        order=(("severity_rank", True), ("created_timestamp", True), ("issue_id", True)),
    ),
)  # fmt: skip
"""An issue that was found in the traces of an experiment."""
