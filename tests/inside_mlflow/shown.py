"""What the pages of MLflow's UI show in tests: made by our own client."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lakeflow
from lakeflow import LakeflowClient, context
from lakeflow.entities import Metric, Param, RunTag

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_780_000_000_000
RUNS = 12


@dataclass(frozen=True)
class Shown:
    """Ids of what is shown.

    Attributes:
        experiment: The experiment.
        runs: Its runs, by name.
        model: A logged model.
        dataset: A dataset for evaluation.
        trace: A trace with three spans.
    """

    experiment: str
    runs: dict[str, str]
    model: str
    dataset: str
    trace: str


def fill(lake: Path, *, points: int) -> Shown:
    """Fill a lake with a few things of each kind.

    Args:
        lake: The lake.
        points: Points of the metric ``long`` of the first run.
    """
    lakeflow.set_tracking_uri(lake)
    try:
        return _filled(LakeflowClient(lake), points)
    finally:
        context.set_experiment(None)
        lakeflow.set_tracking_uri(None)


def _filled(client: LakeflowClient, points: int) -> Shown:
    experiment = lakeflow.set_experiment("digits").experiment_id
    runs = {}
    for number in range(RUNS):
        run = client.create_run(experiment, START_MS + number, run_name=f"tree-{number:02d}")
        run_id = runs[f"tree-{number:02d}"] = run.info.run_id
        losses = [(1 + number) / (step + 1) for step in range(200)]
        curve = [
            Metric("loss", loss, START_MS + step, step) for step, loss in enumerate(losses)
        ]
        metrics = [Metric("accuracy", 0.5 + number / 100, START_MS, 0), *curve]
        params = [Param("depth", str(number)), Param("seed", "7")]
        client.log_batch(run_id, metrics, params, [RunTag("team", "vision")])
    first = runs["tree-00"]
    for began in range(0, points, 10_000):
        steps = range(began, min(points, began + 10_000))
        wave = [Metric("long", math.sin(step / 5_000), START_MS + step, step) for step in steps]
        client.log_batch(first, wave)
    client.log_text(first, "a note of a run", "notes.txt")
    for run_id in runs.values():
        client.set_terminated(run_id, end_time=START_MS + 60_000)
    model = client.create_logged_model(
        experiment, "tree-model", first, params={"depth": "3"}, tags={"team": "vision"}
    ).model_id
    client.finalize_logged_model(model, "READY")
    _register(client, runs)
    return Shown(experiment, runs, model, _dataset(client, experiment), _traces())


def _register(client: LakeflowClient, runs: dict[str, str]) -> None:
    client.create_registered_model("digits-tree", description="tells digits apart")
    for name in ("tree-00", "tree-01"):
        client.log_text(runs[name], "flavors: {}\n", "model/MLmodel")
        client.create_model_version(
            "digits-tree", f"runs:/{runs[name]}/model", runs[name], description=f"of {name}"
        )
    client.set_registered_model_alias("digits-tree", "champion", "2")


def _dataset(client: LakeflowClient, experiment: str) -> str:
    dataset_id = client.create_dataset("questions", experiment).dataset_id
    records = [
        {"inputs": {"question": f"how much is {number} and 1?"}, "expectations": {"n": number}}
        for number in range(3)
    ]
    client.merge_dataset_records(dataset_id, records)
    return dataset_id


def _traces() -> str:
    """Make five traces of two sessions, and return the last."""
    for number in range(5):
        with lakeflow.start_span("answer", "AGENT") as root:
            root.set_inputs({"question": f"what is {number}?"})
            lakeflow.update_current_trace(
                metadata={"mlflow.trace.session": f"session-{number % 2}"}
            )
            with lakeflow.start_span("retrieve", "RETRIEVER") as span:
                span.set_outputs([{"page_content": "a page", "metadata": {}}])
            with lakeflow.start_span("generate", "LLM") as span:
                span.set_outputs({"text": "four"})
            root.set_outputs({"answer": f"it is {number}"})
        trace_id = root.trace_id
        lakeflow.flush_trace_async_logging()
        lakeflow.log_feedback(
            trace_id=trace_id, name="correct", value=number % 2 == 0, rationale="as expected"
        )
        lakeflow.log_expectation(trace_id=trace_id, name="expected", value="four")
    return trace_id
