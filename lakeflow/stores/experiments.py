"""Experiments: rare to change, with names to keep unique, so changed in the control log."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import Experiment, LifecycleStage, PagedList, ViewType, validation
from lakeflow.exceptions import (
    AlreadyExistsError,
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
)
from lakeflow.kinds import EXPERIMENT
from lakeflow.schema import EXPERIMENT_TAGS, EXPERIMENTS
from lakeflow.stores import searching
from lakeflow.stores.arguments import below, checked_tags
from lakeflow.stores.state import experiment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from lakeflow.lake import Lake
    from lakeflow.stores.control import ControlStore, Draft, Known
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

_Fields = dict[str, Any]

# Numbers of ids have 18 digits at most: so many are left for experiments that are made here.
_LARGEST_BROUGHT = 10**18 - 10**15


def now_ms() -> int:
    """Return milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


class ExperimentStore:
    """Experiments of a lake.

    Args:
        lake: The lake.
        control: What looks them up and changes them.
        reader: What searches them.
    """

    def __init__(self, lake: Lake, control: ControlStore, reader: Reader) -> None:
        self._lake = lake
        self._control = control
        self._reader = reader

    def create(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
        artifact_root: str | None = None,
    ) -> str:
        """Make an experiment; see ``LakeflowClient.create_experiment``.

        Without an ``artifact_location`` its artifacts are below ``artifact_root``, in a folder
        that is called like its id; without either, in the lake.
        """
        validation.experiment_name(name)
        validation.artifact_location(artifact_location)
        validation.artifact_location(artifact_root)
        pairs = checked_tags(tags)

        def decide(known: Draft) -> tuple[list[str], str]:
            _check_free(known, name)
            # In here, and not before: when another process wins, it is decided again.
            created = str(known.next_number(EXPERIMENT))
            now = now_ms()
            row = {
                "experiment_id": created,
                "name": name,
                "artifact_location": _location(artifact_location, artifact_root, created),
                "lifecycle_stage": LifecycleStage.ACTIVE,
                "creation_time": now,
                "last_update_time": now,
            }
            made = records.table(EXPERIMENTS.name, [row])
            return records.bodies("", made, _tags(created, pairs)), created

        identity: str = self._control.change(decide)
        return identity

    def get(self, experiment_id: str) -> Experiment:
        """Return an experiment, deleted ones too.

        Raises:
            NotFoundError: There is none with this id.
        """
        wanted = validation.experiment_id(experiment_id)
        thing = self._control.known().thing(EXPERIMENT, wanted)
        found = None if thing is None else experiment_of(thing, self._lake.fs.resolve)
        if found is None:
            raise self._not_found(experiment_id)
        return found

    def find(self, name: str) -> Experiment | None:
        """Return the experiment of this name, deleted ones too; None if there is none."""
        thing = self._control.known().find(EXPERIMENT, "name", name)
        return None if thing is None else experiment_of(thing, self._lake.fs.resolve)

    def named(self, name: str) -> Experiment:
        """Return the experiment of this name, deleted ones too; it is made if there is none.

        Raises:
            InvalidInputError: This is no name.
            NotFoundError: It was renamed while it was being made.
        """
        found = self.find(name)
        if found is None:
            # Another process may have made it since; either way it is there now.
            with contextlib.suppress(AlreadyExistsError):
                self.create(name)
            found = self.find(name)
        if found is None:
            raise NotFoundError(f"experiment {name!r} vanished while it was being made")
        return found

    def bring(self, wanted: Sequence[Experiment]) -> list[str]:
        """Make experiments of another place, where there is none of their name; return ids.

        Each keeps its id if that was never given here. One that is there already gets those
        tags that it lacks, and stays as it is otherwise.

        Args:
            wanted: The experiments, with names that differ; some hundred at most.
        """

        def decide(known: Draft) -> tuple[list[str], list[str]]:
            ids, rows, tags, deleted = [], [], [], []
            taken: set[str] = set()
            for each in wanted:
                thing = known.find(EXPERIMENT, "name", each.name)
                there = {} if thing is None else dict(thing.rows(EXPERIMENT_TAGS.name))
                identity = _free_id(known, each.experiment_id, taken)
                if thing is None:
                    taken.add(identity)
                    rows.append(_brought(each, identity))
                    deleted += [identity] * (each.lifecycle_stage == LifecycleStage.DELETED)
                else:
                    identity = thing.id
                ids.append(identity)
                tags += [
                    {"experiment_id": identity, "key": key, "value": value}
                    for key, value in each.tags.items()
                    if key not in there
                ]
            # By themselves: a stage that was set later than its runs were made counts for them.
            stages = [
                {"experiment_id": each, "lifecycle_stage": LifecycleStage.DELETED}
                for each in deleted
            ]
            made = [
                records.table(EXPERIMENTS.name, rows),
                records.table(EXPERIMENT_TAGS.name, tags),
            ]
            bodies = records.bodies("", *filter(None, made)) if any(made) else []
            return [*bodies, *records.table(EXPERIMENTS.name, stages)], ids

        identities: list[str] = self._control.change(decide)
        return identities

    def search(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1_000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return one page of experiments; see ``LakeflowClient.search_experiments``."""
        page = searching.page_of(
            self._lake,
            self._reader,
            EXPERIMENT,
            filter_string,
            max_results,
            order_by,
            page_token,
            view_type=view_type,
        )
        things = self._reader.things(EXPERIMENT, page.ids, page.snapshot_id)
        found = [experiment_of(each, self._lake.fs.resolve) for each in things]
        return PagedList([each for each in found if each is not None], page.token)

    def require_active(self, experiment_id: str) -> str:
        """Return where an experiment keeps artifacts, relative to the lake if within it.

        Raises:
            NotFoundError: There is none with this id.
            InvalidInputError: It is deleted.
        """
        wanted = validation.experiment_id(experiment_id)
        thing = self._control.known(self._lake.check_interval_s).thing(EXPERIMENT, wanted)
        # It may have been made since the last look, by whoever told us its id.
        if thing is None:
            thing = self._control.known().thing(EXPERIMENT, wanted)
        row = self._fields(thing, experiment_id)
        _check_active(row)
        location: str = row["artifact_location"]
        return location

    def location(self, experiment_id: str) -> str:
        """Return where an experiment keeps artifacts, as ``require_active``; deleted or not.

        Raises:
            NotFoundError: There is none with this id.
        """
        known = self._control.known(self._lake.check_interval_s)
        location: str = self._row(known, experiment_id)["artifact_location"]
        return location

    def set_stage(self, experiment_id: str, stage: str) -> None:
        """Delete an active experiment, or restore a deleted one; its runs go with it.

        Raises:
            NotFoundError: There is none with this id in the other stage.
        """

        def check(row: _Fields, _: Known) -> _Fields:
            if row["lifecycle_stage"] == stage:
                raise NotFoundError(
                    f"No Experiment with id={experiment_id} exists that is not {stage} already"
                )
            return {"lifecycle_stage": stage}

        self._change(experiment_id, check)

    def rename(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name; see ``LakeflowClient.rename_experiment``."""
        validation.experiment_name(new_name)

        def check(row: _Fields, known: Known) -> _Fields:
            if row["lifecycle_stage"] != LifecycleStage.ACTIVE:
                raise InvalidStateError(
                    f"cannot rename a non-active experiment: {experiment_id!r} is deleted",
                    hint="restore it first",
                )
            if row["name"] != new_name:
                _check_free(known, new_name)
            return {"name": new_name}

        self._change(experiment_id, check)

    def set_tags(self, experiment_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags, all or none; see ``LakeflowClient.set_experiment_tag``."""
        wanted = validation.experiment_id(experiment_id)
        pairs = {validation.key(key): validation.text(value) for key, value in tags.items()}

        def decide(known: Draft) -> tuple[list[str], None]:
            _check_active(self._row(known, wanted))
            return _tags(wanted, pairs), None

        self._control.change(decide)

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag; see ``LakeflowClient.delete_experiment_tag``."""
        wanted = validation.experiment_id(experiment_id)

        def decide(known: Draft) -> tuple[list[str], None]:
            _check_active(self._row(known, wanted))
            thing = known.thing(EXPERIMENT, wanted)
            tags = {} if thing is None else dict(thing.rows(EXPERIMENT_TAGS.name))
            if key not in tags:
                raise NotFoundError(
                    f"No tag with name: {key} in experiment with id {experiment_id}"
                )
            return _tags(wanted, {key: None}), None

        self._control.change(decide)

    def remove(self, experiment_id: str) -> None:
        """Remove a deleted experiment; what belongs to it is not seen any more in this lake.

        Its id is never given again, and its name is free. See ``Removals.experiment``.

        Raises:
            NotFoundError: There is none with this id that is deleted.
        """
        wanted = validation.experiment_id(experiment_id)

        def decide(known: Draft) -> tuple[list[str], None]:
            self._require_deleted(known, wanted)
            return [records.removed([(EXPERIMENT.name, wanted)])], None

        self._control.change(decide)

    def require_deleted(self, experiment_id: str) -> None:
        """Make sure that an experiment is deleted.

        Raises:
            NotFoundError: There is none with this id that is deleted.
        """
        self._require_deleted(self._control.known(), experiment_id)

    def _require_deleted(self, known: Known, experiment_id: str) -> None:
        if self._row(known, experiment_id)["lifecycle_stage"] != LifecycleStage.DELETED:
            raise self._not_found(experiment_id)

    def _row(self, known: Known, experiment_id: object) -> _Fields:
        wanted = validation.experiment_id(experiment_id)
        return self._fields(known.thing(EXPERIMENT, wanted), experiment_id)

    def _fields(self, thing: Thing | None, experiment_id: object) -> _Fields:
        row = None if thing is None else thing.row(EXPERIMENT)
        if row is None:
            raise self._not_found(experiment_id)
        return row

    def _not_found(self, experiment_id: object) -> NotFoundError:
        return NotFoundError(
            f"No Experiment with id={experiment_id} exists in {self._lake.fs.uri}: "
            "experiment_id names none there"
        )

    def _change(self, experiment_id: str, check: Callable[[_Fields, Known], _Fields]) -> None:
        wanted = validation.experiment_id(experiment_id)

        def decide(known: Draft) -> tuple[list[str], None]:
            row = self._row(known, wanted)
            changed = {"experiment_id": wanted, **check(row, known)}
            # It always grows, however the clocks of two machines differ.
            changed["last_update_time"] = max(now_ms(), row["last_update_time"] + 1)
            return records.table(EXPERIMENTS.name, [changed]), None

        self._control.change(decide)


def _free_id(known: Known, wanted: str, taken: Collection[str]) -> str:
    """Return an id for a new experiment: the wanted one if nobody ever had it."""
    # The id after the largest number is given to the next experiment: it has to be one too.
    is_last = wanted.isdecimal() and int(wanted) > _LARGEST_BROUGHT
    if wanted and wanted not in taken and not is_last and known.is_free(EXPERIMENT, wanted):
        return wanted
    numbers = (int(each) for each in taken if each.isdecimal())
    return str(max(known.next_number(EXPERIMENT), 1 + max(numbers, default=-1)))


def _brought(experiment: Experiment, identity: str) -> _Fields:
    """Return the row of an experiment that comes from another place."""
    created = now_ms() if experiment.creation_time is None else experiment.creation_time
    updated = experiment.last_update_time
    return {
        "experiment_id": identity,
        "name": experiment.name,
        "artifact_location": _location(None, None, identity),
        "lifecycle_stage": LifecycleStage.ACTIVE,
        "creation_time": created,
        "last_update_time": created if updated is None else updated,
    }


def _tags(experiment_id: str, pairs: Mapping[str, str | None]) -> records.Pieces:
    rows = [
        {"experiment_id": experiment_id, "key": key, "value": value}
        for key, value in pairs.items()
    ]
    return records.table(EXPERIMENT_TAGS.name, rows)


def _check_free(known: Known, name: str) -> None:
    thing = known.find(EXPERIMENT, "name", name)
    row = None if thing is None else thing.row(EXPERIMENT)
    if row is not None:
        hint = (
            "restore it, or choose another name"
            if row["lifecycle_stage"] == LifecycleStage.DELETED
            else "choose another name"
        )
        raise AlreadyExistsError(f"Experiment(name={name}) already exists", hint=hint)


def _check_active(row: _Fields) -> None:
    if row["lifecycle_stage"] != LifecycleStage.ACTIVE:
        raise InvalidInputError(
            f"The experiment {row['experiment_id']} must be in the 'active' state; it is "
            f"{row['lifecycle_stage']}",
            hint="restore it with restore_experiment",
        )


def _location(given: str | None, root: str | None, experiment_id: str) -> str:
    """Return a location as it is stored; inside the lake relative, so that it may move."""
    if not given and root:
        return below(_location(root, None, experiment_id), experiment_id)
    if not given:
        return f"artifacts/{experiment_id}"
    # A scheme, or the letter of a drive; a colon behind a slash belongs to a name.
    return given if ":" in given.partition("/")[0] else os.path.abspath(given)
