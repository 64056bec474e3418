"""A version of a registered model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from lakeflow.entities._base import Entity, short


@dataclass(frozen=True, slots=True, repr=False)
class ModelVersionTag(Entity):
    """One tag of a model version.

    Attributes:
        key: Name, at most 250 characters.
        value: Any text.
    """

    key: str
    value: str


@dataclass(frozen=True, slots=True, repr=False)
class ModelVersion(Entity):
    """A version of a registered model, as it was when it was read.

    Attributes:
        name: Name of the model.
        version: Its number, from 1 on.
        creation_timestamp: Milliseconds since the Unix epoch, UTC.
        last_updated_timestamp: The same, of the last change of its description, its stage or
            its approval.
        description: Text of the user's; None if there is none.
        user_id: Who registered it; None if that is not known.
        current_stage: ``None``, ``Staging``, ``Production`` or ``Archived``.
        source: Where the model is, as the user said it.
        run_id: Run that made it; None if there is none.
        status: Name of a ``ModelVersionStatus``.
        status_message: Why it is not ready; None if it is.
        tags: Tag values by key.
        run_link: Address of the run elsewhere.
        aliases: The aliases that point at it, sorted.
        approval: ``approved`` or ``rejected``, or None; MLflow has no such field.
    """

    name: str
    version: int
    creation_timestamp: int
    last_updated_timestamp: int | None = None
    description: str | None = None
    user_id: str | None = None
    current_stage: str | None = None
    source: str | None = None
    run_id: str | None = None
    status: str = "READY"
    status_message: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    run_link: str | None = None
    aliases: list[str] = field(default_factory=list)
    approval: str | None = None

    _ours: ClassVar = ("approval",)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(name={short(self.name)}, version={self.version}, "
            f"current_stage={self.current_stage!r}, aliases={short(self.aliases)}, "
            f"tags: {len(self.tags):,})"
        )
