"""The experiment that spans go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.config import environment

if TYPE_CHECKING:
    from lakeflow.stores.store import Store


def experiment_named(store: Store, name: str | None) -> str:
    """Return the id of an experiment, which is made if there is none.

    Args:
        store: The lake's.
        name: Its name; None for that of this process, else the experiment 0.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, it is deleted, or the name is none.
    """
    chosen = context.experiment()
    if name is None:
        name = chosen.name if chosen is not None else environment("EXPERIMENT_NAME")
    if not name:
        experiment_id = environment("EXPERIMENT_ID") or "0"
    else:
        experiment_id = store.experiments.named(name).experiment_id
    store.experiments.require_active(experiment_id)
    return experiment_id
