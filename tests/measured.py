"""A logged model with something in every table of its kind, and what ties it to a run."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lakeflow.entities import LoggedModelInput, LoggedModelOutput
from lakeflow.open_store import open_store


def measure(uri: str, run_id: str) -> str:
    """Make a model, measure it twice on a dataset and once on none; return its id."""
    store = open_store(uri, create=False)
    run = store.runs.get(run_id)
    model_id = store.logged_models.create(
        run.info.experiment_id, "digits", run_id, {"team": "a"}, {"depth": 3}, "agent"
    ).model_id
    for step, dataset in enumerate([("train", "1"), ("train", "1"), (None, None)]):
        store.log_metric(run_id, "accuracy", step / 2, 10, step, None, model_id, *dataset)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "weights.bin").write_bytes(b"1234")
        store.model_files.log_folder(model_id, folder)
    store.runs.log_inputs(run_id, None, [LoggedModelInput(model_id)])
    store.runs.log_outputs(run_id, [LoggedModelOutput(model_id, 1)])
    return model_id
