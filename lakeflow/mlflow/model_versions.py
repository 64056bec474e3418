"""MLflow's calls about versions of registered models, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD,
)

from lakeflow.entities import validation
from lakeflow.kinds import MODEL_VERSION
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.mlflow.locations import is_lakeflow
from lakeflow.mlflow.prompts import without_prompts
from lakeflow.mlflow.registry_entities import version_of
from lakeflow.open_store import open_store
from lakeflow.stores.registry.model_uris import logged_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

    from lakeflow.stores.store import Store

_LATEST = "latest"


@raises_mlflow
class ModelVersionMethods(LakeMethods):
    """Calls about versions.

    Attributes:
        tracking_uri: Where the runs and the logged models are that versions come from.
    """

    tracking_uri: str

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Iterable[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
        **_: Any,
    ) -> ModelVersion:
        """Make the next version of a model.

        A version of a logged model has the files of that, and its run where none is given.
        """
        location = None
        # The server passes what was not given as an empty text.
        logged = _logged_model_id(source) or (None if run_id else model_id or None)
        if logged is not None:
            model = self._logged_model(logged, source)
            run_id = run_id or model.source_run_id
            # Of any other source the model tells only the run.
            location = model.artifact_location if _logged_model_id(source) else None
        return version_of(
            self.lake.model_versions.create(
                name,
                source,
                run_id,
                {tag.key: tag.value for tag in tags or ()},
                run_link,
                description,
                self._tracking if is_lakeflow(self.tracking_uri) else None,
                location=location,
            )
        )

    def _logged_model(self, model_id: str, source: str) -> Any:
        # The runs may be anywhere, in a lake or not, which only MLflow's client tells.
        from mlflow import MlflowClient

        try:
            return MlflowClient(tracking_uri=self.tracking_uri).get_logged_model(model_id)
        except MlflowException as error:
            raise MlflowException(
                f"Unable to fetch model from model URI source artifact location {source!r}: "
                f"{error.message}"
            ) from error

    def _tracking(self) -> Store:
        return open_store(self.tracking_uri, create=False)

    def copy_model_version(self, src_mv: ModelVersion, dst_name: str) -> ModelVersion:
        """Make the next version of a model out of another version, in one change."""
        uri = f"models:/{src_mv.name}/{src_mv.version}"
        return version_of(self.lake.model_versions.copy(uri, dst_name))

    def update_model_version(
        self, name: str, version: Any, description: str | None = None
    ) -> ModelVersion:
        """Set the description of a version; none is an empty one."""
        return version_of(self.lake.model_versions.update(name, version, description or ""))

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Move a version to a stage."""
        return version_of(
            self.lake.model_versions.move(name, version, stage, archive_existing_versions)
        )

    def delete_model_version(self, name: str, version: Any) -> None:
        """Remove a version."""
        self.lake.model_versions.delete(name, version)

    def get_model_version(self, name: str, version: Any) -> ModelVersion:
        """Return a version."""
        return version_of(self.lake.model_versions.get(name, version))

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias points at; ``latest`` is always the largest."""
        if str(alias).lower() != _LATEST:
            return version_of(self.lake.model_versions.get_by_alias(name, alias))
        latest = self.lake.models.get(name).latest_versions
        if not latest:
            raise MlflowException(
                f"Latest version not found for model {name}.", RESOURCE_DOES_NOT_EXIST
            )
        return version_of(max(latest, key=lambda each: each.version))

    def get_model_version_download_uri(self, name: str, version: Any) -> str:
        """Return where the files of a version are."""
        return self.shown(self.lake.model_versions.download_uri(name, version))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[ModelVersion]:
        """Return one page of versions; none of prompts unless the filter asks for them."""
        size = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT if max_results is None else max_results
        number, most = validation.integer(size), SEARCH_MODEL_VERSION_MAX_RESULTS_THRESHOLD
        if number is None or number < 1:
            raise MlflowException(
                f"Invalid value for max_results. It must be a positive integer, but got {size}",
                INVALID_PARAMETER_VALUE,
            )
        if number > most:
            raise MlflowException(
                "Invalid value for request parameter max_results. It must be at most "
                f"{most}, but got value {size}",
                INVALID_PARAMETER_VALUE,
            )
        wanted = without_prompts(filter_string, MODEL_VERSION)
        # Prompts are left out by the search: taken out of its page, they would leave holes.
        page = self.lake.model_versions.search(None, number, order_by, page_token, also=wanted)
        return PagedList([version_of(each) for each in page], page.token)

    def set_model_version_tag(self, name: str, version: Any, tag: ModelVersionTag) -> None:
        """Set a tag of a version."""
        self.lake.model_versions.set_tag(name, version, tag.key, tag.value, None)

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> None:
        """Remove a tag of a version; one that is not there is fine."""
        self.lake.model_versions.delete_tag(name, version, key, None)

    def _await_model_version_creation(self, mv: ModelVersion, await_creation_for: int) -> None:
        """Return at once: a version is there when it is made."""


def _logged_model_id(source: object) -> str | None:
    """Return the logged model that a source names; None if it names none."""
    model_id, path = logged_model(str(source)) or (None, "")
    return None if path else model_id
