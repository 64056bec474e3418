"""The fluent functions: log to the active run of this thread or task, starting one if none.

import lakeflow as mlflow

with mlflow.start_run(run_name="first"):
    mlflow.log_param("lr", 0.01)
    mlflow.log_metric("loss", 0.5, step=1)
"""

from lakeflow.fluent.artifacts import (
    get_artifact_uri,
    log_artifact,
    log_artifacts,
    log_dict,
    log_text,
)
from lakeflow.fluent.assessments import (
    delete_assessment,
    get_assessment,
    log_assessment,
    log_expectation,
    log_feedback,
    override_feedback,
    update_assessment,
)
from lakeflow.fluent.datasets import (
    add_dataset_to_experiments,
    create_dataset,
    delete_dataset,
    delete_dataset_tag,
    get_dataset,
    remove_dataset_from_experiments,
    search_datasets,
    set_dataset_tags,
)
from lakeflow.fluent.experiments import (
    create_experiment,
    delete_experiment,
    get_experiment,
    get_experiment_by_name,
    search_experiments,
    set_experiment,
    set_experiment_tag,
    set_experiment_tags,
)
from lakeflow.fluent.images import log_figure, log_image
from lakeflow.fluent.lakes import (
    get_registry_uri,
    get_tracking_uri,
    is_tracking_uri_set,
    set_registry_uri,
    set_storage_options,
    set_tracking_uri,
)
from lakeflow.fluent.logged import (
    delete_tag,
    flush_artifact_async_logging,
    flush_async_logging,
    log_input,
    log_inputs,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    set_tag,
    set_tags,
)
from lakeflow.fluent.models import (
    register_model,
    search_model_versions,
    search_registered_models,
    set_model_version_tag,
)
from lakeflow.fluent.runs import (
    ActiveRun,
    active_run,
    delete_run,
    end_run,
    get_parent_run,
    get_run,
    last_active_run,
    start_run,
)
from lakeflow.fluent.searches import search_runs
from lakeflow.fluent.spans import (
    get_current_active_span,
    start_span,
    start_span_no_context,
)
from lakeflow.fluent.tables import load_table, log_table
from lakeflow.fluent.traced import trace
from lakeflow.fluent.traces import (
    add_trace,
    delete_trace_tag,
    flush_trace_async_logging,
    get_active_trace_id,
    get_last_active_trace,
    get_last_active_trace_id,
    get_trace,
    search_traces,
    set_trace_tag,
    update_current_trace,
)

__all__ = [
    "ActiveRun",
    "active_run",
    "add_dataset_to_experiments",
    "add_trace",
    "create_dataset",
    "create_experiment",
    "delete_assessment",
    "delete_dataset",
    "delete_dataset_tag",
    "delete_experiment",
    "delete_run",
    "delete_tag",
    "delete_trace_tag",
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
    "override_feedback",
    "register_model",
    "remove_dataset_from_experiments",
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
    "set_tag",
    "set_tags",
    "set_trace_tag",
    "set_tracking_uri",
    "start_run",
    "start_span",
    "start_span_no_context",
    "trace",
    "update_assessment",
    "update_current_trace",
]
