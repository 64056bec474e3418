"""What a source holds, in the terms of a lake: readers yield it, ``importer`` writes it. Pure.

Times are milliseconds since the Unix epoch. Nothing here is checked: what a lake does not take
is refused, and reported, where it is written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.entities import LifecycleStage, RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ExperimentItem:
    """An experiment.

    Attributes:
        key: What the source calls it: its id there, or its name where it has none.
        name: Its name. Experiments of one name become one.
        tags: Its tags.
        lifecycle_stage: Whether it is active or deleted.
        creation_time: When it was made; None where nobody knows.
        last_update_time: When it was changed last.
        artifact_location: Where its artifacts are; None where it has no such place.
    """

    key: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    lifecycle_stage: str = LifecycleStage.ACTIVE
    creation_time: int | None = None
    last_update_time: int | None = None
    artifact_location: str | None = None


class DatasetItem(NamedTuple):
    """A dataset that a run used, as the columns of ``inputs`` have it."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class RunItem:
    """A run, without its points and files: these come one after another.

    Attributes:
        run_id: Its id in the lake: that of the source, or what ``made_id`` makes of it.
        experiment: The key of its experiment.
        start_time: When it began.
        end_time: When it ended; None while it runs.
        status: Its status, as ``RunStatus`` names it.
        name: Its name.
        user_id: Whose it is.
        lifecycle_stage: Whether it is active or deleted.
        params: Its params.
        tags: Its tags.
        datasets: What it used.
        models_used: Ids of logged models that it used.
        models_made: Step by id of the logged models that it made.
        artifact_uri: Where its files are in the source; None where it has no such place.
    """

    run_id: str
    experiment: str
    start_time: int
    end_time: int | None = None
    status: str = RunStatus.to_string(RunStatus.FINISHED)
    name: str = ""
    user_id: str = ""
    lifecycle_stage: str = LifecycleStage.ACTIVE
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    datasets: Sequence[DatasetItem] = ()
    models_used: Sequence[str] = ()
    models_made: Mapping[str, int] = field(default_factory=dict)
    artifact_uri: str | None = None


class Curve(NamedTuple):
    """Points of one metric of a run, some thousands at most, in the order of the source.

    The chunks of a curve come one after another, and each time in the same order.

    Attributes:
        key: The metric.
        values: Its values: any float.
        timestamps: When each was logged.
        steps: At which step.
    """

    key: str
    values: Sequence[float]
    timestamps: Sequence[int]
    steps: Sequence[int]


class FileItem(NamedTuple):
    """A file beside a run.

    Attributes:
        path: Its path below the run's artifacts, with slashes.
        location: Where it is: a path of this machine, or a URL that fsspec opens.
        size: Its bytes, where the source says so.
    """

    path: str
    location: str
    size: int | None = None


class Problem(NamedTuple):
    """Something that the source holds and the lake does not get, or not as it was.

    Attributes:
        where: The file, the row or the thing, so that one finds it.
        why: What is wrong with it, or why a lake has no place for it.
        is_loss: Whether something that is worth keeping was lost.
    """

    where: str
    why: str
    is_loss: bool = True


def reason(error: BaseException) -> str:
    """Return what is wrong, in a line: what to do about it is for who makes the call."""
    return " ".join(str(error).partition("\nHint: ")[0].split())


def made_id(*names: str) -> str:
    """Return the id of a thing whose source has no ids, or ids of another form.

    It follows from what the source calls it: another import finds it again.
    """
    # With something between them: ("a", "bc") is another thing than ("ab", "c").
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:32]


def writer_of(identity: str) -> str:
    """Return the writer of what imports log of a thing: the same in all of them."""
    return made_id("import", identity)
