"""A registered model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.entities._base import Entity, short

if TYPE_CHECKING:
    from lakeflow.entities.model_registry.model_version import ModelVersion


@dataclass(frozen=True, slots=True, repr=False)
class RegisteredModelTag(Entity):
    """One tag of a registered model.

    Attributes:
        key: Name, at most 250 characters.
        value: Any text.
    """

    key: str
    value: str


@dataclass(frozen=True, slots=True, repr=False)
class RegisteredModelAlias(Entity):
    """One alias of a registered model.

    Attributes:
        alias: Its name, unique within the model.
        version: The version that it points at.
    """

    alias: str
    version: int


@dataclass(frozen=True, slots=True, repr=False)
class RegisteredModel(Entity):
    """A registered model, as it was when it was read.

    Attributes:
        name: Unique within a registry.
        creation_timestamp: Milliseconds since the Unix epoch, UTC.
        last_updated_timestamp: The same, of the last change of its name or description, and
            of the last version that was made, deleted, or moved to another stage.
        description: Text of the user's; None if there is none.
        latest_versions: Of each stage the largest version in it.
        tags: Tag values by key.
        aliases: Version by alias.
    """

    name: str
    creation_timestamp: int | None = None
    last_updated_timestamp: int | None = None
    description: str | None = None
    latest_versions: list[ModelVersion] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        versions = {each.current_stage: each.version for each in self.latest_versions}
        return (
            f"{type(self).__name__}(name={short(self.name)}, latest_versions={versions}, "
            f"aliases={short(self.aliases)}, tags: {len(self.tags):,})"
        )
