"""The fluent functions: log to the active run of this thread or task, starting one if none.

import lakeflow as mlflow

with mlflow.start_run(run_name="first"):
    mlflow.log_param("lr", 0.01)
    mlflow.log_metric("loss", 0.5, step=1)
"""

from lakeflow.fluent.artifacts import log_artifact, log_artifacts, log_dict, log_text
from lakeflow.fluent.experiments import (
    create_experiment,
    search_experiments,
    set_experiment,
)
from lakeflow.fluent.lakes import (
    get_tracking_uri,
    is_tracking_uri_set,
    set_storage_options,
    set_tracking_uri,
)
from lakeflow.fluent.logged import (
    log_inputs,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    set_tag,
    set_tags,
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
from lakeflow.fluent.tables import load_table, log_table

__all__ = [
    "ActiveRun",
    "active_run",
    "create_experiment",
    "delete_run",
    "end_run",
    "get_parent_run",
    "get_run",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "load_table",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_inputs",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "search_experiments",
    "search_runs",
    "set_experiment",
    "set_storage_options",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
]
