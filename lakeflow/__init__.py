"""lakeflow: a tracking lakehouse for machine learning, with MLflow's interface.

    import lakeflow as mlflow

    mlflow.set_tracking_uri("./lake")
    with mlflow.start_run():
        mlflow.log_metric("loss", 0.5, step=1)

Importing it loads none of the engines; a call loads what it needs.
"""

import typing

from lakeflow import artifacts as artifacts
from lakeflow import data as data
from lakeflow import registry as registry
from lakeflow import tracing as tracing
from lakeflow import tracking as tracking
from lakeflow import utils as utils
from lakeflow.artifacts import load_images
from lakeflow.client import LakeflowClient, MlflowClient
from lakeflow.compaction import compact
from lakeflow.copying import copy
from lakeflow.elsewhere import missing as _missing
from lakeflow.exceptions import LakeflowException, MlflowException
from lakeflow.fluent import (
    ActiveRun,
    active_run,
    add_dataset_to_experiments,
    add_trace,
    create_dataset,
    create_experiment,
    delete_assessment,
    delete_dataset,
    delete_dataset_tag,
    delete_experiment,
    delete_run,
    delete_tag,
    delete_trace_tag,
    end_run,
    flush_artifact_async_logging,
    flush_async_logging,
    flush_trace_async_logging,
    get_active_trace_id,
    get_artifact_uri,
    get_assessment,
    get_current_active_span,
    get_dataset,
    get_experiment,
    get_experiment_by_name,
    get_last_active_trace,
    get_last_active_trace_id,
    get_parent_run,
    get_registry_uri,
    get_run,
    get_trace,
    get_tracking_uri,
    is_tracking_uri_set,
    last_active_run,
    load_table,
    log_artifact,
    log_artifacts,
    log_assessment,
    log_dict,
    log_expectation,
    log_feedback,
    log_figure,
    log_image,
    log_input,
    log_inputs,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    log_table,
    log_text,
    override_feedback,
    register_model,
    remove_dataset_from_experiments,
    search_datasets,
    search_experiments,
    search_model_versions,
    search_registered_models,
    search_runs,
    search_traces,
    set_dataset_tags,
    set_experiment,
    set_experiment_tag,
    set_experiment_tags,
    set_model_version_tag,
    set_registry_uri,
    set_storage_options,
    set_tag,
    set_tags,
    set_trace_tag,
    set_tracking_uri,
    start_run,
    start_span,
    start_span_no_context,
    trace,
    update_assessment,
    update_current_trace,
)
from lakeflow.frames import metric_history, metric_series
from lakeflow.media.images import Image
from lakeflow.registry import approve_model_version
from lakeflow.scans import (
    scan_artifacts,
    scan_assessments,
    scan_evaluation_dataset_records,
    scan_evaluation_datasets,
    scan_inputs,
    scan_latest_metrics,
    scan_metrics,
    scan_model_versions,
    scan_params,
    scan_registered_models,
    scan_registry_events,
    scan_runs,
    scan_scorer_versions,
    scan_spans,
    scan_tags,
    scan_traces,
)
from lakeflow.sql import sql
from lakeflow.system_metrics import (
    disable_system_metrics_logging,
    enable_system_metrics_logging,
    set_system_metrics_node_id,
    set_system_metrics_samples_before_logging,
    set_system_metrics_sampling_interval,
)

__version__ = "0.1.0"

__all__ = [
    "ActiveRun",
    "Image",
    "LakeflowClient",
    "LakeflowException",
    "MlflowClient",
    "MlflowException",
    "active_run",
    "add_dataset_to_experiments",
    "add_trace",
    "approve_model_version",
    "compact",
    "copy",
    "create_dataset",
    "create_experiment",
    "delete_assessment",
    "delete_dataset",
    "delete_dataset_tag",
    "delete_experiment",
    "delete_run",
    "delete_tag",
    "delete_trace_tag",
    "disable_system_metrics_logging",
    "enable_system_metrics_logging",
    "end_run",
    "flush_artifact_async_logging",
    "flush_async_logging",
    "flush_trace_async_logging",
    "get_active_trace_id",
    "get_artifact_uri",
    "get_assessment",
    "get_current_active_span",
    "get_dataset",
    "get_experiment",
    "get_experiment_by_name",
    "get_last_active_trace",
    "get_last_active_trace_id",
    "get_parent_run",
    "get_registry_uri",
    "get_run",
    "get_trace",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "load_images",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_assessment",
    "log_dict",
    "log_expectation",
    "log_feedback",
    "log_figure",
    "log_image",
    "log_input",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "metric_history",
    "metric_series",
    "override_feedback",
    "register_model",
    "remove_dataset_from_experiments",
    "scan_artifacts",
    "scan_assessments",
    "scan_evaluation_dataset_records",
    "scan_evaluation_datasets",
    "scan_inputs",
    "scan_latest_metrics",
    "scan_metrics",
    "scan_model_versions",
    "scan_params",
    "scan_registered_models",
    "scan_registry_events",
    "scan_runs",
    "scan_scorer_versions",
    "scan_spans",
    "scan_tags",
    "scan_traces",
    "search_datasets",
    "search_experiments",
    "search_model_versions",
    "search_registered_models",
    "search_runs",
    "search_traces",
    "set_dataset_tags",
    "set_experiment",
    "set_experiment_tag",
    "set_experiment_tags",
    "set_model_version_tag",
    "set_registry_uri",
    "set_storage_options",
    "set_system_metrics_node_id",
    "set_system_metrics_samples_before_logging",
    "set_system_metrics_sampling_interval",
    "set_tag",
    "set_tags",
    "set_trace_tag",
    "set_tracking_uri",
    "sql",
    "start_run",
    "start_span",
    "start_span_no_context",
    "trace",
    "update_assessment",
    "update_current_trace",
]


def __dir__() -> list[str]:
    # What is offered by whoever completes names: not the modules that this one is made of.
    special = [name for name in globals() if name.startswith("__")]
    return [
        *__all__,
        "artifacts",
        "data",
        "entities",
        "exceptions",
        "registry",
        "tracing",
        "tracking",
        "utils",
        *special,
    ]


# To a type checker a module with this function has every name, also those that are typos.
if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise _missing(name)
