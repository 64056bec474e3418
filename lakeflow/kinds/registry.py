"""Registered models, their versions, and the history of both."""

from __future__ import annotations

from lakeflow.kinds.catalogue import Attribute, Catalogue
from lakeflow.kinds.kind import Keep, Kind, Part
from lakeflow.schema import (
    LATEST_VERSIONS,
    MODEL_VERSION_FILES,
    MODEL_VERSION_TAGS,
    MODEL_VERSIONS,
    REGISTERED_MODEL_ALIASES,
    REGISTERED_MODEL_TAGS,
    REGISTERED_MODELS,
    REGISTRY_EVENTS,
)

_NAME = Attribute("name")
_CREATED = Attribute("creation_timestamp", is_number=True)
_UPDATED = Attribute("last_updated_timestamp", is_number=True)
_DESCRIPTION = Attribute("description")

MOST_MODELS = 1_000
"""Most registered models of one page, as in MLflow."""

REGISTERED_MODEL = Kind(
    "registered_model",
    row=REGISTERED_MODELS,
    id="model_id",
    makes="creation_timestamp",
    settable=dict.fromkeys(
        (
            "name",
            "last_updated_timestamp",
            "description",
            "last_version",
            "requires_approval",
            "renamed_timestamp",
        ),
        Keep.LAST,
    ),
    parts=(
        Part(REGISTERED_MODEL_TAGS, Keep.LAST, removable=True),
        Part(REGISTERED_MODEL_ALIASES, Keep.LAST, removable=True),
        # It follows from the versions, but who looks at a model would have to read all of them.
        Part(LATEST_VERSIONS, Keep.LAST, removable=True),
    ),
    is_removable=True,
    is_controlled=True,
    unique=("name",),
    is_numbered=True,
    catalogue=Catalogue(
        {
            "name": _NAME,
            "creation_timestamp": _CREATED,
            "last_updated_timestamp": _UPDATED,
            # MLflow's name of it in orders.
            "timestamp": _UPDATED,
            "description": _DESCRIPTION,
            "aliases": Attribute("alias", table=REGISTERED_MODEL_ALIASES, by=("model_id",)),
        },
        dict.fromkeys(("tag", "tags"), REGISTERED_MODEL_TAGS),
        order=(("name", False),),
        most=MOST_MODELS,
    ),
)
"""A registered model. Its id stays where its name changes."""

MODEL_VERSION = Kind(
    "model_version",
    row=MODEL_VERSIONS,
    id="version_id",
    makes="creation_timestamp",
    settable=dict.fromkeys(
        (
            "last_updated_timestamp",
            "current_stage",
            "description",
            "approval",
            "signature",
        ),
        Keep.LAST,
    ),
    parts=(
        Part(MODEL_VERSION_TAGS, Keep.LAST, removable=True),
        Part(MODEL_VERSION_FILES, Keep.FIRST),
    ),
    owner=REGISTERED_MODEL,
    is_removable=True,
    is_controlled=True,
    catalogue=Catalogue(
        {
            # A version has no name of its own: a rename would be a record for each.
            "name": Attribute("name", table=REGISTERED_MODELS),
            "version_number": Attribute("version", is_number=True),
            "run_id": Attribute("run_id"),
            "source_path": Attribute("source"),
            "creation_timestamp": _CREATED,
            # A rename changes every version, as in MLflow, and is a record of the model alone.
            "last_updated_timestamp": _UPDATED._replace(
                at_least=Attribute("renamed_timestamp", is_number=True, table=REGISTERED_MODELS)
            ),
            "current_stage": Attribute("current_stage"),
            "description": _DESCRIPTION,
            "user_id": Attribute("user_id"),
            "status": Attribute("status"),
            "approval": Attribute("approval"),
            "aliases": Attribute(
                "alias", table=REGISTERED_MODEL_ALIASES, by=("model_id", "version")
            ),
        },
        dict.fromkeys(("tag", "tags"), MODEL_VERSION_TAGS),
        order=(("name", False), ("version_number", True)),
        first=(
            ("last_updated_timestamp", True),
            ("name", False),
            ("version_number", True),
        ),
        most=200_000,
    ),
)
"""A version of a registered model."""

REGISTRY_EVENT = Kind(
    "registry_event", row=REGISTRY_EVENTS, id="event_id", makes="time", is_controlled=True
)
"""A change of the registry, with what was there before it: kept when the model is removed."""


def version_id(model_id: str, version: int) -> str:
    """Return the id of a version."""
    return f"{model_id}.{version}"
