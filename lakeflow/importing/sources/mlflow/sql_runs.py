"""Experiments and runs of MLflow's database with their points, by queries of any SQL."""

from __future__ import annotations

import math
import os
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from lakeflow.entities import LifecycleStage, tag_names
from lakeflow.importing.items import (
    Curve,
    DatasetItem,
    ExperimentItem,
    FileItem,
    Problem,
    RunItem,
)
from lakeflow.importing.sources.artifact_files import files_below, local_path
from lakeflow.importing.sources.mlflow.infinities import LARGEST, unclipped
from lakeflow.importing.sources.mlflow.tables import DEFAULT_WORKSPACE, StoreTables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNS_AT_ONCE = 500
"""SQLite before 3.32 takes no more than 999 values in a statement."""

RUN_COLUMNS = """
    run_uuid, start_time, end_time, status, name, user_id, lifecycle_stage, artifact_uri
"""

POINTS = 'SELECT "key", value, timestamp, step, is_nan FROM metrics WHERE run_uuid = :run'

_POINTS_A_CHUNK = 4_096


class SqlRuns(StoreTables):
    """What MLflow's database holds of experiments and runs.

    Attributes:
        points: What selects the points of ``:run`` by key, in the order of logging as far as
            the database knows it.
        order_of_inputs: By what those of a run are sorted.
    """

    points: ClassVar[str]
    order_of_inputs: ClassVar[str]

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self._locations: dict[str, str | None] = {}

    # Where databases differ

    def run_rows(self, experiment: int, since: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield ``RUN_COLUMNS`` of the runs of an experiment, as they were made.

        Args:
            experiment: Its id.
            since: Only those that began then or later.
        """
        raise NotImplementedError

    def located(self, artifact_uri: str | None) -> str | None:
        """Return where files are, whatever a relative location is relative to."""
        return artifact_uri

    # Experiments

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield all experiments, deleted ones too."""
        tags: dict[int, dict[str, str]] = {}
        for row in self.rows("SELECT * FROM experiment_tags"):
            tags.setdefault(row["experiment_id"], {})[row["key"]] = row["value"] or ""
        for row in self.rows("SELECT * FROM experiments ORDER BY experiment_id"):
            # Older databases lack some of these columns.
            name, workspace = row["name"], row.get("workspace")
            key, location = str(row["experiment_id"]), row["artifact_location"]
            self._locations[key] = self.located(location)
            yield ExperimentItem(
                key,
                # Two workspaces may have experiments of one name, and a lake has no workspaces.
                name if workspace in {None, DEFAULT_WORKSPACE} else f"{workspace}/{name}",
                tags.get(row["experiment_id"], {}),
                row["lifecycle_stage"] or LifecycleStage.ACTIVE,
                row.get("creation_time"),
                row.get("last_update_time"),
                location,
            )

    # Runs

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of an experiment, in the order in which they were made."""
        first = -(2**63) if since is None else since
        for rows in self.run_rows(int(experiment.key), first):
            yield from self._items(experiment, rows)

    def _items(
        self, experiment: ExperimentItem, rows: list[tuple[Any, ...]]
    ) -> Iterator[RunItem]:
        ids = [row[0] for row in rows]
        params = self._pairs("params", ids)
        tags = self._pairs("tags", ids)
        datasets = self._datasets(ids)
        used, made = self._models(ids)
        for run_id, start, end, status, name, user_id, stage, artifact_uri in rows:
            if start is None:
                self.report(Problem(f"run {run_id}", "it has no start_time, and gets 0"))
            yield RunItem(
                run_id,
                experiment.key,
                start or 0,
                end,
                status or "RUNNING",
                name or tags.get(run_id, {}).get(tag_names.RUN_NAME, ""),
                user_id or "",
                stage or LifecycleStage.ACTIVE,
                params.get(run_id, {}),
                tags.get(run_id, {}),
                datasets.get(run_id, []),
                used.get(run_id, []),
                made.get(run_id, {}),
                self.located(artifact_uri),
            )

    def _pairs(self, table: str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        query = f'SELECT run_uuid, "key", value FROM {table} WHERE run_uuid'  # noqa: S608
        for run_id, key, value in self.those_of(query, ids):
            found.setdefault(run_id, {})[key] = value or ""
        return found

    def those_of(self, query: str, ids: Sequence[str], rest: str = "") -> list[tuple[Any, ...]]:
        """Return the rows whose column, the last word of a query, is one of some ids."""
        values = {f"id{number}": each for number, each in enumerate(ids)}
        marks = ", ".join(f":{name}" for name in values)
        return self.tuples(f"{query} IN ({marks}) {rest}", **values)

    def _datasets(self, ids: Sequence[str]) -> dict[str, list[DatasetItem]]:
        if "inputs" not in self.tables:
            return {}
        rows = self.those_of(_DATASETS, ids, f"ORDER BY {self.order_of_inputs}")
        uses: dict[str, dict[str, str]] = {}
        # A run may have many datasets, so that these are bounded too.
        for start in range(0, len(rows), RUNS_AT_ONCE):
            inputs = [row[1] for row in rows[start : start + RUNS_AT_ONCE]]
            for identity, name, value in self.those_of(_USES, inputs):
                uses.setdefault(identity, {})[name] = value
        found: dict[str, list[DatasetItem]] = {}
        for run_id, identity, *fields in rows:
            dataset = DatasetItem(*fields)._replace(tags=uses.get(identity, {}))
            found.setdefault(run_id, []).append(dataset)
        return found

    def _models(
        self, ids: Sequence[str]
    ) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
        """Return which logged models runs used, and made at which step."""
        used: dict[str, list[str]] = {}
        made: dict[str, dict[str, int]] = {}
        if "logged_models" in self.tables:
            for run_id, model_id in self.those_of(_MODELS_USED, ids):
                used.setdefault(run_id, []).append(model_id)
            for run_id, model_id, step in self.those_of(_MODELS_MADE, ids):
                made.setdefault(run_id, {})[model_id] = step or 0
        return used, made

    # Points and files

    def counts(self, run: RunItem) -> dict[str, int] | None:
        """Return how many points each metric of a run has."""
        return dict(self.tuples(_COUNTS, run=run.run_id))

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run, metric by metric, in the order of logging."""
        for rows in self.chunks(self.points, _POINTS_A_CHUNK, run=run.run_id):
            for key, points in groupby(rows, itemgetter(0)):
                yield _curve(key, points)

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run."""
        if run.artifact_uri:
            self._look_for_files(run)
            yield from files_below(run.artifact_uri, self.report)

    def _look_for_files(self, run: RunItem) -> None:
        """Tell where the files of a whole experiment are not there: once, with its first run.

        A run without any has no folder, but here a database may have come alone.
        """
        location = self._locations.pop(run.experiment, None)
        folder = local_path(location) if location else None
        if folder is not None and not os.path.isdir(folder):
            why = "there is no such folder: files of runs are left out, if there were any"
            self.report(Problem(folder, why, is_loss=False))


_DATASETS = """
    SELECT inputs.destination_id, inputs.input_uuid, datasets.name, digest,
        dataset_source_type, dataset_source, dataset_schema, dataset_profile
    FROM inputs JOIN datasets ON dataset_uuid = inputs.source_id
    WHERE inputs.source_type = 'DATASET' AND inputs.destination_type = 'RUN'
        AND inputs.destination_id
"""
_USES = "SELECT input_uuid, name, value FROM input_tags WHERE input_uuid"
_MODELS_USED = """
    SELECT source_id, destination_id FROM inputs
    WHERE source_type = 'RUN_INPUT' AND destination_type = 'MODEL_INPUT' AND source_id
"""
_MODELS_MADE = """
    SELECT source_id, destination_id, step FROM inputs
    WHERE source_type = 'RUN_OUTPUT' AND destination_type = 'MODEL_OUTPUT' AND source_id
"""
_COUNTS = 'SELECT "key", count(*) FROM metrics WHERE run_uuid = :run GROUP BY "key"'


def _curve(key: str, points: Iterator[tuple[Any, ...]]) -> Curve:
    _, values, timestamps, steps, are_nan = zip(*points, strict=True)
    found = [0.0 if each is None else float(each) for each in values]
    # First: a NaN is stored as 0, and would make any comparison false.
    if max(found) >= LARGEST or min(found) <= -LARGEST:
        found = unclipped(found)
    if any(are_nan):
        found = [
            math.nan if is_nan else value for value, is_nan in zip(found, are_nan, strict=True)
        ]
    return Curve(key, found, timestamps, steps)
