"""What every source of a dataset is: a kind, and a JSON object from which it is made again."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, Self


class DatasetSource(ABC):
    """Where a dataset came from; MLflow's interface, for sources of your own too."""

    @abstractmethod
    def _get_source_type(self) -> str:
        """Return the kind, such as ``"local"``."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what ``from_dict`` needs, as JSON can hold it."""

    @classmethod
    @abstractmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that ``to_dict`` described."""

    @abstractmethod
    def load(self, dst_path: str | None = None) -> str:
        """Return the path of a local file or folder with what is there.

        Args:
            dst_path: Folder to copy it to.
        """

    def to_json(self) -> str:
        """Return ``to_dict`` as text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, source_json: str) -> Self:
        """Return the source that ``to_json`` described."""
        return cls.from_dict(json.loads(source_json))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_json()})"
