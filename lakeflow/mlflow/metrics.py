"""MLflow's calls about metrics, by the stores of the lake."""

from __future__ import annotations

from typing import Any

from mlflow.entities import Metric
from mlflow.store.entities.paged_list import PagedList

from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods


@raises_mlflow
class MetricMethods(LakeMethods):
    """Calls about metrics."""

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one point."""
        if getattr(metric, "model_id", None) is not None:
            self.lake.runs.log_batch(run_id, [metric])
            return
        self.lake.runs.log_metric(
            run_id, metric.key, metric.value, metric.timestamp, metric.step
        )

    def get_metric_history(
        self,
        run_id: str,
        metric_key: str,
        max_results: int | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[Metric]:
        """Return the points of a metric by timestamp, step and value."""
        points = self.lake.runs.history(run_id, metric_key)
        found = [
            Metric(each.key, each.value, each.timestamp, each.step)
            for each in sorted(points, key=lambda each: (each.timestamp, each.step, each.value))
        ]
        return PagedList(found, None)
