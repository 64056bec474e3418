"""The tables on disk, read with nothing of ours: deltalake, polars and DuckDB."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import deltalake
import duckdb
import polars
import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import Dataset, DatasetInput, InputTag
from lakeflow.kinds import TABLES
from lakeflow.kinds.kind import LOGGED
from lakeflow.open_lakes import open_lake

if TYPE_CHECKING:
    from pathlib import Path

# Written down a second time on purpose: a change of what is on disk must be meant.
SCHEMAS = {
    "control_events": "number string!, event_id string!, time long!, user_id string!, "
    "changes string!",
    "experiments": "experiment_id string!, name string!, artifact_location string!, "
    "lifecycle_stage string!, creation_time long!, last_update_time long!, "
    "lifecycle_clock long",
    "experiment_tags": "experiment_id string!, key string!, value string!",
    "runs": "run_id string!, experiment_id string!, start_time long!, end_time long, "
    "status string!, lifecycle_stage string!, run_name string!, user_id string!, "
    "artifact_uri string!, lifecycle_clock long",
    "params": "experiment_id string!, run_id string!, key string!, value string!",
    "tags": "experiment_id string!, run_id string!, key string!, value string!",
    "artifacts": "experiment_id string!, run_id string!, path string!, size long!, "
    "sha256 string!, log_time long!, kind string!, key string, step long, timestamp long, "
    "clock long!",
    "inputs": "experiment_id string!, run_id string!, name string!, digest string!, "
    "source_type string!, source string!, schema string, profile string, tags string!",
    "latest_metrics": "experiment_id string!, run_id string!, key string!, value double!, "
    "step long!, timestamp long!, clock long!, writer string!, seq long!, place long!, "
    "min double, max double, count long!",
    "metrics": "experiment_id string!, run_id string!, key string!, step long!, "
    "timestamp long!, value double!, clock long!, writer string!, seq long!, place long!",
    "model_inputs": "experiment_id string!, run_id string!, model_id string!",
    "model_outputs": "experiment_id string!, run_id string!, model_id string!, step long!",
    "logged_models": "model_id string!, experiment_id string!, name string!, "
    "creation_timestamp long!, last_updated_timestamp long!, status string!, status_message "
    "string, model_type string, source_run_id string, lifecycle_stage string!, "
    "artifact_location string!",
    "logged_model_params": "experiment_id string!, model_id string!, key string!, value string!",
    "logged_model_tags": "experiment_id string!, model_id string!, key string!, value string!",
    "logged_model_files": "experiment_id string!, model_id string!, path string!, size long!, "
    "sha256 string!, log_time long!, clock long!",
    "latest_logged_model_metrics": "experiment_id string!, model_id string!, key string!, "
    "dataset_name string!, dataset_digest string!, run_id string!, value double!, timestamp "
    "long!, step long!, clock long!, writer string!, seq long!, place long!, min double, max "
    "double, count long!",
    "logged_model_metrics": "experiment_id string!, model_id string!, key string!, "
    "dataset_name string!, dataset_digest string!, run_id string!, step long!, timestamp "
    "long!, value double!, clock long!, writer string!, seq long!, place long!",
    "registered_models": "model_id string!, name string!, creation_timestamp long!, "
    "last_updated_timestamp long!, description string, last_version long!, "
    "requires_approval long!, renamed_timestamp long",
    "registered_model_tags": "model_id string!, key string!, value string!",
    "registered_model_aliases": "model_id string!, alias string!, version long!",
    "latest_versions": "model_id string!, stage string!, version long!, count long!",
    "model_versions": "version_id string!, model_id string!, version long!, "
    "creation_timestamp long!, last_updated_timestamp long!, current_stage string!, "
    "run_id string, source string!, storage_location string!, description string, "
    "user_id string, run_link string, status string!, status_message string, "
    "approval string, signature string, file_count long",
    "model_version_tags": "model_id string!, version_id string!, key string!, value string!",
    "model_version_files": "model_id string!, version_id string!, path string!, size long!, "
    "sha256 string!",
    "registry_events": "event_id string!, model_id string!, name string!, version long, "
    "time long!, user_id string!, action string!, key string, before string, after string",
    "traces": "trace_id string!, experiment_id string!, request_time long!, execution_duration "
    "long, state string!, name string, run_id string, session_id string, user_id string, "
    "client_request_id string, input_tokens long, output_tokens long, cached_tokens long, "
    "total_tokens long, cache_creation_tokens long, input_cost double, output_cost double, "
    "total_cost double, span_count long, first_time_ns long, last_time_ns long, "
    "request_preview string, response_preview string",
    "trace_tags": "experiment_id string!, trace_id string!, key string!, value string!",
    "trace_metadata": "experiment_id string!, trace_id string!, key string!, value string!",
    "trace_runs": "experiment_id string!, trace_id string!, run_id string!, linked_time long!",
    "trace_prompts": "experiment_id string!, trace_id string!, prompt string!, linked_time long!",
    "spans": "experiment_id string!, trace_id string!, day long!, start_time_ns long!, span_id "
    "string!, parent_span_id string, end_time_ns long, name string!, span_type string!, "
    "kind string!, status string!, status_message string, service_name string, session_id "
    "string, user_id string, operation string, provider string, request_model string, "
    "response_model string, agent_name string, tool_name string, finish_reasons string, "
    "input_tokens long, output_tokens long, cached_tokens long, total_tokens long, "
    "cache_creation_tokens long, input_cost double, output_cost double, total_cost double, "
    "attributes string!, inputs string, outputs string, events string, links string, "
    "resource string, scope string, trace_state string, flags long",
    "assessments": "experiment_id string!, trace_id string!, assessment_id string!, name string!, kind "
    "string!, create_time long!, last_update_time long!, source_type string!, source_id "
    "string, span_id string, run_id string, overrides string, value string, rationale "
    "string, error string, metadata string",
    "evaluation_datasets": "dataset_id string!, name string!, created_time long!, "
    "last_update_time long!, created_by string, last_updated_by string, digest string!",
    "evaluation_dataset_tags": "dataset_id string!, key string!, value string!",
    "evaluation_dataset_experiments": "dataset_id string!, experiment_id string!, linked_time "
    "long!",
    "evaluation_dataset_fields": "dataset_id string!, section string!, field string!, type "
    "string!",
    "evaluation_dataset_records": "dataset_id string!, given_at long!, number long, record_id "
    "string!, entry string!, inputs string, outputs string, expectations string, tags "
    "string, source_type string, source_id string, source string, user_id string, "
    "clock long!",
    "scorers": "experiment_id string!, scorer_id string!, name string!, full_name string!, "
    "creation_time long!, online_config_id string, sample_rate double, filter_string string",
    "scorer_versions": "experiment_id string!, scorer_id string!, version long!, "
    "serialized_scorer string!, creation_time long!",
    "label_schemas": "experiment_id string!, schema_id string!, name string!, full_name "
    "string!, type string!, input_type string!, input_config string!, instruction string, "
    "enable_comment long!, is_default long!, created_time long!, last_update_time long!",
    "review_queues": "experiment_id string!, queue_id string!, name string!, full_name "
    "string!, queue_type string!, created_by string, created_time long!, last_update_time "
    "long!",
    "review_queue_users": "experiment_id string!, queue_id string!, user_id string!, "
    "created_time long!",
    "review_queue_label_schemas": "experiment_id string!, queue_id string!, schema_id string!, "
    "created_time long!",
    "review_queue_items": "experiment_id string!, queue_id string!, item_id string!, item_type "
    "string!, status string!, created_time long!, last_update_time long!, completed_by "
    "string, completed_time long",
    "issues": "experiment_id string!, issue_id string!, name string!, description string!, "
    "status string!, severity string, severity_rank long!, root_causes string, source_run_id "
    "string, categories string, created_timestamp long!, last_updated_timestamp long!, "
    "created_by string",
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("schema") / "lake"
    client = LakeflowClient(place)
    experiment = client.create_experiment("digits", tags={"team": "vision"})
    for number in range(20):
        run_id = client.create_run(
            experiment, 1_000, {"number": number}, f"run {number}"
        ).info.run_id
        client.log_param(run_id, "lr", number / 10)
        for step in range(30):
            client.log_metric(run_id, "loss", 1 / (step + 1), 1_000 + step, step)
        client.log_metric(run_id, "odd", math.nan, 5, 1)
        client.log_metric(run_id, "odd", -math.inf, 5, 0)
        client.log_inputs(
            run_id, [DatasetInput(Dataset("d", "1", "local", "/d"), [InputTag("use", "train")])]
        )
        client.set_terminated(run_id, end_time=2_000)
    lakeflow.compact(place)
    return place


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_the_one_written_down(lake: Path, name: str) -> None:
    schema = json.loads(deltalake.DeltaTable(lake / "tables" / name).schema().to_json())
    columns = [
        f"{f['name']} {f['type']}{'' if f['nullable'] else '!'}" for f in schema["fields"]
    ]
    assert ", ".join(columns) == SCHEMAS[name]
    assert set(SCHEMAS) == set(TABLES)
    assert all(field["metadata"]["comment"] for field in schema["fields"])


def test_three_engines_read_the_same_points(lake: Path) -> None:
    table = deltalake.DeltaTable(lake / "tables/metrics")
    arrow = table.to_pyarrow_table().sort_by(
        [("run_id", "ascending"), ("key", "ascending"), ("step", "ascending")]
    )
    frame = (
        polars.scan_delta(str(lake / "tables/metrics")).sort("run_id", "key", "step").collect()
    )
    rows = duckdb.sql(
        "SELECT * FROM read_parquet($files) ORDER BY run_id, key, step",
        params={"files": table.file_uris()},
    ).fetchall()
    assert arrow.num_rows == len(frame) == len(rows) == 20 * 32
    assert (
        repr([tuple(row.values()) for row in arrow.to_pylist()])
        == repr(frame.rows())
        == repr(rows)
    )


def test_summaries_say_what_the_points_say(lake: Path) -> None:
    rows = duckdb.sql(
        "SELECT key, value, step, timestamp, min, max, count FROM read_parquet($files)",
        params={"files": deltalake.DeltaTable(lake / "tables/latest_metrics").file_uris()},
    ).fetchall()
    assert {repr(row) for row in rows} == {
        repr(("loss", 1 / 30, 29, 1029, 1 / 30, 1.0, 30)),
        repr(("odd", math.nan, 1, 5, -math.inf, -math.inf, 2)),
    }


def test_a_run_is_one_row_and_its_tags_are_rows(lake: Path) -> None:
    runs = polars.scan_delta(str(lake / "tables/runs")).collect()
    assert runs["status"].unique().to_list() == ["FINISHED"]
    assert runs["end_time"].unique().to_list() == [2_000]
    assert sorted(zip(runs["experiment_id"], runs["run_id"], strict=True)) == list(
        zip(runs["experiment_id"], runs["run_id"], strict=True)
    )
    assert sorted(runs["run_name"]) == sorted(f"run {n}" for n in range(20))
    tags = polars.scan_delta(str(lake / "tables/tags")).collect()
    assert len(tags) == 40
    inputs = polars.scan_delta(str(lake / "tables/inputs")).collect()
    assert json.loads(inputs["tags"][0]) == {"use": "train"}
    experiments = polars.scan_delta(str(lake / "tables/experiments")).collect()
    assert experiments["name"].to_list() == ["Default", "digits"]


def _identity_of_the_last(lake: Path, run_id: str) -> dict[str, object]:
    points = polars.scan_delta(str(lake / "tables/metrics")).filter(run_id=run_id, key="loss")
    return points.sort(LOGGED).select(LOGGED).collect().to_dicts()[-1]


def test_the_document_of_a_run_sums_up_its_rows(lake: Path) -> None:
    opened = open_lake(lake)
    runs = polars.scan_delta(str(lake / "tables/runs")).collect()
    (reader,) = opened.index("run", opened.fold())
    documents = {key: json.loads(str(text)) for key, text in reader.entries()}
    assert list(documents) == sorted(runs["run_id"])
    row = runs.sort("run_id").to_dicts()[0]
    document = documents[row["run_id"]]
    assert document["runs"] == row
    assert document["clocks"]["made"] < document["clocks"]["end_time"]
    assert (document["params"]["key"], document["params"]["value"]) == (["lr"], ["0.0"])
    metrics = document["latest_metrics"]
    loss = {name: values[metrics["key"].index("loss")] for name, values in metrics.items()}
    last = {"step": 29, "timestamp": 1_029, "value": 1 / 30, "min": 1 / 30, "max": 1.0}
    assert loss == last | {"key": "loss", "count": 30} | _identity_of_the_last(
        lake, row["run_id"]
    )
    assert math.isnan(metrics["value"][metrics["key"].index("odd")])
    assert document["inputs"]["name"] == ["d"]


def test_a_file_publishes_all_its_statistics_or_only_its_rows(lake: Path) -> None:
    def published(name: str) -> dict[str, object]:
        (commit,) = (lake / "tables" / name / "_delta_log").glob("*1.json")
        lines = [json.loads(line) for line in commit.read_text().splitlines()]
        return next(json.loads(line["add"]["stats"]) for line in lines if "add" in line)

    assert published("metrics") == {"numRecords": 20 * 32}, "NaN and infinity are among them"
    runs = published("runs")
    columns = {column.split()[0] for column in SCHEMAS["runs"].split(", ")}
    assert set(runs["nullCount"]) == columns
    assert set(runs["minValues"]) == set(runs["maxValues"]) == columns - {"lifecycle_clock"}
    inputs = published("inputs")
    assert inputs["nullCount"]["schema"] == inputs["numRecords"] == 20
    assert "schema" not in inputs["minValues"]
