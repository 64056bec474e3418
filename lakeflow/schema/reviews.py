"""Tables of what people review: questions, queues of traces, and issues."""

from __future__ import annotations

from lakeflow.schema.spec import Column, TableSpec

_EXPERIMENT_ID = Column("experiment_id", "string", "experiment it belongs to")
_CREATED = Column("created_time", "long", "milliseconds since the Unix epoch, UTC")
_UPDATED = Column("last_update_time", "long", "milliseconds since the Unix epoch, UTC")
_SCHEMA_ID = Column("schema_id", "string", "ls- and 32 hexadecimal digits")
_QUEUE_SCOPE = (_EXPERIMENT_ID, Column("queue_id", "string", "rq- and 32 hexadecimal digits"))


def _text(name: str, comment: str) -> Column:
    return Column(name, "string", comment, nullable=True)


LABEL_SCHEMAS = TableSpec(
    "label_schemas",
    "one row per question that reviewers of an experiment are asked",
    (
        _EXPERIMENT_ID,
        _SCHEMA_ID,
        Column("name", "string", "unique in the experiment"),
        Column("full_name", "string", "experiment and name, unique"),
        Column("type", "string", "feedback or expectation"),
        Column("input_type", "string", "pass_fail, categorical, numeric or text"),
        Column("input_config", "string", "what may be answered, a JSON object"),
        _text("instruction", "what reviewers are told"),
        Column("enable_comment", "long", "1 if they may add a comment, else 0"),
        Column("is_default", "long", "1 for the question that every experiment has, else 0"),
        _CREATED,
        _UPDATED,
    ),
    key=("schema_id",),
    sort=("experiment_id", "created_time", "schema_id"),
)

REVIEW_QUEUES = TableSpec(
    "review_queues",
    "one row per queue of what is to be reviewed",
    (
        *_QUEUE_SCOPE,
        Column("name", "string", "unique in the experiment, in any case"),
        Column("full_name", "string", "experiment and name in lower case, unique"),
        Column("queue_type", "string", "user or custom"),
        _text("created_by", "whose it is"),
        _CREATED,
        _UPDATED,
    ),
    key=("queue_id",),
    sort=("experiment_id", "created_time", "queue_id"),
)

REVIEW_QUEUE_USERS = TableSpec(
    "review_queue_users",
    "one row per user of a queue",
    (*_QUEUE_SCOPE, Column("user_id", "string", "the user"), _CREATED),
    key=("queue_id", "user_id"),
    # Those of a queue are in its document; a search asks for the queues of a user.
    sort=("experiment_id", "user_id", "queue_id"),
)

REVIEW_QUEUE_SCHEMAS = TableSpec(
    "review_queue_label_schemas",
    "one row per question of a queue",
    (*_QUEUE_SCOPE, _SCHEMA_ID, _CREATED),
    key=("queue_id", "schema_id"),
    sort=("experiment_id", "queue_id", "schema_id"),
)

REVIEW_QUEUE_ITEMS = TableSpec(
    "review_queue_items",
    "one row per item of a queue",
    (
        *_QUEUE_SCOPE,
        Column("item_id", "string", "id of a trace"),
        Column("item_type", "string", "trace"),
        Column("status", "string", "pending, complete or declined"),
        _CREATED,
        _UPDATED,
        _text("completed_by", "who reviewed it"),
        Column("completed_time", "long", "milliseconds since the Unix epoch, UTC", True),
    ),
    key=("queue_id", "item_id"),
    # As for users: a search asks which queues an item is in.
    sort=("experiment_id", "item_id", "queue_id"),
)

ISSUES = TableSpec(
    "issues",
    "one row per issue that was found in an experiment's traces",
    (
        _EXPERIMENT_ID,
        Column("issue_id", "string", "iss- and 32 hexadecimal digits"),
        Column("name", "string", "what it is, in short"),
        Column("description", "string", "what it is"),
        Column("status", "string", "pending, rejected or resolved"),
        _text("severity", "not_an_issue, low, medium or high"),
        # As texts they would be sorted high, low, medium, not_an_issue.
        Column("severity_rank", "long", "0 to 3 in that order, -1 if nobody said"),
        _text("root_causes", "why, a JSON array of texts"),
        _text("source_run_id", "run that found it"),
        _text("categories", "a JSON array of texts"),
        Column("created_timestamp", "long", "milliseconds since the Unix epoch, UTC"),
        Column("last_updated_timestamp", "long", "milliseconds since the Unix epoch, UTC"),
        _text("created_by", "who made it"),
    ),
    key=("issue_id",),
    sort=("experiment_id", "created_timestamp", "issue_id"),
)
