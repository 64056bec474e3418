"""Tables beside runs."""

from __future__ import annotations

from typing import Any

from lakeflow.client import LakeflowClient
from lakeflow.fluent.experiments import experiment_of_new_runs
from lakeflow.fluent.logged import target


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Log rows of a table; see ``LakeflowClient.log_table``.

    Args:
        data: A frame of pandas or polars, a table of Arrow, or a dict of columns.
        artifact_file: Path of the file below the run's artifacts; ends in ``.json`` or
            ``.parquet``.
        run_id: Run to log to; the active one by default.
    """
    store, run = target(run_id)
    store.tables.log(run, data, artifact_file)


def load_table(
    artifact_file: str,
    run_ids: list[str] | None = None,
    extra_columns: list[str] | None = None,
) -> Any:
    """Return the rows of a table of the runs of the active experiment as a frame of pandas.

    Args:
        artifact_file: Path of the table below the artifacts of each run.
        run_ids: As for ``LakeflowClient.load_table``.
        extra_columns: The same.
    """
    client = LakeflowClient()
    experiment_id = experiment_of_new_runs()
    return client.load_table(experiment_id, artifact_file, run_ids, extra_columns)
