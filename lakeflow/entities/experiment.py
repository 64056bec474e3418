"""Experiments, and the two enumerations that runs share with them."""

from __future__ import annotations

from typing import ClassVar

from lakeflow.entities._base import Entity, short
from lakeflow.exceptions import InvalidInputError
from lakeflow.values import field, frozen


class LifecycleStage:
    """Whether an experiment or a run is in use: ``ACTIVE`` or ``DELETED``."""

    ACTIVE = "active"
    DELETED = "deleted"

    @classmethod
    def is_valid(cls, lifecycle_stage: object) -> bool:
        """Return whether this is one of the two stages."""
        return lifecycle_stage in {cls.ACTIVE, cls.DELETED}


class ViewType:
    """Which lifecycle stages a search returns; the numbers are MLflow's."""

    ACTIVE_ONLY = 1
    DELETED_ONLY = 2
    ALL = 3

    _NAMES: ClassVar[dict[str, int]] = {
        "active_only": ACTIVE_ONLY,
        "deleted_only": DELETED_ONLY,
        "all": ALL,
    }

    @classmethod
    def from_string(cls, view_str: str) -> int:
        """Return the number of a name such as ``"active_only"``.

        Raises:
            InvalidInputError: There is no such view type.
        """
        try:
            return cls._NAMES[view_str]
        except KeyError:
            raise InvalidInputError(
                f"no view type {view_str!r}; there are {', '.join(cls._NAMES)}"
            ) from None

    @classmethod
    def to_string(cls, view_type: int) -> str:
        """Return the name of a number.

        Raises:
            InvalidInputError: There is no such view type.
        """
        for name, number in cls._NAMES.items():
            if number == view_type:
                return name
        raise InvalidInputError(f"no view type {view_type!r}; there are 1, 2 and 3")


@frozen
class ExperimentTag(Entity):
    """One tag of an experiment.

    Attributes:
        key: Name, at most 250 characters.
        value: Any text.
    """

    key: str
    value: str


@frozen
class Experiment(Entity):
    """A named group of runs, as it was when it was read.

    Attributes:
        experiment_id: ``"0"`` for the one called Default, then ``"1"``, ``"2"``, ...
        name: Unique within a lake, deleted experiments included.
        artifact_location: Folder under which its runs keep their artifacts.
        lifecycle_stage: ``"active"`` or ``"deleted"``.
        tags: Tag values by key.
        creation_time: Milliseconds since the Unix epoch, UTC.
        last_update_time: Milliseconds since the Unix epoch, UTC.
    """

    DEFAULT_EXPERIMENT_NAME: ClassVar[str] = "Default"

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: dict[str, str] = field(default_factory=dict)
    creation_time: int | None = None
    last_update_time: int | None = None

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(experiment_id={self.experiment_id!r}, "
            f"name={short(self.name)}, lifecycle_stage={self.lifecycle_stage!r}, "
            f"tags: {len(self.tags):,})"
        )
