"""Moving in by MLflow's own client: the same lake as from the database, read without MLflow."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import types
import weakref
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow.conftest import IS_2
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.store.entities import PagedList

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities.json_text import decoded_if_json
from lakeflow.exceptions import StorageError
from lakeflow.importing import from_mlflow, import_from
from lakeflow.importing.items import ExperimentItem
from lakeflow.mlflow.importing import from_tracking
from lakeflow.mlflow.importing import source as tracking

if TYPE_CHECKING:
    from pathlib import Path

VIEWS = ["experiments", "runs", "params", "tags", "inputs", "registered_models", "model_versions",
         "traces", "spans", "logged_models", "logged_model_params", "assessments",
         "evaluation_datasets", "evaluation_dataset_records", "scorers", "scorer_versions",
         "label_schemas", "review_queues", "review_queue_users", "review_queue_label_schemas",
         "review_queue_items", "issues"]  # fmt: skip
_OF_THE_LAKE = {"artifact_location", "artifact_uri", "source", "storage_location", "run_link"}
"""Where files are, and how the lake has them."""

_JSON = {"input_config", "root_causes", "categories"}
"""Texts that MLflow's database has with other escapes than a lake."""


def fill(uri: str, name: str = "it's ünïcode") -> str:
    """Log what a lake is to keep; return the id of a run with everything."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment(name, tags={"a": "1"})
    run = client.create_run(experiment, 1_000, {"mlflow.user": "ada"}, "first").info.run_id
    values = [0.5, math.nan, math.inf, -math.inf, *map(float, range(1_500))]
    points = [Metric("loss/ä", value, 5, step) for step, value in enumerate(values)]
    for start in range(0, len(points), 1_000):
        client.log_batch(run, points[start : start + 1_000])
    client.log_batch(run, [Metric("b", 1.0, 5, 0)], [Param("p", "x\n")], [RunTag("t", "☃")])
    client.log_text(run, "hello", "a/ü.txt")
    client.set_terminated(run, "FAILED", 2_000)
    client.delete_run(client.create_run(experiment, 3_000).info.run_id)
    for model in (f"{name}'s", f"other of {name}"):
        client.create_registered_model(model, {"k": "v"}, "text")
        for _ in range(2):
            client.create_model_version(model, f"runs:/{run}/a", run, tags={"n": "1"})
    client.set_registered_model_alias(model, "champion", "2")
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("root", span_type="CHAIN") as span:
        span.set_inputs({"q": 1})
        with mlflow.start_span("child"):
            pass
        span.set_outputs("done")
    if not IS_2:
        model = client.create_logged_model(experiment, "agent", run, {"t": "1"}, {"p": "2"})
        client.log_metric(run, "acc", 0.5, model_id=model.model_id)
        trace_id = mlflow.get_last_active_trace_id()
        mlflow.log_feedback(trace_id=trace_id, name="right", value=True)
        dataset = client.create_dataset("asked", experiment, {"k": "v"})
        given = [{"inputs": {"q": number}, "expectations": {"a": "☃"}} for number in range(3)]
        dataset.merge_records(given)
        for _ in range(2):
            client._tracking_client.store.register_scorer(
                experiment, "judge", '{"name": "judge"}'
            )
        review(client._tracking_client.store, experiment, trace_id)
    return str(run)


def review(store: Any, experiment: str, trace_id: str) -> None:
    """Make questions, review queues and issues."""
    from mlflow.entities.issue import IssueSeverity, IssueStatus
    from mlflow.genai.label_schemas import InputCategorical, InputPassFail

    # Whoever looks at them first makes MLflow's own one.
    store.list_label_schemas(experiment)
    ids = [
        store.create_label_schema(
            experiment,
            name=name,
            type=kind,
            input=answers,
            instruction="é",
            enable_comment=True,
        ).schema_id
        for name, kind, answers in (
            ("right", "feedback", InputPassFail("good", "bad")),
            ("type", "expectation", InputCategorical(["ä", "b"], multi_select=True)),
        )
    ]
    queue = store.create_review_queue(
        experiment, name="Those of Ü", queue_type="custom", created_by="me",
        users=["a", "b"], schema_ids=ids,
    )  # fmt: skip
    store.add_items_to_review_queue(queue.queue_id, item_ids=[trace_id])
    store.set_review_queue_item_status(
        queue.queue_id, item_id=trace_id, status="complete", completed_by="a"
    )
    issue = store.create_issue(
        experiment, "slow", "it is ☃ slow", severity=IssueSeverity.HIGH, root_causes=["x"],
        categories=["ä"], created_by="me",
    )  # fmt: skip
    store.update_issue(issue.issue_id, IssueStatus.RESOLVED)


def shown(lake: str) -> dict[str, list[str]]:
    found = {}
    for view in VIEWS:
        rows = lakeflow.sql(f"SELECT * FROM {view}", tracking_uri=lake).to_pylist()
        kept = [
            {
                name: decoded_if_json(each) if name in _JSON else each
                for name, each in row.items()
                if name not in _OF_THE_LAKE
            }
            for row in rows
            # Each lake has made it, at another time.
            if row.get("name") != "Default"
        ]
        found[view] = sorted(map(repr, kept))
    found["points"] = sorted(
        map(
            repr,
            lakeflow.sql(
                "SELECT run_id, key, step, timestamp, value FROM metrics", tracking_uri=lake
            ).to_pylist(),
        )
    )
    return found


def test_both_readers_make_the_same_lake(migrated: Path, tmp_path: Path) -> None:
    shutil.copy(migrated, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    run_id = fill(uri)
    slow, fast = str(tmp_path / "slow"), str(tmp_path / "fast")
    report = from_tracking(uri, slow)
    assert report.is_complete, report.problems
    from_mlflow(uri, fast)
    assert shown(slow) == shown(fast)
    client = LakeflowClient(slow)
    assert [each.path for each in client.list_artifacts(run_id, "a")] == ["a/ü.txt"]
    before = shown(slow)
    again = from_tracking(uri, slow)
    assert again.is_complete, again.problems
    assert shown(slow) == before


@pytest.mark.skipif(IS_2, reason="MLflow 2 has no reviews")
def test_questions_that_nobody_has_listed_are_not_made_by_looking(
    migrated: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment, gone = (client.create_experiment(name) for name in ("asked", "gone"))
    client.delete_experiment(gone)
    store = client._tracking_client.store
    from mlflow.genai.label_schemas import InputText

    first, _ = (
        store.create_label_schema(experiment, name=name, type="feedback", input=InputText())
        for name in ("in a queue", "in none")
    )
    store.create_review_queue(
        experiment, name="q", queue_type="custom", schema_ids=[first.schema_id]
    )
    client.create_webhook("w", "https://93.184.215.14", ["registered_model.created"])
    lake = str(tmp_path / "lake")
    report = from_tracking(uri, lake)
    assert [(each.where, each.is_loss) for each in report.problems] == [
        ("webhooks", True),
        ("1 deleted experiments", False),
        ("label schemas of 2 experiments", False),
    ]
    found = lakeflow.sql("SELECT name FROM label_schemas", tracking_uri=lake).to_pylist()
    assert found == [{"name": "in a queue"}]
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM label_schemas").fetchone() == (2,)


@pytest.mark.skipif(IS_2, reason="MLflow 2 has no reviews")
def test_of_experiments_that_nobody_wants_no_reviews_are_asked_for(
    migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(migrated, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri, uri)
    wanted, *_ = (client.create_experiment(name) for name in ("wanted", "other", "gone"))
    client.delete_experiment(client.get_experiment_by_name("gone").experiment_id)
    client._tracking_client.store.list_label_schemas(wanted)
    source = tracking.TrackingSource(uri)
    asked = []
    for name in ("list_scorers", "list_label_schemas", "list_review_queues", "search_issues"):
        ask = getattr(source.store, name)

        def recorded(key: str, ask: Any = ask, **given: Any) -> Any:
            asked.append((ask.__name__, key))
            return ask(key, **given)

        monkeypatch.setattr(source.store, name, recorded)
    report = import_from(source, str(tmp_path / "lake"), experiments="wanted")
    assert report.problems == [], "nor is anything said of them"
    assert len(asked) == 4
    assert {key for _, key in asked} == {wanted}


def test_traces_without_their_spans_are_told_and_the_rest_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file store has spans in files.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr(tracking, "_TRACES_A_PAGE", 2)
    uri = str(tmp_path / "mlruns")
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("asked").experiment_id
    ids = []
    for number in range(7):
        with mlflow.start_span(f"span {number}"):
            pass
        ids.append(mlflow.get_last_active_trace_id() if not IS_2 else _last_of_2())
    lost = {ids[0], ids[3], ids[6]}
    for each in lost:
        (spans,) = (tmp_path / "mlruns" / experiment / "traces" / each).rglob("traces.json")
        spans.unlink()
    report = from_tracking(uri, str(tmp_path / "lake"))
    assert {each.where for each in report.problems} == {f"trace {each}" for each in lost}
    assert not report.is_complete
    for table, count in (("traces", 7), ("spans", 4)):
        totals = report.tables[table]
        assert (totals.source.count, totals.lake.count) == (count, count)


def test_points_of_models_that_nobody_asks_for_are_not_held() -> None:
    source = tracking.TrackingSource("http://127.0.0.1:9")
    point = Metric("acc", 0.5, 1, 0)
    held = weakref.ref(point)
    model = types.SimpleNamespace(
        **dict.fromkeys(["name", "creation_timestamp", "last_updated_timestamp"]),
        **dict.fromkeys(["artifact_location", "status_message", "model_type", "source_run_id"]),
        model_id="m", status=types.SimpleNamespace(value="READY"), params={}, tags={}, metrics=[point],
    )  # fmt: skip
    page = PagedList([model], None)
    source.client = types.SimpleNamespace(search_logged_models=lambda *_, **__: page)
    (item,) = source.logged_models([ExperimentItem("0", "one")])
    assert item.point_count == 1
    page.clear()
    del model, point
    assert held() is None
    source.close()


def _last_of_2() -> str:
    return str(mlflow.get_last_active_trace().info.request_id)


def test_a_server_that_is_not_there_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"MLflow at http://127\.0\.0\.1:9 cannot be read"):
        from_tracking("http://127.0.0.1:9", str(tmp_path / "lake"))
    assert not (tmp_path / "lake" / "tables").exists()
