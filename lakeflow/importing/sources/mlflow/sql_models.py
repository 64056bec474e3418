"""Registered models and logged models of MLflow's database, by queries of any SQL."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from lakeflow.entities import LifecycleStage
from lakeflow.importing.items import Problem
from lakeflow.importing.model_items import (
    LoggedModelItem,
    ModelPoint,
    ModelVersionItem,
    RegisteredModelItem,
)
from lakeflow.importing.sources.artifact_files import files_below
from lakeflow.importing.sources.mlflow.infinities import unclipped
from lakeflow.importing.sources.mlflow.statuses import DELETED_VERSION, logged_model_status
from lakeflow.importing.sources.mlflow.tables import DEFAULT_WORKSPACE, StoreTables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakeflow.importing.items import ExperimentItem, FileItem
    from lakeflow.importing.sources.mlflow.tables import Row

_MODELS_AT_ONCE = 500
_VERSIONS_AT_ONCE = 500
_POINTS_AT_ONCE = 5_000


class SqlModels(StoreTables):
    """What MLflow's database holds of models."""

    # Registered models

    def registered_models(self) -> Iterator[RegisteredModelItem]:
        """Yield the registered models by name, and tell what stands beside them is left out."""
        self._tell_left_out()
        last = ""
        while "registered_models" in self.tables:
            rows = self._own(_MODELS, last=last, most=_MODELS_AT_ONCE)
            if not rows:
                return
            for row in rows:
                if self.has_numbers(f"registered model {row['name']}", row, *_TIMES):
                    yield self._model(row)
            last = rows[-1]["name"]

    def _own(self, query: str, **values: object) -> list[Row]:
        """Return rows of the workspace that all is in where nobody has made another one."""
        # Names, and numbers of versions, are those of a workspace.
        own = f"workspace = '{DEFAULT_WORKSPACE}'" if self._has_workspaces else "1 = 1"
        return self.rows(query.format(own=own), **values)

    @cached_property
    def _has_workspaces(self) -> bool:
        return any("workspace" in row for row in self.rows(_ANY_MODEL))

    def _tell_left_out(self) -> None:
        if "registered_models" in self.tables and self._has_workspaces:
            for each in self.rows(_OF_OTHERS, own=DEFAULT_WORKSPACE):
                why = f"its {each['models']:,} registered models are left out: a lake has none"
                self.report(Problem(f"workspace {each['workspace']}", why))
        for table, query in _LEFT_OUT.items():
            count = self.rows(query)[0]["rows_of_it"] if table in self.tables else 0
            if count:
                why = f"it has {count:,} rows, and an import does not take them"
                self.report(Problem(f"table {table}", why))

    def _model(self, row: Row) -> RegisteredModelItem:
        name = row["name"]
        aliases = []
        if "registered_model_aliases" in self.tables:
            aliases = self._own(_ALIASES, name=name)
        made = row["creation_time"] or 0
        return RegisteredModelItem(
            name,
            made,
            row["last_updated_time"] or made,
            row["description"],
            _pairs(self._own(_MODEL_TAGS, name=name)),
            {each["alias"]: each["version"] for each in aliases},
            # Those that were deleted among them: their numbers are not given again.
            self._own(_LAST, name=name)[0]["last"] or 0,
        )

    def model_versions(self, model: RegisteredModelItem) -> Iterator[ModelVersionItem]:
        """Yield the versions of a model in the order of their numbers."""
        last = 0
        while True:
            rows = self._own(_VERSIONS, name=model.name, last=last, most=_VERSIONS_AT_ONCE)
            if not rows:
                return
            first, last = last, rows[-1]["version"]
            tags: dict[int, dict[str, str]] = {}
            for each in self._own(_VERSION_TAGS, name=model.name, first=first, last=last):
                tags.setdefault(each["version"], {})[each["key"]] = each["value"] or ""
            for row in rows:
                where = f"registered model {model.name}, version {row['version']}"
                # MLflow keeps the row of a deleted version, with its source redacted.
                is_there = row["current_stage"] != DELETED_VERSION
                if is_there and self.has_numbers(where, row, *_TIMES, "version"):
                    yield _version(row, tags.get(row["version"], {}))

    # Logged models

    def logged_models(self, experiments: Iterable[ExperimentItem]) -> Iterator[LoggedModelItem]:
        """Yield the logged models of all experiments by id: they have no other index."""
        last = ""
        while "logged_models" in self.tables:
            within: dict[str, object] = {"first": last}
            rows = self.rows(_LOGGED, **within, most=_MODELS_AT_ONCE)
            if not rows:
                return
            last = within["last"] = rows[-1]["model_id"]
            tags = _by_model(self.rows(_LOGGED_TAGS, **within))
            params = _by_model(self.rows(_LOGGED_PARAMS, **within))
            counts = {
                each["model_id"]: each["points"] for each in self.rows(_LOGGED_COUNTS, **within)
            }
            for row in rows:
                identity = row["model_id"]
                if self.has_numbers(f"logged model {identity}", row, *_LOGGED_TIMES, "status"):
                    yield _logged(
                        row,
                        tags.get(identity, {}),
                        params.get(identity, {}),
                        counts.get(identity, 0),
                    )

    def model_points(self, model: LoggedModelItem) -> Iterator[list[ModelPoint]]:
        """Yield the points of a logged model, some thousands at once."""
        for rows in self.batches(_POINTS, _POINTS_AT_ONCE, model=model.model_id):
            found = [row["metric_value"] for row in rows]
            values = unclipped([math.nan if each is None else each for each in found])
            yield [
                ModelPoint(
                    row["metric_name"],
                    value,
                    row["metric_timestamp_ms"],
                    row["metric_step"],
                    row["run_id"],
                    # Not null, as in a lake: points are compared, and it equals nothing.
                    row["dataset_name"] or "",
                    row["dataset_digest"] or "",
                )
                for row, value in zip(rows, values, strict=True)
            ]

    def model_files(self, model: LoggedModelItem) -> Iterator[FileItem]:
        """Yield the files of a logged model."""
        yield from files_below(model.artifact_location, self.report)


_LEFT_OUT = {
    table: f"SELECT count(*) AS rows_of_it FROM {table} {where}"  # noqa: S608 - constants
    for table, where in {
        "webhooks": "",
        "endpoints": "",
        "mcp_servers": "",
    }.items()
}
"""What is worth keeping, and has no place in an import yet."""

_TIMES = ("creation_time", "last_updated_time")
_LOGGED_TIMES = ("creation_timestamp_ms", "last_updated_timestamp_ms")

_MODELS = """
    SELECT * FROM registered_models WHERE {own} AND name > :last ORDER BY name LIMIT :most
"""
_ANY_MODEL = "SELECT * FROM registered_models LIMIT 1"
_OF_OTHERS = """
    SELECT workspace, count(*) AS models FROM registered_models WHERE workspace <> :own
    GROUP BY workspace ORDER BY workspace
"""
_MODEL_TAGS = "SELECT * FROM registered_model_tags WHERE {own} AND name = :name"
_ALIASES = "SELECT * FROM registered_model_aliases WHERE {own} AND name = :name"
_LAST = "SELECT max(version) AS last FROM model_versions WHERE {own} AND name = :name"
_VERSIONS = """
    SELECT * FROM model_versions WHERE {own} AND name = :name AND version > :last
    ORDER BY version LIMIT :most
"""
_VERSION_TAGS = """
    SELECT * FROM model_version_tags
    WHERE {own} AND name = :name AND version > :first AND version <= :last
"""
_LOGGED = """
    SELECT * FROM logged_models WHERE model_id > :first ORDER BY model_id LIMIT :most
"""
_LOGGED_TAGS = """
    SELECT model_id, tag_key AS name, tag_value AS value FROM logged_model_tags
    WHERE model_id > :first AND model_id <= :last
"""
_LOGGED_PARAMS = """
    SELECT model_id, param_key AS name, param_value AS value FROM logged_model_params
    WHERE model_id > :first AND model_id <= :last
"""
_LOGGED_COUNTS = """
    SELECT model_id, count(*) AS points FROM logged_model_metrics
    WHERE model_id > :first AND model_id <= :last
    GROUP BY model_id
"""
_POINTS = """
    SELECT * FROM logged_model_metrics WHERE model_id = :model
    ORDER BY metric_name, metric_timestamp_ms, metric_step, run_id
"""


def _pairs(rows: list[Row]) -> dict[str, str]:
    return {row["key"]: row["value"] or "" for row in rows}


def _by_model(rows: list[Row]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["model_id"], {})[row["name"]] = row["value"]
    return found


def _version(row: Row, tags: dict[str, str]) -> ModelVersionItem:
    made = row["creation_time"] or 0
    return ModelVersionItem(
        row["version"],
        made,
        row["last_updated_time"] or made,
        row["source"] or "",
        row.get("storage_location"),
        row["current_stage"],
        row["description"],
        row["user_id"],
        row["run_id"] or None,
        row["run_link"] or None,
        row["status"],
        row["status_message"],
        tags,
    )


def _logged(
    row: Row, tags: dict[str, str], params: dict[str, str], points: int
) -> LoggedModelItem:
    return LoggedModelItem(
        row["model_id"],
        str(row["experiment_id"]),
        row["name"],
        row["creation_timestamp_ms"] or 0,
        row["last_updated_timestamp_ms"] or 0,
        row["artifact_location"],
        logged_model_status(row["status"]),
        row["status_message"],
        row["model_type"],
        row["source_run_id"],
        row["lifecycle_stage"] or LifecycleStage.ACTIVE,
        params,
        tags,
        points,
    )
