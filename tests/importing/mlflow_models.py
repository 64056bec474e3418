"""A store of models and traces by MLflow, and what a client says of it.

As a script it makes one with the MLflow that it runs with, and writes what MLflow's client says
of it: ``python mlflow_models.py URI ARTIFACTS``, or ``-`` for the store's own folder. Here it
asks ours the same.
"""

import json
import os
import sys
import tempfile
import time

EXPERIMENT = "Größe"

_OF_MODELS = (
    "name", "creation_timestamp", "last_updated_timestamp", "description", "tags", "aliases",
)  # fmt: skip
_OF_VERSIONS = (
    "name", "creation_timestamp", "last_updated_timestamp", "description", "user_id",
    "current_stage", "source", "run_id", "status", "status_message", "run_link", "tags",
)  # fmt: skip
_OF_LOGGED = (
    "model_id", "name", "creation_timestamp", "last_updated_timestamp", "model_type",
    "source_run_id", "status_message", "tags", "params", "artifact_location",
)  # fmt: skip
_OF_DATASETS = (
    "dataset_id", "name", "digest", "created_time", "last_update_time", "created_by",
    "last_updated_by", "tags",
)  # fmt: skip
_OF_RECORDS = (
    "inputs", "outputs", "expectations", "tags", "source_id", "created_time",
    "last_update_time", "created_by", "last_updated_by",
)  # fmt: skip
_OF_TRACES = ("request_id", "timestamp_ms", "execution_time_ms", "request_metadata")


def said(client, experiment_id):
    """Return what a client says, as values of JSON."""
    found = {
        "models": [_model(client, each) for each in client.search_registered_models()],
        "versions": [
            _version(client, name, number) for name, number in sorted(_numbers(client))
        ],
        "traces": sorted(_traces(client, experiment_id), key=lambda each: each["request_id"]),
    }
    if hasattr(client, "search_logged_models"):
        models = client.search_logged_models([experiment_id])
        found["logged models"] = [_logged_model(each) for each in models]
    # Keys as JSON has them.
    return json.loads(json.dumps(found))


def _model(client, model):
    found = client.get_registered_model(model.name)
    latest = sorted((each.current_stage, int(each.version)) for each in found.latest_versions)
    aliases = {alias: int(version) for alias, version in found.aliases.items()}
    by_alias = {
        alias: int(client.get_model_version_by_alias(model.name, alias).version)
        for alias in found.aliases
    }
    fields = {name: getattr(found, name) for name in _OF_MODELS}
    return fields | {"latest": latest, "aliases": aliases, "by alias": by_alias}


def _numbers(client):
    return [(each.name, int(each.version)) for each in client.search_model_versions()]


def _version(client, name, number):
    found = client.get_model_version(name, number)
    return {each: getattr(found, each) or None for each in _OF_VERSIONS} | {
        "version": int(found.version),
        "aliases": sorted(found.aliases),
        # The folder of a file store may have been moved: that of a run is where it is found.
        "download": client.get_model_version_download_uri(name, number).removeprefix("file://"),
    }


def _logged_model(model):
    # MLflow's file store says only the last point of each metric and dataset.
    last = {}
    for each in model.metrics or []:
        key = f"{each.key} {each.dataset_name} {each.dataset_digest}"
        point = each.step, each.timestamp, each.value, each.run_id
        last[key] = max(point, last.get(key, point))
    fields = {name: getattr(model, name) for name in _OF_LOGGED}
    return fields | {"status": str(model.status), "metrics": last}


def _traces(client, experiment_id):
    found = client.search_traces([experiment_id])
    for info in [each.info for each in found]:
        trace = client.get_trace(info.request_id)
        # Where the spans are is another place now, and previews are made of them.
        tags = {
            key: value
            for key, value in trace.info.tags.items()
            if key != "mlflow.trace.spansLocation"
        }
        yield {name: getattr(trace.info, name) for name in _OF_TRACES} | {
            "tags": tags,
            "status": trace.info.status.value,
            "spans": [_span(each) for each in _in_order(trace.data.spans)],
            "assessments": _assessments(trace.info),
        }


def of_evaluation(datasets, records_of, scorers):
    """Return what is there of evaluation, as values of JSON.

    Args:
        datasets: The datasets.
        records_of: Returns the records of a dataset by its id.
        scorers: Name, number and text of the versions of scorers.
    """
    return {
        "datasets": [
            {name: getattr(each, name) for name in _OF_DATASETS}
            | {"records": sorted(map(_record, records_of(each.dataset_id)), key=str)}
            for each in datasets
        ],
        "scorers": [list(each) for each in scorers],
    }


def _record(record):
    source = record.source and [record.source.source_type, record.source.source_data]
    return {name: getattr(record, name) for name in _OF_RECORDS} | {"source": source}


def _in_order(spans):
    return sorted(spans, key=lambda each: (each.start_time_ns, each.span_id))


def _span(span):
    return {
        "id": span.span_id.removeprefix("0x"),
        "parent": span.parent_id and span.parent_id.removeprefix("0x"),
        "name": span.name,
        "times": [span.start_time_ns, span.end_time_ns],
        "status": [span.status.status_code.value, span.status.description],
        "type": span.span_type,
        "attributes": dict(span.attributes),
        "events": [[each.name, each.timestamp, dict(each.attributes)] for each in span.events],
    }


def _assessments(info):
    found = []
    for each in getattr(info, "assessments", []):
        fields = each.to_dictionary()
        # Some stores say nothing of what is valid, or of what is missing.
        fields["valid"] = fields.get("valid") is not False
        error = fields.get("feedback", {}).get("error") or {}
        error.pop("stack_trace", None)
        found.append(fields)
    return sorted(found, key=lambda each: each["assessment_id"])


def make(uri, artifacts):
    """Make a store with a bit of everything, and return what MLflow's client says of it."""
    import mlflow
    from mlflow import MlflowClient

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient()
    experiment_id = client.create_experiment(
        EXPERIMENT, None if artifacts == "-" else artifacts
    )
    mlflow.set_experiment(EXPERIMENT)
    run = client.create_run(experiment_id)
    client.log_text(run.info.run_id, "heavy", "model/weights")
    _make_versions(client, run)
    _make_traces(mlflow, run.info.run_id)
    ids = [each.info.request_id for each in client.search_traces([experiment_id])]
    client.set_trace_tag(ids[0], "mine", "ja ü")
    if hasattr(client, "create_logged_model"):
        _make_logged_models(client, experiment_id, run.info.run_id)
        _assess(mlflow, ids)
        if uri.startswith("sqlite"):
            client.link_traces_to_run(ids[:2], run.info.run_id)
            store = client._tracking_client.store
            return said(client, experiment_id) | {
                "evaluation": _evaluated(store, experiment_id),
                "reviews": _reviewed(store, experiment_id),
            }
    return said(client, experiment_id)


def _evaluated(store, experiment_id):
    """Make a dataset and a scorer, and return what MLflow's store says of them."""
    made = store.create_dataset("asked", {"mlflow.user": "ü", "k": "v"}, [experiment_id])
    source = {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}}
    for records in (
        [
            {"inputs": {"q": "ä"}, "outputs": ["a", None], "tags": {"mlflow.user": "me"}},
            {"inputs": {"q": "b"}, "expectations": {"right": 1.5}, "source": source},
        ],
        [{"inputs": {"q": "ä"}, "expectations": {"x": [1]}, "tags": {"mlflow.user": "you"}}],
    ):
        store.upsert_dataset_records(made.dataset_id, records)
        time.sleep(0.01)
    store.create_dataset("empty", None, [])
    for text in ('{"n": 1}', '{"n": 2}'):
        store.register_scorer(experiment_id, "judge", text)
    versions = store.list_scorer_versions(experiment_id, "judge")
    return of_evaluation(
        sorted(store.search_datasets(), key=lambda each: each.name),
        lambda dataset_id: store._load_dataset_records(dataset_id)[0],
        [(each.scorer_name, each.scorer_version, each._serialized_scorer) for each in versions],
    )


def _reviewed(store, experiment_id):
    """Make questions, a queue of them and issues, and return what is to be in a lake."""
    from mlflow.entities.issue import IssueSeverity, IssueStatus
    from mlflow.genai.label_schemas import InputCategorical, InputPassFail

    asked = [
        store.create_label_schema(
            experiment_id,
            name=name,
            type=kind,
            input=each,
            instruction="é",
            enable_comment=True,
        )
        for name, kind, each in (
            ("right", "feedback", InputPassFail("good", "bad")),
            ("type", "expectation", InputCategorical(["ä", "b"], multi_select=True)),
        )
    ]
    ids = [each.schema_id for each in asked]
    queue = store.create_review_queue(
        experiment_id, name="Those of Ü", queue_type="custom", created_by="me",
        users=["a", "b"], schema_ids=ids,
    )  # fmt: skip
    store.add_items_to_review_queue(queue.queue_id, item_ids=[f"tr-{n}" for n in range(3)])
    store.set_review_queue_item_status(
        queue.queue_id, item_id="tr-1", status="complete", completed_by="a"
    )
    issue = store.create_issue(
        experiment_id, "slow", "it is ☃ slow", severity=IssueSeverity.HIGH, root_causes=["x"],
        categories=["time"], created_by="me",
    )  # fmt: skip
    store.update_issue(issue.issue_id, IssueStatus.RESOLVED)
    found = store.get_review_queue(queue.queue_id)
    return {
        "label_schemas": [
            [each.schema_id, each.name, str(each.type), each.instruction,
             int(each.enable_comment), int(each.is_default), each.created_at, each.updated_at]
            for each in sorted(
                store.list_label_schemas(experiment_id), key=lambda each: each.schema_id
            )
        ],
        "review_queues": [
            [found.queue_id, found.name, str(found.queue_type), found.created_by,
             found.creation_time_ms, found.last_update_time_ms]
        ],
        "review_queue_users": [[found.queue_id, each] for each in sorted(found.users)],
        "review_queue_label_schemas": [[found.queue_id, each] for each in sorted(ids)],
        "review_queue_items": [
            [found.queue_id, each.item_id, str(each.item_type), str(each.status),
             each.creation_time_ms, each.last_update_time_ms, each.completed_by,
             each.completed_time_ms]
            for each in sorted(
                store.list_review_queue_items(queue.queue_id), key=lambda each: each.item_id
            )
        ],
        "issues": [
            [each.issue_id, each.name, each.description, str(each.status), str(each.severity),
             json.dumps(each.root_causes), json.dumps(each.categories), each.created_timestamp,
             each.last_updated_timestamp, each.created_by]
            for each in store.search_issues(experiment_id)
        ],
    }  # fmt: skip


OF_REVIEWS = {
    "label_schemas": "schema_id, name, type, instruction, enable_comment, is_default, "
    "created_time, last_update_time",
    "review_queues": "queue_id, name, queue_type, created_by, created_time, last_update_time",
    "review_queue_users": "queue_id, user_id",
    "review_queue_label_schemas": "queue_id, schema_id",
    "review_queue_items": "queue_id, item_id, item_type, status, created_time, "
    "last_update_time, completed_by, completed_time",
    "issues": "issue_id, name, description, status, severity, root_causes, categories, "
    "created_timestamp, last_updated_timestamp, created_by",
}
"""The same of a lake: columns by table."""


def _make_versions(client, run):
    client.create_registered_model("iris", {"team": "röt", "a/b": "1"}, 'Fläche\n"x"')
    client.create_registered_model("none")
    source = f"{run.info.artifact_uri}/model"
    for number in range(1, 5):
        client.create_model_version(
            "iris",
            source if number > 1 else "s3://bucket/model",
            run.info.run_id if number > 1 else None,
            {"n": str(number)},
            "http://run/1" if number == 2 else None,
            f"the {number}th" if number == 3 else None,
        )
    client.transition_model_version_stage("iris", "2", "Production")
    client.transition_model_version_stage("iris", "3", "Staging")
    client.set_registered_model_alias("iris", "champion", "2")
    client.set_registered_model_alias("iris", "best", "3")
    client.delete_model_version("iris", "4")


def _make_traces(mlflow, run_id):
    @mlflow.trace(span_type="LLM")
    def inner(number):
        span = mlflow.get_current_active_span()
        span.set_attribute("deep", {"a": [1, None, "ä"], "big": 2**60})
        span.add_event(mlflow.entities.SpanEvent("came", attributes={"q": 1}))
        return number * 2

    @mlflow.trace(name="outer", attributes={"z": 1.5})
    def outer(number):
        if number == 3:
            raise ValueError("böse")
        return [inner(number), {"u": "ü"}]

    with mlflow.start_run(run_id=run_id):
        outer(1)
    outer(2)
    try:
        outer(3)
    except ValueError:
        return


def _make_logged_models(client, experiment_id, run_id):
    model = client.create_logged_model(
        experiment_id, "net", run_id, {"t": "ü"}, {"lr": "0.1"}, "agent"
    )
    for step in range(3):
        client.log_metric(run_id, "acc", 0.1 * step, step=step, model_id=model.model_id)
    client.log_metric(
        run_id, "acc", 0.5, model_id=model.model_id, dataset_name="d", dataset_digest="1"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.txt")
        with open(path, "w") as file:
            file.write("net")
        client.log_model_artifact(model.model_id, path)
    client.finalize_logged_model(model.model_id, "READY")
    gone = client.create_logged_model(experiment_id, "gone")
    client.delete_logged_model(gone.model_id)
    client.create_model_version("iris", f"models:/{model.model_id}", run_id)


def _assess(mlflow, ids):
    source = mlflow.entities.AssessmentSource("HUMAN", "me")
    mlflow.log_feedback(
        trace_id=ids[0], name="good", value=True, rationale="wählt", source=source,
        metadata={"m": "1"},
    )  # fmt: skip
    mlflow.log_expectation(trace_id=ids[0], name="expected", value={"x": [1]}, source=source)
    error = mlflow.entities.AssessmentError("E", "failed")
    bad = mlflow.log_feedback(trace_id=ids[1], name="bad", error=error, source=source)
    mlflow.override_feedback(trace_id=ids[1], assessment_id=bad.assessment_id, value=0.5)


if __name__ == "__main__":
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    sys.stdout.write(json.dumps(make(*sys.argv[1:])))
