"""Changes of versions: what is made, set and moved, in the records of a call. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow.entities.model_registry.model_version_stages import STAGE_ARCHIVED, STAGE_NONE
from lakeflow.kinds import version_id
from lakeflow.schema import (
    LATEST_VERSIONS,
    MODEL_VERSION_FILES,
    MODEL_VERSION_TAGS,
    MODEL_VERSIONS,
)
from lakeflow.stores.registry.known import stages_after, versions_in
from lakeflow.stores.registry.state import fields_of, scope_of, signer_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.stores.registry.changes import Changes
    from lakeflow.stores.registry.known import Moves
    from lakeflow.stores.registry.recorded_files import File
    from lakeflow.stores.things import Thing


def create_version(
    changes: Changes,
    model: Mapping[str, Any],
    stages: Mapping[str, tuple[int, int]],
    row: Mapping[str, Any],
    tags: Mapping[str, str],
    files: Sequence[File],
) -> str:
    """Make the next version of a model, and return its id."""
    # Not one more than the largest that is there: that of a deleted version is not given again.
    number: int = model["last_version"] + 1
    scope = {
        "model_id": model["model_id"],
        "version_id": version_id(model["model_id"], number),
    }
    made = {
        **scope,
        "version": number,
        "creation_timestamp": changes.known.now_ms,
        "last_updated_timestamp": changes.known.now_ms,
        "current_stage": STAGE_NONE,
        "user_id": changes.known.user_id or None,
        "status": "READY",
        **row,
    }
    changes.put(MODEL_VERSIONS, made)
    for key, value in tags.items():
        changes.put(MODEL_VERSION_TAGS, {**scope, "key": key, "value": value})
    put_files(changes, scope, files)
    _, count = stages.get(STAGE_NONE, (0, 0))
    _put_stage(changes, scope["model_id"], STAGE_NONE, number, count + 1)
    changes.set_model(scope["model_id"], last_version=number)
    after = {**told(made), "tags": tags}
    changes.note(dict(model), "create_model_version", version=number, after=after)
    return str(scope["version_id"])


def put_files(changes: Changes, scope: Mapping[str, str], files: Sequence[File]) -> None:
    """Record files of a version, of which ``scope`` has the ids."""
    for file in files:
        changes.put(MODEL_VERSION_FILES, {**scope, **file})


# Who made it, when, and its number are in the event itself.
_TOLD = (
    "source",
    "run_id",
    "run_link",
    "description",
    "current_stage",
    "status",
    "status_message",
    "approval",
)


def told(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the history says of a version that is made or removed.

    That is all that ``replay`` needs to show the version as it was.
    """
    return {name: fields.get(name) for name in _TOLD}


def copied(model: Mapping[str, Any], version: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a copy has from a version and the model of it."""
    kept = ("storage_location", "run_id", "run_link", "description", "file_count")
    source = f"models:/{model['name']}/{version['version']}"
    return {"source": source, **{name: version[name] for name in kept}}


def set_version(
    changes: Changes,
    model: Thing,
    version: Thing,
    action: str,
    fields: Mapping[str, Any],
    told_too: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Set fields of a version.

    Args:
        changes: What it becomes a part of.
        model: Its model.
        version: The version.
        action: What was called.
        fields: The fields.
        told_too: What only the history keeps.
    """
    before = fields_of(version)
    updated = {"last_updated_timestamp": changes.known.now_ms, **fields}
    changes.put(MODEL_VERSIONS, {**scope_of(version), **updated})
    changes.note(
        model,
        action,
        version=before["version"],
        before={name: before[name] for name in fields},
        after={**fields, **told_too},
    )


def put_signature(changes: Changes, model: Thing, version: Thing, signature: str) -> None:
    """Set the signature of a version; the history keeps by whose key."""
    before = fields_of(version)
    changes.put(MODEL_VERSIONS, {**scope_of(version), "signature": signature})
    earlier = before["signature"]
    changes.note(
        model,
        "sign_model_version",
        version=before["version"],
        before=None if earlier is None else {"key": signer_of(earlier)},
        after={"key": signer_of(signature)},
    )


def move_version(
    changes: Changes, model: Thing, version: Thing, stage: str, *, archives_others: bool
) -> None:
    """Move a version to a stage, and perhaps all others in it to that of archived ones."""
    moved = {version.id: (version, stage)}
    if archives_others:
        for each in versions_in(changes.known, model, stage):
            # The version itself may be in this stage already, and stays in it.
            moved.setdefault(each.id, (each, STAGE_ARCHIVED))
    moves: Moves = {}
    for each, to in moved.values():
        fields = fields_of(each)
        moves[fields["version"]] = fields["current_stage"], to
        action = "transition_model_version_stage"
        set_version(changes, model, each, action, {"current_stage": to})
    restage(changes, model, moves)
    changes.set_model(model.id)


def restage(changes: Changes, model: Thing, moves: Moves) -> None:
    """Bring what a model says of its stages up to date with some moves."""
    for stage, (version, count) in stages_after(changes.known, model, moves).items():
        _put_stage(changes, model.id, stage, version, count)


def _put_stage(changes: Changes, model_id: str, stage: str, version: int, count: int) -> None:
    # Without values a row removes its key.
    values = {"version": version or None, "count": count or None}
    changes.put(LATEST_VERSIONS, {"model_id": model_id, "stage": stage, **values})
