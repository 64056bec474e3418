"""Logged models behave as dictionaries would, whoever calls, folds or opens them again."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from lakeflow.config import Settings
from lakeflow.entities import LoggedModelInput, LoggedModelOutput, Metric
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "10"))
SETTINGS = Settings(vacuum_grace_s=0, retention_s=0, auto_compact=False)
MODELS = 2
_NUMBERS = itertools.count()

clients = st.integers(0, 1)
places = st.integers(0, MODELS - 1)
keys = st.sampled_from(["a", "b"])
datasets = st.sampled_from([None, ("train", "1"), ("train", "2"), ("test", "1")])
points = st.lists(
    st.tuples(keys, st.sampled_from([0.25, 0.5, 1.0]), st.integers(0, 2), datasets),
    min_size=1,
    max_size=3,
)


class LoggedModelMachine(RuleBasedStateMachine):
    """Each rule is a call by one of two processes over the same two models and one run."""

    @initialize()
    def make(self) -> None:
        self.uri = f"memory://model-machine-{next(_NUMBERS)}"
        self.stores = [self.opened(), self.opened()]
        self.run = self.stores[0].runs.create("0").info.run_id
        self.ids = [
            self.models(0).create("0", f"model {place}").model_id for place in range(MODELS)
        ]
        self.points: list[list[Any]] = [[] for _ in range(MODELS)]
        self.params: list[dict[str, str]] = [{} for _ in range(MODELS)]
        self.tags: list[dict[str, str]] = [{} for _ in range(MODELS)]
        self.status = ["PENDING"] * MODELS
        self.gone: set[int] = set()
        self.deleted: set[int] = set()
        self.used: set[int] = set()
        self.made: dict[int, int] = {}

    def opened(self) -> Store:
        return Store(Lake.on(open_filesystem(self.uri, {}, SETTINGS), SETTINGS))

    def models(self, client: int) -> Any:
        return self.stores[client].logged_models

    def is_refused(self, place: int, call: Any, *args: Any) -> bool:
        """Make a call about a model; one that was removed is not there."""
        if place not in self.gone:
            call(self.ids[place], *args)
            return False
        with pytest.raises(NotFoundError):
            call(self.ids[place], *args)
        return True

    @rule(client=clients, place=places, some=points)
    def measure(self, client: int, place: int, some: list[Any]) -> None:
        if place in self.gone:
            return
        metrics = [
            Metric(key, value, 10 + step, step, self.ids[place], *(dataset or (None, None)))
            for key, value, step, dataset in some
        ]
        self.stores[client].runs.log_batch(self.run, metrics)
        self.points[place] += some

    @rule(client=clients, place=places, key=keys, value=st.sampled_from("xy"))
    def param(self, client: int, place: int, key: str, value: str) -> None:
        known = self.params[place]
        if place not in self.gone and known.get(key, value) != value:
            with pytest.raises(InvalidInputError):
                self.models(client).log_params(self.ids[place], {key: value})
        elif not self.is_refused(place, self.models(client).log_params, {key: value}):
            known[key] = value

    @rule(client=clients, place=places, key=keys, is_set=st.booleans())
    def tag(self, client: int, place: int, key: str, is_set: bool) -> None:
        models = self.models(client)
        if is_set:
            if not self.is_refused(place, models.set_tags, {key: client}):
                self.tags[place][key] = str(client)
        elif place in self.gone or key not in self.tags[place]:
            with pytest.raises(NotFoundError):
                models.delete_tag(self.ids[place], key)
        else:
            models.delete_tag(self.ids[place], key)
            del self.tags[place][key]

    @rule(client=clients, place=places, status=st.sampled_from(["READY", "FAILED"]))
    def finalize(self, client: int, place: int, status: str) -> None:
        if not self.is_refused(place, self.models(client).finalize, status):
            self.status[place] = status

    @rule(client=clients, place=places, step=st.integers(0, 2))
    def tie(self, client: int, place: int, step: int) -> None:
        runs = self.stores[client].runs
        runs.log_inputs(self.run, None, [LoggedModelInput(self.ids[place])])
        runs.log_outputs(self.run, [LoggedModelOutput(self.ids[place], step)])
        self.used.add(place)
        self.made.setdefault(place, step)

    @rule(client=clients, place=places, for_good=st.booleans())
    def delete(self, client: int, place: int, for_good: bool) -> None:
        models = self.models(client)
        call = models.remove if for_good else models.delete
        if not self.is_refused(place, call):
            (self.gone if for_good else self.deleted).add(place)

    @rule(client=clients)
    def compact(self, client: int) -> None:
        compact_lake(self.stores[client].lake)

    @rule(client=clients)
    def reopen(self, client: int) -> None:
        self.stores[client].lake.close()
        self.stores[client] = self.opened()

    @invariant()
    def both_see_what_was_said(self) -> None:
        for store in self.stores:
            for place in range(MODELS):
                self.look_at(store, place)
            for text, holds in (
                ("metrics.a >= 0.5", lambda key, value: key == "a" and value >= 0.5),
                ("metrics.b < 0.5", lambda key, value: key == "b" and value < 0.5),
            ):
                found = store.logged_models.search(["0"], text)
                assert {each.model_id for each in found} == {
                    self.ids[place]
                    for place in {*range(MODELS)} - self.gone - self.deleted
                    if any(holds(key, value) for key, value, _, _ in self.points[place])
                }
            run = store.runs.get(self.run)
            assert {each.model_id for each in run.inputs.model_inputs} == {
                self.ids[place] for place in self.used
            }
            assert {each.model_id: each.step for each in run.outputs.model_outputs} == {
                self.ids[place]: step for place, step in self.made.items()
            }

    def look_at(self, store: Store, place: int) -> None:
        model_id = self.ids[place]
        if place in self.gone:
            with pytest.raises(NotFoundError):
                store.logged_models.get(model_id, allow_deleted=True)
            return
        if place in self.deleted:
            with pytest.raises(NotFoundError):
                store.logged_models.get(model_id)
        model = store.logged_models.get(model_id, allow_deleted=True)
        assert (model.params, model.tags) == (self.params[place], self.tags[place])
        assert model.status == self.status[place]
        assert [
            (each.key, each.value, each.step, each.dataset_name, each.dataset_digest)
            for each in model.metrics or ()
        ] == [
            (key, value, step, *(dataset or (None, None)))
            for key, value, step, dataset in self.points[place]
        ]

    def teardown(self) -> None:
        for store in self.stores:
            store.lake.close()


def test_logged_models_behave_as_dictionaries_would() -> None:
    run_state_machine_as_test(
        LoggedModelMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
