"""What every entity shares: MLflow's iteration over (name, value) pairs."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Entity:
    """Base of the entities: ``dict(entity)`` gives its fields, as MLflow's do."""

    __slots__ = ()

    def __iter__(self) -> Iterator[tuple[str, object]]:
        for field in fields(self):  # type: ignore[arg-type]
            yield field.name, getattr(self, field.name)
