"""The shape of the house: thin client, public names, light import, one place for a code."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import (
    client,
    dataset_client,
    entities,
    exceptions,
    logged_model_client,
    registry_client,
    trace_client,
    tracing,
)
from lakeflow.entities import model_registry

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(lakeflow.__file__).parent

# MLflow 2.19's parameters of the methods that are here, in order.
SIGNATURES = {
    "get_run": "run_id",
    "get_parent_run": "run_id",
    "get_metric_history": "run_id key",
    "search_runs": "experiment_ids filter_string run_view_type max_results order_by page_token "
    "as_of",
    "search_experiments": "view_type max_results filter_string order_by page_token",
    "create_run": "experiment_id start_time tags run_name",
    "get_experiment": "experiment_id",
    "get_experiment_by_name": "name",
    "create_experiment": "name artifact_location tags",
    "delete_experiment": "experiment_id",
    "restore_experiment": "experiment_id",
    "rename_experiment": "experiment_id new_name",
    "set_experiment_tag": "experiment_id key value",
    "delete_experiment_tag": "experiment_id key",
    "log_metric": "run_id key value timestamp step synchronous dataset_name dataset_digest "
    "model_id",
    "log_param": "run_id key value synchronous",
    "set_tag": "run_id key value synchronous",
    "delete_tag": "run_id key",
    "update_run": "run_id status name",
    "log_batch": "run_id metrics params tags synchronous",
    "log_inputs": "run_id datasets models",
    "log_outputs": "run_id models",
    "log_figure": "run_id figure artifact_file save_kwargs",
    "log_image": "run_id image artifact_file key step timestamp synchronous",
    "log_artifact": "run_id local_path artifact_path",
    "log_artifacts": "run_id local_dir artifact_path",
    "log_text": "run_id text artifact_file",
    "log_dict": "run_id dictionary artifact_file",
    "list_artifacts": "run_id path",
    "download_artifacts": "run_id path dst_path",
    "log_table": "run_id data artifact_file",
    "load_table": "experiment_id artifact_file run_ids extra_columns",
    "set_terminated": "run_id status end_time",
    "delete_run": "run_id",
    "restore_run": "run_id",
    "create_registered_model": "name tags description",
    "rename_registered_model": "name new_name",
    "update_registered_model": "name description",
    "delete_registered_model": "name",
    "search_registered_models": "filter_string max_results order_by page_token as_of",
    "get_registered_model": "name as_of",
    "get_latest_versions": "name stages as_of",
    "set_registered_model_tag": "name key value",
    "delete_registered_model_tag": "name key",
    "set_registered_model_alias": "name alias version",
    "delete_registered_model_alias": "name alias",
    "create_model_version": "name source run_id tags run_link description await_creation_for",
    "copy_model_version": "src_model_uri dst_name",
    "update_model_version": "name version description",
    "transition_model_version_stage": "name version stage archive_existing_versions",
    "delete_model_version": "name version",
    "set_model_version_tag": "name version key value stage",
    "delete_model_version_tag": "name version key stage",
    "get_model_version": "name version as_of",
    "get_model_version_by_alias": "name alias as_of",
    "get_model_version_download_uri": "name version",
    "search_model_versions": "filter_string max_results order_by page_token as_of",
    "get_model_version_stages": "name version",
    "start_trace": "name span_type inputs attributes tags experiment_id start_time_ns",
    "end_trace": "request_id outputs attributes status end_time_ns",
    "start_span": "name request_id parent_id span_type inputs attributes start_time_ns",
    "end_span": "request_id span_id outputs attributes status end_time_ns",
    "get_trace": "request_id display",
    "search_traces": "experiment_ids filter_string max_results order_by page_token run_id "
    "include_spans as_of",
    "count_traces": "experiment_ids filter_string run_id",
    "delete_traces": "experiment_id max_timestamp_millis max_traces request_ids",
    "set_trace_tag": "request_id key value",
    "delete_trace_tag": "request_id key",
    "link_traces_to_run": "trace_ids run_id",
    "unlink_traces_from_run": "trace_ids run_id",
    "log_assessment": "trace_id assessment",
    "get_assessment": "trace_id assessment_id",
    "update_assessment": "trace_id assessment_id assessment",
    "delete_assessment": "trace_id assessment_id",
    "create_dataset": "name experiment_id tags",
    "get_dataset": "dataset_id",
    "delete_dataset": "dataset_id",
    "search_datasets": "experiment_ids filter_string max_results order_by page_token",
    "set_dataset_tags": "dataset_id tags",
    "delete_dataset_tag": "dataset_id key",
    "add_dataset_to_experiments": "dataset_id experiment_ids",
    "remove_dataset_from_experiments": "dataset_id experiment_ids",
    "load_dataset_records": "dataset_id max_results page_token",
    "merge_dataset_records": "dataset_id records",
    "delete_dataset_records": "dataset_id record_ids",
    "create_logged_model": "experiment_id name source_run_id tags params model_type",
    "finalize_logged_model": "model_id status",
    "get_logged_model": "model_id",
    "delete_logged_model": "model_id",
    "set_logged_model_tags": "model_id tags",
    "delete_logged_model_tag": "model_id key",
    "log_model_params": "model_id params",
    "search_logged_models": "experiment_ids filter_string datasets max_results order_by "
    "page_token as_of",
    "log_model_artifact": "model_id local_path artifact_path",
    "log_model_artifacts": "model_id local_dir artifact_path",
    "list_logged_model_artifacts": "model_id path",
}

FLUENT = {
    "start_run": "run_id experiment_id run_name nested parent_run_id tags description "
    "log_system_metrics",
    "end_run": "status",
    "log_param": "key value synchronous",
    "log_params": "params synchronous run_id",
    "log_metric": "key value step synchronous timestamp run_id model_id dataset",
    "log_metrics": "metrics step synchronous run_id timestamp model_id dataset",
    "set_tag": "key value synchronous",
    "set_tags": "tags synchronous",
    "log_figure": "figure artifact_file save_kwargs",
    "log_image": "image artifact_file key step timestamp synchronous",
    "flush_async_logging": "",
    "flush_artifact_async_logging": "",
    "log_artifact": "local_path artifact_path run_id",
    "log_artifacts": "local_dir artifact_path run_id",
    "log_text": "text artifact_file run_id",
    "log_dict": "dictionary artifact_file run_id",
    "log_table": "data artifact_file run_id",
    "load_table": "artifact_file run_ids extra_columns",
    "set_experiment": "experiment_name experiment_id",
    "create_experiment": "name artifact_location tags",
    "search_runs": "experiment_ids filter_string run_view_type max_results order_by "
    "output_format search_all_experiments experiment_names as_of",
    "search_experiments": "view_type max_results filter_string order_by",
    "log_input": "dataset context tags model",
    "log_inputs": "datasets contexts tags_list models",
    "log_outputs": "models",
    "initialize_logged_model": "name source_run_id tags params model_type experiment_id",
    "create_external_model": "name source_run_id tags params model_type experiment_id",
    "finalize_logged_model": "model_id status",
    "log_model_params": "params model_id",
    "search_logged_models": "experiment_ids filter_string datasets max_results order_by "
    "output_format",
    "set_active_model": "name model_id",
    "trace": "func name span_type attributes output_reducer trace_destination "
    "sampling_ratio_override",
    "start_span": "name span_type attributes trace_destination run_id",
    "search_traces": "experiment_ids filter_string max_results order_by extract_fields run_id "
    "return_type include_spans",
    "get_last_active_trace": "thread_local",
    "add_trace": "trace target",
}


def test_the_client_documents_and_delegates() -> None:
    classes = (
        client.LakeflowClient,
        registry_client.RegistryClient,
        trace_client.TraceClient,
        dataset_client.DatasetClient,
        logged_model_client.LoggedModelClient,
    )
    trees = [ast.parse(inspect.getsource(each)).body[0] for each in classes]
    methods = [
        node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)
    ]
    public = [method for method in methods if not method.name.startswith("_")]
    for method in public:
        _docstring, *body = method.body
        assert len(body) == 1, f"move the logic of {method.name} into lakeflow.stores"
        assert ast.get_docstring(method), method.name
    assert {method.name for method in public} == {*SIGNATURES, "tracking_uri"}


def test_methods_take_what_mlflow_takes() -> None:
    for name, wanted in SIGNATURES.items():
        _self, *found = inspect.signature(getattr(client.LakeflowClient, name)).parameters
        assert found == wanted.split(), name
    for name, wanted in FLUENT.items():
        assert list(inspect.signature(getattr(lakeflow, name)).parameters) == wanted.split(), (
            name
        )


def test_every_public_name_says_what_it_is() -> None:
    assert all(getattr(lakeflow, name).__doc__ for name in lakeflow.__all__)


@pytest.mark.parametrize("package", [lakeflow, entities, model_registry, tracing])
def test_what_is_loaded_later_is_what_type_checkers_see(package: ModuleType) -> None:
    (seen,) = [
        node
        for node in ast.parse(inspect.getsource(package)).body
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    imported = {
        name.asname: (node.module, name.name)
        for node in seen.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    rooms = {name for name, (home, _) in imported.items() if home == package.__name__}
    assert package.__all__ == sorted(imported.keys() - rooms)
    assert {*dir(package)} - {*vars(package)} <= {*imported}
    for name, (home, own_name) in imported.items():
        value = getattr(importlib.import_module(home), own_name)
        assert getattr(package, name) is value, name
        assert name == own_name


def test_who_completes_names_is_offered_the_public_ones() -> None:
    offered = {name for name in dir(lakeflow) if not name.startswith("__")}
    rooms = {
        "artifacts",
        "data",
        "entities",
        "exceptions",
        "exporting",
        "importing",
        "registry",
    }
    rooms |= {"client", "tracing", "tracking", "utils"}
    assert offered == {*lakeflow.__all__, *rooms}
    assert all(hasattr(lakeflow, name) for name in dir(lakeflow))
    assert {name for name in dir(entities) if name[:2] != "__"} == set(entities.__all__)
    starred: dict[str, object] = {}
    exec("from lakeflow import *", starred)
    assert starred.keys() - {"__builtins__"} == set(lakeflow.__all__)


def test_the_version_is_the_one_of_the_package() -> None:
    assert importlib.metadata.version("lakeflow") == lakeflow.__version__


def test_importing_loads_no_engine() -> None:
    heavy = {"duckdb", "deltalake", "polars", "pandas", "opentelemetry", "pyarrow", "numpy"}
    heavy |= {"fsspec", "sqlglot", "PIL", "s3fs"}
    code = "import sys, lakeflow; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert heavy.isdisjoint(loaded.stdout.split())


def test_a_job_that_only_logs_loads_no_query_engine(tmp_path: Path) -> None:
    client.LakeflowClient(tmp_path / "l").create_experiment("the lake is there")
    code = """
import sys, lakeflow
lakeflow.set_tracking_uri(sys.argv[1])
with lakeflow.start_run():
    lakeflow.log_metric("loss", 1.0)
    lakeflow.log_param("p", 1)
print(*sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "l"], capture_output=True, text=True, check=True
    )
    assert {"duckdb", "polars", "pandas", "fsspec"}.isdisjoint(loaded.stdout.split())


def test_every_code_that_is_raised_has_a_status() -> None:
    codes = {
        kind.default_code for kind in vars(exceptions).values() if hasattr(kind, "default_code")
    }
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and _raises(node.func)):
                continue
            second = node.args[1] if len(node.args) > 1 else None
            if isinstance(second, ast.Constant):
                codes.add(second.value)
    assert {"RESOURCE_EXHAUSTED", "NOT_IMPLEMENTED", "FEATURE_DISABLED"} <= codes
    assert codes <= set(exceptions.HTTP_STATUS)


def _raises(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else ""
    return name.endswith(("Error", "Exception")) and hasattr(exceptions, name)


def test_modules_stay_small() -> None:
    longer = {
        str(path.relative_to(ROOT)): count
        for path in ROOT.rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 420
    }
    # The wide classes of one call a method, and their module functions.
    assert set(longer) <= {"client.py", "registry_client.py", "trace_client.py"}
