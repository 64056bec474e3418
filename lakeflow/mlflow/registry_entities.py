"""Registered models and their versions as MLflow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)

if TYPE_CHECKING:
    from lakeflow.entities import model_registry as ours


def model_of(model: ours.RegisteredModel) -> RegisteredModel:
    """Return a model as MLflow's."""
    return RegisteredModel(
        model.name,
        model.creation_timestamp,
        model.last_updated_timestamp,
        model.description,
        [version_of(each) for each in model.latest_versions],
        [RegisteredModelTag(key, value) for key, value in model.tags.items()],
        [RegisteredModelAlias(alias, version) for alias, version in model.aliases.items()],
    )


def version_of(version: ours.ModelVersion) -> ModelVersion:
    """Return a version as MLflow's."""
    return ModelVersion(
        version.name,
        version.version,
        version.creation_timestamp,
        version.last_updated_timestamp,
        version.description,
        version.user_id,
        version.current_stage,
        version.source,
        version.run_id,
        version.status,
        version.status_message,
        [ModelVersionTag(key, value) for key, value in version.tags.items()],
        version.run_link,
        version.aliases,
    )
