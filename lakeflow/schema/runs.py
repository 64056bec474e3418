"""Tables of experiments, of runs, and of the changes of both and of models."""

from __future__ import annotations

from lakeflow.schema.spec import Column, TableSpec

EXPERIMENT_ID = Column("experiment_id", "string", "experiment it belongs to")
_RUN_ID = Column("run_id", "string", "32 hexadecimal digits, ordered by time of creation")
_KEY = Column("key", "string", "name within the run")
STEP = Column("step", "long", "training step, may be negative")
TIMESTAMP = Column("timestamp", "long", "milliseconds since the Unix epoch, UTC")
LOGGED = (
    Column(
        "clock",
        "long",
        "microseconds since the Unix epoch, UTC, of the record that logged the point; never "
        "runs backwards within a writer",
    ),
    Column("writer", "string", "writer of that record"),
    Column("seq", "long", "number of that record among those of its writer"),
    Column("place", "long", "place of the point in that record, from 0 on"),
)
"""The order of logging: points at one step and time are compared by these columns."""
_LIFECYCLE_CLOCK = Column(
    "lifecycle_clock",
    "long",
    "microseconds since the Unix epoch, UTC, of being deleted or restored last; null if never",
    nullable=True,
)
_RUN_KEY = ("experiment_id", "run_id", "key")
# A search reads one key of very many runs, so that a key is one stretch in each file.
_SEARCH_ORDER = ("key", "experiment_id", "run_id")

EXPERIMENTS = TableSpec(
    "experiments",
    "one row per experiment, deleted ones included",
    (
        EXPERIMENT_ID,
        Column("name", "string", "unique, deleted experiments included"),
        Column("artifact_location", "string", "folder of artifacts; relative to the lake"),
        Column("lifecycle_stage", "string", "active or deleted"),
        Column("creation_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("last_update_time", "long", "milliseconds since the Unix epoch, UTC"),
        _LIFECYCLE_CLOCK,
    ),
    key=("experiment_id",),
    sort=("experiment_id",),
)

EXPERIMENT_TAGS = TableSpec(
    "experiment_tags",
    "one row per tag of an experiment",
    (EXPERIMENT_ID, Column("key", "string", "name"), Column("value", "string", "text")),
    key=("experiment_id", "key"),
    sort=("experiment_id", "key"),
)

RUNS = TableSpec(
    "runs",
    "one row per run, deleted ones included",
    (
        _RUN_ID,
        EXPERIMENT_ID,
        Column("start_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("end_time", "long", "milliseconds since the Unix epoch, UTC", nullable=True),
        Column("status", "string", "RUNNING, SCHEDULED, FINISHED, FAILED or KILLED"),
        Column(
            "lifecycle_stage",
            "string",
            "active or deleted; that of its experiment counts if its lifecycle_clock is later",
        ),
        Column("run_name", "string", "need not be unique"),
        Column("user_id", "string", "who started it"),
        Column("artifact_uri", "string", "folder of artifacts; relative to the lake"),
        _LIFECYCLE_CLOCK,
    ),
    key=("run_id",),
    sort=("experiment_id", "run_id"),
    row_group_rows=8_192,
)

PARAMS = TableSpec(
    "params",
    "one row per parameter of a run",
    (EXPERIMENT_ID, _RUN_ID, _KEY, Column("value", "string", "text")),
    key=_RUN_KEY,
    sort=_SEARCH_ORDER,
)

TAGS = TableSpec(
    "tags",
    "one row per tag of a run",
    (EXPERIMENT_ID, _RUN_ID, _KEY, Column("value", "string", "text")),
    key=_RUN_KEY,
    sort=_SEARCH_ORDER,
)

LATEST_METRICS = TableSpec(
    "latest_metrics",
    "one row per metric of a run: its last value, and a summary of all",
    (
        EXPERIMENT_ID,
        _RUN_ID,
        _KEY,
        Column(
            "value", "double", "value of the last point by (step, timestamp, order of logging)"
        ),
        STEP,
        TIMESTAMP,
        # A later fold tells by them which of two points is the last one.
        *LOGGED,
        Column("min", "double", "smallest value that is not NaN", nullable=True),
        Column("max", "double", "largest value that is not NaN", nullable=True),
        Column("count", "long", "number of points, NaN included"),
    ),
    key=_RUN_KEY,
    sort=_SEARCH_ORDER,
)

METRICS = TableSpec(
    "metrics",
    "one row per point of a metric: a record is there once, whatever its values",
    (
        EXPERIMENT_ID,
        _RUN_ID,
        _KEY,
        STEP,
        TIMESTAMP,
        Column("value", "double", "any float"),
        *LOGGED,
    ),
    # Each call is a point, also where all values are equal: the record tells them apart.
    key=("writer", "seq", "place"),
    # A curve is read by its run and key; the order of logging at the end makes it total.
    sort=(*_RUN_KEY, "step", "timestamp", *(column.name for column in LOGGED)),
)

INPUTS = TableSpec(
    "inputs",
    "one row per dataset that a run used",
    (
        EXPERIMENT_ID,
        _RUN_ID,
        Column("name", "string", "name of the dataset"),
        Column("digest", "string", "fingerprint of its content"),
        Column("source_type", "string", "kind of the source"),
        Column("source", "string", "where it came from"),
        Column("schema", "string", "its columns", nullable=True),
        Column("profile", "string", "a summary", nullable=True),
        Column("tags", "string", "tags of this use, as one JSON object", is_object=True),
    ),
    key=("experiment_id", "run_id", "name", "digest"),
    # Those of a run are in its document, so that only searches for a dataset read the table.
    sort=("name", "digest", "experiment_id", "run_id"),
)

ARTIFACTS = TableSpec(
    "artifacts",
    "one row per file that was logged to a run; the file itself is below its artifact_uri",
    (
        EXPERIMENT_ID,
        _RUN_ID,
        Column("path", "string", "path below the artifact_uri of the run, with slashes"),
        Column("size", "long", "bytes"),
        Column("sha256", "string", "SHA-256 of the content, 64 hexadecimal digits"),
        Column("log_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("kind", "string", "file, figure, image or table"),
        Column("key", "string", "name of an image that was logged by steps", nullable=True),
        Column("step", "long", "training step of such an image", nullable=True),
        Column("timestamp", "long", "time of such an image, milliseconds", nullable=True),
        Column("clock", "long", "microseconds since the Unix epoch, UTC, of its record"),
    ),
    key=("experiment_id", "run_id", "path"),
    # By the run, whose document does not have them.
    sort=("experiment_id", "run_id", "path"),
)

MODEL_INPUTS = TableSpec(
    "model_inputs",
    "one row per logged model that a run used",
    (EXPERIMENT_ID, _RUN_ID, Column("model_id", "string", "the logged model")),
    key=("experiment_id", "run_id", "model_id"),
    # The models of a run are in its document; who reads the table asks for the runs of a model.
    sort=("model_id", "experiment_id", "run_id"),
)

MODEL_OUTPUTS = TableSpec(
    "model_outputs",
    "one row per logged model that a run made",
    (EXPERIMENT_ID, _RUN_ID, Column("model_id", "string", "the logged model"), STEP),
    key=("experiment_id", "run_id", "model_id"),
    sort=("model_id", "experiment_id", "run_id"),
)

CONTROL_EVENTS = TableSpec(
    "control_events",
    "one row per event of the control log: each change of an experiment or a model, for ever",
    (
        # A text, as every id is: with ten digits it sorts as the number does.
        Column("number", "string", "place in the total order, ten digits"),
        Column("event_id", "string", "id of the event"),
        Column("time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("user_id", "string", "who made it"),
        Column("changes", "string", "the records that it is made of, as one JSON array"),
    ),
    key=("number",),
    sort=("number",),
)
