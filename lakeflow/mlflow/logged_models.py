"""MLflow's calls about logged models, by the stores of the lake; MLflow 3 alone has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.store.entities.paged_list import PagedList

from lakeflow.entities import LoggedModelStatus
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mlflow.entities import (
        LoggedModel,
        LoggedModelOutput,
        LoggedModelParameter,
        LoggedModelTag,
    )

    from lakeflow import entities


@raises_mlflow
class LoggedModelMethods(LakeMethods):
    """Calls about logged models."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: list[LoggedModelTag] | None = None,
        params: list[LoggedModelParameter] | None = None,
        model_type: str | None = None,
        **_: Any,
    ) -> LoggedModel:
        """Make a logged model."""
        made = self.lake.logged_models.create(
            experiment_id, name, source_run_id, _pairs(tags), _pairs(params), model_type
        )
        return logged_model_of(made, self.shown)

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[LoggedModel]:
        """Return one page of logged models."""
        page = self.lake.logged_models.search(
            list(experiment_ids), filter_string, datasets, max_results, order_by, page_token
        )
        return PagedList([logged_model_of(each, self.shown) for each in page], page.token)

    def finalize_logged_model(self, model_id: str, status: Any) -> LoggedModel:
        """Set the status of a logged model."""
        known = LoggedModelStatus.from_int(status.to_int())
        return logged_model_of(self.lake.logged_models.finalize(model_id, known), self.shown)

    def set_logged_model_tags(self, model_id: str, tags: list[LoggedModelTag]) -> None:
        """Set tags of a logged model."""
        self.lake.logged_models.set_tags(model_id, _pairs(tags))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a logged model."""
        self.lake.logged_models.delete_tag(model_id, key)

    def get_logged_model(
        self, model_id: str, allow_deleted: bool = False, **_: Any
    ) -> LoggedModel:
        """Return a logged model as it is now."""
        found = self.lake.logged_models.get(model_id, allow_deleted=allow_deleted)
        return logged_model_of(found, self.shown)

    def delete_logged_model(self, model_id: str) -> None:
        """Delete a logged model."""
        self.lake.logged_models.delete(model_id)

    def log_logged_model_params(
        self, model_id: str, params: list[LoggedModelParameter]
    ) -> None:
        """Log params of a logged model."""
        self.lake.logged_models.log_params(model_id, _pairs(params))

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        """Log logged models that a run has made."""
        self.lake.runs.log_outputs(run_id, models)

    # ``mlflow gc`` calls these two.

    def _get_deleted_logged_models(self, older_than: int = 0) -> list[str]:
        """Return the ids of models that were deleted that many milliseconds ago, or earlier."""
        return self.lake.logged_models.deleted(older_than)

    def _hard_delete_logged_model(self, model_id: str) -> None:
        """Remove a logged model for good."""
        self.lake.logged_models.remove(model_id)


def _pairs(given: Iterable[Any] | None) -> dict[str, Any]:
    return {each.key: each.value for each in given or ()}


def logged_model_of(found: entities.LoggedModel, shown: Callable[[str], str]) -> LoggedModel:
    """Return a logged model as MLflow's entity.

    Args:
        found: The model.
        shown: Returns a location as MLflow is to see it.
    """
    # MLflow 2 has none of these.
    from mlflow.entities import LoggedModel, Metric

    metrics = [Metric(**dict(each)) for each in found.metrics or ()]
    return LoggedModel(
        found.experiment_id,
        found.model_id,
        found.name,
        shown(found.artifact_location),
        found.creation_timestamp,
        found.last_updated_timestamp,
        found.model_type,
        found.source_run_id,
        found.status.to_int(),
        found.status_message,
        tags=found.tags,
        params=found.params,
        metrics=metrics or None,
    )
