"""The on-disk contract: the Delta tables of a lake.

A table is described once, here; ``tables.delta`` turns the description into a Delta schema, the
query engine into casts. Types are Delta's. What the tables mean to one another is in ``kinds``.
A lake of another ``FORMAT_VERSION`` is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

FORMAT_VERSION = 6
"""Version of everything that is on disk; a lake says in ``lake.json`` which one it has."""

Type = Literal["string", "long", "double"]


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        name: Its name, in every engine.
        type: Delta's name of its type.
        comment: Meaning and unit; stored in the table's schema.
        nullable: Whether it may be null.
        is_object: Whether the text is a JSON object whose values are texts.
    """

    name: str
    type: Type
    comment: str = ""
    nullable: bool = False
    is_object: bool = False


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One Delta table.

    Attributes:
        name: Name of the table and of its folder under ``tables/``.
        comment: What one row is.
        columns: Filter columns first: readers keep statistics of the first 32 only.
        key: Columns that identify a row.
        sort: Order of the rows within a file.
        row_group_rows: Rows of a row group, the unit of what is read.
        file_rows: Rows of a full file; files below half of that are merged.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    sort: tuple[str, ...]
    row_group_rows: int = 32_768
    file_rows: int = 4_194_304

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)


_EXPERIMENT_ID = Column("experiment_id", "string", "experiment it belongs to")
_RUN_ID = Column("run_id", "string", "32 hexadecimal digits, ordered by time of creation")
_KEY = Column("key", "string", "name within the run")
_STEP = Column("step", "long", "training step, may be negative")
_TIMESTAMP = Column("timestamp", "long", "milliseconds since the Unix epoch, UTC")
_LOGGED = (
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
        _EXPERIMENT_ID,
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
    (_EXPERIMENT_ID, Column("key", "string", "name"), Column("value", "string", "text")),
    key=("experiment_id", "key"),
    sort=("experiment_id", "key"),
)

RUNS = TableSpec(
    "runs",
    "one row per run, deleted ones included",
    (
        _RUN_ID,
        _EXPERIMENT_ID,
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
    (_EXPERIMENT_ID, _RUN_ID, _KEY, Column("value", "string", "text")),
    key=_RUN_KEY,
    sort=_SEARCH_ORDER,
)

TAGS = TableSpec(
    "tags",
    "one row per tag of a run",
    (_EXPERIMENT_ID, _RUN_ID, _KEY, Column("value", "string", "text")),
    key=_RUN_KEY,
    sort=_SEARCH_ORDER,
)

LATEST_METRICS = TableSpec(
    "latest_metrics",
    "one row per metric of a run: its last value, and a summary of all",
    (
        _EXPERIMENT_ID,
        _RUN_ID,
        _KEY,
        Column(
            "value", "double", "value of the last point by (step, timestamp, order of logging)"
        ),
        _STEP,
        _TIMESTAMP,
        *_LOGGED,
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
        _EXPERIMENT_ID,
        _RUN_ID,
        _KEY,
        _STEP,
        _TIMESTAMP,
        Column("value", "double", "any float"),
        *_LOGGED,
    ),
    # Each call is a point, also where all values are equal: the record tells them apart.
    key=("writer", "seq", "place"),
    # A curve is read by its run and key; the order of logging at the end makes it total.
    sort=(*_RUN_KEY, "step", "timestamp", *(column.name for column in _LOGGED)),
)

INPUTS = TableSpec(
    "inputs",
    "one row per dataset that a run used",
    (
        _EXPERIMENT_ID,
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
    sort=("name", "digest", "experiment_id", "run_id"),
)

ARTIFACTS = TableSpec(
    "artifacts",
    "one row per file that was logged to a run; the file itself is below its artifact_uri",
    (
        _EXPERIMENT_ID,
        _RUN_ID,
        Column("path", "string", "path below the artifact_uri of the run, with slashes"),
        Column("size", "long", "bytes"),
        Column("sha256", "string", "SHA-256 of the content, 64 hexadecimal digits"),
        Column("log_time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("kind", "string", "file, figure, image or table"),
        Column("key", "string", "name of an image that was logged by steps", nullable=True),
        Column("step", "long", "training step of such an image", nullable=True),
        Column("timestamp", "long", "time of such an image, milliseconds", nullable=True),
    ),
    key=("experiment_id", "run_id", "path"),
    sort=("experiment_id", "run_id", "path"),
)

CONTROL_EVENTS = TableSpec(
    "control_events",
    "one row per event of the control log: each change of an experiment or a model, for ever",
    (
        Column("number", "string", "place in the total order, ten digits"),
        Column("event_id", "string", "id of the event"),
        Column("time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("user_id", "string", "who made it"),
        Column("changes", "string", "the records that it is made of, as one JSON array"),
    ),
    key=("number",),
    sort=("number",),
)

_MODEL_ID = Column("model_id", "string", "registered model: a number that is never given again")
_VERSION_ID = Column("version_id", "string", "model_id, a dot, and the version")
_VERSION = Column("version", "long", "version of the model, from 1 on")
_CREATED = Column("creation_timestamp", "long", "milliseconds since the Unix epoch, UTC")
_UPDATED = Column("last_updated_timestamp", "long", "milliseconds since the Unix epoch, UTC")
_DESCRIPTION = Column("description", "string", "text of the user's", nullable=True)
_MODEL_KEY = ("model_id", "version_id", "key")

REGISTERED_MODELS = TableSpec(
    "registered_models",
    "one row per registered model",
    (
        _MODEL_ID,
        Column("name", "string", "unique; another model may have had it before"),
        _CREATED,
        _UPDATED,
        _DESCRIPTION,
        Column("last_version", "long", "largest version that was ever given; 0 for none"),
        Column(
            "requires_approval", "long", "1 if aliases move to approved versions only, else 0"
        ),
    ),
    key=("model_id",),
    sort=("model_id",),
)

REGISTERED_MODEL_TAGS = TableSpec(
    "registered_model_tags",
    "one row per tag of a registered model",
    (_MODEL_ID, Column("key", "string", "name"), Column("value", "string", "text")),
    key=("model_id", "key"),
    sort=("key", "model_id"),
)

REGISTERED_MODEL_ALIASES = TableSpec(
    "registered_model_aliases",
    "one row per alias of a registered model",
    (_MODEL_ID, Column("alias", "string", "unique within the model"), _VERSION),
    key=("model_id", "alias"),
    sort=("alias", "model_id"),
)

LATEST_VERSIONS = TableSpec(
    "latest_versions",
    "one row per stage of a registered model in which there is a version",
    (
        _MODEL_ID,
        Column("stage", "string", "None, Staging, Production or Archived"),
        Column("version", "long", "largest version in that stage"),
        Column("count", "long", "how many versions are in it"),
    ),
    key=("model_id", "stage"),
    sort=("model_id", "stage"),
)

MODEL_VERSIONS = TableSpec(
    "model_versions",
    "one row per version of a registered model",
    (
        _VERSION_ID,
        _MODEL_ID,
        _VERSION,
        _CREATED,
        _UPDATED,
        Column("current_stage", "string", "None, Staging, Production or Archived"),
        Column("run_id", "string", "run that made the model, in any lake", nullable=True),
        Column("source", "string", "where the model is, as the user said it"),
        Column("storage_location", "string", "where its files are"),
        _DESCRIPTION,
        Column("user_id", "string", "who registered it", nullable=True),
        Column("run_link", "string", "address of the run", nullable=True),
        Column("status", "string", "READY, PENDING_REGISTRATION or FAILED_REGISTRATION"),
        Column("status_message", "string", "why it failed", nullable=True),
        Column("approval", "string", "approved or rejected; null if nobody decided", True),
        Column("signature", "string", "OpenSSF signature of its files", nullable=True),
        Column("file_count", "long", "files that were recorded; null if none are", True),
    ),
    key=("version_id",),
    sort=("model_id", "version"),
)

MODEL_VERSION_TAGS = TableSpec(
    "model_version_tags",
    "one row per tag of a model version",
    (
        _MODEL_ID,
        _VERSION_ID,
        Column("key", "string", "name"),
        Column("value", "string", "text"),
    ),
    key=_MODEL_KEY,
    sort=("key", "model_id", "version_id"),
)

MODEL_VERSION_FILES = TableSpec(
    "model_version_files",
    "one row per file of a model version whose artifacts were logged to a lake",
    (
        _MODEL_ID,
        _VERSION_ID,
        Column("path", "string", "path below the storage_location, with slashes"),
        Column("size", "long", "bytes"),
        Column("sha256", "string", "SHA-256 of the content, 64 hexadecimal digits"),
    ),
    key=("model_id", "version_id", "path"),
    sort=("model_id", "version_id", "path"),
)

REGISTRY_EVENTS = TableSpec(
    "registry_events",
    "one row per change of the model registry, for ever",
    (
        Column("event_id", "string", "place in the order of all changes, as text"),
        _MODEL_ID,
        Column("name", "string", "name of the model, after the change"),
        Column("version", "long", "version that it is about", nullable=True),
        Column("time", "long", "milliseconds since the Unix epoch, UTC"),
        Column("user_id", "string", "who made it"),
        Column("action", "string", "what was called, such as set_registered_model_alias"),
        Column("key", "string", "tag or alias that it is about", nullable=True),
        Column("before", "string", "what was there, a JSON object", nullable=True),
        Column("after", "string", "what is there since, a JSON object", nullable=True),
    ),
    key=("event_id",),
    sort=("model_id", "event_id"),
)
