"""Runs and what is logged to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lakeflow.entities._base import Entity, short
from lakeflow.exceptions import InvalidInputError
from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.entities.dataset import DatasetInput
    from lakeflow.entities.logged_model import LoggedModelInput, LoggedModelOutput


class RunStatus:
    """The states of a run; entities carry the name, MLflow's wire format the number."""

    RUNNING = 1
    SCHEDULED = 2
    FINISHED = 3
    FAILED = 4
    KILLED = 5

    _NAMES: ClassVar[dict[str, int]] = {
        "RUNNING": RUNNING,
        "SCHEDULED": SCHEDULED,
        "FINISHED": FINISHED,
        "FAILED": FAILED,
        "KILLED": KILLED,
    }

    @classmethod
    def from_string(cls, status_str: object) -> int:
        """Return the number of a status name.

        Raises:
            InvalidInputError: There is no such status.
        """
        if isinstance(status_str, str) and status_str in cls._NAMES:
            return cls._NAMES[status_str]
        raise InvalidInputError(
            f"could not get run status for {status_str!r}; valid ones are {list(cls._NAMES)}"
        )

    @classmethod
    def to_string(cls, status: int) -> str:
        """Return the name of a status number.

        Raises:
            InvalidInputError: There is no such status.
        """
        for name, number in cls._NAMES.items():
            if number == status:
                return name
        raise InvalidInputError(f"no run status has the number {status!r}")

    @classmethod
    def is_terminated(cls, status: int) -> bool:
        """Return whether a run with this status number has ended."""
        return status in {cls.FINISHED, cls.FAILED, cls.KILLED}

    @classmethod
    def all_status(cls) -> list[int]:
        """Return every status number."""
        return list(cls._NAMES.values())


class SourceType:
    """Kinds of programs that start runs; the tag ``mlflow.source.type`` has the name."""

    NOTEBOOK = 1
    JOB = 2
    PROJECT = 3
    LOCAL = 4
    UNKNOWN = 5
    RECIPE = 6

    _NAMES: ClassVar[dict[str, int]] = {
        "NOTEBOOK": NOTEBOOK,
        "JOB": JOB,
        "PROJECT": PROJECT,
        "LOCAL": LOCAL,
        "UNKNOWN": UNKNOWN,
        "RECIPE": RECIPE,
    }

    @classmethod
    def from_string(cls, status_str: str) -> int:
        """Return the number of a name.

        Raises:
            InvalidInputError: There is no such kind.
        """
        try:
            return cls._NAMES[status_str]
        except KeyError:
            raise InvalidInputError(
                f"no source type {status_str!r}; there are {', '.join(cls._NAMES)}"
            ) from None

    @classmethod
    def to_string(cls, status: int) -> str:
        """Return the name of a number.

        Raises:
            InvalidInputError: There is no such kind.
        """
        for name, number in cls._NAMES.items():
            if number == status:
                return name
        raise InvalidInputError(f"no source type has the number {status!r}")


@frozen
class Metric(Entity):
    """One value of one metric at one step.

    Attributes:
        key: Name within the run, at most 250 characters.
        value: Any float; NaN and the infinities are kept as they are.
        timestamp: Milliseconds since the Unix epoch, UTC.
        step: Training step, may be negative.
        model_id: Logged model that it was measured of.
        dataset_name: Dataset that it was measured on.
        dataset_digest: Fingerprint of that dataset.
        run_id: Run that logged it; of points of logged models only.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, a dataset with a name and no digest, or the
            other way round.
    """

    key: str
    value: float
    timestamp: int
    step: int = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None

    def __post_init__(self) -> None:
        if (self.dataset_name is None) != (self.dataset_digest is None):
            raise InvalidInputError(
                "Both dataset_name and dataset_digest must be provided if one is provided"
            )


@frozen
class Param(Entity):
    """One parameter of a run; it keeps the first value that it is given.

    Attributes:
        key: Name within the run, at most 250 characters.
        value: Text, at most 1 MiB; other values are turned into text when logged.
    """

    key: str
    value: str


@frozen
class RunTag(Entity):
    """One tag of a run; it keeps the last value that it is given.

    Attributes:
        key: Name within the run, at most 250 characters.
        value: Text, at most 1 MiB; other values are turned into text when logged.
    """

    key: str
    value: str


@frozen
class RunInfo(Entity):
    """What is known of a run besides what was logged to it.

    Attributes:
        run_id: 32 hexadecimal digits, ordered by time of creation.
        experiment_id: The experiment it belongs to.
        user_id: Value of the tag ``mlflow.user``, else ``"unknown"``.
        status: Name of a ``RunStatus``.
        start_time: Milliseconds since the Unix epoch, UTC.
        end_time: Milliseconds since the Unix epoch, UTC; None while the run goes on.
        lifecycle_stage: ``"active"`` or ``"deleted"``.
        artifact_uri: Folder of its artifacts.
        run_name: Its name, need not be unique.
    """

    run_id: str
    experiment_id: str
    user_id: str
    status: str
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str
    run_name: str

    @property
    def run_uuid(self) -> str:
        """The run id, by the name that MLflow 2 has for it too."""
        return self.run_id

    def __iter__(self) -> Iterator[tuple[str, object]]:
        yield from Entity.__iter__(self)
        yield "run_uuid", self.run_id


@frozen
class RunData(Entity):
    """What was logged to a run.

    Attributes:
        metrics: For each key the value at the largest (step, timestamp), the last one logged.
        params: Value by key.
        tags: Value by key.
        latest_metrics: The points behind ``metrics``, with their step and timestamp.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    latest_metrics: tuple[Metric, ...] = ()

    _ours: ClassVar = ("latest_metrics",)

    def to_dictionary(self) -> dict[str, object]:
        """Return metrics, params and tags, each as a dictionary of its own."""
        # The points are no part of the iteration: MLflow's have none.
        return {name: dict(values) for name, values in self}  # type: ignore[call-overload]


@frozen
class RunInputs(Entity):
    """What a run used.

    Attributes:
        dataset_inputs: Datasets, in the order in which they were logged.
        model_inputs: Logged models, by id.
    """

    dataset_inputs: list[DatasetInput] = field(default_factory=list)
    model_inputs: list[LoggedModelInput] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, object]:
        """Return datasets and models as nested dictionaries."""
        return {
            "dataset_inputs": [each.to_dictionary() for each in self.dataset_inputs],
            "model_inputs": [each.to_dictionary() for each in self.model_inputs],
        }


@frozen
class RunOutputs(Entity):
    """What a run made.

    Attributes:
        model_outputs: Logged models, by id.
    """

    model_outputs: list[LoggedModelOutput] = field(default_factory=list)

    def to_dictionary(self) -> dict[str, object]:
        """Return the models as dictionaries."""
        return {"model_outputs": [each.to_dictionary() for each in self.model_outputs]}


@frozen
class Run(Entity):
    """A run as it was when it was read; later writes do not show in it.

    Attributes:
        info: Id, name, state and times.
        data: Metrics, params and tags.
        inputs: Datasets and logged models that it used.
        outputs: Logged models that it made.
    """

    info: RunInfo
    data: RunData
    inputs: RunInputs = field(default_factory=RunInputs)
    outputs: RunOutputs = field(default_factory=RunOutputs)

    def to_dictionary(self) -> dict[str, object]:
        """Return the run as nested dictionaries, with MLflow's keys."""
        return {
            "info": self.info.to_dictionary(),
            "data": self.data.to_dictionary(),
            "inputs": self.inputs.to_dictionary(),
            "outputs": self.outputs.to_dictionary(),
        }

    def __repr__(self) -> str:
        info, data = self.info, self.data
        return (
            f"{type(self).__name__}(run_id={info.run_id!r}, run_name={short(info.run_name)}, "
            f"experiment_id={info.experiment_id!r}, status={info.status!r}, "
            f"metrics: {len(data.metrics):,}, params: {len(data.params):,}, "
            f"tags: {len(data.tags):,}, datasets: {len(self.inputs.dataset_inputs):,})"
        )
