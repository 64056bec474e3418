"""Experiments: rare to change, with names to keep unique, so committed straight."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from lakeflow.entities import Experiment, LifecycleStage, PagedList, validation
from lakeflow.exceptions import (
    AlreadyExistsError,
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
)
from lakeflow.query.fields import EXPERIMENT_FIELDS
from lakeflow.tables import EXPERIMENT_TAGS, EXPERIMENTS
from lakeflow.tracking.search import page_of, search_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.query.engine import Engine
    from lakeflow.storage.control import Row
    from lakeflow.storage.lake import Lake


def now_ms() -> int:
    """Return milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class ExperimentStore:
    """Experiments of a lake.

    Args:
        lake: The lake.
        engine: What searches it.
    """

    def __init__(self, lake: Lake, engine: Engine) -> None:
        self._lake = lake
        self._engine = engine

    def create(
        self, name: str, artifact_location: str | None, tags: Mapping[str, Any] | None
    ) -> str:
        """Make an experiment; see ``LakeflowClient.create_experiment``."""
        validation.experiment_name(name)
        validation.artifact_location(artifact_location)
        pairs = {
            validation.key(key): validation.text(value) for key, value in (tags or {}).items()
        }
        created = ""

        def add(rows: list[Row]) -> list[Row]:
            nonlocal created
            self._check_free(rows, name)
            numbers = [
                int(row["experiment_id"]) for row in rows if row["experiment_id"].isdecimal()
            ]
            created = str(max(numbers, default=-1) + 1)
            now = now_ms()
            return [
                *rows,
                {
                    "experiment_id": created,
                    "name": name,
                    "artifact_location": _location(artifact_location, created),
                    "lifecycle_stage": LifecycleStage.ACTIVE,
                    "creation_time": now,
                    "last_update_time": now,
                },
            ]

        self._experiments.update(add)
        if pairs:
            self._set_tags(created, pairs)
        return created

    def get(self, experiment_id: str) -> Experiment:
        """Return an experiment, deleted ones too.

        Raises:
            NotFoundError: There is none with this id.
        """
        return self._entity(self._row(self._experiments.rows(), experiment_id))

    def find(self, name: str) -> Experiment | None:
        """Return the experiment of this name, deleted ones too; None if there is none."""
        for row in self._experiments.rows():
            if row["name"] == name:
                return self._entity(row)
        return None

    def search(
        self,
        view_type: int,
        max_results: int | None,
        filter_string: str | None,
        order_by: Sequence[str] | None,
        page_token: str | None,
    ) -> PagedList[Experiment]:
        """Return one page of experiments; see ``LakeflowClient.search_experiments``."""
        rows = self._experiments.rows()
        search = search_of(EXPERIMENT_FIELDS, filter_string, view_type, order_by)
        tables = {EXPERIMENTS: rows, EXPERIMENT_TAGS: self._tags.rows()}
        page = page_of(
            search,
            max_results,
            page_token,
            lambda statement, _: (self._engine.search_rows(statement, tables), None),
        )
        by_id = {row["experiment_id"]: row for row in rows}
        return PagedList([self._entity(by_id[each]) for each in page.ids], page.token)

    def require_active(self, experiment_id: str) -> str:
        """Return where an experiment keeps artifacts, relative to the lake if within it.

        Raises:
            NotFoundError: There is none with this id.
            InvalidInputError: It is deleted.
        """
        rows = self._experiments.rows(self._lake.check_interval_s)
        if not any(row["experiment_id"] == experiment_id for row in rows):
            rows = self._experiments.rows()
        row = self._row(rows, experiment_id)
        _check_active(row)
        location: str = row["artifact_location"]
        return location

    def set_stage(self, experiment_id: str, stage: str) -> None:
        """Delete an active experiment, or restore a deleted one.

        Raises:
            NotFoundError: There is none with this id in the other stage.
        """

        def change(row: Row, _: list[Row]) -> None:
            if row["lifecycle_stage"] == stage:
                raise NotFoundError(
                    f"experiment {experiment_id!r} is {stage} already; none with this id is "
                    "in the other state"
                )
            row["lifecycle_stage"] = stage

        self._change(experiment_id, change)

    def require_stage(self, experiment_id: str, stage: str) -> None:
        """Check the stage of an experiment.

        Raises:
            NotFoundError: There is none with this id in this stage.
        """
        row = self._row(self._experiments.rows(), experiment_id)
        if row["lifecycle_stage"] != stage:
            raise NotFoundError(f"No Experiment with id={experiment_id} exists that is {stage}")

    def rename(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name; see ``LakeflowClient.rename_experiment``."""
        validation.experiment_name(new_name)

        def change(row: Row, rows: list[Row]) -> None:
            if row["lifecycle_stage"] != LifecycleStage.ACTIVE:
                raise InvalidStateError(
                    f"cannot rename a non-active experiment: {experiment_id!r} is deleted",
                    hint="restore it first",
                )
            self._check_free((each for each in rows if each is not row), new_name)
            row["name"] = new_name

        self._change(experiment_id, change)

    def set_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag; see ``LakeflowClient.set_experiment_tag``."""
        validation.experiment_id(experiment_id)
        pair = {validation.key(key): validation.text(value)}
        _check_active(self._row(self._experiments.rows(), experiment_id))
        self._set_tags(str(experiment_id), pair)

    @property
    def _experiments(self) -> Any:
        return self._lake.control["experiments"]

    @property
    def _tags(self) -> Any:
        return self._lake.control["experiment_tags"]

    def _row(self, rows: list[Row], experiment_id: object) -> Row:
        wanted = validation.experiment_id(experiment_id)
        for row in rows:
            if row["experiment_id"] == wanted:
                return row
        raise NotFoundError(
            f"No Experiment with id={experiment_id} exists in {self._lake.fs.uri}"
        )

    def _change(self, experiment_id: str, change: Callable[[Row, list[Row]], None]) -> None:
        def apply(rows: list[Row]) -> list[Row]:
            row = self._row(rows, experiment_id)
            change(row, rows)
            row["last_update_time"] = max(now_ms(), row["last_update_time"] + 1)
            return rows

        self._experiments.update(apply)

    def _set_tags(self, experiment_id: str, pairs: Mapping[str, str]) -> None:
        def change(rows: list[Row]) -> list[Row]:
            kept = [
                row
                for row in rows
                if row["experiment_id"] != experiment_id or row["key"] not in pairs
            ]
            added = [
                {"experiment_id": experiment_id, "key": key, "value": value}
                for key, value in pairs.items()
            ]
            return kept + added

        self._tags.update(change)

    def _check_free(self, rows: Any, name: str) -> None:
        for row in rows:
            if row["name"] == name:
                hint = (
                    "restore it, or choose another name"
                    if row["lifecycle_stage"] == LifecycleStage.DELETED
                    else "choose another name"
                )
                raise AlreadyExistsError(f"Experiment(name={name}) already exists", hint=hint)

    def _entity(self, row: Row) -> Experiment:
        tags = {
            tag["key"]: tag["value"]
            for tag in self._tags.rows()
            if tag["experiment_id"] == row["experiment_id"]
        }
        location = self._lake.fs.resolve(row["artifact_location"])
        return Experiment(**(row | {"artifact_location": location}), tags=tags)


def _check_active(row: Row) -> None:
    if row["lifecycle_stage"] != LifecycleStage.ACTIVE:
        raise InvalidInputError(
            f"The experiment {row['experiment_id']} must be in the 'active' state; it is "
            f"{row['lifecycle_stage']}",
            hint="restore it with restore_experiment",
        )


def _location(given: str | None, experiment_id: str) -> str:
    """Return a location as it is stored; inside the lake relative, so that it may move."""
    if not given:
        return f"artifacts/{experiment_id}"
    return given if ":" in given.partition("/")[0] else os.path.abspath(given)
