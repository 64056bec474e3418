"""What MLflow has of runs that were written, held to what the lake says, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.entities import ViewType

from lakeflow.mlflow.exporting.points import is_same
from lakeflow.mlflow.exporting.target import ID_TAG, OWN_TAGS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from mlflow.entities import Run

    from lakeflow.mlflow.exporting.target import Export


def add(counter: Counter[str], run: Run, counted: Mapping[str, int]) -> None:
    """Count a run and what it has.

    Args:
        counter: Where.
        run: The run of the lake.
        counted: How many points each of its metrics has.
    """
    counter["runs"] += 1
    counter["params"] += len(run.data.params)
    counter["tags"] += len(_tags(run))
    counter["metrics"] += len(counted)
    counter["points"] += sum(counted.values())


def compare(
    export: Export,
    experiment_id: str,
    runs: Mapping[str, Run],
    theirs: Mapping[str, str],
    counted: Mapping[str, Mapping[str, int]],
) -> None:
    """Ask MLflow for some runs, and count what it has as the lake has it.

    Args:
        export: The export.
        experiment_id: Their experiment in MLflow.
        runs: The runs of the lake by id.
        theirs: The ids in MLflow of those to compare.
        counted: How many points each metric of a run has.
    """
    ids = ", ".join(f"'{each}'" for each in theirs.values())
    condition = f"attributes.run_id IN ({ids})"
    page = export.target.search_runs([experiment_id], condition, ViewType.ALL, len(theirs))
    found = {run.data.tags.get(ID_TAG): run for run in page}
    there = export.report.there
    for run_id in theirs:
        other = found.get(run_id)
        if other is None:
            export.report.add(f"run {run_id}", "MLflow does not find it")
            continue
        run = runs[run_id]
        there["runs"] += 1
        there["params"] += len(run.data.params.items() & other.data.params.items())
        there["tags"] += len(_tags(run).items() & other.data.tags.items())
        for key, count in counted[run_id].items():
            has = key in other.data.metrics and _has(export, run, other, key)
            there["metrics"] += has
            there["points"] += has * count


def _tags(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.data.tags.items() if key not in OWN_TAGS}


def _has(export: Export, run: Run, other: Run, key: str) -> bool:
    """Return whether MLflow has the last value of a metric."""
    ours = run.data.metrics.get(key)
    if ours is None or is_same(ours, other.data.metrics[key]):
        return True
    # Of points at one step and time MLflow's stores show the largest, and we the last one.
    history = export.target.get_metric_history(other.info.run_id, key)
    return any(is_same(ours, each.value) for each in history)
