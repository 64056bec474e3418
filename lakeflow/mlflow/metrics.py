"""MLflow's calls about metrics, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric
from mlflow.entities.metric import MetricWithRunId
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchUtils

from lakeflow.mlflow.curves import Curves, Order
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_RUNS_AT_ONCE = 16
"""Runs whose points are in memory at once: all points of each, of which a sample stays."""

# Some 60 MB, which stay in memory between two calls.
_MOST_POINTS_KEPT = 2_000_000


@raises_mlflow
class MetricMethods(LakeMethods):
    """Calls about metrics."""

    _begun: tuple[tuple[str, str, str | None], Curves] | None = None
    """The history that was asked for last and has pages left, by what its next one is asked by:
    a client asks for all of them in a row."""

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log one point."""
        # A point of a run and of a logged model, which MLflow 2 does not know.
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
        """Return the points of a metric, each once, by timestamp, step and value."""
        first = SearchUtils.parse_start_offset_from_page_token(page_token)
        # Read once: threads of a server share the store, and another one may set it meanwhile.
        begun, curves = self._begun or (None, None)
        if curves is None or not page_token or begun != (run_id, metric_key, page_token):
            curves = self._curves([run_id], metric_key, Order.TIME)
        last = len(curves) if max_results is None else first + max_results
        token = SearchUtils.create_page_token(last).decode() if last < len(curves) else None
        is_kept = token is not None and len(curves) <= _MOST_POINTS_KEPT
        self._begun = ((run_id, metric_key, token), curves) if is_kept else None
        points = [Metric(metric_key, *point) for _, *point in curves.points(first, last)]
        return PagedList(points, token)

    def get_metric_history_bulk(
        self, run_ids: Sequence[str], metric_key: str, max_results: int
    ) -> list[MetricWithRunId]:
        """Return the first points of several runs by run id, timestamp, step and value."""
        ids = sorted(set(run_ids))
        curves = self._curves(ids, metric_key, Order.TIME)
        return _of_runs(ids, metric_key, curves.points(0, max_results))

    def get_metric_history_bulk_interval_from_steps(
        self, run_id: str, metric_key: str, steps: Sequence[int], max_results: int
    ) -> list[MetricWithRunId]:
        """Return the first points of some steps by step, timestamp and value."""
        if not steps:
            return []
        between = min(steps), max(steps)
        curves = self._curves([run_id], metric_key, Order.STEP, between).at(steps)
        return _of_runs([run_id], metric_key, curves.points(0, max_results))

    def get_metric_history_bulk_interval(
        self,
        run_ids: Sequence[str],
        metric_key: str,
        max_results: int,
        start_step: int | None,
        end_step: int | None,
    ) -> list[MetricWithRunId]:
        """Return a sample of each run's points, by step, of at most so many points.

        The points of a run are cut in so many buckets of one size, of which the first point is
        taken, and the last one of the run.
        """
        if (start_step is None) != (end_step is None):
            raise MlflowException.invalid_parameter_value(
                "Both start_step and end_step must be specified together, or neither may be "
                "specified."
            )
        between = None if start_step is None or end_step is None else (start_step, end_step)
        ids = list(dict.fromkeys(run_ids))
        found: dict[str, list[MetricWithRunId]] = {run_id: [] for run_id in ids}
        for first in range(0, len(ids), _RUNS_AT_ONCE):
            some = ids[first : first + _RUNS_AT_ONCE]
            curves = self._curves(some, metric_key, Order.STEP, between)
            sample = curves.sampled(max(1, max_results))
            for point in _of_runs(some, metric_key, sample.points(0, len(sample))):
                found[point.run_id].append(point)
        # As in MLflow, a run that is named twice is there twice.
        return [point for run_id in run_ids for point in found[run_id]]

    def _curves(
        self,
        run_ids: Sequence[str],
        key: str,
        order: Order,
        between: tuple[int, int] | None = None,
    ) -> Curves:
        return Curves.of(self.lake.columns.points(run_ids, key, between), order)


def _of_runs(
    run_ids: Sequence[str], key: str, points: Iterator[tuple[int, float, int, int]]
) -> list[MetricWithRunId]:
    return [MetricWithRunId(Metric(key, *point), run_ids[run]) for run, *point in points]
