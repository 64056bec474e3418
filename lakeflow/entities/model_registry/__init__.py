"""Registered models and their versions, with MLflow's names."""

from lakeflow.entities.model_registry.model_version import ModelVersion, ModelVersionTag
from lakeflow.entities.model_registry.model_version_status import ModelVersionStatus
from lakeflow.entities.model_registry.registered_model import (
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

__all__ = [
    "ModelVersion",
    "ModelVersionStatus",
    "ModelVersionTag",
    "RegisteredModel",
    "RegisteredModelAlias",
    "RegisteredModelTag",
]
