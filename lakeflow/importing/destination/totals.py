"""Counts and sums of what is imported: of the source as it is read, and of the lake."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pyarrow

    from lakeflow.importing.destination.runs import CheckedRun
    from lakeflow.importing.items import FileItem
    from lakeflow.importing.report import ImportReport
    from lakeflow.stores.store import Store

_OF_RUNS = {
    "runs": "start_time",
    "params": 'length("value")',
    "tags": 'length("value")',
    "inputs": "length(source)",
    "artifacts": "size",
    "metrics": 'CASE WHEN is_read AND isfinite("value") THEN "value" END',
}
"""What is summed up of each table that has rows of runs."""

_EXPERIMENTS = (
    "SELECT count(*), sum(length(name)) FROM experiments JOIN wanted USING (experiment_id)"
)


_BESIDE = {
    "logged_models": "creation_timestamp",
    "logged_model_metrics": "0",
    "traces": "request_time",
    "spans": "length(name)",
    "assessments": "create_time",
    "scorers": "creation_time",
    "scorer_versions": "creation_time",
    "label_schemas": "created_time",
    "review_queues": "created_time",
    "review_queue_users": "created_time",
    "review_queue_label_schemas": "created_time",
    "review_queue_items": "created_time",
    "issues": "created_timestamp",
}
"""What is summed up of each table that has rows of experiments."""

_OF_DATASETS = {"evaluation_datasets": "created_time", "evaluation_dataset_records": "0"}

_OF_REGISTRY = {"registered_models": "length(name)", "model_versions": "creation_timestamp"}


def count_run(report: ImportReport, run: CheckedRun) -> None:
    """Count what the source has of a run, but for its points and files.

    What the lake cannot have is counted too, so that the two sides differ by it.
    """
    item = run.item
    report.count("runs", 1, run.fields["start_time"])
    for table, pairs in (("params", item.params), ("tags", item.tags)):
        report.count(table, len(pairs), sum(map(len, pairs.values())))
    sources = (len(each.source) for each in item.datasets)
    report.count("inputs", len(item.datasets), sum(sources))


def count_files(report: ImportReport, files: Sequence[FileItem]) -> None:
    """Count files of the source."""
    report.count("artifacts", len(files), sum(file.size or 0 for file in files))
    if any(file.size is None for file in files):
        # Then only the lake knows how long they are.
        report.tables["artifacts"].tolerance = math.inf


def count_lake(
    store: Store,
    report: ImportReport,
    experiment_ids: Collection[str],
    runs: Mapping[str, bool],
) -> None:
    """Count what the lake has of experiments and runs.

    Args:
        store: The lake.
        report: Where the counts go.
        experiment_ids: The experiments.
        runs: For each run whether its points are to be summed up.
    """
    import pyarrow

    experiments = pyarrow.table(
        {"experiment_id": pyarrow.array([*experiment_ids], pyarrow.string())}
    )
    _count(store, report, "experiments", _EXPERIMENTS, experiments)
    wanted = pyarrow.table(
        {
            "run_id": pyarrow.array([*runs], pyarrow.string()),
            "is_read": pyarrow.array([*runs.values()], pyarrow.bool_()),
        }
    )
    for table, amount in _OF_RUNS.items():
        query = f"SELECT count(*), sum({amount}) FROM {table} JOIN wanted USING (run_id)"  # noqa: S608 - constants
        _count(store, report, table, query, wanted)


def count_beside(
    store: Store,
    report: ImportReport,
    experiment_ids: Collection[str],
    names: Collection[str],
    datasets: Collection[str],
) -> None:
    """Count what the lake has beside runs, of the tables that the source has any rows of.

    Args:
        store: The lake.
        report: Where the counts go.
        experiment_ids: The experiments.
        names: Names of registered models.
        datasets: Ids of datasets for evaluation.
    """
    import pyarrow

    for amounts, column, values in (
        (_BESIDE, "experiment_id", experiment_ids),
        (_OF_REGISTRY, "name", names),
        (_OF_DATASETS, "dataset_id", datasets),
    ):
        wanted = pyarrow.table({column: pyarrow.array([*values], pyarrow.string())})
        for table, amount in amounts.items():
            if table in report.tables:
                query = (
                    f"SELECT count(*), sum({amount}) FROM {table} JOIN wanted USING ({column})"  # noqa: S608 - constants
                )
                _count(store, report, table, query, wanted)


def _count(
    store: Store, report: ImportReport, table: str, query: str, wanted: pyarrow.Table
) -> None:
    # Without the bounds that SQL of a user has: a large lake may take long.
    found = store.columns.query(query, None, given={"wanted": wanted}, seconds=0, rows=0)
    count, amount = (column[0].as_py() for column in found.columns)
    # DuckDB adds whole numbers up to ones of 128 bits, which are decimals to Arrow.
    if isinstance(amount, Decimal):
        amount = int(amount)
    report.tables[table].lake.add(count, amount or 0)
