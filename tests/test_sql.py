"""SQL over the lake: what the views show, what a statement may do, the script for any DuckDB."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import math
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from evaluated import evaluate
from measured import measure
from traced import log_trace

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunTag,
    validation,
)
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, LakeflowException
from lakeflow.open_store import open_store
from lakeflow.queries import setup
from lakeflow.query.engine.sandbox import Sandbox
from lakeflow.query.engine.views import VIEWS as ALL_VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lakeflow import formats

VIEWS = ALL_VIEWS.reads
MS = "BIGINT"
AT = "TIMESTAMP WITH TIME ZONE"
TEXT = "VARCHAR"
IDS = {"experiment_id": TEXT, "run_id": TEXT}
POINT = {"timestamp": MS, "timestamp_at": AT}
RUN = {
    "run_id": TEXT,
    "experiment_id": TEXT,
    "start_time": MS,
    "start_time_at": AT,
    "end_time": MS,
    "end_time_at": AT,
    "status": TEXT,
    "lifecycle_stage": TEXT,
    "run_name": TEXT,
    "user_id": TEXT,
    "artifact_uri": TEXT,
}
INPUT = dict.fromkeys(
    ["name", "digest", "source_type", "source", "schema", "profile", "tags"], TEXT
)
CHANGED = {
    "creation_timestamp": MS,
    "creation_timestamp_at": AT,
    "last_updated_timestamp": MS,
    "last_updated_timestamp_at": AT,
}
CREATED = {"created_time": MS, "created_time_at": AT}
UPDATED = {"last_update_time": MS, "last_update_time_at": AT}
MADE = {"creation_time": MS, "creation_time_at": AT}
VERSION = {"model_id": TEXT, "name": TEXT, "version": MS}
PAIR_OF_A_MODEL = dict.fromkeys(["experiment_id", "model_id", "key", "value"], TEXT)
MEASURED = dict.fromkeys(
    ["experiment_id", "model_id", "key", "dataset_name", "dataset_digest", "run_id"], TEXT
)
COLUMNS = {
    "control_events": {
        "number": MS,
        "event_id": TEXT,
        "time": MS,
        "time_at": AT,
        "user_id": TEXT,
        "changes": TEXT,
    },
    "experiments": {
        "experiment_id": TEXT,
        "name": TEXT,
        "artifact_location": TEXT,
        "lifecycle_stage": TEXT,
        "creation_time": MS,
        "creation_time_at": AT,
        "last_update_time": MS,
        "last_update_time_at": AT,
        "tags": "MAP(VARCHAR, VARCHAR)",
    },
    "runs": RUN,
    "params": {**IDS, "key": TEXT, "value": TEXT},
    "tags": {**IDS, "key": TEXT, "value": TEXT},
    "metrics": {
        **IDS,
        "key": TEXT,
        "step": MS,
        **POINT,
        "value": "DOUBLE",
        "clock": MS,
        "writer": TEXT,
        "seq": MS,
        "place": MS,
    },
    "latest_metrics": {
        **IDS,
        "key": TEXT,
        "value": "DOUBLE",
        "step": MS,
        **POINT,
        "min": "DOUBLE",
        "max": "DOUBLE",
        "count": MS,
    },
    "inputs": {**IDS, **INPUT},
    "artifacts": {
        **IDS,
        "path": "VARCHAR",
        "size": MS,
        "sha256": "VARCHAR",
        "kind": "VARCHAR",
        "key": "VARCHAR",
        "step": MS,
        "timestamp": MS,
        "timestamp_at": AT,
        "log_time": MS,
        "log_time_at": AT,
    },
    "model_inputs": dict.fromkeys(["experiment_id", "run_id", "model_id"], TEXT),
    "model_outputs": {
        **dict.fromkeys(["experiment_id", "run_id", "model_id"], TEXT),
        "step": MS,
    },
    "logged_models": {
        **dict.fromkeys(["model_id", "experiment_id", "name"], TEXT),
        **CHANGED,
        **dict.fromkeys(
            [
                "status",
                "status_message",
                "model_type",
                "source_run_id",
                "lifecycle_stage",
                "artifact_location",
            ],
            TEXT,
        ),
    },
    "logged_model_params": PAIR_OF_A_MODEL,
    "logged_model_tags": PAIR_OF_A_MODEL,
    "logged_model_files": {
        **dict.fromkeys(["experiment_id", "model_id", "path", "sha256"], TEXT),
        **dict.fromkeys(["size", "log_time", "clock"], MS),
    },
    "logged_model_metrics": {
        **MEASURED,
        "step": MS,
        "timestamp": MS,
        "timestamp_at": AT,
        "value": "DOUBLE",
        "clock": MS,
        "writer": TEXT,
        "seq": MS,
        "place": MS,
    },
    "latest_logged_model_metrics": {
        **MEASURED,
        "value": "DOUBLE",
        "step": MS,
        "timestamp": MS,
        "timestamp_at": AT,
        "min": "DOUBLE",
        "max": "DOUBLE",
        "count": MS,
    },
    "registered_models": {
        "model_id": TEXT,
        "name": TEXT,
        **CHANGED,
        "description": TEXT,
        "last_version": MS,
        "requires_approval": "BOOLEAN",
        "tags": "MAP(VARCHAR, VARCHAR)",
        "aliases": "MAP(VARCHAR, BIGINT)",
    },
    "model_versions": {
        **VERSION,
        **CHANGED,
        **dict.fromkeys(
            [
                "current_stage",
                "run_id",
                "source",
                "storage_location",
                "description",
                "user_id",
                "run_link",
                "status",
                "status_message",
                "approval",
                "signature",
            ],
            TEXT,
        ),
        "file_count": MS,
        "tags": "MAP(VARCHAR, VARCHAR)",
        "aliases": "VARCHAR[]",
    },
    "model_version_files": {**VERSION, "path": TEXT, "size": MS, "sha256": TEXT},
    "latest_versions": {"model_id": TEXT, "stage": TEXT, "version": MS, "count": MS},
    "registry_events": {
        "event_id": TEXT,
        **VERSION,
        "time": MS,
        "time_at": AT,
        **dict.fromkeys(["user_id", "action", "key", "before", "after"], TEXT),
    },
    "model_lineage": {
        **dict.fromkeys(
            [
                "dataset_name",
                "dataset_digest",
                "dataset_source",
                "experiment_id",
                "run_id",
                "run_name",
                "model_name",
            ],
            TEXT,
        ),
        "version": MS,
        "current_stage": TEXT,
        "approval": TEXT,
        "aliases": "VARCHAR[]",
    },
    "traces": {
        "trace_id": "VARCHAR",
        "experiment_id": "VARCHAR",
        "name": "VARCHAR",
        "state": "VARCHAR",
        "request_time": "BIGINT",
        "request_time_at": "TIMESTAMP WITH TIME ZONE",
        "execution_duration": "BIGINT",
        "run_id": "VARCHAR",
        "session_id": "VARCHAR",
        "user_id": "VARCHAR",
        "client_request_id": "VARCHAR",
        "input_tokens": "BIGINT",
        "output_tokens": "BIGINT",
        "cached_tokens": "BIGINT",
        "total_tokens": "BIGINT",
        "cache_creation_tokens": "BIGINT",
        "input_cost": "DOUBLE",
        "output_cost": "DOUBLE",
        "total_cost": "DOUBLE",
        "span_count": "BIGINT",
        "request_preview": "VARCHAR",
        "response_preview": "VARCHAR",
    },
    "trace_tags": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "key": "VARCHAR",
        "value": "VARCHAR",
    },
    "trace_metadata": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "key": "VARCHAR",
        "value": "VARCHAR",
    },
    "trace_runs": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "run_id": "VARCHAR",
        "linked_time": "BIGINT",
        "linked_time_at": "TIMESTAMP WITH TIME ZONE",
    },
    "trace_prompts": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "prompt": "VARCHAR",
        "linked_time": "BIGINT",
        "linked_time_at": "TIMESTAMP WITH TIME ZONE",
    },
    "spans": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "parent_span_id": "VARCHAR",
        "name": "VARCHAR",
        "span_type": "VARCHAR",
        "kind": "VARCHAR",
        "status": "VARCHAR",
        "status_message": "VARCHAR",
        "day": "BIGINT",
        "start_time_ns": "BIGINT",
        "start_time_at": "TIMESTAMP WITH TIME ZONE",
        "end_time_ns": "BIGINT",
        "end_time_at": "TIMESTAMP WITH TIME ZONE",
        "duration_ms": "DOUBLE",
        "service_name": "VARCHAR",
        "session_id": "VARCHAR",
        "user_id": "VARCHAR",
        "operation": "VARCHAR",
        "provider": "VARCHAR",
        "request_model": "VARCHAR",
        "response_model": "VARCHAR",
        "agent_name": "VARCHAR",
        "tool_name": "VARCHAR",
        "finish_reasons": "VARCHAR[]",
        "input_tokens": "BIGINT",
        "output_tokens": "BIGINT",
        "cached_tokens": "BIGINT",
        "total_tokens": "BIGINT",
        "cache_creation_tokens": "BIGINT",
        "input_cost": "DOUBLE",
        "output_cost": "DOUBLE",
        "total_cost": "DOUBLE",
        "attributes": "JSON",
        "attribute_texts": "MAP(VARCHAR, VARCHAR)",
        "attribute_numbers": "MAP(VARCHAR, DOUBLE)",
        "inputs": "JSON",
        "outputs": "JSON",
        "resource": "JSON",
        "scope": "JSON",
        "trace_state": "VARCHAR",
        "flags": "BIGINT",
    },
    "span_events": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "name": "VARCHAR",
        "time_ns": "BIGINT",
        "time_at": "TIMESTAMP WITH TIME ZONE",
        "attributes": "JSON",
    },
    "span_links": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "span_id": "VARCHAR",
        "linked_trace_id": "VARCHAR",
        "linked_span_id": "VARCHAR",
        "trace_state": "VARCHAR",
        "attributes": "JSON",
    },
    "assessments": {
        "experiment_id": "VARCHAR",
        "trace_id": "VARCHAR",
        "assessment_id": "VARCHAR",
        "span_id": "VARCHAR",
        "run_id": "VARCHAR",
        "name": "VARCHAR",
        "kind": "VARCHAR",
        "value": "JSON",
        "rationale": "VARCHAR",
        "error": "JSON",
        "source_type": "VARCHAR",
        "source_id": "VARCHAR",
        "create_time": "BIGINT",
        "create_time_at": "TIMESTAMP WITH TIME ZONE",
        "last_update_time": "BIGINT",
        "last_update_time_at": "TIMESTAMP WITH TIME ZONE",
        "overrides": "VARCHAR",
        "valid": "BOOLEAN",
        "metadata": "JSON",
    },
    "evaluation_datasets": {
        "dataset_id": TEXT,
        "name": TEXT,
        **CREATED,
        **UPDATED,
        **dict.fromkeys(["created_by", "last_updated_by", "digest"], TEXT),
        "tags": "MAP(VARCHAR, VARCHAR)",
        "experiment_ids": "VARCHAR[]",
    },
    "evaluation_dataset_fields": dict.fromkeys(
        ["dataset_id", "section", "field", "type"], TEXT
    ),
    "evaluation_dataset_records": {
        "dataset_id": TEXT,
        "record_id": TEXT,
        "inputs": "JSON",
        "outputs": "JSON",
        "expectations": "MAP(VARCHAR, JSON)",
        "tags": "MAP(VARCHAR, VARCHAR)",
        "source_type": TEXT,
        "source_id": TEXT,
        "source": "JSON",
        **CREATED,
        **UPDATED,
        "created_by": TEXT,
        "last_updated_by": TEXT,
    },
    "scorers": {
        **dict.fromkeys(["experiment_id", "scorer_id", "name"], TEXT),
        "latest_version": MS,
        **MADE,
        "sample_rate": "DOUBLE",
        "filter_string": TEXT,
    },
    "scorer_versions": {
        **dict.fromkeys(["experiment_id", "scorer_id", "name"], TEXT),
        "version": MS,
        "serialized_scorer": "JSON",
        **MADE,
    },
    "label_schemas": {
        "experiment_id": "VARCHAR",
        "schema_id": "VARCHAR",
        "name": "VARCHAR",
        "full_name": "VARCHAR",
        "type": "VARCHAR",
        "input_type": "VARCHAR",
        "input_config": "VARCHAR",
        "instruction": "VARCHAR",
        "enable_comment": "BIGINT",
        "is_default": "BIGINT",
        "created_time": "BIGINT",
        "last_update_time": "BIGINT",
    },
    "review_queues": {
        "experiment_id": "VARCHAR",
        "queue_id": "VARCHAR",
        "name": "VARCHAR",
        "full_name": "VARCHAR",
        "queue_type": "VARCHAR",
        "created_by": "VARCHAR",
        "created_time": "BIGINT",
        "last_update_time": "BIGINT",
    },
    "review_queue_users": {
        "experiment_id": "VARCHAR",
        "queue_id": "VARCHAR",
        "user_id": "VARCHAR",
        "created_time": "BIGINT",
    },
    "review_queue_label_schemas": {
        "experiment_id": "VARCHAR",
        "queue_id": "VARCHAR",
        "schema_id": "VARCHAR",
        "created_time": "BIGINT",
    },
    "review_queue_items": {
        "experiment_id": "VARCHAR",
        "queue_id": "VARCHAR",
        "item_id": "VARCHAR",
        "item_type": "VARCHAR",
        "status": "VARCHAR",
        "created_time": "BIGINT",
        "last_update_time": "BIGINT",
        "completed_by": "VARCHAR",
        "completed_time": "BIGINT",
    },
    "issues": {
        "experiment_id": "VARCHAR",
        "issue_id": "VARCHAR",
        "name": "VARCHAR",
        "description": "VARCHAR",
        "status": "VARCHAR",
        "severity": "VARCHAR",
        "severity_rank": "BIGINT",
        "root_causes": "VARCHAR",
        "source_run_id": "VARCHAR",
        "categories": "VARCHAR",
        "created_timestamp": "BIGINT",
        "last_updated_timestamp": "BIGINT",
        "created_by": "VARCHAR",
    },
    "runs_wide": {
        **RUN,
        "params": "MAP(VARCHAR, VARCHAR)",
        "tags": "MAP(VARCHAR, VARCHAR)",
        "metrics": "MAP(VARCHAR, DOUBLE)",
        "inputs": 'STRUCT("name" VARCHAR, digest VARCHAR, source_type VARCHAR, '
        '"source" VARCHAR, "schema" VARCHAR, profile VARCHAR, tags VARCHAR)[]',
    },
}

NAN = math.nan


@pytest.fixture
def ask(uri: str) -> Callable[..., list[dict[str, Any]]]:
    def rows(query: str, params: Any = None, **options: Any) -> list[dict[str, Any]]:
        return lakeflow.sql(query, params, output_format="list", tracking_uri=uri, **options)

    return rows


@pytest.fixture
def shown(ask: Callable[..., list[dict[str, Any]]]) -> Callable[[], dict[str, list[str]]]:
    """Return a function that returns all rows of all views, comparable."""

    def everything() -> dict[str, list[str]]:
        return {name: sorted(map(comparable, ask(f"FROM {name}"))) for name in VIEWS}

    return everything


def comparable(value: Any) -> str:
    """Return a text that is the same for equal rows, NaN and the order of maps included."""
    if isinstance(value, dict):
        return repr(sorted((key, comparable(each)) for key, each in value.items()))
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    return repr(value)


def fill(client: LakeflowClient, name: str) -> str:
    run_id = client.create_run("0", start_time=1_700_000_000_123, run_name=name).info.run_id
    points = [
        Metric("loss", 0.5, 1_000, 1),
        Metric("loss", NAN, 1_001, 2),
        Metric("loss", NAN, 1_001, 2),
        Metric("loss", -math.inf, 5, -1),
        Metric("only nan", NAN, 0, 0),
    ]
    params = [Param("lr", "0.1"), Param("a key/x", 'it\'s "quoted" \N{SNOWMAN}\n')]
    client.log_batch(run_id, points, params, [RunTag("team", "ML")])
    source = Dataset("d", "1", "local", "s", "schema")
    client.log_inputs(run_id, [DatasetInput(source, [InputTag("k", "v")])])
    client.log_text(run_id, "text", "a file.txt")
    return run_id


@pytest.mark.parametrize("view", COLUMNS)
def test_a_view_has_the_columns_that_are_documented(
    view: str, client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    client.search_experiments()
    for _ in range(2):
        described = ask(f"DESCRIBE {view}")
        assert {row["column_name"]: row["column_type"] for row in described} == COLUMNS[view]
        fill(client, "r")


def test_the_page_lists_every_column() -> None:
    page = (Path(__file__).parent.parent / "docs/reference/sql.md").read_text()
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    assert rows.keys() == VIEWS.keys()
    for view, columns in COLUMNS.items():
        assert all(f" {name}" in rows[view] for name in columns), view


def test_show_tables_lists_the_views(client: LakeflowClient, ask: Callable[..., Any]) -> None:
    fill(client, "r")
    assert [row["name"] for row in ask("SHOW TABLES")] == sorted(VIEWS)


def register(uri: str, name: str, run_id: str) -> None:
    """Register two versions of a model, one with a file and an alias."""
    store = open_store(uri, create=False)
    store.models.create(name, {"team": "a"}, "text")
    store.artifacts.log_bytes(run_id, f"{name}/model.bin", b"abc")
    source = f"runs:/{run_id}/{name}"
    store.model_versions.create(name, source, run_id, {"k": "v"}, tracking=lambda: store)
    store.model_versions.create(name, "elsewhere")
    store.model_versions.transition(name, 2, "staging", False)
    store.models.set_alias(name, "champion", 1)


ROWS_OF_TWO = {
    "experiments": 2,
    "control_events": 24,
    "runs": 3,
    "params": 5,
    "tags": 4,
    "metrics": 18,
    "latest_metrics": 7,
    "inputs": 2,
    "artifacts": 4,
    "registered_models": 2,
    "model_versions": 4,
    "model_version_files": 2,
    "registry_events": 10,
    "model_lineage": 4,
    "traces": 2,
    "trace_tags": 3,
    "trace_metadata": 2,
    "trace_runs": 3,
    "trace_prompts": 4,
    "spans": 4,
    "span_events": 2,
    "span_links": 2,
    "assessments": 4,
    "evaluation_datasets": 2,
    "evaluation_dataset_records": 3,
    "scorers": 2,
    "scorer_versions": 4,
    "logged_models": 2,
    "logged_model_metrics": 6,
    "latest_logged_model_metrics": 4,
    "runs_wide": 3,
    "model_inputs": 2,
    "model_outputs": 2,
    "latest_versions": 4,
    "evaluation_dataset_fields": 6,
    "logged_model_params": 2,
    "logged_model_tags": 2,
    "logged_model_files": 2,
    "label_schemas": 2,
    "review_queues": 2,
    "review_queue_users": 2,
    "review_queue_label_schemas": 2,
    "review_queue_items": 4,
    "issues": 2,
}


def test_hot_stored_and_mixed_rows_look_alike(
    uri: str, client: LakeflowClient, shown: Callable[[], dict[str, list[str]]]
) -> None:
    experiment_id = client.create_experiment("e", tags={"b": "2", "a": "1"})
    client.create_run(experiment_id)
    run_id = fill(client, "first")
    register(uri, "seed", run_id)
    trace_id = log_trace(uri, run_id)
    dataset_id = evaluate(uri, "first")
    measure(uri, run_id)
    hot = shown()
    lakeflow.compact(uri)
    assert shown() == hot

    second = fill(client, "second")
    client.log_metric(run_id, "loss", 0.25, 1_002, 3)
    client.log_metric(run_id, "new", 1.0)
    client.log_param(run_id, "late", "p")
    client.delete_tag(run_id, "team")
    client.set_terminated(run_id)
    register(uri, "fruit", run_id)
    log_trace(uri, run_id)
    evaluate(uri, "second")
    measure(uri, second)
    store = open_store(uri, create=False)
    store.traces.set_tag(trace_id, "later", "2")
    store.traces.link_to_run([trace_id], second)
    removed = store.evaluation_datasets.load(dataset_id)[0].dataset_record_id
    store.evaluation_datasets.delete_records(dataset_id, [removed])
    mixed = shown()
    lakeflow.compact(uri)
    assert shown() == mixed
    assert {name: len(mixed[name]) for name in VIEWS} == ROWS_OF_TWO


def test_a_record_of_a_point_is_there_once(
    uri: str, client: LakeflowClient, run_id: str, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    for round_ in (1, 2):
        for value in (NAN, 1.0, 1.0):
            client.log_metric(run_id, "m", value, 7, 1)
        for _ in range(2):
            rows = ask('SELECT step, "timestamp", "value" FROM metrics ORDER BY "value"')
            assert [(row["step"], row["timestamp"]) for row in rows] == [(1, 7)] * 3 * round_
            assert [row["value"] for row in rows[: 2 * round_]] == [1.0] * 2 * round_
            assert all(math.isnan(row["value"]) for row in rows[2 * round_ :])
            lakeflow.compact(uri)


def test_maps_answer_for_one_key(
    client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    fill(client, "r")
    query = "SELECT params['lr'] AS lr, metrics['none'] AS missing, tags['team'] AS team"
    assert ask(f"{query} FROM runs_wide") == [{"lr": "0.1", "missing": None, "team": "ML"}]


def test_times_are_readable_where_there_is_a_calendar(
    client: LakeflowClient,
    run_id: str,
    ask: Callable[..., list[dict[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Earlier versions took any.
    monkeypatch.setattr(validation, "LAST_MS", 2**63 - 1)
    for moment in (1_700_000_000_123, 1_700_000_000_123_000, 2**63 - 1, 0):
        client.log_metric(run_id, "m", 1.0, moment)
    rows = ask('SELECT "timestamp", timestamp_at FROM metrics WHERE timestamp_at IS NOT NULL')
    moment = datetime.datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=datetime.UTC)
    beginning = datetime.datetime.fromtimestamp(0, datetime.UTC)
    assert sorted(tuple(row.values()) for row in rows) == [
        (0, beginning),
        (1_700_000_000_123, moment),
    ]
    assert len(ask("FROM metrics")) == 4


def test_as_of_is_what_the_tables_held(
    uri: str, client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    count = "SELECT count(*) AS n FROM runs_wide JOIN runs USING (run_id)"
    fill(client, "first")
    lakeflow.compact(uri)
    time.sleep(0.05)
    between = datetime.datetime.now(datetime.UTC)
    time.sleep(0.05)
    fill(client, "second")
    lakeflow.compact(uri)
    fill(client, "third")
    assert ask(count) == [{"n": 3}]
    assert ask(count, as_of=datetime.datetime.now(datetime.UTC)) == [{"n": 2}]
    assert ask("SELECT DISTINCT run_id FROM metrics", as_of=between) == ask(
        "SELECT run_id FROM runs WHERE run_name = 'first'"
    )
    assert ask(count, as_of=0) == [{"n": 0}]


def test_values_are_bound_by_position_and_by_name(
    client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    fill(client, "it's")
    assert ask("SELECT ? AS a, ? AS b", [1, None]) == [{"a": 1, "b": None}]
    assert ask("SELECT $1 AS a", ("x",)) == [{"a": "x"}]
    name = "SELECT count(*) AS n FROM runs WHERE run_name = $name"
    assert ask(name, {"name": "it's"}) == [{"n": 1}]
    assert ask(name, {"name": "' OR true --"}) == [{"n": 0}]
    for wrong in ([], ["a", "b"], {"other": 1}):
        with pytest.raises(InvalidInputError):
            ask(name, wrong)


def test_each_format_has_the_same_rows(client: LakeflowClient, uri: str) -> None:
    fill(client, "r")
    query = "SELECT run_name, metrics, start_time_at FROM runs_wide"
    assert lakeflow.sql(query, tracking_uri=uri).column("run_name").to_pylist() == ["r"]
    polars = lakeflow.sql(query, tracking_uri=uri, output_format="polars")
    assert polars["run_name"].to_list() == ["r"]
    pandas = lakeflow.sql(query, tracking_uri=uri, output_format="pandas")
    assert pandas["start_time_at"][0].timestamp() == 1_700_000_000.123
    with pytest.raises(InvalidInputError, match="'list'"):
        lakeflow.sql(query, tracking_uri=uri, output_format="rows")  # type: ignore[call-overload]


def test_a_map_is_a_dict_in_every_format_with_objects(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    client.log_metric(run_id, "m", 0.5)

    def ask(query: str, output_format: formats.Format) -> Any:
        return lakeflow.sql(query, tracking_uri=uri, output_format=output_format)

    query = "SELECT metrics, [metrics] AS several FROM runs_wide"
    assert ask(query, "pandas")["metrics"][0] == {"m": 0.5}
    assert list(ask(query, "pandas")["several"][0]) == [{"m": 0.5}]
    assert ask(query, "list") == [{"metrics": {"m": 0.5}, "several": [{"m": 0.5}]}]
    assert ask("SELECT NULL::MAP(VARCHAR, INT) AS m", "pandas")["m"][0] is None
    # What is the key of no dict.
    assert ask("SELECT MAP {[1]: 2} AS m", "list") == [{"m": [([1], 2)]}]
    ((key, value),) = ask("SELECT MAP {[1]: 2} AS m", "pandas")["m"][0]
    assert (list(key), value) == ([1], 2)


def test_an_error_of_a_statement_is_duckdbs_own_text(
    client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    client.search_experiments()
    for query, text in {
        "SELEC 1": "syntax error",
        "SELECT nothing FROM runs": '"nothing" not found',
        "FROM run": "runs",
        "SELECT error('mine')": "mine",
        "SELECT 'a'::INT": "Could not convert",
        "": "0 statements",
        "SELECT " + "(" * 5000 + "1" + ")" * 5000: ".",
    }.items():
        with pytest.raises(InvalidInputError, match=text):
            ask(query)
    assert ask("SELECT 1 AS a") == [{"a": 1}]


READING = [
    "SELECT 1",
    "SELECT 1; -- that was all",
    "/* first */ SELECT ';' -- DROP TABLE runs",
    "FROM runs",
    "TABLE runs",
    "VALUES (1), (2)",
    "WITH runs AS (SELECT * FROM runs) SELECT count(*) FROM runs",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) FROM n",
    "(SELECT run_id FROM runs) EXCEPT (SELECT run_id FROM metrics)",
    "PIVOT latest_metrics ON key IN ('loss', 'acc') USING any_value(value) GROUP BY run_id",
    "UNPIVOT (SELECT run_id, status FROM runs) ON status",
    "DESCRIBE runs_wide",
    "SUMMARIZE metrics",
    "SHOW TABLES",
    "SHOW runs",
    "EXPLAIN SELECT * FROM runs",
    "-- plan\nexplain\tanalyze SELECT * FROM runs",
    "SELECT * FROM range(3), generate_series(1, 2)",
    "SELECT unnest(map_keys(metrics)) FROM runs_wide",
    "SELECT key, value FROM runs, json_each('{\"a\": 1}')",
    "SELECT table_name FROM information_schema.tables",
    "FROM main.runs",
    "WITH RECURSIVE n USING KEY (a) AS (SELECT 1 a UNION SELECT a FROM recurring.n) FROM n",
    "SELECT repeat('ab', 2), lpad('a', 3, 'b'), list_resize([1], 3), range(1, 9, 2), range(3)",
    "SELECT replace(params['lr'], '0', 'zero'), regexp_replace('ab', '(.)', '\\\\1x', 'g') "
    "FROM runs_wide",
    "SELECT range(date '2020-01-01', date '2020-01-05', interval 1 day)",
    "SELECT printf('%5d|%s', 1, 'a'), format('{:.3f}', 1.5)",
    "SELECT a->'b'->'c'->'d'->'e'->'f'->'g' FROM (SELECT '{}'::JSON a)",
    "SELECT [x + 1 for x in [y for y in [1, 2]] if x > 1]",
    'SELECT "key", row_number() OVER (ORDER BY step) FROM metrics QUALIFY true',
]


@pytest.mark.parametrize("query", READING)
def test_a_statement_that_reads_is_answered(
    query: str, client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    fill(client, "r")
    assert ask(query) is not None


HOSTILE = [
    # writes, plain and hidden
    "INSERT INTO runs VALUES (1)",
    "UPDATE runs SET status = 'x'",
    "DELETE FROM runs",
    "TRUNCATE runs",
    "MERGE INTO runs USING tags ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW runs AS SELECT 1",
    "CREATE MACRO m() AS TABLE SELECT * FROM read_text('{secret}')",
    "CREATE SECRET (TYPE s3)",
    "CREATE TYPE mood AS ENUM ('a')",
    "CREATE SEQUENCE s",
    "DROP VIEW runs",
    "ALTER TABLE runs RENAME TO r",
    "COMMENT ON VIEW runs IS 'x'",
    "WITH a AS (INSERT INTO hot.runs VALUES (1) RETURNING *) FROM a",
    "WITH a AS (COPY (SELECT 1) TO '{stored}') FROM a",
    "SELECT (WITH a AS (DELETE FROM hot.runs RETURNING *) SELECT 1)",
    # files written
    "COPY (SELECT 1) TO '{target}'",
    "COPY runs TO '{stored}' (USE_TMP_FILE false)",
    "COPY hot.runs FROM '{secret}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{stored}' (USE_TMP_FILE false)",
    "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{stored}'",
    "EXPLAIN ANALYZE WITH a AS (COPY (SELECT 1) TO '{stored}') FROM a",
    "EXPORT DATABASE '{target}'",
    "IMPORT DATABASE '{target}'",
    "ATTACH '{target}' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH memory",
    "COPY FROM DATABASE memory TO other",
    # files read
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT (SELECT content FROM read_blob('{secret}'))",
    "SELECT * FROM read_parquet('{folder}/*.parquet')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM '{stored}'",
    "SELECT * FROM lakeflow.latest_metrics",
    "SELECT * FROM Hot.runs",
    "SELECT * FROM 'lake://tables/../lake.json'",
    'SELECT * FROM "{secret}"',
    "SUMMARIZE '{secret}'",
    "DESCRIBE SELECT * FROM '{secret}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM '{lake}/tables/../log/x.csv'",
    "SELECT 1 ORDER BY (SELECT content FROM read_text('{secret}'))",
    "SELECT * FROM query('FROM read_text(''{secret}'')')",
    "SELECT * FROM query_table('{secret}')",
    "SELECT getenv('HOME')",
    "SELECT * FROM variable_of_python",
    # what DuckDB knows of the process, of its own tables, and of other statements
    "SELECT current_setting('home_directory')",
    "SELECT current_query()",
    "SELECT getvariable('x')",
    "SELECT pg_get_viewdef(1)",
    "SELECT write_log('x')",
    "FROM pg_settings",
    "FROM pg_catalog.pg_views",
    "FROM information_schema.views",
    "FROM sqlite_master",
    "FROM duckdb_views",
    "FROM duckdb_views()",
    "FROM duckdb_settings()",
    "FROM duckdb_temporary_files()",
    "FROM pragma_table_info('{stored}')",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "SHOW TABLES FROM lakeflow",
    "FROM call_0.main.runs",
    "FROM (WITH pg_settings AS (SELECT 1) SELECT 1), pg_settings",
    "FROM (WITH \"{stored}\" AS (SELECT 1) SELECT 1), '{stored}'",
    # what is parsed or bound out of a text, and what ends the process
    "SELECT from_json('[]', repeat('[',20000)||'\"INT\"'||repeat(']',20000))",
    "SELECT '[]'.from_json_strict(repeat('[',20000)||'\"INT\"'||repeat(']',20000))",
    "SELECT main.json_transform('[]', repeat('[',20000)||'\"INT\"'||repeat(']',20000))",
    "SELECT (repeat('[',100000)||repeat(']',100000))::JSON::VARIANT",
    'SELECT NULL::STRUCT(a "variant"[])',
    "SELECT json_contains('[]', '1')",
    "SELECT json_serialize_plan('FROM read_text(''{secret}'')')",
    "SELECT json_deserialize_sql(json_serialize_sql('SELECT 1'))",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT 1 FROM a" + ", a" * 9000,
    "SELECT 1 FROM a" + ", a" * 200000,
    "SELECT 1 WHERE " + "'a' = '" + "a" * 1_000_000 + "'",
    "SELECT a" + ".a" * 9000,
    "SELECT " + "list_transform([1], lambda x: " * 40 + "1" + ")" * 40,
    "SELECT " + "[" * 80 + "1" + "]" * 80,
    "SELECT " + "[" * 900 + "1" + "]" * 900,
    "SELECT 1" + "+1" * 9000,
    "SELECT system.main.repeat('x', 3000000000)",
    "SELECT format('{:1000000000}', 1)",
    "SELECT format('{:{}}', 1, 1000000000)",
    "SELECT printf('%*d', 1000000000, 1)",
    "SELECT printf(printf('%%%dd', 100000000), 1)",
    # settings, extensions, network
    "SET threads = 1",
    "SET VARIABLE x = 1",
    "RESET lock_configuration",
    "PRAGMA threads = 1",
    "PRAGMA enable_profiling",
    "PRAGMA database_list",
    "CALL enable_logging(storage = 'file', storage_path = '{target}')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{target}')",
    "USE memory",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM 'https://example.com'",
    "LOAD '{secret}'",
    "SELECT * FROM 'https://example.com/a.parquet'",
    "SELECT * FROM read_csv('https://example.com/a.csv')",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    # several at once, and what hides one
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW runs",
    "SELECT 1 /* ; */; COPY (SELECT 1) TO '{target}'",
    "-- SELECT 1\nCREATE TABLE t (a INT)",
    "SELECT 1\x00; DROP VIEW runs",
    "EXPLAIN SELECT 1; DELETE FROM hot.runs",
    "EXPLAIN EXPLAIN ANALYZE INSERT INTO hot.runs VALUES (1)",
    "PIVOT latest_metrics ON key USING sum(value)",
    "SELECT * FROM arrow_scan(1::UBIGINT, 1::UBIGINT, 1::UBIGINT)",
]


def fingerprint(*folders: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return places around a lake with stored and hot runs."""
    folder = tmp_path_factory.mktemp("fortress")
    lake = folder / "lake"
    client = LakeflowClient(lake)
    fill(client, "stored")
    lakeflow.compact(lake)
    fill(client, "hot")
    secret = folder / "secret.csv"
    secret.write_text("word\nopen sesame\n")
    stored = next((lake / "tables/runs").glob("*.parquet"))
    return {
        "folder": str(folder),
        "lake": str(lake),
        "secret": str(secret),
        "stored": str(stored),
        "target": str(folder / "target"),
    }


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_statement_is_refused_and_changes_nothing(
    query: str, fortress: dict[str, str], tmp_path: Path
) -> None:
    variable_of_python = lakeflow.sql("SELECT 1", tracking_uri=fortress["lake"])
    before = fingerprint(Path(fortress["folder"]), tmp_path)
    for name, place in fortress.items():
        query = query.replace(f"{{{name}}}", place)
    with pytest.raises(InvalidInputError) as refused:
        lakeflow.sql(query, tracking_uri=fortress["lake"])
    assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert "sesame" not in str(refused.value)
    assert fingerprint(Path(fortress["folder"]), tmp_path) == before
    names = lakeflow.sql("SELECT run_name FROM runs", tracking_uri=fortress["lake"])
    assert sorted(names.column("run_name").to_pylist()) == ["hot", "stored"]
    del variable_of_python


def test_a_name_of_a_file_is_none_wherever_the_process_stands(
    fortress: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Path(fortress["stored"])
    monkeypatch.chdir(stored.parent)
    for name in (stored.name, "*.parquet", "typo.parquet"):
        for query in (f"FROM '{name}'", f'SHOW "{name}"', f"SUMMARIZE '{name}'"):
            with pytest.raises(InvalidInputError, match="there is no table") as raised:
                lakeflow.sql(query, tracking_uri=fortress["lake"])
            assert raised.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_statement_takes_no_more_time_memory_and_rows_than_it_may(
    client: LakeflowClient, ask: Callable[..., list[dict[str, Any]]]
) -> None:
    client.search_experiments()
    for query, bounds, code in (
        (
            "SELECT count(*) FROM range(10000000000000)",
            {"max_seconds": 0.2},
            "DEADLINE_EXCEEDED",
        ),
        ("FROM range(11)", {"max_rows": 10}, "RESOURCE_EXHAUSTED"),
        ("SELECT list(i) FROM range(9000000) t(i)", {"max_memory_bytes": 20 << 20}, None),
        ("SELECT length(repeat('x', 3000000000))", {}, None),
        ("SELECT len(range(3000000000))", {}, None),
        ("SELECT len(range(0, 3000000000, 1))", {}, None),
        ("SELECT len(list_resize([1], 3000000000))", {}, None),
        ("SELECT length('x'.lpad(2000000000, 'x'))", {}, None),
        ("SELECT replace(repeat('x', 99999), 'x', repeat('y', 99999))", {}, None),
        ("SELECT regexp_replace(repeat('x', 99999), 'x', repeat('y', 99999), 'g')", {}, None),
    ):
        with pytest.raises(LakeflowException) as raised:
            ask(query, **bounds)
        assert raised.value.error_code == (code or "RESOURCE_EXHAUSTED"), query
        assert isinstance(raised.value, MemoryError) == (code is None)
    assert len(ask("FROM range(10)", max_rows=10, max_seconds=60)) == 10
    assert len(ask("FROM range(10)", max_rows=0, max_seconds=0, max_memory_bytes=0)) == 10
    # Longer than a thread can wait.
    assert len(ask("FROM range(10)", max_seconds=10**12)) == 10
    for wrong in (
        {"max_rows": -1},
        {"max_rows": 1.5},
        {"max_seconds": NAN},
        {"max_seconds": 10**400},
        {"max_rows": "1"},
    ):
        with pytest.raises(InvalidInputError, match=next(iter(wrong))):
            ask("SELECT 1", **wrong)


def test_the_settings_bound_who_gives_no_bounds(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("LAKEFLOW_SQL_ROWS", "2")
    LakeflowClient(uri).create_run("0")
    with pytest.raises(LakeflowException, match="LAKEFLOW_SQL_ROWS"):
        lakeflow.sql("FROM range(3)", tracking_uri=uri)
    assert lakeflow.sql("FROM range(3)", tracking_uri=uri, max_rows=3).num_rows == 3


@pytest.mark.parametrize("output_format", ["arrow", "polars", "pandas", "list"])
def test_no_format_loses_a_column_or_raises_what_is_not_ours(
    output_format: Any, client: LakeflowClient, uri: str
) -> None:
    client.search_experiments()

    def ask(query: str) -> Any:
        return lakeflow.sql(query, tracking_uri=uri, output_format=output_format)

    found = ask("SELECT 1 AS a, 2 AS a, 3 AS A")
    if output_format == "list":
        assert found == [{"a": 1, "a_1": 2, "A_2": 3}]
    else:
        names = found.column_names if output_format == "arrow" else list(found.columns)
        assert names == ["a", "a_1", "A_2"]
    assert len(ask("SELECT TIMESTAMP '2020-01-01 00:00:00' AS a")) == 1
    for value in (
        "INTERVAL 1 DAY",
        "union_value(k := 1)",
        "MAP {[1]: 2}",
        "'infinity'::DATE",
        "'290000-01-01'::TIMESTAMPTZ",
        "'24:00:00'::TIME",
    ):
        # Where it has no place, the error is ours; Arrow has one for all.
        with contextlib.suppress(() if output_format == "arrow" else InvalidInputError):
            assert len(ask(f"SELECT {value} AS a")) == 1


def test_a_format_in_the_place_of_the_values_is_told_where_it_belongs(uri: str) -> None:
    with pytest.raises(InvalidInputError, match="output_format='pandas'"):
        lakeflow.sql("SELECT 1", "pandas", tracking_uri=uri)
    for wrong in ("text", b"bytes", 5, {1, 2}):
        with pytest.raises(InvalidInputError, match="params is"):
            lakeflow.sql("SELECT ?", wrong, tracking_uri=uri)  # type: ignore[call-overload]


def test_who_wants_to_write_is_told_how(client: LakeflowClient, uri: str) -> None:
    client.search_experiments()
    for query in ("DELETE FROM runs", "WITH a AS (UPDATE runs SET status = '') SELECT 1"):
        with pytest.raises(InvalidInputError, match="written through the client"):
            lakeflow.sql(query, tracking_uri=uri)


@pytest.mark.parametrize(
    ("query", "views"),
    [
        ("WITH a AS (FROM runs), runs_of AS (FROM a) FROM runs_of", {"runs"}),
        ("FROM range(3), metrics", {"metrics"}),
        ("DESCRIBE params", {"params"}),
        ("SHOW tags", {"tags"}),
        ("SHOW TABLES", ALL_VIEWS.reads.keys()),
        ("SELECT count(*) FROM information_schema.tables, runs", ALL_VIEWS.reads.keys()),
    ],
)
def test_a_statement_makes_the_views_that_it_names_or_lists(
    query: str, views: Collection[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    view = ALL_VIEWS.view
    monkeypatch.setattr(ALL_VIEWS, "view", lambda name: made.append(name) or view(name))
    sandbox = Sandbox(None, str(tmp_path))
    sandbox.answer(sandbox.question(query), {}, {})
    assert set(made) == views


def test_the_lock_alone_keeps_other_files_out(fortress: dict[str, str]) -> None:
    """The lock and the look at the statement each hold without the other."""
    cursor = Sandbox(None, f"{fortress['lake']}/tables").cursor()
    assert cursor.run("FROM read_parquet($f)", {"f": fortress["stored"]})
    for query in (
        "FROM read_text('{secret}')",
        "FROM '{lake}/tables/../../secret.csv'",
        "FROM glob('{folder}/*')",
        "COPY (SELECT 1) TO '{target}'",
        "ATTACH '{target}'",
        "SET allowed_directories = ['/']",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "CALL enable_logging(storage = 'file', storage_path = '{target}')",
    ):
        with pytest.raises(LakeflowException) as raised:
            cursor.run(query.format(**fortress))
        assert isinstance(raised.value.__cause__, duckdb.Error)
    assert not Path(fortress["target"]).exists()


def test_an_interrupt_stops_the_query(tmp_path: Path) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    script = tmp_path / "asks.py"
    script.write_text("""
import os, signal, sys, threading, lakeflow
signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest's workers ignore it
lakeflow.set_tracking_uri(sys.argv[1])
lakeflow.sql("SELECT 1")
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    lakeflow.sql("SELECT count(*) FROM range(10000000000000)")
except KeyboardInterrupt:
    print(lakeflow.sql("FROM runs").num_rows)
""")
    process = subprocess.run(
        [sys.executable, script, tmp_path / "lake"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert process.stdout == "1\n"


def test_an_interrupt_before_the_query_has_begun_stops_it(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text("""
import os, signal, sys, threading, lakeflow
signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest's workers ignore it
lakeflow.set_tracking_uri(sys.argv[1])
lakeflow.log_metric("m", 1.0)
lakeflow.sql("FROM runs")
for after_ms in range(40):
    ended = threading.Event()

    def interrupt():
        if not ended.wait(after_ms / 1000):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    try:
        try:
            thread.start()
            lakeflow.sql("SELECT count(*) FROM range(10000000000000)")
        finally:
            ended.set()
    except KeyboardInterrupt:
        pass
    thread.join()
print(lakeflow.sql("FROM runs").num_rows)
""")
    process = subprocess.run(
        [sys.executable, script, tmp_path / "lake"],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert process.stdout == "1\n"


def test_threads_ask_at_once(client: LakeflowClient, uri: str) -> None:
    fill(client, "r")
    found: list[int] = []

    def ask_often() -> None:
        query = "FROM runs_wide, runs"
        found.extend(lakeflow.sql(query, tracking_uri=uri).num_rows for _ in range(5))

    threads = [threading.Thread(target=ask_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 20


def test_a_forked_child_asks_for_itself(tmp_path: Path, forked: Callable[..., int]) -> None:
    client = LakeflowClient(tmp_path / "lake")
    fill(client, "r")
    assert lakeflow.sql("FROM runs", tracking_uri=tmp_path / "lake").num_rows == 1

    def ask() -> None:
        assert lakeflow.sql("FROM runs_wide", tracking_uri=tmp_path / "lake").num_rows == 1

    assert forked(ask) == 0


def test_the_script_gives_any_duckdb_the_same_rows(tmp_path: Path) -> None:
    lake = tmp_path / "it's a lake"
    client = LakeflowClient(lake)
    client.create_experiment("e", tags={"b": "2", "a": "1"})
    for moment in range(2):
        run_id = fill(client, f"r{moment}")
        register(str(lake), f"m{moment}", run_id)
        log_trace(str(lake), run_id)
        evaluate(str(lake), f"d{moment}")
        measure(str(lake), run_id)
        lakeflow.compact(lake)
    bare = duckdb.connect()
    bare.execute(setup(lake))
    for name in VIEWS:
        theirs = bare.sql(f"FROM {name}").to_arrow_table().to_pylist(maps_as_pydicts="strict")
        ours = lakeflow.sql(f"FROM {name}", tracking_uri=lake, output_format="list")
        assert sorted(map(comparable, theirs)) == sorted(map(comparable, ours)), name
        assert theirs


def test_the_script_of_a_new_lake_makes_empty_views(tmp_path: Path) -> None:
    LakeflowClient(tmp_path).search_experiments()
    bare = duckdb.connect()
    bare.execute(setup(tmp_path))
    for name, columns in COLUMNS.items():
        view = bare.sql(f"FROM {name}")
        assert dict(zip(view.columns, map(str, view.types), strict=True)) == columns
        assert len(view.to_arrow_table()) == 0, "nothing is folded yet"


def test_metrics_are_counted_alike_before_and_after_a_fold(
    client: LakeflowClient, uri: str
) -> None:
    run_id = client.create_run("0").info.run_id
    count = 'SELECT "count", "min", "max" FROM latest_metrics'
    points = 'SELECT count(*), min("value"), max("value") FROM metrics WHERE NOT isnan("value")'
    equal, odd = [Metric("m", 2.0, 6, 1)] * 3, [Metric("m", math.nan, 6, 1)] * 2
    for turn in range(1, 3):
        for _ in range(4):
            client.log_metric(run_id, "m", 1.0, timestamp=5, step=0)
        client.log_batch(run_id, metrics=[*equal, *odd])
        for _ in ("hot", "folded"):
            (row,) = lakeflow.sql(count, tracking_uri=uri).to_pylist()
            assert list(row.values()) == [9 * turn, 1.0, 2.0]
            (row,) = lakeflow.sql(points, tracking_uri=uri).to_pylist()
            assert list(row.values()) == [7 * turn, 1.0, 2.0]
            assert len(client.search_runs(["0"], f"count(metrics.m) = {9 * turn}")) == 1
            lakeflow.compact(uri)


def test_a_file_that_is_cut_is_lost_data_and_named(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    lakeflow.compact(uri)
    (file,) = Path(uri, "tables", "metrics").glob("*.parquet")
    whole = file.read_bytes()
    damages = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "without its end": whole[:-1],
        "overwritten": whole[:4] + bytes(40) + whole[44:],
    }
    for how, content in damages.items():
        lakeflow.sql("FROM metrics", tracking_uri=uri)  # the footer is in memory
        file.write_bytes(content)
        with pytest.raises(DamagedLakeError) as raised:
            lakeflow.sql("FROM metrics", tracking_uri=uri)
        assert raised.value.error_code == "DATA_LOSS"
        assert how == "overwritten" or file.name in str(raised.value)
        file.write_bytes(whole)
    with pytest.raises(InvalidInputError):
        lakeflow.sql("SELECT error('no') FROM metrics", tracking_uri=uri)


def test_tables_of_the_caller_are_read_beside_the_views(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    for path in ("qa.json", "qa.parquet"):
        with lakeflow.start_run() as run:
            lakeflow.log_table({"q": ["x", "y"], "ok": [True, False]}, path)
        frame = lakeflow.load_table(path, extra_columns=["run_id"])
        found = lakeflow.sql(
            "SELECT status, q FROM QA JOIN runs USING (run_id) WHERE ok AND run_id = ?",
            [run.info.run_id],
            tables={"qa": frame},
            output_format="list",
        )
        assert found == [{"status": "FINISHED", "q": "x"}]
    given = {"A": {"n": [1, 2]}, "b": {"n": [2]}}
    asked = "SELECT count(*) AS n FROM a JOIN b USING (n), (DESCRIBE b)"
    assert lakeflow.sql(asked, tables=given).to_pydict() == {"n": [1]}
    # The next call does not see them, nor does one see what it was not given.
    for query, tables in (
        ("FROM a", None),
        ("FROM given", {"a": {"n": [1]}}),
        ("FROM new_rows", given),
        ("FROM a", {"runs": {"n": [1]}}),
        ("FROM a", {"a": {"n": [1]}, "A": {"n": [1]}}),
        ("FROM a", {"a.b": {"n": [1]}}),
        ("FROM a", {"duckdb_x": {"n": [1]}}),
        ("FROM a", {"a": {"n": [1, "x"]}}),
        ("FROM a", {"a": 5}),
        ("FROM a", [{"n": 1}]),
    ):
        with pytest.raises(InvalidInputError):
            lakeflow.sql(query, tables=tables)
