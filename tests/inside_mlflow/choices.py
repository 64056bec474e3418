"""What MLflow's functions choose for a process, and pass on by its environment."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import mlflow
from mlflow.tracking import fluent
from mlflow.tracking._model_registry import utils as registry
from mlflow.tracking._tracking_service import utils as tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = (
    (tracking, "_tracking_uri"),
    (registry, "_registry_uri"),
    (fluent, "_active_experiment_id"),
)


@contextlib.contextmanager
def taken_back() -> Iterator[None]:
    """Take back what is chosen meanwhile."""
    chosen = [getattr(module, name) for module, name in NAMES]
    environment = _environment()
    yield
    while mlflow.active_run():
        mlflow.end_run()
    for (module, name), value in zip(NAMES, chosen, strict=True):
        setattr(module, name, value)
    for name in _environment():
        del os.environ[name]
    os.environ |= environment


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}
