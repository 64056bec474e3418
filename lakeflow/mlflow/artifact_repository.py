"""Files below a folder of any fsspec filesystem, as MLflow asks for them."""

from __future__ import annotations

from mlflow.store.artifact.artifact_repo import ArtifactRepository

from lakeflow.mlflow.errors import raises_mlflow


@raises_mlflow
class LakeArtifactRepository(ArtifactRepository):
    """The files below a folder, in a lake or not."""
