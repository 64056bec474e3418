"""What MLflow calls for URIs of lakeflow.

MLflow loads these functions while it is itself being imported, so that nothing of it may be
imported here but by a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.genai.scorers.registry import MlflowTrackingStore

    from lakeflow.mlflow.artifact_repository import LakeArtifactRepository
    from lakeflow.mlflow.registry_store import RegistryStore
    from lakeflow.mlflow.tracking_store import TrackingStore


def tracking_store(store_uri: str, artifact_uri: str | None = None) -> TrackingStore:
    """Return MLflow's tracking store over a lake, which is made if there is none.

    Args:
        store_uri: ``lakeflow:///folder``, or ``lakeflow+`` and the URL of a lake.
        artifact_uri: Where new experiments keep artifacts; in the lake by default.

    Raises:
        MlflowException: INVALID_PARAMETER_VALUE, the URI is no location; others as of
            ``LakeflowClient``.
    """
    from lakeflow.mlflow.tracking_store import TrackingStore

    return TrackingStore(store_uri, artifact_uri)


def registry_store(store_uri: str, tracking_uri: str | None = None) -> RegistryStore:
    """Return MLflow's registry store over a lake, which is made if there is none.

    Args:
        store_uri: As for ``tracking_store``.
        tracking_uri: Where the runs are that versions come from; the same lake by default.

    Raises:
        MlflowException: As for ``tracking_store``.
    """
    from lakeflow.mlflow.registry_store import RegistryStore

    return RegistryStore(store_uri, tracking_uri)


def scorer_store(tracking_uri: str | None = None) -> MlflowTrackingStore:
    """Return what registers scorers where the experiments are.

    Args:
        tracking_uri: As for ``tracking_store``.

    Raises:
        MlflowException: As for ``tracking_store``.
    """
    from mlflow.genai.scorers.registry import MlflowTrackingStore

    return MlflowTrackingStore(tracking_uri)


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> LakeArtifactRepository:
    """Return MLflow's repository of the files below a folder.

    Args:
        artifact_uri: ``lakeflow:///folder``, or ``lakeflow+`` and the URL of a folder, in a
            lake or not.
        tracking_uri: Taken as MLflow passes it.
        registry_uri: Taken as MLflow passes it.

    Raises:
        MlflowException: INVALID_PARAMETER_VALUE, the URI is no location.
    """
    from lakeflow.mlflow.artifact_repository import LakeArtifactRepository

    return LakeArtifactRepository(artifact_uri, tracking_uri, registry_uri)
