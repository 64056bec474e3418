"""Runs and experiments as users see them, from what is known of them. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from lakeflow.kinds import EXPERIMENT, RUN
from lakeflow.schema import (
    EXPERIMENT_TAGS,
    INPUTS,
    METRICS,
    MODEL_INPUTS,
    MODEL_OUTPUTS,
    PARAMS,
    TAGS,
)
from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.stores.things import Summed, Thing

(_METRICS,) = (part for part in RUN.parts if part.table is METRICS)


@frozen
class RunState:
    """Everything known of a run.

    Attributes:
        fields: The columns of its row in ``runs``.
        params: Value by key.
        tags: Value by key.
        metrics: Summary by key.
        inputs: Rows of ``inputs`` without the ids, by name and digest.
        models_used: Ids of logged models that it used.
        models_made: Step by id of the logged models that it made.
    """

    fields: dict[str, Any]
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, Summed]
    inputs: dict[tuple[str, str], tuple[Any, ...]]
    models_used: list[str] = field(default_factory=list)
    models_made: dict[str, int] = field(default_factory=dict)

    def entity(self, resolve: Callable[[str], str]) -> Run:
        """Return the run as users see it.

        Args:
            resolve: Makes an absolute location of one that is stored.
        """
        fields = self.fields | {"artifact_uri": resolve(self.fields["artifact_uri"])}
        # When a field was set matters to merging only; MLflow's entities have no place for it.
        for name in RUN.clocks:
            del fields[name]
        latest = []
        for key, each in self.metrics.items():
            step, timestamp, *_, value = each.last
            latest.append(Metric(key, value, timestamp, step))
        inputs = []
        for name_and_digest, (*dataset, tags) in self.inputs.items():
            # The tags of a use are the last column of ``inputs``, as JSON.
            uses = [InputTag(name, value) for name, value in json.loads(tags).items()]
            inputs.append(DatasetInput(Dataset(*name_and_digest, *dataset), uses))
        values = {metric.key: metric.value for metric in latest}
        return Run(
            RunInfo(**fields),
            RunData(values, dict(self.params), dict(self.tags), tuple(latest)),
            RunInputs(inputs, [*map(LoggedModelInput, self.models_used)]),
            RunOutputs([LoggedModelOutput(*each) for each in self.models_made.items()]),
        )


def run_state(thing: Thing, experiment: Thing | None) -> RunState | None:
    """Return what is known of a run; None as long as nothing has made it.

    Args:
        thing: The run.
        experiment: Its experiment, if it is known.
    """
    fields = thing.row(RUN, experiment)
    if fields is None:
        return None
    return RunState(
        fields,
        thing.values(PARAMS.name),
        thing.values(TAGS.name),
        thing.summaries(_METRICS),
        dict(thing.rows(INPUTS.name)),
        [model_id for model_id, _ in thing.rows(MODEL_INPUTS.name)],
        thing.values(MODEL_OUTPUTS.name),
    )


def experiment_of(thing: Thing, resolve: Callable[[str], str]) -> Experiment | None:
    """Return an experiment as users see it; None as long as nothing has made it."""
    fields = thing.row(EXPERIMENT)
    if fields is None:
        return None
    fields["artifact_location"] = resolve(fields["artifact_location"])
    for name in EXPERIMENT.clocks:
        del fields[name]
    return Experiment(**fields, tags=thing.values(EXPERIMENT_TAGS.name))
