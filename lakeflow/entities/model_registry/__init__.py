"""Registered models and their versions, with MLflow's names."""

from typing import TYPE_CHECKING

from lakeflow.lazy_loading import attach

if TYPE_CHECKING:
    from lakeflow.entities.model_registry.model_version import ModelVersion as ModelVersion
    from lakeflow.entities.model_registry.model_version import (
        ModelVersionTag as ModelVersionTag,
    )
    from lakeflow.entities.model_registry.model_version_status import (
        ModelVersionStatus as ModelVersionStatus,
    )
    from lakeflow.entities.model_registry.registered_model import (
        RegisteredModel as RegisteredModel,
    )
    from lakeflow.entities.model_registry.registered_model import (
        RegisteredModelAlias as RegisteredModelAlias,
    )
    from lakeflow.entities.model_registry.registered_model import (
        RegisteredModelTag as RegisteredModelTag,
    )
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "lakeflow.entities.model_registry.model_version": ("ModelVersion ModelVersionTag"),
            "lakeflow.entities.model_registry.model_version_status": "ModelVersionStatus",
            "lakeflow.entities.model_registry.registered_model": (
                "RegisteredModel RegisteredModelAlias RegisteredModelTag"
            ),
        },
    )
