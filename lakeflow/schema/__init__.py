"""The on-disk contract: the Delta tables of a lake.

A table is described once, here; ``tables.delta`` turns the description into a Delta schema, the
query engine into casts. Types are Delta's. What the tables mean to one another is in ``kinds``.
A lake of another ``FORMAT_VERSION`` is refused.
"""

from lakeflow.schema.evaluation import (
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_FIELDS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASETS,
    SCORER_VERSIONS,
    SCORERS,
)
from lakeflow.schema.logged_models import (
    LATEST_LOGGED_MODEL_METRICS,
    LOGGED_MODEL_FILES,
    LOGGED_MODEL_METRICS,
    LOGGED_MODEL_PARAMS,
    LOGGED_MODEL_TAGS,
    LOGGED_MODELS,
)
from lakeflow.schema.registry import (
    LATEST_VERSIONS,
    MODEL_VERSION_FILES,
    MODEL_VERSION_TAGS,
    MODEL_VERSIONS,
    REGISTERED_MODEL_ALIASES,
    REGISTERED_MODEL_TAGS,
    REGISTERED_MODELS,
    REGISTRY_EVENTS,
)
from lakeflow.schema.reviews import (
    ISSUES,
    LABEL_SCHEMAS,
    REVIEW_QUEUE_ITEMS,
    REVIEW_QUEUE_SCHEMAS,
    REVIEW_QUEUE_USERS,
    REVIEW_QUEUES,
)
from lakeflow.schema.runs import (
    ARTIFACTS,
    CONTROL_EVENTS,
    EXPERIMENT_TAGS,
    EXPERIMENTS,
    INPUTS,
    LATEST_METRICS,
    METRICS,
    MODEL_INPUTS,
    MODEL_OUTPUTS,
    PARAMS,
    RUNS,
    TAGS,
)
from lakeflow.schema.spec import Column, TableSpec
from lakeflow.schema.traces import (
    ASSESSMENTS,
    SPANS,
    TRACE_METADATA,
    TRACE_PROMPTS,
    TRACE_RUNS,
    TRACE_TAGS,
    TRACES,
)

FORMAT_VERSION = 13
"""Version of everything that is on disk; a lake says in ``lake.json`` which one it has."""

__all__ = [
    "ARTIFACTS",
    "ASSESSMENTS",
    "CONTROL_EVENTS",
    "EVALUATION_DATASETS",
    "EVALUATION_DATASET_EXPERIMENTS",
    "EVALUATION_DATASET_FIELDS",
    "EVALUATION_DATASET_RECORDS",
    "EVALUATION_DATASET_TAGS",
    "EXPERIMENTS",
    "EXPERIMENT_TAGS",
    "FORMAT_VERSION",
    "INPUTS",
    "ISSUES",
    "LABEL_SCHEMAS",
    "LATEST_LOGGED_MODEL_METRICS",
    "LATEST_METRICS",
    "LATEST_VERSIONS",
    "LOGGED_MODELS",
    "LOGGED_MODEL_FILES",
    "LOGGED_MODEL_METRICS",
    "LOGGED_MODEL_PARAMS",
    "LOGGED_MODEL_TAGS",
    "METRICS",
    "MODEL_INPUTS",
    "MODEL_OUTPUTS",
    "MODEL_VERSIONS",
    "MODEL_VERSION_FILES",
    "MODEL_VERSION_TAGS",
    "PARAMS",
    "REGISTERED_MODELS",
    "REGISTERED_MODEL_ALIASES",
    "REGISTERED_MODEL_TAGS",
    "REGISTRY_EVENTS",
    "REVIEW_QUEUES",
    "REVIEW_QUEUE_ITEMS",
    "REVIEW_QUEUE_SCHEMAS",
    "REVIEW_QUEUE_USERS",
    "RUNS",
    "SCORERS",
    "SCORER_VERSIONS",
    "SPANS",
    "TAGS",
    "TRACES",
    "TRACE_METADATA",
    "TRACE_PROMPTS",
    "TRACE_RUNS",
    "TRACE_TAGS",
    "Column",
    "TableSpec",
]
