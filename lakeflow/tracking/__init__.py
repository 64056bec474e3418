"""The name of MLflow's public door: ``from lakeflow.tracking import MlflowClient``."""

from lakeflow.client import MlflowClient
from lakeflow.fluent import get_tracking_uri, is_tracking_uri_set, set_tracking_uri

__all__ = ["MlflowClient", "get_tracking_uri", "is_tracking_uri_set", "set_tracking_uri"]
