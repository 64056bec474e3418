"""Metrics of logged models: points of a run and of a model, and what ties the two."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from lakeflow.entities import DatasetInput, LoggedModelInput, Metric
from lakeflow.stores.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.entities import Dataset
    from lakeflow.stores.run_operations import RunOperations
    from lakeflow.stores.store import Store

_MOST_KNOWN = 10_000

# What is known of runs: which models and datasets are inputs or outputs of them already.
_known: OrderedDict[tuple[str, ...], None] = OrderedDict()


def log_measured(
    store: Store,
    run_id: str,
    values: Mapping[str, Any],
    step: int | None,
    timestamp: int | None,
    synchronous: bool | None,
    model_id: str | None,
    dataset: Dataset | None,
) -> RunOperations | None:
    """Log one value of several metrics that were measured of a model, or on a dataset.

    Both become inputs of the run, unless the run has made the model.

    Args:
        store: The store of the run's lake.
        run_id: The run.
        values: Values by name.
        step: Training step; 0 by default.
        timestamp: Milliseconds since the Unix epoch; now by default.
        synchronous: As for ``LakeflowClient.log_metric``.
        model_id: The model; None for none.
        dataset: The dataset; None for none.
    """
    _tie(store, run_id, model_id, dataset)
    logged_at = now_ms() if timestamp is None else timestamp
    name, digest = (dataset.name, dataset.digest) if dataset is not None else (None, None)
    points = [
        Metric(key, value, logged_at, step or 0, model_id, name, digest)
        for key, value in values.items()
    ]
    return store.log(synchronous, store.runs.log_batch, run_id, points)  # type: ignore[no-any-return]


def _tie(store: Store, run_id: str, model_id: str | None, dataset: Dataset | None) -> None:
    uri = store.lake.fs.uri
    models, datasets = [], []
    if model_id is not None and (uri, run_id, model_id) not in _known:
        # A read for each model of a run, once: a loop that measures comes here at every step.
        outputs = store.runs.get(run_id).outputs.model_outputs
        if all(each.model_id != model_id for each in outputs):
            models.append(LoggedModelInput(model_id))
    if dataset is not None and (uri, run_id, dataset.name, dataset.digest) not in _known:
        datasets.append(DatasetInput(dataset, []))
    if models or datasets:
        store.runs.log_inputs(run_id, datasets, models)
    # Only now: what could not be logged is tried again at the next step.
    if model_id is not None:
        _known[uri, run_id, model_id] = None
    if dataset is not None:
        _known[uri, run_id, dataset.name, dataset.digest] = None
    while len(_known) > _MOST_KNOWN:
        _known.popitem(last=False)
