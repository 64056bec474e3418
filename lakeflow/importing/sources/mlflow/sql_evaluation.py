"""Datasets for evaluation and scorers of MLflow's database, by queries of any SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow.importing.evaluation_items import (
    DatasetRecordItem,
    EvaluationDatasetItem,
    ScorerVersionItem,
)
from lakeflow.importing.items import Problem
from lakeflow.importing.sources.mlflow.tables import StoreTables, own

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from lakeflow.importing.sources.mlflow.tables import Row

_DATASETS_AT_ONCE = 500
_RECORDS_AT_ONCE = 500
_SCORERS_AT_ONCE = 500

_OUTPUTS = "mlflow_wrapped"
"""What MLflow puts around outputs, so that any value of JSON is an object."""

_TIMES = ("created_time", "last_update_time")


class SqlEvaluation(StoreTables):
    """What MLflow's database holds of evaluation."""

    def evaluation_datasets(
        self, experiments: Container[str] | None
    ) -> Iterator[EvaluationDatasetItem]:
        """Yield all datasets by id."""
        if "evaluation_datasets" not in self.tables:
            return
        for rows in self.batches(_DATASETS, _DATASETS_AT_ONCE):
            for row in rows:
                where = f"evaluation dataset {row['dataset_id']}"
                if not own([row]):
                    why = f"it is in the workspace {row['workspace']!r}: a lake has none"
                    self.report(Problem(where, why))
                elif self.has_numbers(where, row, *_TIMES):
                    yield self._dataset(row)

    def _dataset(self, row: Row) -> EvaluationDatasetItem:
        identity = row["dataset_id"]
        made = row["created_time"] or 0
        linked = self.rows(_LINKS, dataset=identity)
        return EvaluationDatasetItem(
            identity,
            row["name"],
            made,
            row["last_update_time"] or made,
            row["created_by"],
            row["last_updated_by"],
            row["digest"] or "",
            {each["key"]: each["value"] or "" for each in self.rows(_TAGS, dataset=identity)},
            {each["experiment_id"]: each["created_time"] or made for each in linked},
        )

    def dataset_records(
        self, dataset: EvaluationDatasetItem
    ) -> Iterator[list[DatasetRecordItem]]:
        """Yield the records of a dataset, some hundreds at once."""
        for rows in self.batches(_RECORDS, _RECORDS_AT_ONCE, dataset=dataset.dataset_id):
            yield [each for each in map(self._record, rows) if each is not None]

    def _record(self, row: Row) -> DatasetRecordItem | None:
        where = f"record {row['dataset_record_id']} of evaluation dataset {row['dataset_id']}"
        if not self.has_numbers(where, row, *_TIMES):
            return None
        try:
            given = {
                name: json.loads(row[name])
                for name in ("inputs", "expectations", "tags", "source")
                if row[name] is not None
            }
            outputs = json.loads(row.get("outputs") or "null")
        except ValueError as error:
            self.report(Problem(where, f"it is left out: it is no JSON: {error}"))
            return None
        if outputs is not None:
            given["outputs"] = outputs[_OUTPUTS] if _is_wrapped(outputs) else outputs
        made = row["created_time"] or 0
        changed = row["last_update_time"] or made
        return DatasetRecordItem(
            # Not None: in a lake that is something which was said of the outputs.
            {name: each for name, each in given.items() if each is not None},
            made,
            changed,
            row["created_by"],
            row["last_updated_by"],
        )

    def scorer_versions(self, experiments: Container[str]) -> Iterator[ScorerVersionItem]:
        """Yield the versions of the scorers of experiments."""
        if "scorer_versions" not in self.tables:
            return
        for rows in self.batches(_SCORERS, _SCORERS_AT_ONCE):
            for row in rows:
                where = f"scorer {row['scorer_name']}, version {row['scorer_version']}"
                if str(row["experiment_id"]) in experiments and self.has_numbers(
                    where, row, "scorer_version", "creation_time"
                ):
                    yield ScorerVersionItem(
                        str(row["experiment_id"]),
                        row["scorer_name"],
                        row["scorer_version"],
                        row["serialized_scorer"],
                        row["creation_time"] or 0,
                    )


def _is_wrapped(outputs: Any) -> bool:
    return isinstance(outputs, dict) and _OUTPUTS in outputs


_DATASETS = "SELECT * FROM evaluation_datasets ORDER BY dataset_id"
_TAGS = "SELECT * FROM evaluation_dataset_tags WHERE dataset_id = :dataset"
_LINKS = """
    SELECT destination_id AS experiment_id, created_time FROM entity_associations
    WHERE source_type = 'evaluation_dataset' AND source_id = :dataset
        AND destination_type = 'experiment'
"""
_RECORDS = """
    SELECT * FROM evaluation_dataset_records WHERE dataset_id = :dataset
    ORDER BY created_time, dataset_record_id
"""
_SCORERS = """
    SELECT * FROM scorers JOIN scorer_versions ON scorer_versions.scorer_id = scorers.scorer_id
    ORDER BY scorers.scorer_id, scorer_version
"""
