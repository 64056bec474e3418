"""The name of MLflow's public door: ``from lakeflow.tracking import MlflowClient``."""

from lakeflow.client import MlflowClient
from lakeflow.fluent.lakes import (
    get_registry_uri,
    get_tracking_uri,
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)
from lakeflow.tracking import client, fluent

__all__ = [
    "MlflowClient",
    "client",
    "fluent",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_tracking_uri",
]
