"""Registered models as they were: their history, replayed up to a moment. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.entities.model_registry import RegisteredModel
from lakeflow.entities.model_registry.model_version_stages import ALL_STAGES
from lakeflow.stores.registry.state import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lakeflow.entities.model_registry import ModelVersion

_TOUCH_THE_MODEL = frozenset(
    ("create_model_version", "transition_model_version_stage", "delete_model_version")
)
"""Changes of a version after which its model counts as changed, too."""

_NOT_SHOWN = "sign_model_version"
"""Change of nothing that versions show; its time is not theirs."""


@dataclass(slots=True)
class Past:
    """A model or a version as it was.

    Attributes:
        fields: Value by name of the field.
        tags: Tag values by key.
        aliases: Version by alias; of a model alone.
        versions: Versions by number; of a model alone.
    """

    fields: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    versions: dict[int, Past] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of a model."""
        name: str = self.fields["name"]
        return name

    def version(self, number: int) -> ModelVersion:
        """Return a version of a model, which it must have, as users see it."""
        found = self.versions[number]
        fields = {"version": number, **found.fields}
        return version_of(fields, found.tags, self.fields, self.aliases)

    def model(self) -> RegisteredModel:
        """Return a model as users see it."""
        largest = {
            found.fields["current_stage"]: number
            # In order, so that of each stage the largest one stays.
            for number, found in sorted(self.versions.items())
        }
        fields = self.fields
        return RegisteredModel(
            self.name,
            fields["creation_timestamp"],
            fields["last_updated_timestamp"],
            fields["description"],
            [self.version(largest[stage]) for stage in ALL_STAGES if stage in largest],
            dict(sorted(self.tags.items())),
            dict(sorted(self.aliases.items())),
        )


def replay(events: Iterable[Mapping[str, Any]]) -> list[Past]:
    """Return the models that are there after some events.

    Args:
        events: All rows of ``registry_events`` about these models up to a moment, in order.
    """
    models: dict[str, Past] = {}
    for event in events:
        if event["action"] == _NOT_SHOWN:
            continue
        identity, made = event["model_id"], {"creation_timestamp": event["time"]}
        # First: a tag of a version names the version, too.
        if event["key"] is not None:
            _put_key(models[identity], event)
        elif event["version"] is None:
            made["renamed_timestamp"] = None
            _put(models, identity, event, made)
            if event["action"] == "rename_registered_model":
                models[identity].fields["renamed_timestamp"] = event["time"]
        else:
            model = models[identity]
            made["user_id"] = event["user_id"] or None
            _put(model.versions, event["version"], event, made)
            if event["action"] in _TOUCH_THE_MODEL:
                model.fields["last_updated_timestamp"] = event["time"]
    return list(models.values())


def _put(
    things: dict[Any, Past], identity: Any, event: Mapping[str, Any], made: dict[str, Any]
) -> None:
    """Make, change or remove a model or a version."""
    if event["after"] is None:
        del things[identity]
        return
    after = json.loads(event["after"])
    tags = after.pop("tags", {})
    thing = things.setdefault(identity, Past(made, tags))
    # What was imported says itself when it was changed last.
    thing.fields |= {"last_updated_timestamp": event["time"]} | after


def _put_key(model: Past, event: Mapping[str, Any]) -> None:
    """Set or remove an alias, or a tag of a model or of a version."""
    if event["action"].endswith("_alias"):
        values: dict[str, Any] = model.aliases
    else:
        number = event["version"]
        values = (model if number is None else model.versions[number]).tags
    if event["after"] is None:
        del values[event["key"]]
    else:
        (values[event["key"]],) = json.loads(event["after"]).values()
