"""The experiment that spans go to."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lakeflow import context
from lakeflow.config import environment
from lakeflow.exceptions import AlreadyExistsError, NotFoundError

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
        found = store.experiments.find(name)
        if found is None:
            # Another process may have made it since; either way it is there now.
            with contextlib.suppress(AlreadyExistsError):
                store.experiments.create(name)
            found = store.experiments.find(name)
        if found is None:
            raise NotFoundError(f"experiment {name!r} vanished while it was being made")
        experiment_id = found.experiment_id
    store.experiments.require_active(experiment_id)
    return experiment_id
