"""Experiments of a source as experiments of a lake, matched by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import Experiment, LifecycleStage, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.destination.checks import kept_pairs, time_or_none
from lakeflow.importing.items import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lakeflow.importing.items import ExperimentItem
    from lakeflow.stores.experiments import ExperimentStore

_EXPERIMENTS_AN_EVENT = 50


def bring_experiments(
    store: ExperimentStore,
    items: Iterable[ExperimentItem],
    report: Callable[[Problem], None],
) -> dict[str, str]:
    """Make those experiments that a lake lacks, and return ids in the lake by key.

    Args:
        store: The experiments of the lake.
        items: Those of the source; without those that have no name which a lake can have.
        report: Told of what cannot be kept.
    """
    ids: dict[str, str] = {}
    batch: dict[str, list[ExperimentItem]] = {}
    for item in items:
        batch.setdefault(item.name, []).append(item)
        if len(batch) == _EXPERIMENTS_AN_EVENT:
            ids |= _bring(store, batch, report)
            batch = {}
    return ids | _bring(store, batch, report)


def _bring(
    store: ExperimentStore,
    batch: dict[str, list[ExperimentItem]],
    report: Callable[[Problem], None],
) -> dict[str, str]:
    found = []
    for name, items in list(batch.items()):
        try:
            validation.experiment_name(name)
        except InvalidInputError as error:
            report(Problem(f"experiment {items[0].key}", f"all of it is left out: {error}"))
            del batch[name]
            continue
        found.append(_entity(items[0], report))
    if not found:
        return {}
    identities = store.bring(found)
    return {
        item.key: identity
        for items, identity in zip(batch.values(), identities, strict=True)
        for item in items
    }


def _entity(item: ExperimentItem, report: Callable[[Problem], None]) -> Experiment:
    where = f"experiment {item.name}"
    stage = item.lifecycle_stage
    return Experiment(
        _id_of(item.key),
        item.name,
        "",
        stage if stage == LifecycleStage.DELETED else LifecycleStage.ACTIVE,
        kept_pairs(item.tags, f"{where}: tag", report),
        time_or_none(item.creation_time, f"{where}: creation_time", report),
        time_or_none(item.last_update_time, f"{where}: last_update_time", report),
    )


def _id_of(key: str) -> str:
    """Return the id that an experiment has in the source; empty if a lake cannot have it."""
    try:
        return validation.experiment_id(key)
    except InvalidInputError:
        return ""
