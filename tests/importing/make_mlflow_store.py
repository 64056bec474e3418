"""Makes a store by MLflow itself, and prints what MLflow reads of it: run by MLflow's Python."""

import json
import sys

LONG = 10_000
VALUES = [0.1, float("nan"), float("inf"), float("-inf"), -0.0, 1e-300, 1.5, 1.5]


def main(uri, artifacts):
    import mlflow

    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    location = None if artifacts == "-" else artifacts
    ours = client.create_experiment("Größe 大", artifact_location=location, tags={"team": "ö"})
    gone = client.create_experiment("gone")
    for number in range(3):
        run = client.create_run(ours, tags={"mlflow.user": "me"}, run_name=f"run {number}")
        fill(client, run.info.run_id, number)
        client.set_terminated(run.info.run_id, ["FINISHED", "FAILED", "KILLED"][number])
    running = client.create_run(ours).info.run_id
    client.log_metric(running, "loss", 0.5, step=-3)
    deleted = client.create_run(ours).info.run_id
    client.log_metric(deleted, "loss", 0.25)
    client.delete_run(deleted)
    client.create_run(gone)
    client.delete_experiment(gone)
    json.dump([*told(client)], sys.stdout)


def fill(client, run_id, number):
    import mlflow
    import numpy
    from mlflow.entities import Metric

    client.log_param(run_id, "lr", 0.1 * number)
    client.log_param(run_id, "model/depth", "a\nb ü 大")
    client.set_tag(run_id, "note", "x" * 4_000)
    points = [Metric("odd values", value, 1_000 + n, n // 2) for n, value in enumerate(VALUES)]
    client.log_batch(run_id, metrics=points)
    if number == 0:
        for first in range(0, LONG, 1_000):
            steps = range(first, first + 1_000)
            batch = [Metric("train/loss", 1 / (1 + n), 5_000 + n, n) for n in steps]
            client.log_batch(run_id, metrics=batch)
        client.log_text(run_id, "hällo", "notes/a b.txt")
        client.log_dict(run_id, {"a": [1, 2]}, "config.json")
        if hasattr(client, "create_logged_model"):
            model_of(client, run_id)
        with mlflow.start_run(run_id=run_id):
            frame = mlflow.data.from_numpy(numpy.arange(6), name="digits")
            mlflow.log_input(frame, context="training")


def model_of(client, run_id):
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    experiment_id = client.get_run(run_id).info.experiment_id
    made = client.create_logged_model(experiment_id, "made", source_run_id=run_id)
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, 3)])
    client.log_inputs(run_id, models=[LoggedModelInput(made.model_id)])


def told(client):
    from mlflow.entities import ViewType

    for experiment in client.search_experiments(ViewType.ALL):
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
        yield {
            "id": experiment.experiment_id,
            "name": experiment.name,
            "stage": experiment.lifecycle_stage,
            "tags": experiment.tags,
            "times": [experiment.creation_time, experiment.last_update_time],
            "runs": [run_of(client, run) for run in runs],
        }


def run_of(client, run):
    info = run.info
    return {
        "id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "stage": info.lifecycle_stage,
        "times": [info.start_time, info.end_time],
        "user": info.user_id,
        "params": run.data.params,
        "tags": run.data.tags,
        "latest": {key: repr(value) for key, value in sorted(run.data.metrics.items())},
        "histories": {
            key: sorted(
                [each.timestamp, each.step, repr(each.value + 0.0)]
                for each in client.get_metric_history(info.run_id, key)
            )
            for key in sorted(run.data.metrics)
        },
        # A search of the database leaves out what a run used.
        "models": models_of(client.get_run(info.run_id)),
        "datasets": [
            [*fields_of(each.dataset), {tag.key: tag.value for tag in each.tags}]
            for each in run.inputs.dataset_inputs
        ],
    }


def models_of(run):
    used = getattr(run.inputs, "model_inputs", [])
    made = getattr(run, "outputs", None)
    return [
        [each.model_id for each in used],
        [[each.model_id, each.step] for each in (made.model_outputs if made else [])],
    ]


def fields_of(dataset):
    names = ("name", "digest", "source_type", "source", "schema", "profile")
    return [getattr(dataset, name) for name in names]


if __name__ == "__main__":
    main(*sys.argv[1:])
