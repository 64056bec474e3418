"""Datasets that a run used."""

from __future__ import annotations

from lakeflow.entities._base import Entity
from lakeflow.values import field, frozen


@frozen
class InputTag(Entity):
    """A tag of one use of a dataset, such as ``mlflow.data.context``.

    Attributes:
        key: Name, at most 255 characters.
        value: Text, at most 500 characters.
    """

    key: str
    value: str


@frozen
class Dataset(Entity):
    """What identifies a dataset, and where it came from.

    Attributes:
        name: At most 500 characters.
        digest: Fingerprint of its content, at most 36 characters.
        source_type: Kind of the source, such as ``"local"``.
        source: Where it came from, at most 65,535 characters.
        schema: Its columns, as text; at most 1,048,575 characters.
        profile: A summary, as text; at most 16,777,215 characters in MLflow, 1 MiB here.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@frozen
class DatasetInput(Entity):
    """One use of a dataset by a run.

    Attributes:
        dataset: The dataset.
        tags: Tags of this use.
    """

    dataset: Dataset
    tags: list[InputTag] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, object]:
        """Return the dataset and its tags as nested dictionaries."""
        return {
            "dataset": self.dataset.to_dictionary(),
            "tags": {tag.key: tag.value for tag in self.tags},
        }
