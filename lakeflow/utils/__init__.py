"""MLflow's names of limits and tags, for code that imports them from there."""

from lakeflow.utils import mlflow_tags, validation

__all__ = ["mlflow_tags", "validation"]
