"""MLflow's registry store over a lake."""

from __future__ import annotations

import os

from mlflow.store.model_registry.abstract_store import AbstractStore

from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.mlflow.model_versions import ModelVersionMethods
from lakeflow.mlflow.registered_models import RegisteredModelMethods
from lakeflow.mlflow.webhooks import WebhookMethods


@raises_mlflow
class RegistryStore(RegisteredModelMethods, ModelVersionMethods, WebhookMethods, AbstractStore):
    """What MLflow asks a registry store for; each noun is in a module of its own.

    Prompts are registered models, by MLflow's own bodies of the calls about them.

    Args:
        store_uri: Location of the lake, which is made if there is none.
        tracking_uri: Where the runs are that versions come from; the same lake by default.
    """

    def __init__(self, store_uri: str, tracking_uri: str | None = None) -> None:
        LakeMethods.__init__(self, store_uri)
        AbstractStore.__init__(self, store_uri, tracking_uri)
        # A server makes its registry before it says where its runs are, as often as not.
        served = os.environ.get("_MLFLOW_SERVER_FILE_STORE")
        self.tracking_uri = served or tracking_uri or store_uri
