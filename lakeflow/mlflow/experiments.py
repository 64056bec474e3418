"""MLflow's calls about experiments, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.entities import ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.mlflow.entities import experiment_of
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlflow.entities import Experiment, ExperimentTag


@raises_mlflow
class ExperimentMethods(LakeMethods):
    """Calls about experiments."""

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Iterable[ExperimentTag] | None = None,
        # What other releases pass besides: they differ in a third of their methods.
        **_: Any,
    ) -> str:
        """Make an experiment and return its id."""
        return self.lake.experiments.create(
            name,
            artifact_location,
            {tag.key: tag.value for tag in tags or ()},
            artifact_root=self.chosen_root,
        )

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, deleted ones too."""
        return experiment_of(self.lake.experiments.get(experiment_id), self.shown)

    def get_experiment_by_name(self, experiment_name: str) -> Experiment | None:
        """Return the experiment of a name, deleted ones too; None if there is none."""
        found = self.lake.experiments.find(experiment_name)
        return None if found is None else experiment_of(found, self.shown)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[Experiment]:
        """Return one page of experiments."""
        page = self.lake.experiments.search(
            view_type, max_results, filter_string, order_by, page_token
        )
        return PagedList([experiment_of(each, self.shown) for each in page], page.token)

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment and its runs; both can be restored."""
        # Not of the experiments alone: what this process knows of the runs is forgotten, too.
        self.lake.delete_experiment(experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Restore an experiment and all its runs."""
        self.lake.restore_experiment(experiment_id)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name."""
        self.lake.experiments.rename(experiment_id, new_name)

    def set_experiment_tag(self, experiment_id: str, tag: ExperimentTag) -> None:
        """Set a tag."""
        self.lake.experiments.set_tags(experiment_id, {tag.key: tag.value})

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag."""
        self.lake.experiments.delete_tag(experiment_id, key)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        """Remove a deleted experiment and its runs for good: for ``mlflow gc``."""
        self.lake.removals.experiment(experiment_id)

    def filter_active_experiment_ids(self, experiment_ids: list[str]) -> list[str]:
        """Return those of some ids that active experiments have."""
        return [each for each in experiment_ids if self._is_active(each)]

    def _is_active(self, experiment_id: str) -> bool:
        try:
            self.lake.experiments.require_active(experiment_id)
        except (NotFoundError, InvalidInputError):
            return False
        return True
