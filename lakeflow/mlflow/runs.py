"""MLflow's calls about runs, by the stores of the lake."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from mlflow.entities import LifecycleStage, RunStatus, _DatasetSummary
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_LOGGED_MODELS
from mlflow.utils.validation import _validate_batch_log_limits

from lakeflow.mlflow.entities import dataset_inputs_from, info_of, run_of
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.mlflow.locations import lake_uri
from lakeflow.stores.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import DatasetInput, Metric, Param, Run, RunInfo, RunTag

_MOST_RUNS = 50_000
"""Most runs of one page, as in MLflow; that many where it says no number."""

# As many as MLflow's own stores return.
_DATASETS = f"""
    SELECT DISTINCT experiment_id, "name", digest,
        json_extract_string(tags, '$."{MLFLOW_DATASET_CONTEXT}"') AS context
    FROM inputs WHERE experiment_id IN (SELECT unnest($ids)) ORDER BY ALL LIMIT 1000
"""  # noqa: S608 - a constant


_recording = threading.Lock()


@raises_mlflow
class RunMethods(LakeMethods):
    """Calls about runs."""

    def create_run(
        self,
        experiment_id: str,
        user_id: str | None,
        start_time: int | None,
        tags: Sequence[RunTag] | None,
        run_name: str | None,
        **_: Any,
    ) -> Run:
        """Make a run."""
        pairs = {tag.key: tag.value for tag in tags or ()}
        made = self.lake.runs.create(experiment_id, start_time, pairs, run_name, user_id)
        return run_of(made, self.shown)

    def get_run(self, run_id: str) -> Run:
        """Return a run as it is now."""
        return run_of(self.lake.runs.get(run_id), self.shown)

    def update_run_info(
        self,
        run_id: str,
        run_status: int | None,
        end_time: int | None,
        run_name: str | None,
        **_: Any,
    ) -> RunInfo:
        """Change status, end and name of a run; None leaves each as it is."""
        status = None if run_status is None else RunStatus.to_string(run_status)
        self.lake.runs.update(run_id, status, run_name, end_time)
        return info_of(self.lake.runs.get(run_id).info, self.shown)

    def delete_run(self, run_id: str) -> None:
        """Delete a run; it can be restored."""
        self.lake.runs.set_stage(run_id, LifecycleStage.DELETED)

    def restore_run(self, run_id: str) -> None:
        """Restore a run."""
        self.lake.runs.set_stage(run_id, LifecycleStage.ACTIVE)

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: Sequence[str] | None,
        page_token: str | None,
        **_: Any,
    ) -> tuple[list[Run], str | None]:
        """Return one page of runs, and the token of the next one."""
        page = self.lake.runs.search(
            list(experiment_ids or ()),
            filter_string,
            run_view_type,
            _MOST_RUNS if max_results is None else max_results,
            order_by,
            page_token,
            root=lake_uri(self.uri),
            # Made run by run, so that a page is not held twice: Python's collector would take
            # most of the time, with a thousand runs.
            made=lambda run: run_of(run, self.shown),
        )
        return page, page.token

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric],
        params: Sequence[Param],
        tags: Sequence[RunTag],
    ) -> None:
        """Log everything or nothing."""
        # Its clients send more than that in several calls.
        _validate_batch_log_limits(metrics, params, tags)
        if not (metrics or params or tags):
            # To log nothing to a run that is not there is an error to MLflow.
            self.lake.runs.heads.active(run_id)
        self.lake.runs.log_batch(run_id, metrics, params, tags)

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a param."""
        self.lake.runs.log_param(run_id, param.key, param.value)

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set a tag."""
        self.lake.runs.set_tag(run_id, tag.key, tag.value)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag."""
        self.lake.runs.delete_tag(run_id, key)

    def log_inputs(
        self,
        run_id: str,
        datasets: list[DatasetInput] | None = None,
        models: list[Any] | None = None,
        **_: Any,
    ) -> None:
        """Log datasets and logged models that a run uses."""
        self.lake.runs.log_inputs(run_id, dataset_inputs_from(datasets or ()), models)

    def _search_datasets(self, experiment_ids: Sequence[str]) -> list[_DatasetSummary]:
        """Return which datasets runs of some experiments use, and what for."""
        ids = {"ids": [str(each) for each in experiment_ids]}
        found = self.lake.columns.query(_DATASETS, ids).to_pylist()
        return [_DatasetSummary(**each) for each in found]

    def _get_deleted_runs(self, older_than: int = 0) -> list[str]:
        """Return the ids of runs that have been deleted for some milliseconds."""
        return self.lake.removals.deleted_runs(now_ms() - older_than)

    def _hard_delete_run(self, run_id: str) -> None:
        """Remove a run for good: for ``mlflow gc``."""
        self.lake.removals.run(run_id)

    def record_logged_model(self, run_id: str, mlflow_model: Any, **_: Any) -> None:
        """Add a model to the tag that lists those of a run."""
        # It loads all of what MLflow has for models.
        from mlflow.models import Model

        if not isinstance(mlflow_model, Model):
            raise TypeError(
                "Argument 'mlflow_model' should be mlflow.models.Model, got "
                f"'{type(mlflow_model)}'"
            )
        # Each of two threads would add to what it has read; two processes may, as in MLflow.
        with _recording:
            known = self.lake.runs.get(run_id).data.tags.get(MLFLOW_LOGGED_MODELS, "[]")
            listed = [*json.loads(known), mlflow_model.get_tags_dict()]
            self.lake.runs.set_tag(run_id, MLFLOW_LOGGED_MODELS, json.dumps(listed))
