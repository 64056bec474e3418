"""MLflow's calls about datasets for evaluation, by the stores of the lake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.store.entities.paged_list import PagedList

from lakeflow.exceptions import NotFoundError
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.entities import DatasetRecord, EvaluationDataset

    from lakeflow.entities import DatasetRecord as LakeRecord
    from lakeflow.entities import EvaluationDataset as LakeDataset


@raises_mlflow
class DatasetMethods(LakeMethods):
    """Calls about datasets for evaluation."""

    def create_dataset(
        self,
        name: str,
        tags: dict[str, str] | None = None,
        experiment_ids: list[str] | None = None,
        **_: Any,
    ) -> EvaluationDataset:
        """Make a dataset."""
        made = self.lake.evaluation_datasets.create(name, tags, experiment_ids)
        found = dataset_of(made)
        # They are known; MLflow's entity would ask the store for them.
        found.experiment_ids = list(map(str, experiment_ids or []))
        return found

    def get_dataset(self, dataset_id: str) -> EvaluationDataset:
        """Return a dataset, without its records and its experiments."""
        return dataset_of(self.lake.evaluation_datasets.get(dataset_id))

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset with its records."""
        self.lake.evaluation_datasets.delete(dataset_id)

    def search_datasets(
        self,
        experiment_ids: list[str] | None = None,
        filter_string: str | None = None,
        max_results: int = 1_000,
        order_by: list[str] | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[EvaluationDataset]:
        """Return one page of datasets, without their records."""
        # Over HTTP an empty list is none at all, so to MLflow both are all experiments.
        page = self.lake.evaluation_datasets.search(
            experiment_ids or None, filter_string, max_results, order_by, page_token
        )
        return PagedList([dataset_of(each) for each in page], page.token)

    def set_dataset_tags(self, dataset_id: str, tags: dict[str, Any]) -> None:
        """Set tags; values that are None are passed over."""
        self.lake.evaluation_datasets.set_tags(dataset_id, tags)

    def delete_dataset_tag(self, dataset_id: str, key: str) -> None:
        """Remove a tag, if it is there."""
        self.lake.evaluation_datasets.delete_tag(dataset_id, key)

    def get_dataset_experiment_ids(self, dataset_id: str) -> list[str]:
        """Return the experiments that a dataset is linked to."""
        return self.lake.evaluation_datasets.experiment_ids(dataset_id)

    def add_dataset_to_experiments(
        self, dataset_id: str, experiment_ids: list[str]
    ) -> EvaluationDataset:
        """Link a dataset to experiments."""
        store = self.lake.evaluation_datasets
        return dataset_of(store.add_experiments(dataset_id, experiment_ids))

    def remove_dataset_from_experiments(
        self, dataset_id: str, experiment_ids: list[str]
    ) -> EvaluationDataset:
        """Take links of a dataset away."""
        store = self.lake.evaluation_datasets
        return dataset_of(store.remove_experiments(dataset_id, experiment_ids))

    def upsert_dataset_records(
        self, dataset_id: str, records: list[dict[str, Any]]
    ) -> dict[str, int]:
        """Merge records into those of a dataset; return how many were new, and how many not."""
        return self.lake.evaluation_datasets.upsert(dataset_id, records)

    def delete_dataset_records(self, dataset_id: str, dataset_record_ids: Sequence[str]) -> int:
        """Delete records; return how many there were."""
        return self.lake.evaluation_datasets.delete_records(dataset_id, dataset_record_ids)

    def _load_dataset_records(
        self,
        dataset_id: str,
        max_results: int | None = None,
        page_token: str | None = None,
    ) -> tuple[list[DatasetRecord], str | None]:
        from mlflow.store.tracking import LOAD_DATASET_RECORDS_MAX_RESULTS

        # As in MLflow: 0 is its default, and None is for all.
        most = LOAD_DATASET_RECORDS_MAX_RESULTS if max_results == 0 else max_results
        try:
            page = self.lake.evaluation_datasets.load(dataset_id, most, page_token)
        except NotFoundError:
            # As in MLflow, whose server has no answer for an error here.
            return [], None
        return [_record_of(each) for each in page], page.token


def dataset_of(found: LakeDataset) -> EvaluationDataset:
    """Return a dataset as MLflow's, which asks for its experiments when they are wanted."""
    from mlflow.entities import EvaluationDataset

    return EvaluationDataset(
        dataset_id=found.dataset_id,
        name=found.name,
        digest=found.digest,
        created_time=found.created_time,
        last_update_time=found.last_update_time,
        tags=dict(found.tags),
        schema=found.schema,
        profile=found.profile,
        created_by=found.created_by,
        last_updated_by=found.last_updated_by,
    )


def _record_of(found: LakeRecord) -> DatasetRecord:
    from mlflow.entities import DatasetRecord, DatasetRecordSource

    source = None
    if found.source is not None:
        source = DatasetRecordSource(found.source.source_type, found.source.source_data)
    return DatasetRecord(
        dataset_id=found.dataset_id,
        inputs=found.inputs,
        dataset_record_id=found.dataset_record_id,
        created_time=found.created_time,
        last_update_time=found.last_update_time,
        outputs=found.outputs,
        expectations=found.expectations,
        tags=found.tags,
        source=source,
        source_id=found.source_id,
        created_by=found.created_by,
        last_updated_by=found.last_updated_by,
    )
