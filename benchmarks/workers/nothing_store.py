"""A store of MLflow's that does nothing: what its server costs whatever is behind it."""

from __future__ import annotations

import argparse
from itertools import islice

from mlflow.entities import (
    Experiment,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunTag,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore as AbstractRegistry
from mlflow.store.tracking.abstract_store import AbstractStore
from shapes import PAGE, SHAPE, Shape, shapes


class NothingStore(AbstractStore):
    """Forgets what it gets, and answers each search with the same runs.

    Args:
        store_uri: Taken as MLflow passes it.
        artifact_uri: Taken as MLflow passes it.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        # As many as a page has, and no more: to make them is no cost of a server.
        options = argparse.Namespace(**SHAPE)
        self._page = [run_of(shape) for shape in islice(shapes(options), PAGE)]

    def get_experiment(self, experiment_id):
        return Experiment(str(experiment_id), "Default", "/nowhere", LifecycleStage.ACTIVE)

    def create_run(self, *_given, **_named):
        return self._page[0]

    def log_batch(self, *_given, **_named):
        return None

    def log_spans(self, location, spans, tracking_uri=None):
        return spans

    async def log_spans_async(self, location, spans):
        return spans

    def search_runs(self, *_given, **_named):
        return PagedList(self._page, "more")


class NothingRegistry(AbstractRegistry):
    """Has no model."""


# Of the abstract methods only those are called that are here.
NothingStore.__abstractmethods__ = frozenset()
NothingRegistry.__abstractmethods__ = frozenset()


def run_of(shape: Shape) -> Run:
    """Return the run of a shape, with an id that says which it is."""
    run_id = f"{shape.start_time:032x}"
    started, lifecycle = shape.start_time, LifecycleStage.ACTIVE
    info = RunInfo(
        run_id, "0", "u", "FINISHED", started, started + 1, lifecycle, "/no", shape.name
    )
    metrics = [Metric(*metric) for metric in shape.metrics]
    params = [Param(*param) for param in shape.params]
    return Run(info, RunData(metrics, params, [RunTag(*tag) for tag in shape.tags]))
