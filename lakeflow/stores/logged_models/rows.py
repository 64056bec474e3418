"""Logged models and what was measured of them as rows of their tables, and back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import LoggedModel, LoggedModelStatus, Metric
from lakeflow.kinds import LOGGED_MODEL
from lakeflow.kinds.kind import LOGGED
from lakeflow.schema import (
    LOGGED_MODEL_FILES,
    LOGGED_MODEL_METRICS,
    LOGGED_MODEL_PARAMS,
    LOGGED_MODEL_TAGS,
    LOGGED_MODELS,
)
from lakeflow.stores.artifacts.recorded import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeflow.entities.validation import Point
    from lakeflow.stores.things import Summed, Thing

(_METRICS,) = (part for part in LOGGED_MODEL.parts if part.table is LOGGED_MODEL_METRICS)

Measured = tuple[Metric, "Point"]
"""A metric with the logged model that it is of, and the point that it is, checked."""


def model(scope: Sequence[str], fields: Mapping[str, object]) -> records.Pieces:
    """Return the field that makes a logged model, or sets some of its fields."""
    whole = {**_named(scope), **fields}
    row = {name: whole[name] for name in LOGGED_MODELS.column_names if name in whole}
    return records.table(LOGGED_MODELS.name, [row])


def params(scope: Sequence[str], pairs: Mapping[str, str]) -> records.Pieces:
    """Return the field with params of a logged model."""
    return _pairs(LOGGED_MODEL_PARAMS.name, scope, pairs)


def tags(scope: Sequence[str], pairs: Mapping[str, str | None]) -> records.Pieces:
    """Return the field with tags of a logged model; None removes a tag."""
    return _pairs(LOGGED_MODEL_TAGS.name, scope, pairs)


def files(scope: Sequence[str], found: Iterable[Sequence[object]]) -> records.Pieces:
    """Return the field with files of a logged model, given as rows of ``COLUMNS``."""
    rows = [(*scope, *row) for row in found]
    return records.tuples(LOGGED_MODEL_FILES.name, (*LOGGED_MODEL.scope, *COLUMNS), rows)


def _pairs(table: str, scope: Sequence[str], pairs: Mapping[str, str | None]) -> records.Pieces:
    named = _named(scope)
    rows = [{**named, "key": key, "value": value} for key, value in pairs.items()]
    return records.table(table, rows)


def _named(scope: Sequence[str]) -> dict[str, str]:
    return dict(zip(LOGGED_MODEL.scope, scope, strict=True))


def points(
    run_id: str, measured: Iterable[Measured], experiment_of: Callable[[str], str]
) -> records.Pieces:
    """Return the field with the points of logged models that a run logs.

    Args:
        run_id: The run.
        measured: The points.
        experiment_of: Returns the experiment of a model.
    """
    rows = []
    for metric, (key, value, timestamp, step) in measured:
        assert metric.model_id is not None
        rows.append(
            {
                "experiment_id": experiment_of(metric.model_id),
                "model_id": metric.model_id,
                "key": key,
                # No nulls: points are told apart by them, and no null is equal to another.
                "dataset_name": metric.dataset_name or "",
                "dataset_digest": metric.dataset_digest or "",
                "run_id": run_id,
                "step": step,
                "timestamp": timestamp,
                "value": value,
            }
        )
    return records.table(LOGGED_MODEL_METRICS.name, rows)


def entity(thing: Thing, metrics: list[Metric], resolve: Callable[[str], str]) -> LoggedModel:
    """Return a logged model as users see it.

    Args:
        thing: What is known of it; something has made it.
        metrics: Its points.
        resolve: Makes an absolute location of one that is stored.
    """
    row = thing.row(LOGGED_MODEL)
    assert row is not None
    # As in MLflow, the entity has none.
    del row["lifecycle_stage"]
    row["artifact_location"] = resolve(row["artifact_location"])
    known = LoggedModelStatus.__members__
    row["status"] = known.get(row["status"], LoggedModelStatus.UNSPECIFIED)
    return LoggedModel(
        **row,
        tags=thing.values(LOGGED_MODEL_TAGS.name),
        params=thing.values(LOGGED_MODEL_PARAMS.name),
        metrics=metrics or None,
    )


def single_points(thing: Thing) -> list[Metric] | None:
    """Return the points of a logged model if its summaries tell all; None if they do not.

    They do where each metric was logged once for each run and dataset, as most are.
    """
    found = thing.summaries(_METRICS)
    if any(each.count > 1 for each in found.values()):
        return None
    # What is kept of a point ends with the order of its logging, and its value.
    in_order = sorted(found.items(), key=lambda each: each[1].last[-1 - len(LOGGED) : -1])
    return [_metric(thing.id, key, summed) for key, summed in in_order]


def _metric(model_id: str, by: tuple[str, str, str, str], summed: Summed) -> Metric:
    key, dataset_name, dataset_digest, run_id = by
    timestamp, step, *_, value = summed.last
    return Metric(
        key, value, timestamp, step, model_id, dataset_name or None, dataset_digest or None,
        run_id,
    )  # fmt: skip


def metric_of(row: Mapping[str, Any]) -> Metric:
    """Return a row of the table of points as a metric."""
    return Metric(
        row["key"],
        row["value"],
        row["timestamp"],
        row["step"],
        row["model_id"],
        row["dataset_name"] or None,
        row["dataset_digest"] or None,
        row["run_id"],
    )
