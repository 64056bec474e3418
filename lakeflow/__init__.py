"""lakeflow: a tracking lakehouse for machine learning, with MLflow's interface.

    import lakeflow as mlflow

    mlflow.set_tracking_uri("./lake")
    with mlflow.start_run():
        mlflow.log_metric("loss", 0.5, step=1)

Importing it loads what every job calls, and none of the engines; the rest is loaded by the
first call that needs it.
"""

from typing import TYPE_CHECKING

from lakeflow.lazy_loading import attach as _attach
from lakeflow.mlflows_own import missing as _missing

__version__ = "0.1.0"

# To a type checker a module with ``__getattr__`` has every name, also those that are typos.
if TYPE_CHECKING:
    from lakeflow import artifacts as artifacts
    from lakeflow import client as client
    from lakeflow import data as data
    from lakeflow import entities as entities
    from lakeflow import exceptions as exceptions
    from lakeflow import exporting as exporting
    from lakeflow import importing as importing
    from lakeflow import registry as registry
    from lakeflow import tracing as tracing
    from lakeflow import tracking as tracking
    from lakeflow import utils as utils
    from lakeflow.artifacts import load_images as load_images
    from lakeflow.client import LakeflowClient as LakeflowClient
    from lakeflow.client import MlflowClient as MlflowClient
    from lakeflow.compaction import compact as compact
    from lakeflow.copying import copy as copy
    from lakeflow.exceptions import LakeflowException as LakeflowException
    from lakeflow.exceptions import MlflowException as MlflowException
    from lakeflow.fluent.active_model import clear_active_model as clear_active_model
    from lakeflow.fluent.active_model import get_active_model_id as get_active_model_id
    from lakeflow.fluent.artifacts import get_artifact_uri as get_artifact_uri
    from lakeflow.fluent.artifacts import log_artifact as log_artifact
    from lakeflow.fluent.artifacts import log_artifacts as log_artifacts
    from lakeflow.fluent.artifacts import log_dict as log_dict
    from lakeflow.fluent.artifacts import log_text as log_text
    from lakeflow.fluent.assessments import delete_assessment as delete_assessment
    from lakeflow.fluent.assessments import get_assessment as get_assessment
    from lakeflow.fluent.assessments import log_assessment as log_assessment
    from lakeflow.fluent.assessments import log_expectation as log_expectation
    from lakeflow.fluent.assessments import log_feedback as log_feedback
    from lakeflow.fluent.assessments import log_issue as log_issue
    from lakeflow.fluent.assessments import override_feedback as override_feedback
    from lakeflow.fluent.assessments import update_assessment as update_assessment
    from lakeflow.fluent.datasets import (
        add_dataset_to_experiments as add_dataset_to_experiments,
    )
    from lakeflow.fluent.datasets import create_dataset as create_dataset
    from lakeflow.fluent.datasets import delete_dataset as delete_dataset
    from lakeflow.fluent.datasets import delete_dataset_tag as delete_dataset_tag
    from lakeflow.fluent.datasets import get_dataset as get_dataset
    from lakeflow.fluent.datasets import (
        remove_dataset_from_experiments as remove_dataset_from_experiments,
    )
    from lakeflow.fluent.datasets import search_datasets as search_datasets
    from lakeflow.fluent.datasets import set_dataset_tags as set_dataset_tags
    from lakeflow.fluent.experiments import create_experiment as create_experiment
    from lakeflow.fluent.experiments import delete_experiment as delete_experiment
    from lakeflow.fluent.experiments import delete_experiment_tag as delete_experiment_tag
    from lakeflow.fluent.experiments import get_experiment as get_experiment
    from lakeflow.fluent.experiments import get_experiment_by_name as get_experiment_by_name
    from lakeflow.fluent.experiments import search_experiments as search_experiments
    from lakeflow.fluent.experiments import set_experiment as set_experiment
    from lakeflow.fluent.experiments import set_experiment_tag as set_experiment_tag
    from lakeflow.fluent.experiments import set_experiment_tags as set_experiment_tags
    from lakeflow.fluent.images import log_figure as log_figure
    from lakeflow.fluent.images import log_image as log_image
    from lakeflow.fluent.lakes import get_registry_uri as get_registry_uri
    from lakeflow.fluent.lakes import get_tracking_uri as get_tracking_uri
    from lakeflow.fluent.lakes import is_tracking_uri_set as is_tracking_uri_set
    from lakeflow.fluent.lakes import set_registry_uri as set_registry_uri
    from lakeflow.fluent.lakes import set_storage_options as set_storage_options
    from lakeflow.fluent.lakes import set_tracking_uri as set_tracking_uri
    from lakeflow.fluent.logged import delete_tag as delete_tag
    from lakeflow.fluent.logged import (
        flush_artifact_async_logging as flush_artifact_async_logging,
    )
    from lakeflow.fluent.logged import flush_async_logging as flush_async_logging
    from lakeflow.fluent.logged import log_input as log_input
    from lakeflow.fluent.logged import log_inputs as log_inputs
    from lakeflow.fluent.logged import log_metric as log_metric
    from lakeflow.fluent.logged import log_metrics as log_metrics
    from lakeflow.fluent.logged import log_param as log_param
    from lakeflow.fluent.logged import log_params as log_params
    from lakeflow.fluent.logged import set_tag as set_tag
    from lakeflow.fluent.logged import set_tags as set_tags
    from lakeflow.fluent.logged_models import ActiveModel as ActiveModel
    from lakeflow.fluent.logged_models import create_external_model as create_external_model
    from lakeflow.fluent.logged_models import delete_logged_model as delete_logged_model
    from lakeflow.fluent.logged_models import delete_logged_model_tag as delete_logged_model_tag
    from lakeflow.fluent.logged_models import finalize_logged_model as finalize_logged_model
    from lakeflow.fluent.logged_models import get_logged_model as get_logged_model
    from lakeflow.fluent.logged_models import initialize_logged_model as initialize_logged_model
    from lakeflow.fluent.logged_models import last_logged_model as last_logged_model
    from lakeflow.fluent.logged_models import log_model_params as log_model_params
    from lakeflow.fluent.logged_models import log_outputs as log_outputs
    from lakeflow.fluent.logged_models import search_logged_models as search_logged_models
    from lakeflow.fluent.logged_models import set_active_model as set_active_model
    from lakeflow.fluent.logged_models import set_logged_model_tags as set_logged_model_tags
    from lakeflow.fluent.models import register_model as register_model
    from lakeflow.fluent.models import search_model_versions as search_model_versions
    from lakeflow.fluent.models import search_registered_models as search_registered_models
    from lakeflow.fluent.models import set_model_version_tag as set_model_version_tag
    from lakeflow.fluent.runs import ActiveRun as ActiveRun
    from lakeflow.fluent.runs import active_run as active_run
    from lakeflow.fluent.runs import delete_run as delete_run
    from lakeflow.fluent.runs import end_run as end_run
    from lakeflow.fluent.runs import get_parent_run as get_parent_run
    from lakeflow.fluent.runs import get_run as get_run
    from lakeflow.fluent.runs import last_active_run as last_active_run
    from lakeflow.fluent.runs import start_run as start_run
    from lakeflow.fluent.searches import search_runs as search_runs
    from lakeflow.fluent.spans import get_current_active_span as get_current_active_span
    from lakeflow.fluent.spans import start_span as start_span
    from lakeflow.fluent.spans import start_span_no_context as start_span_no_context
    from lakeflow.fluent.tables import load_table as load_table
    from lakeflow.fluent.tables import log_table as log_table
    from lakeflow.fluent.traced import trace as trace
    from lakeflow.fluent.traces import add_trace as add_trace
    from lakeflow.fluent.traces import delete_trace_tag as delete_trace_tag
    from lakeflow.fluent.traces import flush_trace_async_logging as flush_trace_async_logging
    from lakeflow.fluent.traces import get_active_trace_id as get_active_trace_id
    from lakeflow.fluent.traces import get_last_active_trace as get_last_active_trace
    from lakeflow.fluent.traces import get_last_active_trace_id as get_last_active_trace_id
    from lakeflow.fluent.traces import get_trace as get_trace
    from lakeflow.fluent.traces import search_traces as search_traces
    from lakeflow.fluent.traces import set_trace_tag as set_trace_tag
    from lakeflow.fluent.traces import update_current_trace as update_current_trace
    from lakeflow.frames import metric_history as metric_history
    from lakeflow.frames import metric_series as metric_series
    from lakeflow.media.images import Image as Image
    from lakeflow.queries import sql as sql
    from lakeflow.registry import approve_model_version as approve_model_version
    from lakeflow.scans import scan_artifacts as scan_artifacts
    from lakeflow.scans import scan_assessments as scan_assessments
    from lakeflow.scans import (
        scan_evaluation_dataset_records as scan_evaluation_dataset_records,
    )
    from lakeflow.scans import scan_evaluation_datasets as scan_evaluation_datasets
    from lakeflow.scans import scan_inputs as scan_inputs
    from lakeflow.scans import scan_latest_metrics as scan_latest_metrics
    from lakeflow.scans import scan_logged_model_metrics as scan_logged_model_metrics
    from lakeflow.scans import scan_logged_models as scan_logged_models
    from lakeflow.scans import scan_metrics as scan_metrics
    from lakeflow.scans import scan_model_versions as scan_model_versions
    from lakeflow.scans import scan_params as scan_params
    from lakeflow.scans import scan_registered_models as scan_registered_models
    from lakeflow.scans import scan_registry_events as scan_registry_events
    from lakeflow.scans import scan_runs as scan_runs
    from lakeflow.scans import scan_scorer_versions as scan_scorer_versions
    from lakeflow.scans import scan_spans as scan_spans
    from lakeflow.scans import scan_tags as scan_tags
    from lakeflow.scans import scan_traces as scan_traces
    from lakeflow.syncing import sync as sync
    from lakeflow.system_metrics import (
        disable_system_metrics_logging as disable_system_metrics_logging,
    )
    from lakeflow.system_metrics import (
        enable_system_metrics_logging as enable_system_metrics_logging,
    )
    from lakeflow.system_metrics import set_system_metrics_node_id as set_system_metrics_node_id
    from lakeflow.system_metrics import (
        set_system_metrics_samples_before_logging as set_system_metrics_samples_before_logging,
    )
    from lakeflow.system_metrics import (
        set_system_metrics_sampling_interval as set_system_metrics_sampling_interval,
    )
else:
    __getattr__, __dir__, __all__ = _attach(
        __name__,
        {
            "lakeflow.artifacts": "load_images",
            "lakeflow.client": "LakeflowClient MlflowClient",
            "lakeflow.compaction": "compact",
            "lakeflow.copying": "copy",
            "lakeflow.exceptions": "LakeflowException MlflowException",
            "lakeflow.fluent.active_model": "clear_active_model get_active_model_id",
            "lakeflow.fluent.artifacts": (
                "get_artifact_uri log_artifact log_artifacts log_dict log_text"
            ),
            "lakeflow.fluent.assessments": (
                "delete_assessment get_assessment log_assessment log_expectation "
                "log_feedback log_issue override_feedback update_assessment"
            ),
            "lakeflow.fluent.datasets": (
                "add_dataset_to_experiments create_dataset delete_dataset "
                "delete_dataset_tag get_dataset remove_dataset_from_experiments "
                "search_datasets set_dataset_tags"
            ),
            "lakeflow.fluent.experiments": (
                "create_experiment delete_experiment delete_experiment_tag get_experiment "
                "get_experiment_by_name search_experiments set_experiment "
                "set_experiment_tag set_experiment_tags"
            ),
            "lakeflow.fluent.images": "log_figure log_image",
            "lakeflow.fluent.lakes": (
                "get_registry_uri get_tracking_uri is_tracking_uri_set set_registry_uri "
                "set_storage_options set_tracking_uri"
            ),
            "lakeflow.fluent.logged": (
                "delete_tag flush_artifact_async_logging flush_async_logging log_input "
                "log_inputs log_metric log_metrics log_param log_params set_tag set_tags"
            ),
            "lakeflow.fluent.logged_models": (
                "ActiveModel create_external_model delete_logged_model "
                "delete_logged_model_tag finalize_logged_model get_logged_model "
                "initialize_logged_model last_logged_model log_model_params log_outputs "
                "search_logged_models set_active_model set_logged_model_tags"
            ),
            "lakeflow.fluent.models": (
                "register_model search_model_versions search_registered_models "
                "set_model_version_tag"
            ),
            "lakeflow.fluent.runs": (
                "ActiveRun active_run delete_run end_run get_parent_run get_run "
                "last_active_run start_run"
            ),
            "lakeflow.fluent.searches": "search_runs",
            "lakeflow.fluent.spans": "get_current_active_span start_span start_span_no_context",
            "lakeflow.fluent.tables": "load_table log_table",
            "lakeflow.fluent.traced": "trace",
            "lakeflow.fluent.traces": (
                "add_trace delete_trace_tag flush_trace_async_logging get_active_trace_id "
                "get_last_active_trace get_last_active_trace_id get_trace search_traces "
                "set_trace_tag update_current_trace"
            ),
            "lakeflow.frames": "metric_history metric_series",
            "lakeflow.media.images": "Image",
            "lakeflow.queries": "sql",
            "lakeflow.registry": "approve_model_version",
            "lakeflow.scans": (
                "scan_artifacts scan_assessments scan_evaluation_dataset_records "
                "scan_evaluation_datasets scan_inputs scan_latest_metrics "
                "scan_logged_model_metrics scan_logged_models scan_metrics "
                "scan_model_versions scan_params scan_registered_models "
                "scan_registry_events scan_runs scan_scorer_versions scan_spans scan_tags "
                "scan_traces"
            ),
            "lakeflow.syncing": "sync",
            "lakeflow.system_metrics": (
                "disable_system_metrics_logging enable_system_metrics_logging "
                "set_system_metrics_node_id set_system_metrics_samples_before_logging "
                "set_system_metrics_sampling_interval"
            ),
        },
        submodules=(
            "artifacts client data entities exceptions exporting importing registry tracing "
            "tracking utils"
        ),
        unknown=_missing,
    )

    # What every job calls: no loop waits for it at its first step, and no handler of a signal
    # finds it half imported. And what tells a trace where it begins, whoever begins it.
    import lakeflow.fluent.artifacts
    import lakeflow.fluent.logged
    import lakeflow.fluent.trace_origins  # noqa: F401
