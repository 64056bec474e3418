"""Models and versions as users see them, from what is known of them. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.entities.model_registry import ModelVersion, RegisteredModel
from lakeflow.entities.model_registry.model_version_stages import ALL_STAGES
from lakeflow.kinds import MODEL_VERSION, REGISTERED_MODEL, version_id
from lakeflow.schema import (
    LATEST_VERSIONS,
    MODEL_VERSION_FILES,
    MODEL_VERSION_TAGS,
    REGISTERED_MODEL_ALIASES,
    REGISTERED_MODEL_TAGS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.kinds import Kind
    from lakeflow.schema import TableSpec
    from lakeflow.stores.things import Thing

APPROVED = "approved"
"""Decision on a version to which aliases may move where the model requires approval."""

_OF_VERSIONS = (
    "version",
    "creation_timestamp",
    "last_updated_timestamp",
    "description",
    "user_id",
    "current_stage",
    "source",
    "run_id",
    "status",
    "status_message",
    "run_link",
    "approval",
)


def fields_of(thing: Thing) -> dict[str, Any]:
    """Return the row of a model or of a version that is there."""
    row = thing.row(_kind_of(thing))
    assert row is not None
    return row


def scope_of(thing: Thing) -> dict[str, str]:
    """Return the ids that are in every row about a model or a version."""
    return dict(zip(_kind_of(thing).scope, thing.scope, strict=True))


def _kind_of(thing: Thing) -> Kind:
    # A version has the id of its model before its own.
    return REGISTERED_MODEL if len(thing.scope) == 1 else MODEL_VERSION


def aliases_of(model: Thing) -> dict[str, int]:
    """Return the versions at which the aliases of a model point."""
    return model.values(REGISTERED_MODEL_ALIASES.name)


def tags_of(thing: Thing) -> dict[str, str]:
    """Return the tags of a model or of a version."""
    return thing.values(tags_table(thing).name)


def tags_table(thing: Thing) -> TableSpec:
    """Return the table with the tags of a model or of a version."""
    return REGISTERED_MODEL_TAGS if _kind_of(thing) is REGISTERED_MODEL else MODEL_VERSION_TAGS


def stages_of(model: Thing) -> dict[str, tuple[int, int]]:
    """Return of each stage with versions the largest of them, and how many there are."""
    rows = dict(model.rows(LATEST_VERSIONS.name))
    return {stage: rows[stage] for stage in ALL_STAGES if stage in rows}


def latest_ids(model: Thing) -> list[str]:
    """Return the ids of the largest version in each stage."""
    return [version_id(model.id, version) for version, _ in stages_of(model).values()]


def model_version(version: Thing, model: Thing) -> ModelVersion:
    """Return a version as users see it."""
    return version_of(fields_of(version), tags_of(version), fields_of(model), aliases_of(model))


def version_of(
    fields: Mapping[str, Any],
    tags: Mapping[str, str],
    model: Mapping[str, Any],
    aliases: Mapping[str, int],
) -> ModelVersion:
    """Return a version as users see it.

    Args:
        fields: Its fields.
        tags: Its tags.
        model: Fields of its model.
        aliases: Version by alias, for those of the model.
    """
    shown = {name: fields[name] for name in _OF_VERSIONS}
    shown["last_updated_timestamp"] = last_updated(fields, model)
    return ModelVersion(
        name=model["name"],
        tags=dict(sorted(tags.items())),
        aliases=sorted(each for each, at in aliases.items() if at == fields["version"]),
        **shown,
    )


def last_updated(version: Mapping[str, Any], model: Mapping[str, Any]) -> int:
    """Return when a version was changed last: a rename of its model changes it, as in MLflow.

    Args:
        version: Fields of the version.
        model: Fields of its model.
    """
    times: list[int] = [version["last_updated_timestamp"], model["renamed_timestamp"] or 0]
    return max(times)


def registered_model(model: Thing, versions: Mapping[str, Thing]) -> RegisteredModel:
    """Return a model as users see it.

    Args:
        model: The model.
        versions: Versions by id, the largest of each stage among them.
    """
    fields = fields_of(model)
    return RegisteredModel(
        fields["name"],
        fields["creation_timestamp"],
        fields["last_updated_timestamp"],
        fields["description"],
        [
            model_version(versions[identity], model)
            for identity in latest_ids(model)
            if identity in versions
        ],
        tags_of(model),
        aliases_of(model),
    )


def files_of(version: Thing) -> list[dict[str, object]] | None:
    """Return what is recorded of the files of a version, by path; None if nothing is."""
    if fields_of(version)["file_count"] is None:
        return None
    names_of_values = MODEL_VERSION.values(MODEL_VERSION_FILES)
    return [
        {"path": path, **dict(zip(names_of_values, row, strict=True))}
        for path, row in version.rows(MODEL_VERSION_FILES.name)
    ]


def signer_of(signature: str) -> str | None:
    """Return the SHA-256 of the key that a signature says it was made with; None for none."""
    try:
        bundle = json.loads(signature)
        return str(bundle["verificationMaterial"]["publicKey"]["hint"])
    except (ValueError, LookupError, TypeError):
        return None
