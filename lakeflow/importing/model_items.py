"""What a source holds of models, in the terms of a lake. Pure; see ``items``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.entities import LifecycleStage, LoggedModelStatus
from lakeflow.entities.model_registry.model_version_stages import STAGE_NONE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RegisteredModelItem:
    """A registered model, without its versions: these come one after another.

    Attributes:
        name: Its name. Models of one name become one.
        creation_time: When it was made.
        last_updated_time: When it was changed last.
        description: Text of the user's.
        tags: Its tags.
        aliases: Version by alias.
        last_version: The largest number that a version ever had, where the source says it.
    """

    name: str
    creation_time: int
    last_updated_time: int
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    last_version: int = 0


@dataclass(frozen=True, slots=True)
class ModelVersionItem:
    """A version of a registered model.

    Attributes:
        version: Its number.
        creation_time: When it was made.
        last_updated_time: When it was changed last.
        source: Where its files are, as the user said it.
        storage_location: Where they are, where ``source`` only names that.
        stage: Its stage.
        description: Text of the user's.
        user_id: Who made it.
        run_id: Run that made the model.
        run_link: Address of the run.
        status: Its status, by MLflow's name.
        status_message: More about that.
        tags: Its tags.
    """

    version: int
    creation_time: int
    last_updated_time: int
    source: str
    storage_location: str | None = None
    stage: str = STAGE_NONE
    description: str | None = None
    user_id: str | None = None
    run_id: str | None = None
    run_link: str | None = None
    status: str = "READY"
    status_message: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoggedModelItem:
    """A logged model, without its points and files: these come one after another.

    Attributes:
        model_id: Its id.
        experiment: The key of its experiment.
        name: Its name, which need not be unique.
        creation_time: When it was made.
        last_updated_time: When it was changed last.
        artifact_location: Where its files are in the source.
        status: Its status.
        status_message: More about that.
        model_type: What it is for, as somebody says.
        source_run_id: The run that made it.
        lifecycle_stage: Whether it is active or deleted.
        params: Its params.
        tags: Its tags.
        point_count: How many points were measured of it; None where only a read tells.
    """

    model_id: str
    experiment: str
    name: str
    creation_time: int
    last_updated_time: int
    artifact_location: str
    status: str = LoggedModelStatus.READY.value
    status_message: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    lifecycle_stage: str = LifecycleStage.ACTIVE
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    point_count: int | None = None


class ModelPoint(NamedTuple):
    """A point of a metric of a logged model.

    Attributes:
        key: The metric.
        value: Its value: any float.
        timestamp: When it was logged.
        step: At which step.
        run_id: The run that logged it.
        dataset_name: The dataset that it was measured on; empty for none.
        dataset_digest: Fingerprint of that dataset; empty for none.
    """

    key: str
    value: float
    timestamp: int
    step: int
    run_id: str
    dataset_name: str = ""
    dataset_digest: str = ""
