"""MLflow's calls about registered models and their aliases, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_ALREADY_EXISTS
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import (
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD,
)
from mlflow.utils.validation import _validate_model_name

from lakeflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    get_canonical_stage,
)
from lakeflow.exceptions import AlreadyExistsError
from lakeflow.kinds import REGISTERED_MODEL
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods
from lakeflow.mlflow.prompts import is_prompt, without_prompts
from lakeflow.mlflow.registry_entities import model_of, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow.entities.model_registry import (
        ModelVersion,
        RegisteredModel,
        RegisteredModelTag,
    )


@raises_mlflow
class RegisteredModelMethods(LakeMethods):
    """Calls about registered models."""

    def create_registered_model(
        self,
        name: str,
        tags: Iterable[RegisteredModelTag] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
        **_: Any,
    ) -> RegisteredModel:
        """Make a registered model; a deployment job is not kept, as in MLflow's databases."""
        # Each MLflow has its own idea of names that its URIs can hold.
        _validate_model_name(name)
        pairs = {tag.key: tag.value for tag in tags or ()}
        try:
            return model_of(self.lake.models.create(name, pairs, description))
        except AlreadyExistsError as error:
            raise self._taken(name, pairs) from error

    def _taken(self, name: str, tags: Mapping[str, str]) -> MlflowException:
        """Return the error of a name that a model or a prompt has already."""
        names = {True: "Prompt", False: "Registered Model"}
        wanted, there = is_prompt(tags), is_prompt(self.lake.models.get(name).tags)
        text = f"{names[wanted]} (name={name}) already exists"
        if wanted != there:
            text = (
                f"Tried to create a {names[wanted].lower()} with name {name!r}, but the name "
                f"is already taken by a {names[there].lower()}. Choose another name"
            )
        return MlflowException(text, RESOURCE_ALREADY_EXISTS)

    def update_registered_model(
        self,
        name: str,
        description: str | None,
        deployment_job_id: str | None = None,
        **_: Any,
    ) -> RegisteredModel:
        """Set the description of a model; none is an empty one."""
        return model_of(self.lake.models.update(name, description or ""))

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Give a model another name."""
        if new_name is None or not str(new_name).strip():
            raise MlflowException(
                "Missing value for required parameter 'new_name'", INVALID_PARAMETER_VALUE
            )
        _validate_model_name(new_name)
        self.lake.models.rename(name, new_name)
        return model_of(self.lake.models.get(new_name))

    def delete_registered_model(self, name: str) -> None:
        """Remove a model with its versions."""
        self.lake.models.delete(name)

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[RegisteredModel]:
        """Return one page of models; no prompts unless the filter asks for them."""
        size = (
            SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT if max_results is None else max_results
        )
        most = SEARCH_REGISTERED_MODEL_MAX_RESULTS_THRESHOLD
        if size > most:
            raise MlflowException(
                "Invalid value for request parameter max_results. It must be at most "
                f"{most}, but got value {size}",
                INVALID_PARAMETER_VALUE,
            )
        wanted = without_prompts(filter_string, REGISTERED_MODEL)
        # The filter is in what is wanted, which is parsed already.
        page = self.lake.models.search(None, size, order_by, page_token, also=wanted)
        return PagedList([model_of(each) for each in page], page.token)

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a model."""
        return model_of(self.lake.models.get(name))

    def get_latest_versions(
        self, name: str, stages: Sequence[str] | None = None
    ) -> list[ModelVersion]:
        """Return the largest version of each stage."""
        wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
        latest = self.lake.models.get(name).latest_versions
        return [version_of(each) for each in latest if each.current_stage in wanted]

    def set_registered_model_tag(self, name: str, tag: RegisteredModelTag) -> None:
        """Set a tag of a model."""
        self.lake.models.set_tag(name, tag.key, tag.value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Remove a tag of a model; one that is not there is fine."""
        self.lake.models.delete_tag(name, key)

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Let an alias point at a version."""
        self.lake.models.set_alias(name, alias, version)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that is not there is fine."""
        self.lake.models.delete_alias(name, alias)
