"""The other name of MLflow's client: ``from lakeflow.tracking.client import MlflowClient``."""

from lakeflow.client import MlflowClient

__all__ = ["MlflowClient"]
