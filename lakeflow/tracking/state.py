"""One run, whole: what the tables hold of it, and what the log adds to that. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Run,
    RunData,
    RunInfo,
    RunInputs,
)
from lakeflow.query.overlay import OVERLAID, Rows
from lakeflow.tables import INPUTS, LATEST_METRICS, PARAMS, RUNS, TAGS
from lakeflow.tracking.memtable import Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lakeflow.tracking.memtable import HotRun


@dataclass(slots=True)
class RunState:
    """Everything known of a run.

    Attributes:
        fields: The columns of its row in ``runs``.
        params: Value by key.
        tags: Value by key.
        metrics: Summary by key.
        inputs: Rows of ``inputs`` without the ids, by name and digest.
    """

    fields: dict[str, Any]
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Summary] = field(default_factory=dict)
    inputs: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)

    def entity(self, resolve: Callable[[str], str]) -> Run:
        """Return the run as users see it.

        Args:
            resolve: Makes an absolute location of one that is stored.
        """
        fields = self.fields | {"artifact_uri": resolve(self.fields["artifact_uri"])}
        latest = tuple(
            Metric(key, last.value, last.timestamp, last.step)
            for key, last in self.metrics.items()
        )
        values = {metric.key: metric.value for metric in latest}
        return Run(
            RunInfo(**fields),
            RunData(values, dict(self.params), dict(self.tags), latest),
            RunInputs([_dataset_input(row) for row in self.inputs.values()]),
        )


def state_of(document: str) -> RunState:
    """Return the run of a document of ``run_documents``."""
    content = json.loads(document)
    return RunState(
        content["run"],
        dict(sorted(content["params"].items())),
        dict(sorted(content["tags"].items())),
        {key: Summary(**summary) for key, summary in sorted(content["metrics"].items())},
        {(row["name"], row["digest"]): tuple(row.values()) for row in content["inputs"]},
    )


def _dataset_input(row: tuple[Any, ...]) -> DatasetInput:
    *fields, tags = row
    uses = [InputTag(key, value) for key, value in json.loads(tags).items()]
    return DatasetInput(Dataset(*fields), uses)


def made(run_id: str, hot: HotRun) -> RunState:
    """Return a run as its creation in the log left it."""
    fields: dict[str, Any] = dict.fromkeys(RUNS.column_names)
    fields |= hot.created or {}
    fields |= {"run_id": run_id, "experiment_id": hot.experiment_id}
    return RunState(fields)


def merge(stored: RunState, hot: HotRun) -> RunState:
    """Lay the log over the tables: what is in a table is older than what is not."""
    state = RunState(
        stored.fields | {name: value for name, (_, value) in hot.fields.items()},
        {key: value for key, (_, value) in hot.params.items()} | stored.params,
        _without_removed(stored.tags, hot.tags.items()),
        dict(stored.metrics),
        {identity: row for identity, (_, row) in hot.inputs.items()} | stored.inputs,
    )
    for key, series in hot.points.items():
        summary = series.summary()
        before = state.metrics.get(key)
        state.metrics[key] = summary if before is None else before.merge(summary)
    return state


def rows_of(states: Mapping[str, RunState]) -> Rows:
    """Return the rows of runs by table."""
    rows: Rows = {spec.name: [] for spec in OVERLAID}
    for run_id, state in states.items():
        ids = state.fields["experiment_id"], run_id
        rows[RUNS.name].append(tuple(state.fields[name] for name in RUNS.column_names))
        rows[PARAMS.name] += [(*ids, *pair) for pair in state.params.items()]
        rows[TAGS.name] += [(*ids, *pair) for pair in state.tags.items()]
        rows[INPUTS.name] += [(*ids, *row) for row in state.inputs.values()]
        rows[LATEST_METRICS.name] += [
            (*ids, key, one.value, one.step, one.timestamp, one.min, one.max, one.count)
            for key, one in state.metrics.items()
        ]
    return rows


def _without_removed(
    stored: dict[str, str], hot: Iterable[tuple[str, tuple[Any, str | None]]]
) -> dict[str, str]:
    tags = dict(stored)
    for key, (_, value) in hot:
        if value is None:
            tags.pop(key, None)
        else:
            tags[key] = value
    return tags
