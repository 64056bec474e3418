"""Tables of registered models, their versions, and the history of both."""

from __future__ import annotations

from lakeflow.schema.spec import Column, TableSpec

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
        Column(
            "renamed_timestamp", "long", "when its name was changed last; null if never", True
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
    # Those of a model are in its document; a search asks for one alias of all.
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
    # By the value too: who asks for those that have one reads the ids of these alone.
    sort=("key", "value", "model_id", "version_id"),
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
    # A history is that of a model.
    sort=("model_id", "event_id"),
)
