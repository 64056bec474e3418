"""Tables of logged models, and of what was measured of them."""

from __future__ import annotations

from lakeflow.schema.runs import EXPERIMENT_ID, LOGGED, STEP, TIMESTAMP
from lakeflow.schema.spec import Column, TableSpec

_MODEL_ID = Column("model_id", "string", "m- and 32 hexadecimal digits")
_KEY = Column("key", "string", "name within the model")
_MODEL_KEY = ("experiment_id", "model_id", "key")
# A search reads one key of very many models.
_SEARCH_ORDER = ("key", "experiment_id", "model_id")
# No nulls: they are compared, and one null is not equal to another.
_MEASURED = (
    Column("dataset_name", "string", "dataset that it was measured on; empty for none"),
    Column("dataset_digest", "string", "fingerprint of that dataset; empty for none"),
    Column("run_id", "string", "run that logged it"),
)
_MEASURED_BY = (*_MODEL_KEY, *(column.name for column in _MEASURED))

LOGGED_MODELS = TableSpec(
    "logged_models",
    "one row per logged model, deleted ones included",
    (
        _MODEL_ID,
        EXPERIMENT_ID,
        Column("name", "string", "need not be unique"),
        Column("creation_timestamp", "long", "milliseconds since the Unix epoch, UTC"),
        Column("last_updated_timestamp", "long", "milliseconds since the Unix epoch, UTC"),
        Column("status", "string", "PENDING, READY, FAILED or UNSPECIFIED"),
        Column("status_message", "string", "more about the status", nullable=True),
        Column("model_type", "string", "what it is for, as somebody says", nullable=True),
        Column("source_run_id", "string", "run that made it", nullable=True),
        Column("lifecycle_stage", "string", "active or deleted"),
        Column("artifact_location", "string", "folder of its files; relative to the lake"),
    ),
    key=("model_id",),
    sort=("experiment_id", "creation_timestamp", "model_id"),
    row_group_rows=8_192,
)

LOGGED_MODEL_PARAMS = TableSpec(
    "logged_model_params",
    "one row per parameter of a logged model",
    (EXPERIMENT_ID, _MODEL_ID, _KEY, Column("value", "string", "text")),
    key=_MODEL_KEY,
    sort=_SEARCH_ORDER,
)

LOGGED_MODEL_TAGS = TableSpec(
    "logged_model_tags",
    "one row per tag of a logged model",
    (EXPERIMENT_ID, _MODEL_ID, _KEY, Column("value", "string", "text")),
    key=_MODEL_KEY,
    sort=_SEARCH_ORDER,
)

LOGGED_MODEL_FILES = TableSpec(
    "logged_model_files",
    "one row per file of a logged model; the file itself is below its artifact_location",
    (
        EXPERIMENT_ID,
        _MODEL_ID,
        Column("path", "string", "path below the artifact_location, with slashes"),
        Column("size", "long", "bytes"),
        Column("sha256", "string", "SHA-256 of the content, 64 hexadecimal digits"),
        Column("log_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("clock", "long", "microseconds since the Unix epoch, UTC, of its record"),
    ),
    key=("experiment_id", "model_id", "path"),
    # By the model, whose document does not have them.
    sort=("experiment_id", "model_id", "path"),
)

LATEST_LOGGED_MODEL_METRICS = TableSpec(
    "latest_logged_model_metrics",
    "one row per metric, dataset and run of a logged model: last value, and a summary",
    (
        EXPERIMENT_ID,
        _MODEL_ID,
        _KEY,
        *_MEASURED,
        Column(
            "value", "double", "value of the last point by (timestamp, step, order of logging)"
        ),
        TIMESTAMP,
        STEP,
        *LOGGED,
        Column("min", "double", "smallest value that is not NaN", nullable=True),
        Column("max", "double", "largest value that is not NaN", nullable=True),
        Column("count", "long", "number of points, NaN included"),
    ),
    key=_MEASURED_BY,
    sort=(*_SEARCH_ORDER, *(column.name for column in _MEASURED)),
)

LOGGED_MODEL_METRICS = TableSpec(
    "logged_model_metrics",
    "one row per point of a metric of a logged model",
    (
        EXPERIMENT_ID,
        _MODEL_ID,
        _KEY,
        *_MEASURED,
        STEP,
        TIMESTAMP,
        Column("value", "double", "any float"),
        *LOGGED,
    ),
    key=("writer", "seq", "place"),
    sort=(*_MODEL_KEY, "timestamp", "step", *(column.name for column in LOGGED)),
)
