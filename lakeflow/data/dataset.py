"""What every dataset is: a name, a digest of its content, a source, columns and sizes."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lakeflow.entities import Dataset as DatasetEntity

if TYPE_CHECKING:
    from lakeflow.data.dataset_source import DatasetSource


class Dataset(ABC):
    """A dataset in memory, to be logged with ``lakeflow.log_input``.

    Args:
        source: Where it came from.
        name: Its name; ``"dataset"`` by default, as in MLflow.
        digest: Fingerprint of its content, at most 36 characters; computed by default.
    """

    def __init__(
        self, source: DatasetSource, name: str | None = None, digest: str | None = None
    ) -> None:
        self._source = source
        self._name = "dataset" if name is None else name
        self._digest = digest or self._compute_digest()

    @abstractmethod
    def _compute_digest(self) -> str:
        """Return the fingerprint of the content."""

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def digest(self) -> str:
        """Fingerprint of its content."""
        return self._digest

    @property
    def source(self) -> DatasetSource:
        """Where it came from."""
        return self._source

    @property
    @abstractmethod
    def schema(self) -> dict[str, Any] | None:
        """Its columns or arrays with their types, in MLflow's notation."""

    @property
    @abstractmethod
    def profile(self) -> dict[str, Any] | None:
        """How much it is."""

    def to_dict(self) -> dict[str, str | None]:
        """Return all of it that is logged, each part as text."""
        schema, profile = self.schema, self.profile
        # A column may be called by a time, which is no JSON.
        return {
            "name": self.name,
            "digest": self.digest,
            "source": self.source.to_json(),
            "source_type": self.source._get_source_type(),
            "schema": None if schema is None else json.dumps(schema, default=str),
            "profile": None if profile is None else json.dumps(profile),
        }

    def to_json(self) -> str:
        """Return ``to_dict`` as text."""
        return json.dumps(self.to_dict())

    def _to_mlflow_entity(self) -> DatasetEntity:
        """Return what a ``DatasetInput`` takes; the name is MLflow's, and code calls it."""
        return DatasetEntity(**self.to_dict())  # type: ignore[arg-type]

    def __repr__(self) -> str:
        kind = self.source._get_source_type()
        return f"{type(self).__name__}({self.name!r}, digest={self.digest!r}, source={kind!r})"
