"""Lakes that are logged to, compacted and synced in any order end with the union of all, once."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import os
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, RunTag, ViewType
from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.syncing import bookmark
from lakeflow.syncing.between_lakes import sync_lakes
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

# Small enough that segments rotate, and folds come in several steps.
SETTINGS = Settings(
    segment_bytes=1_500, fold_bytes=4_000, vacuum_grace_s=0, retention_s=0, auto_compact=False
)
LAKES = 3
EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "12"))
_NUMBERS = itertools.count()

lakes = st.integers(0, LAKES - 1)
names = st.sampled_from(["Default", "red", "b l/u☃"])
keys = st.sampled_from(["loss", "a b"])
texts = st.sampled_from(["", "x", '"}\\\n', "☃"])
numbers = st.sampled_from([0.0, -1.5, math.nan, math.inf])
which = st.integers(0, 100)


@dataclasses.dataclass
class Run:
    """What was logged to a run, wherever that was."""

    experiment: str
    lakes: set[int]
    params: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: dict[str, str | None] = dataclasses.field(default_factory=dict)
    points: list[tuple[str, Any, int]] = dataclasses.field(default_factory=list)
    status: str = "RUNNING"
    stage: str = "active"
    traces: set[str] = dataclasses.field(default_factory=set)


class SyncMachine(RuleBasedStateMachine):
    """A rule is a call in one of the lakes; the model is what one lake for all would hold."""

    @initialize()
    def make(self) -> None:
        self.uris = [f"memory://synced-{next(_NUMBERS)}" for _ in range(LAKES)]
        self.runs: dict[str, Run] = {}
        self.tags: dict[tuple[str, str], str | None] = {}
        self.named: dict[str, set[int]] = defaultdict(set)
        for place in range(LAKES):
            self.open(place)

    def open(self, place: int) -> None:
        store = Store(Lake.on(open_filesystem(self.uris[place]), SETTINGS))
        self.stores = [*getattr(self, "stores", ())]
        self.stores[place : place + 1] = [store]

    def run_in(self, place: int, number: int) -> tuple[str, Run] | None:
        there = [(run_id, run) for run_id, run in self.runs.items() if place in run.lakes]
        return there[number % len(there)] if there else None

    @rule(place=lakes, name=names)
    def create(self, place: int, name: str) -> None:
        store = self.stores[place]
        experiment = store.experiments.named(name).experiment_id
        run_id = store.runs.create(experiment, 5, {"of": str(place)}, "r").info.run_id
        self.named[name].add(place)
        self.runs[run_id] = Run(name, {place}, tags={"of": str(place)})

    @rule(place=lakes, number=which, key=keys, values=st.lists(numbers, max_size=4), text=texts)
    def log(self, place: int, number: int, key: str, values: list[float], text: str) -> None:
        found = self.run_in(place, number)
        if found is None or found[1].stage != "active":
            return
        run_id, run = found
        first = len(run.points)
        points = [(key, value, first + at) for at, value in enumerate(values)]
        store = self.stores[place]
        params = [] if text in run.params.values() or key in run.params else [Param(key, text)]
        try:
            store.runs.log_batch(
                run_id, [Metric(*point[:2], 7, point[2]) for point in points], params,
                [RunTag(key, text)],
            )  # fmt: skip
        except InvalidInputError:
            assert params, "only a param may be known by another value here"
            return
        run.points += points
        run.tags[key] = text
        run.params |= {each.key: each.value for each in params}

    @rule(place=lakes, number=which, status=st.sampled_from(["FINISHED", "FAILED"]))
    def end(self, place: int, number: int, status: str) -> None:
        found = self.run_in(place, number)
        if found is not None and found[1].stage == "active":
            self.stores[place].runs.terminate(found[0], status, 9)
            found[1].status = status

    @rule(place=lakes, number=which)
    def delete_tag(self, place: int, number: int) -> None:
        found = self.run_in(place, number)
        if found is None or found[1].stage != "active":
            return
        thing = self.stores[place].runs.get(found[0])
        if "of" in thing.data.tags:
            self.stores[place].runs.delete_tag(found[0], "of")
            found[1].tags["of"] = None

    @rule(place=lakes, number=which)
    def move(self, place: int, number: int) -> None:
        """Delete a run, or restore it: what this lake knows of it decides."""
        found = self.run_in(place, number)
        if found is None:
            return
        now = self.stores[place].runs.get(found[0]).info.lifecycle_stage
        stage = "active" if now == "deleted" else "deleted"
        self.stores[place].runs.set_stage(found[0], stage)
        found[1].stage = stage

    @rule(place=lakes, name=names, key=keys, text=texts)
    def tag_experiment(self, place: int, name: str, key: str, text: str) -> None:
        experiments = self.stores[place].experiments
        experiments.set_tags(experiments.named(name).experiment_id, {key: text})
        self.named[name].add(place)
        self.tags[name, key] = text

    @rule(place=lakes)
    def compact(self, place: int) -> None:
        compact_lake(self.stores[place].lake)

    @rule(place=lakes)
    def close(self, place: int) -> None:
        self.stores[place].lake.seal()
        self.open(place)

    @rule(source=lakes, into=lakes)
    def forget(self, source: int, into: int) -> None:
        source_id = self.stores[source].lake.file.lake_id
        self.stores[into].lake.fs.delete(bookmark.path_of(source_id))

    @rule(source=lakes, into=lakes)
    def sync(self, source: int, into: int) -> None:
        if source == into:
            return
        report = sync_lakes(self.stores[source], self.stores[into])
        assert report.is_complete
        for run in self.runs.values():
            if source in run.lakes:
                run.lakes.add(into)
        for there in self.named.values():
            if source in there:
                there.add(into)

    @rule(source=lakes, into=lakes, write=st.integers(1, 6), after=st.booleans())
    def die(self, source: int, into: int, write: int, after: bool) -> None:
        """Sync with a process that is killed at a write."""
        if source == into:
            return
        fs = FaultFilesystem(
            open_filesystem(self.uris[into]), Fault(write, "after" if after else "before")
        )
        with contextlib.suppress(Killed):
            sync_lakes(self.stores[source], Store(Lake.on(fs, SETTINGS)))

    def teardown(self) -> None:
        if not hasattr(self, "uris"):
            return
        for _ in range(2):
            for source, into in itertools.permutations(range(LAKES), 2):
                sync_lakes(self.stores[source], self.stores[into])
        for place, store in enumerate(self.stores):
            if place:
                compact_lake(store.lake)
            self.look(store)

    def look(self, store: Store) -> None:
        found = {each.name: each for each in store.experiments.search(ViewType.ALL)}
        assert {*found} == {"Default", *self.named}
        for (name, key), text in self.tags.items():
            assert found[name].tags[key] == text
        for run_id, run in self.runs.items():
            entity = store.runs.get(run_id)
            assert entity.info.experiment_id == found[run.experiment].experiment_id
            assert (entity.info.status, entity.info.lifecycle_stage) == (run.status, run.stage)
            tags = {key: text for key, text in run.tags.items() if text is not None}
            assert entity.data.tags == {"mlflow.runName": "r", **tags}
            assert entity.data.params == run.params
            for key in {each[0] for each in run.points}:
                points = [(p.value, p.step) for p in store.runs.history(run_id, key)]
                mine = [(value, step) for name, value, step in run.points if name == key]
                assert repr(points) == repr(mine)
                assert repr(entity.data.metrics[key]) == repr(mine[-1][0])
        searched = store.runs.search(
            [each.experiment_id for each in found.values()], view_type=ViewType.ALL
        )
        assert {run.info.run_id for run in searched} == {*self.runs}


def test_any_order_of_syncs_gives_the_union_once() -> None:
    run_state_machine_as_test(
        SyncMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[*HealthCheck],
        ),
    )
