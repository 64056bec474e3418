"""MLflow's calls about metrics, by the stores of the lake."""

from __future__ import annotations

from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods


@raises_mlflow
class MetricMethods(LakeMethods):
    """Calls about metrics."""
