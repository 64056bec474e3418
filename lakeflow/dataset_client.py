"""DatasetClient: MLflow's calls about evaluation datasets. It documents and delegates too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lakeflow.entities.kept_datasets import kept_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.entities import DatasetRecord, EvaluationDataset, PagedList
    from lakeflow.stores.store import Store


class DatasetClient(ABC):
    """What ``LakeflowClient`` does with datasets for evaluation and their records.

    Every change is one append to the log. What several writers merge into one record at the
    same time is all there afterwards.
    """

    @property
    @abstractmethod
    def _store(self) -> Store: ...

    @property
    @abstractmethod
    def _made_store(self) -> Store: ...

    def create_dataset(
        self,
        name: str,
        experiment_id: str | list[str] | None = None,
        tags: dict[str, Any] | None = None,
    ) -> EvaluationDataset:
        """Make a dataset for evaluation, without records.

        Args:
            name: Any text; another dataset may have the same.
            experiment_id: The experiment that it is linked to, or several.
            tags: Values become text. ``mlflow.user`` is who is logged in, unless it is given.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, there is no name, or an id is none.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-create-dataset")
            >>> made = client.create_dataset("questions", "0", {"team": "qa"})
            >>> made.name, made.experiment_ids, made.tags["team"], made.profile
            ('questions', ['0'], 'qa', None)
        """
        return kept_by(
            self, self._made_store.evaluation_datasets.make(name, experiment_id, tags)
        )

    def get_dataset(self, dataset_id: str) -> EvaluationDataset:
        """Return a dataset as it is now; its records are read when they are asked for.

        Cost: a look at the log; for a dataset with records a query for how many there are.

        Args:
            dataset_id: Its id.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is none.
        """
        return kept_by(self, self._store.evaluation_datasets.get(dataset_id))

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a dataset with its records, for ever; one that is not there is warned of.

        Args:
            dataset_id: Its id.
        """
        return self._store.evaluation_datasets.delete(dataset_id)

    def search_datasets(
        self,
        experiment_ids: list[str] | None = None,
        filter_string: str | None = None,
        max_results: int = 1_000,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[EvaluationDataset]:
        """Return one page of datasets, by default the newest first.

        Args:
            experiment_ids: Those that are linked to any of these; all by default.
            filter_string: About ``name``, ``created_time``, ``last_update_time``,
                ``created_by``, ``last_updated_by``, ``digest``, ``dataset_id`` and
                ``tags.<key>``; see the reference of filters.
            max_results: Size of the page, at most 50,000.
            order_by: Fields, each with ASC or DESC behind it.
            page_token: Token of the page before.

        Raises:
            InvalidInputError: INVALID_PARAMETER_VALUE, one of them is malformed.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-search-datasets")
            >>> for name in ("first", "second", "other"):
            ...     _ = client.create_dataset(name, "0")
            >>> found = client.search_datasets(["0"], "name != 'other'", order_by=["name"])
            >>> [dataset.name for dataset in found]
            ['first', 'second']
        """
        return kept_by(
            self,
            self._made_store.evaluation_datasets.search(
                experiment_ids, filter_string, max_results, order_by, page_token
            ),
        )

    def set_dataset_tags(self, dataset_id: str, tags: dict[str, Any]) -> None:
        """Set tags of a dataset; those that are not named stay.

        Args:
            dataset_id: Its id.
            tags: Values become text; those that are None are passed over, as in MLflow.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such dataset.
        """
        return self._store.evaluation_datasets.set_tags(dataset_id, tags)

    def delete_dataset_tag(self, dataset_id: str, key: str) -> None:
        """Remove a tag of a dataset; what is not there is no error.

        Args:
            dataset_id: Its id.
            key: The tag.
        """
        return self._store.evaluation_datasets.delete_tag(dataset_id, key)

    def add_dataset_to_experiments(
        self, dataset_id: str, experiment_ids: list[str]
    ) -> EvaluationDataset:
        """Link a dataset to further experiments.

        Args:
            dataset_id: Its id.
            experiment_ids: The experiments; those that are linked already stay so.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such dataset or experiment.
        """
        return kept_by(
            self, self._store.evaluation_datasets.add_experiments(dataset_id, experiment_ids)
        )

    def remove_dataset_from_experiments(
        self, dataset_id: str, experiment_ids: list[str]
    ) -> EvaluationDataset:
        """Take away links of a dataset to experiments.

        Args:
            dataset_id: Its id.
            experiment_ids: The experiments; one that is not linked is warned of.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such dataset.
        """
        return kept_by(
            self,
            self._store.evaluation_datasets.remove_experiments(dataset_id, experiment_ids),
        )

    # Records: beyond MLflow's client, whose datasets ask its store

    def load_dataset_records(
        self, dataset_id: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[DatasetRecord]:
        """Return records of a dataset, the one that was merged in first first.

        Args:
            dataset_id: The dataset.
            max_results: Size of the page; all records by default.
            page_token: Token of the page before.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such dataset.
            InvalidInputError: INVALID_PARAMETER_VALUE, the size or the token is none.
        """
        return self._store.evaluation_datasets.load(dataset_id, max_results, page_token)

    def merge_dataset_records(self, dataset_id: str, records: Any) -> dict[str, int]:
        """Merge records into those of a dataset; return how many were new, and how many not.

        A record with the inputs of one that is there is merged into that one: its expectations
        and tags are laid over those by name, its outputs take the place of those; the source
        stays. Where none says its source, it is ``HUMAN`` with expectations, else ``CODE``.

        Cost: one append; where the dataset has records, a query for those that are known.

        Args:
            dataset_id: The dataset.
            records: A list of dictionaries with ``inputs`` and, as far as they are known,
                ``expectations``, ``outputs``, ``tags`` and ``source``; a frame of pandas or
                polars with such columns; a list of traces; or a frame of ``search_traces``. Of
                a trace these are inputs and outputs of its root span, and its expectations.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such dataset.
            InvalidInputError: INVALID_PARAMETER_VALUE, these are no records, or some are about
                conversations (with a ``goal``) and others not; nothing is merged then.

        Examples:
            >>> from lakeflow import LakeflowClient
            >>> client = LakeflowClient("memory://doc-merge-dataset-records")
            >>> dataset_id = client.create_dataset("questions").dataset_id
            >>> asked = {"inputs": {"question": "2 + 2?"}}
            >>> client.merge_dataset_records(dataset_id, [asked, {"inputs": {"q": "1?"}}])
            {'inserted': 2, 'updated': 0}
            >>> client.merge_dataset_records(dataset_id, [asked | {"expectations": {"n": 4}}])
            {'inserted': 0, 'updated': 1}
        """
        return self._store.evaluation_datasets.merge(dataset_id, records)

    def delete_dataset_records(self, dataset_id: str, record_ids: Sequence[str]) -> int:
        """Delete records of a dataset; return how many of them there were.

        Args:
            dataset_id: The dataset.
            record_ids: Their ids.

        Raises:
            NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such dataset.
        """
        return self._store.evaluation_datasets.delete_records(dataset_id, record_ids)
