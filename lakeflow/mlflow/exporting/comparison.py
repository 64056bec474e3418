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
) -> set[str]:
    """Ask MLflow for some runs, and count what it has as the lake has it.

    Args:
        export: The export.
        experiment_id: Their experiment in MLflow.
        runs: The runs of the lake by id.
        theirs: The ids in MLflow of those to compare.
        counted: How many points each metric of a run has.

    Returns:
        Ids in the lake of those that are as they are there; what others lack is noted.
    """
    ids = ", ".join(f"'{each}'" for each in theirs.values())
    condition = f"attributes.run_id IN ({ids})"
    page = export.target.search_runs([experiment_id], condition, ViewType.ALL, len(theirs))
    found = {run.data.tags.get(ID_TAG): run for run in page}
    same = set()
    for run_id in theirs:
        # A run is the same where nothing is noted of it.
        before = export.report.loss_count
        if run_id in found:
            _compare(export, runs[run_id], found[run_id], counted[run_id])
        else:
            export.report.miss(f"run {run_id}", "MLflow does not find it")
        if export.report.loss_count == before:
            same.add(run_id)
    return same


def _compare(export: Export, run: Run, other: Run, counted: Mapping[str, int]) -> None:
    there = export.report.there
    there["runs"] += 1
    there["params"] += _same(export, run, "param", run.data.params, other.data.params)
    there["tags"] += _same(export, run, "tag", _tags(run), other.data.tags)
    for key, count in counted.items():
        if _has(export, run, other, key):
            there["metrics"] += 1
            # Histories are not read back: the last value stands for all.
            there["points"] += count
        else:
            where = f"run {run.info.run_id}, metric {key!r}"
            export.report.miss(where, "MLflow lacks its last value")


def _same(
    export: Export, run: Run, what: str, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> int:
    """Return how many pairs MLflow has as they are in the lake; the others are noted."""
    lost = [key for key, value in ours.items() if theirs.get(key) != value]
    for key in lost:
        where = f"run {run.info.run_id}, {what} {key!r}"
        kept = f"keeps {len(theirs[key]):,} characters" if key in theirs else "has none"
        export.report.miss(where, f"MLflow {kept} of {len(ours[key]):,}")
    return len(ours) - len(lost)


def _tags(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.data.tags.items() if key not in OWN_TAGS}


def _has(export: Export, run: Run, other: Run, key: str) -> bool:
    """Return whether MLflow has the last value of a metric."""
    ours = run.data.metrics.get(key)
    if key not in other.data.metrics:
        return False
    if ours is None or is_same(ours, other.data.metrics[key]):
        return True
    # Of points at one step and time MLflow's stores show the largest, and we the last one.
    history = export.target.get_metric_history(other.info.run_id, key)
    return any(is_same(ours, each.value) for each in history)
