"""Moving out: what a lake holds becomes plain files that need no lakeflow.

``lakeflow.mlflow.exporting`` moves it to MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.open_store import open_store
from lakeflow.stores.arguments import chosen
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.exporting.report import ExportReport, TableProgress

__all__ = ["to_csv", "to_parquet"]


def to_parquet(
    folder: str | os.PathLike[str],
    *,
    tracking_uri: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, object] | None = None,
    experiments: Sequence[str] | None = None,
    progress: Callable[[TableProgress], None] | None = None,
) -> ExportReport:
    """Write the tables of a lake as Parquet files, a folder each, and a README of all columns.

    They hold what the lake holds at the call, what is not compacted yet and deleted things
    included, while others go on logging. Other engines read them without a Delta log. A local
    folder appears when it is whole; elsewhere its ``README.md`` is written last. Artifacts
    stay where they are.

    Cost: each file of the lake is read once. What is sorted takes memory up to
    ``LAKEFLOW_SQL_MEMORY_BYTES``, and beyond that room for temporary files; so do the files
    that go to another machine, one at a time.

    Args:
        folder: An empty or new folder, on any filesystem that a lake may be on; options are
            those of ``lakeflow.set_storage_options``.
        tracking_uri: Location of the lake; that of the process by default.
        storage_options: fsspec's options for the filesystem of the lake.
        experiments: Names of the experiments whose rows are wanted, deleted ones too. Then
            tables that belong to no experiment, such as models, are left out. All by default.
        progress: Called with a ``TableProgress`` as work goes on.

    Returns:
        An ``ExportReport``: rows, files and bytes of each table.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no such lake or experiment.
        InvalidInputError: INVALID_PARAMETER_VALUE, the folder holds something.
        ConflictError: RESOURCE_CONFLICT, another process is writing it.
        StorageError: The lake cannot be read, or the folder not be written.
        DamagedLakeError: DATA_LOSS, a file of the lake is not there.

    Examples:
        >>> import lakeflow
        >>> from lakeflow import exporting
        >>> lakeflow.set_tracking_uri("memory://doc-to-parquet")
        >>> with lakeflow.start_run():
        ...     lakeflow.log_metrics({"loss": 0.5, "accuracy": 0.9})
        >>> report = exporting.to_parquet("memory://doc-plain")
        >>> report.tables["metrics"].rows
        2
    """
    return _export(folder, "parquet", tracking_uri, storage_options, experiments, progress)


def to_csv(
    folder: str | os.PathLike[str],
    *,
    tracking_uri: str | os.PathLike[str] | None = None,
    storage_options: Mapping[str, object] | None = None,
    experiments: Sequence[str] | None = None,
    progress: Callable[[TableProgress], None] | None = None,
) -> ExportReport:
    """Write the tables of a lake as CSV files; as ``to_parquet`` in everything else.

    Texts are in double quotes, a null is empty without quotes, numbers have all their digits,
    NaN and the infinities are ``nan``, ``inf`` and ``-inf``. Objects are JSON texts.
    """
    return _export(folder, "csv", tracking_uri, storage_options, experiments, progress)


def _export(
    folder: str | os.PathLike[str],
    ending: str,
    tracking_uri: str | os.PathLike[str] | None,
    storage_options: Mapping[str, object] | None,
    experiments: Sequence[str] | None,
    progress: Callable[[TableProgress], None] | None,
) -> ExportReport:
    with loading("what exports tables"):
        from lakeflow.exporting.exporter import export_tables

    wanted = chosen("experiments", experiments)
    store = open_store(tracking_uri, storage_options, create=False)
    return export_tables(store, folder, ending, wanted, progress or (lambda _: None))
