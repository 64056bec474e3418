"""A run of a source as records of a lake. Pure.

The records are copies: those that come again change nothing, and what was changed in the lake
after the time of the source stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LifecycleStage,
    RunStatus,
    validation,
)
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.importing.destination.checks import kept_pairs, kept_text, time_or_none
from lakeflow.importing.items import Problem, reason, writer_of
from lakeflow.records import Origin
from lakeflow.schema import MODEL_INPUTS, MODEL_OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.importing.items import DatasetItem, RunItem
    from lakeflow.stores.state import RunState


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """What a lake can have of a run.

    Attributes:
        item: What the source has.
        experiment_id: Its experiment in the lake.
        fields: The columns of its row that a record names.
        params: Its params.
        tags: Its tags.
        datasets: What it used.
        models_used: Ids of logged models that it used.
        models_made: Step by id of those that it made.
    """

    item: RunItem
    experiment_id: str
    fields: Mapping[str, Any]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    datasets: Sequence[DatasetInput]
    models_used: Sequence[str]
    models_made: Mapping[str, int]

    @property
    def about(self) -> str:
        """What its records are about, as text."""
        return records.about(self.experiment_id, self.item.run_id)

    @property
    def begun_us(self) -> int:
        """Clock of the records that make it."""
        # Of the source, so that all that was changed in the lake is later, and stays.
        return int(self.fields["start_time"]) * 1000

    def origin(self, seq: int, clock: int, place: int = 0) -> Origin:
        """Return which record a copy is of, of those that an import makes of this run."""
        return Origin(writer_of(self.item.run_id), seq, clock, place)


def checked_run(
    item: RunItem,
    experiment_id: str,
    artifact_uri: str,
    report: Callable[[Problem], None],
) -> CheckedRun | None:
    """Return what a lake can have of a run; None if it cannot have it at all.

    Args:
        item: What the source has.
        experiment_id: Its experiment in the lake.
        artifact_uri: Where its files are, or will be.
        report: Told of what is left out.
    """
    where = f"run {item.run_id}"
    try:
        validation.run_id(item.run_id)
    except InvalidInputError as error:
        report(Problem(where, f"all of it is left out: {reason(error)}"))
        return None
    deleted = item.lifecycle_stage == LifecycleStage.DELETED
    fields: dict[str, Any] = {
        "start_time": time_or_none(item.start_time, f"{where}: start_time", report) or 0,
        "status": _status(item.status, where, report),
        "end_time": time_or_none(item.end_time, f"{where}: end_time", report),
        "lifecycle_stage": LifecycleStage.DELETED if deleted else LifecycleStage.ACTIVE,
        "run_name": kept_text(item.name, f"{where}: name", report),
        "user_id": kept_text(item.user_id, f"{where}: user_id", report),
        "artifact_uri": artifact_uri,
    }
    used, made = [], {}
    for model_id in item.models_used:
        used += [kept_text(model_id, f"{where}: model", report)]
    for model_id, step in item.models_made.items():
        made[kept_text(model_id, f"{where}: model", report)] = step
    return CheckedRun(
        item,
        experiment_id,
        fields,
        kept_pairs(item.params, f"{where}: param", report),
        kept_pairs(item.tags, f"{where}: tag", report),
        [*filter(None, (_dataset(each, where, report) for each in item.datasets))],
        # An id that no lake can hold is an empty text by now.
        [*filter(None, used)],
        {model_id: step for model_id, step in made.items() if model_id},
    )


def _status(status: str, where: str, report: Callable[[Problem], None]) -> str:
    try:
        RunStatus.from_string(status)
    except LakeflowException as error:
        report(Problem(f"{where}: status", reason(error)))
        return RunStatus.to_string(RunStatus.FINISHED)
    return status


def _dataset(
    item: DatasetItem, where: str, report: Callable[[Problem], None]
) -> DatasetInput | None:
    *fields, tags = item
    found = DatasetInput(
        Dataset(*fields),  # type: ignore[arg-type]
        [InputTag(key, value) for key, value in dict(tags or {}).items()],
    )
    try:
        validation.dataset_input(found, "dataset")
    except InvalidInputError as error:
        report(Problem(f"{where}: dataset {item.name!r}", reason(error)))
        return None
    return found


def made_bodies(run: CheckedRun, seq: int) -> list[str]:
    """Return the records of a run that a lake does not have.

    Args:
        run: The run.
        seq: Number of the record: it grows from one import to the next.
    """
    row = {name: value for name, value in run.fields.items() if value is not None}
    fields = [
        records.run(row),
        records.tags(run.tags.items()),
        records.params(run.params.items()),
        records.inputs(run.datasets),
        *_models(run.models_used, run.models_made),
    ]
    origin = run.origin(seq, run.begun_us)
    bodies = records.bodies(run.about, *filter(None, fields))
    return [records.copied(origin, body) for body in bodies]


def changed_bodies(
    run: CheckedRun, known: RunState, seq: int, report: Callable[[Problem], None]
) -> list[str]:
    """Return the records of what a lake lacks of a run.

    Args:
        run: The run.
        known: What the lake has of it.
        seq: Number of the record: it grows from one import to the next.
        report: Told of what the lake has with another value, and keeps.
    """
    for key, value in run.params.items():
        if known.params.get(key, value) != value:
            why = "the lake has another value, and a param keeps its first one"
            report(Problem(f"run {run.item.run_id}: param {key!r}", why))
    # A null is no change: what ended in the lake does not begin again.
    settable = ("status", "end_time", "lifecycle_stage", "run_name")
    changed = {
        name: run.fields[name]
        for name in settable
        if run.fields[name] is not None and run.fields[name] != known.fields[name]
    }
    params = [each for each in run.params.items() if each[0] not in known.params]
    tags = [each for each in run.tags.items() if known.tags.get(each[0]) != each[1]]
    inputs = [
        each
        for each in run.datasets
        if (each.dataset.name, each.dataset.digest) not in known.inputs
    ]
    used = [each for each in run.models_used if each not in known.models_used]
    made = {key: step for key, step in run.models_made.items() if key not in known.models_made}
    fields = [
        records.run(changed) if changed else [],
        records.tags(tags),
        records.params(params),
        records.inputs(inputs),
        *_models(used, made),
    ]
    if not any(fields):
        return []
    # The source says no other times: what was changed in the lake after them stays.
    clock = max(run.begun_us, (run.fields["end_time"] or 0) * 1000)
    bodies = records.bodies(run.about, *filter(None, fields))
    return [records.copied(run.origin(seq, clock), body) for body in bodies]


def _models(used: Sequence[str], made: Mapping[str, int]) -> list[records.Pieces]:
    return [
        records.table(MODEL_INPUTS.name, [{"model_id": each} for each in used]),
        records.table(
            MODEL_OUTPUTS.name,
            [{"model_id": model_id, "step": step} for model_id, step in made.items()],
        ),
    ]
