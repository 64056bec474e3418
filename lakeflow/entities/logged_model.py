"""Logged models, and what ties them to runs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from lakeflow.entities._base import Entity, short
from lakeflow.exceptions import InvalidInputError
from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.entities.run import Metric


class LoggedModelStatus(StrEnum):
    """How far a logged model has come."""

    # In the order of MLflow's numbers, which are their places here.
    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"

    @staticmethod
    def is_finalized(status: object) -> bool:
        """Return whether a status is the last one of a model."""
        return status in {LoggedModelStatus.READY, LoggedModelStatus.FAILED}

    @classmethod
    def from_int(cls, status_int: int) -> LoggedModelStatus:
        """Return the status of a number.

        Raises:
            InvalidInputError: There is no such status.
        """
        known = list(cls)
        if status_int in range(len(known)):
            return known[status_int]
        raise InvalidInputError(f"Unknown model status: {status_int!r}")

    def to_int(self) -> int:
        """Return the number of the status."""
        return list(LoggedModelStatus).index(self)


@frozen
class LoggedModelTag(Entity):
    """One tag of a logged model; it keeps the last value that it is given.

    Attributes:
        key: Name within the model, at most 255 characters.
        value: Text, at most 1 MiB.
    """

    key: str
    value: str


@frozen
class LoggedModelParameter(Entity):
    """One parameter of a logged model; it keeps the first value that it is given.

    Attributes:
        key: Name within the model, at most 255 characters.
        value: Text, at most 1 MiB.
    """

    key: str
    value: str


@frozen
class LoggedModelInput(Entity):
    """A logged model that a run used.

    Attributes:
        model_id: The model.
    """

    model_id: str


@frozen
class LoggedModelOutput(Entity):
    """A logged model that a run made.

    Attributes:
        model_id: The model.
        step: Training step at which it was made.
    """

    model_id: str
    step: int


@frozen
class LoggedModel(Entity):
    """A logged model as it was when it was read; later writes do not show in it.

    Attributes:
        experiment_id: The experiment that it belongs to.
        model_id: ``m-`` and 32 hexadecimal digits, ordered by time of creation.
        name: Its name, need not be unique.
        artifact_location: Folder of its files.
        creation_timestamp: Milliseconds since the Unix epoch, UTC.
        last_updated_timestamp: When status or stage changed last, milliseconds since the Unix
            epoch, UTC.
        model_type: What it is for, such as ``"agent"``.
        source_run_id: The run that made it.
        status: How far it has come.
        status_message: More about that.
        tags: Value by key.
        params: Value by key.
        metrics: Every point that was logged for it, in the order of logging; None for none.
    """

    experiment_id: str
    model_id: str
    name: str
    artifact_location: str
    creation_timestamp: int
    last_updated_timestamp: int
    model_type: str | None = None
    source_run_id: str | None = None
    status: LoggedModelStatus = LoggedModelStatus.READY
    status_message: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] | None = None

    @property
    def model_uri(self) -> str:
        """The URI by which its files are found: ``models:/<model_id>``."""
        return f"models:/{self.model_id}"

    def __iter__(self) -> Iterator[tuple[str, object]]:
        yield from Entity.__iter__(self)
        # As MLflow's, which yields its properties and leaves this one out of its dictionary.
        yield "model_uri", self.model_uri

    def to_dictionary(self) -> dict[str, object]:
        """Return the fields by name, the status as its number."""
        found = dict(self)
        del found["model_uri"]
        return found | {"status": self.status.to_int()}

    def __repr__(self) -> str:
        left_out = {"tags", "params", "metrics"}
        shown = (f"{k}={short(v)}" for k, v in sorted(dict(self).items()) if k not in left_out)
        return f"{type(self).__name__}({', '.join(shown)})"
