"""Tune classifiers of handwritten digits in several processes, then read the lake bare.

    python examples/digits_sweep.py [--lake DIR] [--workers N] [--runs N]

Every run is tracked with the calls that MLflow has. When the sweep is done, deltalake,
polars and DuckDB read what was tracked without lakeflow, and must find the same numbers.
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["lakeflow", "scikit-learn", "polars", "duckdb", "deltalake"]
#
# [tool.uv.sources]
# lakeflow = { path = ".." }
# ///

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import time
from concurrent.futures import Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.compute as pc
from deltalake import DeltaTable
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import lakeflow as mlflow
from lakeflow.entities import Dataset, Run

EXPERIMENT = "digits"
CLASSES = np.arange(10)
HELD_OUT = 0.2

Part = tuple[np.ndarray, np.ndarray]
Summary = dict[str, tuple[int, float]]
"""For each run: how many metric points it has, and its last validation accuracy."""


@dataclass(frozen=True)
class Trial:
    """Hyper-parameters of one run; linear models have no hidden units."""

    number: int
    model: str
    learning_rate: float
    alpha: float
    hidden_units: int
    batch_size: int
    epochs: int = 50

    @property
    def name(self) -> str:
        """Name of the run, and of the tag with which its parent refers to it."""
        return f"{self.model}-{self.number:02}"

    def build(self) -> SGDClassifier | MLPClassifier:
        """Return the untrained model."""
        if self.model == "linear":
            return SGDClassifier(
                loss="log_loss",
                alpha=self.alpha,
                learning_rate="constant",
                eta0=self.learning_rate,
                random_state=self.number,
            )
        return MLPClassifier(
            hidden_layer_sizes=(self.hidden_units,),
            alpha=self.alpha,
            batch_size=self.batch_size,
            learning_rate_init=self.learning_rate,
            random_state=self.number,
        )


def draw_trials(count: int) -> list[Trial]:
    """Draw hyper-parameters at random, the same ones every time."""
    draw = random.Random(0)
    return [
        Trial(
            number=number,
            model=("linear", "mlp")[number % 2],
            learning_rate=round(10 ** draw.uniform(-3.5, -1.5), 5),
            alpha=round(10 ** draw.uniform(-6, -2), 7),
            hidden_units=draw.choice([16, 32, 64]) * (number % 2),
            batch_size=draw.choice([32, 64, 128]),
        )
        for number in range(count)
    ]


def load_parts() -> dict[str, Part]:
    """Return the images and labels for training, for validation and for the final test."""
    images, labels = load_digits(return_X_y=True)
    seen, test, seen_labels, test_labels = train_test_split(
        images / 16, labels, test_size=HELD_OUT, random_state=0, stratify=labels
    )
    train, check, train_labels, check_labels = train_test_split(
        seen, seen_labels, test_size=HELD_OUT, random_state=0, stratify=seen_labels
    )
    return {
        "training": (train, train_labels),
        "validation": (check, check_labels),
        "test": (test, test_labels),
    }


def describe(name: str, part: Part) -> Dataset:
    """Return what identifies a part of the data: a fingerprint, its columns and its size."""
    images, labels = part
    return Dataset(
        name=f"digits-{name}",
        digest=hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:16],
        source_type="sklearn",
        source="sklearn.datasets.load_digits",
        schema=json.dumps({"pixels": f"float64[{images.shape[1]}]", "label": "int64"}),
        profile=json.dumps({"rows": len(labels)}),
    )


# The sweep


def train(trial: Trial, parts: dict[str, Part]) -> SGDClassifier | MLPClassifier:
    """Train one model; log params, datasets and three metrics an epoch to the active run."""
    mlflow.log_params(asdict(trial))
    used = ["training", "validation"]
    mlflow.log_inputs([describe(name, parts[name]) for name in used], contexts=used)
    images, labels = parts["training"]
    model = trial.build()
    for epoch in range(trial.epochs):
        model.partial_fit(images, labels, classes=CLASSES)
        probabilities = model.predict_proba(images)
        metrics = {
            "loss": log_loss(labels, probabilities, labels=CLASSES),
            "train_accuracy": accuracy_score(labels, probabilities.argmax(axis=1)),
            "validation_accuracy": model.score(*parts["validation"]),
        }
        mlflow.log_metrics(metrics, step=epoch)
    return model


def run_trial(lake: str, sweep_id: str, trial: Trial) -> str:
    """Train one model as a child of the sweep; this is what a worker process does."""
    mlflow.set_tracking_uri(lake)
    mlflow.set_experiment(EXPERIMENT)
    tags = {"model": trial.model, "worker": os.getpid()}
    with mlflow.start_run(run_name=trial.name, parent_run_id=sweep_id, tags=tags) as run:
        mlflow.MlflowClient().set_tag(sweep_id, f"trial.{trial.name}", run.info.run_id)
        train(trial, load_parts())
    return run.info.run_id


def watch(sweep_id: str, futures: list[Future[str]]) -> None:
    """Read the runs while the workers write them, until all are done."""
    client = mlflow.MlflowClient()
    began = time.monotonic()
    unfinished = set(futures)
    while unfinished:
        done, unfinished = wait(unfinished, timeout=2)
        for future in done:
            future.result()  # a worker's exception ends the sweep
        tags = client.get_run(sweep_id).data.tags
        runs = [client.get_run(tags[tag]) for tag in tags if tag.startswith("trial.")]
        running = [run for run in runs if run.info.status == "RUNNING"]
        print(
            f"  {time.monotonic() - began:4.0f} s  {len(runs) - len(running):2} done  "
            + ("  ".join(progress_of(run) for run in running) or "no run is running")
        )


def progress_of(run: Run) -> str:
    """Return how far a run is, from its latest metrics."""
    latest = {metric.key: metric for metric in run.data.latest_metrics}
    point = latest.get("validation_accuracy")
    if point is None:
        return f"{run.info.run_name} begins"
    return f"{run.info.run_name} epoch {point.step:2}: {point.value:.3f}"


def sweep(trials: list[Trial], workers: int) -> tuple[str, list[str]]:
    """Run all trials below one parent run; return the id of the parent and of the trials."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # one thread a worker
    with mlflow.start_run(run_name="sweep", tags={"workers": workers}) as parent:
        mlflow.log_params({"runs": len(trials), "workers": workers})
        parent_id, lake = parent.info.run_id, mlflow.get_tracking_uri()
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
            futures = [pool.submit(run_trial, lake, parent_id, trial) for trial in trials]
            watch(parent_id, futures)
        run_ids = [future.result() for future in futures]
        best = max(run_ids, key=lambda run_id: validation_accuracy(mlflow.get_run(run_id)))
        test_best(trials[run_ids.index(best)])
    return parent_id, run_ids


def test_best(trial: Trial) -> None:
    """Train the best model once more, below the sweep, and score it on unseen images."""
    parts = load_parts()
    with mlflow.start_run(run_name=f"{trial.name}-test", nested=True):
        model = train(trial, parts)
        mlflow.log_inputs([describe("test", parts["test"])], contexts=["test"])
        score = model.score(*parts["test"])
        mlflow.log_metric("test_accuracy", score, step=trial.epochs - 1)
    print(f"\nThe best one, {trial.name}, has an accuracy of {score:.3f} on unseen images.")


# What was tracked


def validation_accuracy(run: Run) -> float:
    """Return the last validation accuracy of a run."""
    return run.data.metrics["validation_accuracy"]


def print_best(run_ids: list[str], count: int = 8) -> None:
    """Print the runs with the highest validation accuracy."""
    runs = sorted(map(mlflow.get_run, run_ids), key=validation_accuracy, reverse=True)
    print(f"\nBest {min(count, len(runs))} of {len(runs)} runs")
    print("  run        rate     alpha      hidden  batch  loss    train  validation  seconds")
    for run in runs[:count]:
        info, params, metrics = run.info, run.data.params, run.data.metrics
        seconds = ((info.end_time or info.start_time) - info.start_time) / 1000
        print(
            f"  {info.run_name:<9}  {params['learning_rate']:<7}  {params['alpha']:<9}  "
            f"{params['hidden_units']:>6}  {params['batch_size']:>5}  {metrics['loss']:.4f}  "
            f"{metrics['train_accuracy']:.3f}  {validation_accuracy(run):>10.3f}  "
            f"{seconds:>7.1f}"
        )


def compact() -> None:
    """Fold the log into the Delta tables, and print what was written."""
    report = mlflow.compact()
    print(
        f"\nCompacted {report.records:,} records ({report.log_bytes:,} bytes of log) "
        f"in {report.seconds:.2f} s"
    )
    print("  table               rows   files      bytes")
    for name, table in report.tables.items():
        print(f"  {name:<15}{table.rows:>9,}{table.files_added:>8}{table.bytes_written:>11,}")


# The same numbers with four readers


def with_client(lake: Path, run_ids: list[str]) -> Summary:
    """Ask lakeflow, run by run."""
    client = mlflow.MlflowClient(lake)
    runs = [client.get_run(run_id) for run_id in run_ids]
    return {
        run.info.run_id: (
            sum(
                len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics
            ),
            validation_accuracy(run),
        )
        for run in runs
    }


def with_deltalake(lake: Path, run_ids: list[str]) -> Summary:
    """Read the Delta tables into Arrow."""
    mine = [("run_id", "in", run_ids)]
    points = DeltaTable(lake / "tables/metrics").to_pyarrow_table(filters=mine)
    latest = DeltaTable(lake / "tables/latest_metrics").to_pyarrow_table(filters=mine)
    latest = latest.filter(pc.field("key") == "validation_accuracy")
    counts = points.group_by("run_id").aggregate([("value", "count")])
    rows = counts.join(latest, "run_id").to_pylist()
    return {row["run_id"]: (row["value_count"], row["value"]) for row in rows}


def with_polars(lake: Path, run_ids: list[str]) -> Summary:
    """Scan the Delta tables lazily."""
    points = pl.scan_delta(lake / "tables/metrics")
    latest = pl.scan_delta(lake / "tables/latest_metrics")
    counts = points.filter(pl.col("run_id").is_in(run_ids)).group_by("run_id").len()
    accuracy = latest.filter(pl.col("key") == "validation_accuracy")
    rows = counts.join(accuracy, on="run_id").select("run_id", "len", "value").collect()
    return {run_id: (count, value) for run_id, count, value in rows.iter_rows()}


def with_duckdb(lake: Path, run_ids: list[str]) -> Summary:
    """Query the Parquet files of the Delta tables with plain SQL."""
    points = DeltaTable(lake / "tables/metrics").file_uris()
    latest = DeltaTable(lake / "tables/latest_metrics").file_uris()
    rows = duckdb.execute(
        """
        SELECT run_id, count(*), any_value(latest.value)
        FROM read_parquet($points) AS points
        JOIN read_parquet($latest) AS latest USING (run_id)
        WHERE latest.key = 'validation_accuracy' AND run_id IN $run_ids
        GROUP BY run_id
        """,
        {"points": points, "latest": latest, "run_ids": run_ids},
    ).fetchall()
    return {run_id: (count, value) for run_id, count, value in rows}


def compare_readers(lake: Path, run_ids: list[str]) -> None:
    """Print what each reader finds, and fail if one differs from the client."""
    readers = {
        "lakeflow client": with_client,
        "deltalake": with_deltalake,
        "polars": with_polars,
        "duckdb": with_duckdb,
    }
    expected = with_client(lake, run_ids)
    print("\nThe same lake, four readers")
    print("  reader            runs   points   best accuracy   seconds")
    for name, read in readers.items():
        began = time.perf_counter()
        found = read(lake, run_ids)
        seconds = time.perf_counter() - began
        assert found == expected, f"{name} differs from the client"
        points = sum(count for count, _ in found.values())
        best = max(accuracy for _, accuracy in found.values())
        print(f"  {name:<15}{len(found):>7}{points:>9,}{best:>16.4f}{seconds:>10.3f}")
    print("They agree on every run.")


def main() -> None:
    """Run a sweep, then show what is in the lake."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lake", type=Path, default=Path("demo-lake"), metavar="DIR")
    parser.add_argument("--workers", type=int, default=4, metavar="N")
    parser.add_argument("--runs", type=int, default=30, metavar="N")
    options = parser.parse_args()

    mlflow.set_tracking_uri(options.lake)
    experiment = mlflow.set_experiment(EXPERIMENT)
    trials = draw_trials(options.runs)
    print(
        f"{len(trials)} runs in {options.workers} processes, to experiment "
        f"{experiment.name!r} of {mlflow.get_tracking_uri()}"
    )
    sweep_id, run_ids = sweep(trials, options.workers)
    parent = mlflow.get_parent_run(run_ids[0])
    assert parent is not None
    assert parent.info.run_id == sweep_id
    print_best(run_ids)
    compact()
    compare_readers(options.lake, run_ids)


if __name__ == "__main__":
    main()
