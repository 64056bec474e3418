"""Datasets for evaluation and scorers of MLflow 3, as its client's store reads them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lakeflow.importing.evaluation_items import (
    DatasetRecordItem,
    EvaluationDatasetItem,
    ScorerVersionItem,
)
from lakeflow.mlflow.importing.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from mlflow.entities import DatasetRecord, EvaluationDataset

_RECORDS_A_PAGE = 1_000


class TrackedEvaluation(Asking):
    """What is behind a tracking URI of evaluation."""

    def evaluation_datasets(
        self, experiments: Container[str] | None
    ) -> Iterator[EvaluationDatasetItem]:
        """Yield the datasets of experiments; none where the store has no such thing."""
        # MLflow 2 does not have it.
        search = getattr(self.store, "search_datasets", None)
        ids = None
        if experiments is not None:
            ids = [*filter(experiments.__contains__, self.experiment_keys + self.deleted_keys)]
        # MLflow takes an empty list for all experiments.
        if search is None or ids == []:
            return
        found = self.pages(lambda token: search(ids, page_token=token))
        yield from map(self._dataset, self.if_any(found))

    def _dataset(self, found: EvaluationDataset) -> EvaluationDatasetItem:
        linked = partial(self.store.get_dataset_experiment_ids, found.dataset_id)
        made = found.created_time or 0
        return EvaluationDatasetItem(
            found.dataset_id,
            found.name,
            made,
            found.last_update_time or made,
            found.created_by,
            found.last_updated_by,
            found.digest or "",
            dict(found.tags or {}),
            # Since when it is linked nobody says.
            dict.fromkeys(self.asked(linked), made),
        )

    def dataset_records(
        self, dataset: EvaluationDatasetItem
    ) -> Iterator[list[DatasetRecordItem]]:
        """Yield the records of a dataset, a page at once."""
        token: str | None = None
        while True:
            page = partial(
                self.store._load_dataset_records, dataset.dataset_id, _RECORDS_A_PAGE, token
            )
            found, token = self.asked(page)
            yield [*map(_record, found)]
            if not token:
                return

    def scorer_versions(self, experiments: Container[str]) -> Iterator[ScorerVersionItem]:
        """Yield the versions of the scorers of experiments that are not deleted."""
        if not hasattr(self.store, "list_scorers"):
            return
        for key in (each for each in self.experiment_keys if each in experiments):
            scorers = self._listed(partial(self.store.list_scorers, key))
            for scorer in self.if_any(scorers):
                versions = partial(self.store.list_scorer_versions, key, scorer.scorer_name)
                found = self.asked(versions)
                for each in sorted(found, key=lambda version: version.scorer_version):
                    yield ScorerVersionItem(
                        key,
                        each.scorer_name,
                        each.scorer_version,
                        each._serialized_scorer,
                        each.creation_time or 0,
                    )

    def _listed(self, ask: Callable[[], Any]) -> Iterator[Any]:
        yield from self.asked(ask)


def _record(found: DatasetRecord) -> DatasetRecordItem:
    given = {name: getattr(found, name) for name in ("inputs", "outputs", "expectations")}
    given |= {"tags": found.tags or None, "source": found.source and found.source.to_dict()}
    return DatasetRecordItem(
        {name: each for name, each in given.items() if each is not None},
        found.created_time or 0,
        found.last_update_time or found.created_time or 0,
        found.created_by,
        found.last_updated_by,
    )
