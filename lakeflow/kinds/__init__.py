"""What each kind of thing is; everything that stores or reads things follows from it."""

from lakeflow.kinds.evaluation import EVALUATION_DATASET, SCORER
from lakeflow.kinds.experiment import EVENT, EXPERIMENT, first_event, name_within
from lakeflow.kinds.kind import Keep, Kind, Part, Summary, tables_of
from lakeflow.kinds.logged_model import LOGGED_MODEL
from lakeflow.kinds.registry import MODEL_VERSION, REGISTERED_MODEL, REGISTRY_EVENT, version_id
from lakeflow.kinds.reviews import ISSUE, LABEL_SCHEMA, REVIEW_QUEUE
from lakeflow.kinds.run import RUN
from lakeflow.kinds.trace import TRACE

KINDS = (
    EVENT,
    EXPERIMENT,
    RUN,
    REGISTRY_EVENT,
    REGISTERED_MODEL,
    MODEL_VERSION,
    TRACE,
    EVALUATION_DATASET,
    SCORER,
    LOGGED_MODEL,
    # Before the queues that name them: a sync brings kinds in this order.
    LABEL_SCHEMA,
    REVIEW_QUEUE,
    ISSUE,
)
"""The kinds of a lake, owners first."""

TABLES = {spec.name: spec for spec in tables_of(KINDS)}
"""Every table of a lake by name."""

__all__ = [
    "EVALUATION_DATASET",
    "EVENT",
    "EXPERIMENT",
    "ISSUE",
    "KINDS",
    "LABEL_SCHEMA",
    "LOGGED_MODEL",
    "MODEL_VERSION",
    "REGISTERED_MODEL",
    "REGISTRY_EVENT",
    "REVIEW_QUEUE",
    "RUN",
    "SCORER",
    "TABLES",
    "TRACE",
    "Keep",
    "Kind",
    "Part",
    "Summary",
    "first_event",
    "name_within",
    "tables_of",
    "version_id",
]
