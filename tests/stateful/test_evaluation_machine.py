"""Datasets and scorers behave as dictionaries would, whoever calls, folds or opens them again."""

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
from lakeflow.exceptions import NotFoundError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "10"))
SETTINGS = Settings(vacuum_grace_s=0, retention_s=0, auto_compact=False)
_NUMBERS = itertools.count()

clients = st.integers(0, 1)
places = st.integers(0, 1)
inputs = st.lists(st.integers(0, 3), min_size=1, max_size=3)
values = st.sampled_from([None, 1, "x", {"a": [1]}])
keys = st.sampled_from(["a", "b"])


class EvaluationMachine(RuleBasedStateMachine):
    """Each rule is a call by one of two processes over the same two datasets and two scorers."""

    @initialize()
    def make(self) -> None:
        self.uri = f"memory://evaluation-machine-{next(_NUMBERS)}"
        self.stores = [self.opened(), self.opened()]
        self.ids = [self.datasets(0).create(name).dataset_id for name in "ab"]
        # None stands for one that was deleted.
        self.records: list[dict[int, dict[str, Any]] | None] = [{}, {}]
        self.tags: list[dict[str, str]] = [{}, {}]
        self.scorers: dict[str, dict[int, str]] = {}

    def opened(self) -> Store:
        return Store(Lake.on(open_filesystem(self.uri, {}, SETTINGS), SETTINGS))

    def datasets(self, client: int) -> Any:
        return self.stores[client].evaluation_datasets

    @rule(
        client=clients, place=places, numbers=inputs, key=keys, value=values, says=st.booleans()
    )
    def merge(
        self, client: int, place: int, numbers: list[int], key: str, value: Any, says: bool
    ) -> None:
        given = [
            {"inputs": {"n": n}, "expectations": {key: value}, "tags": {key: "t"}}
            | ({"outputs": value} if says else {})
            for n in numbers
        ]
        known = self.records[place]
        if known is None:
            with pytest.raises(NotFoundError):
                self.datasets(client).upsert(self.ids[place], given)
            return
        told = self.datasets(client).upsert(self.ids[place], given)
        new = {*numbers} - {*known}
        assert told == {"inserted": len(new), "updated": len(numbers) - len(new)}
        for n in numbers:
            record = known.setdefault(n, {"expectations": {}, "tags": {}, "outputs": {}})
            record["expectations"] = record["expectations"] | {key: value}
            record["tags"] = record["tags"] | {key: "t"}
            if says:
                record["outputs"] = value

    @rule(client=clients, place=places, numbers=inputs)
    def remove(self, client: int, place: int, numbers: list[int]) -> None:
        known = self.records[place]
        if known is None:
            return
        loaded = self.datasets(client).load(self.ids[place])
        ids = [each.dataset_record_id for each in loaded if each.inputs["n"] in numbers]
        removed = {*numbers} & {*known}
        assert self.datasets(client).delete_records(self.ids[place], ids) == len(removed)
        self.records[place] = {n: known[n] for n in known if n not in removed}

    @rule(client=clients, place=places, key=keys, is_set=st.booleans())
    def tag(self, client: int, place: int, key: str, is_set: bool) -> None:
        if self.records[place] is None:
            return
        if is_set:
            self.datasets(client).set_tags(self.ids[place], {key: client})
            self.tags[place][key] = str(client)
        else:
            self.datasets(client).delete_tag(self.ids[place], key)
            self.tags[place].pop(key, None)

    @rule(client=clients)
    def delete(self, client: int) -> None:
        self.datasets(client).delete(self.ids[0])
        self.records[0] = None

    @rule(client=clients, name=keys, text=st.sampled_from(["{}", "[]"]))
    def register(self, client: int, name: str, text: str) -> None:
        versions = self.scorers.setdefault(name, {})
        made = self.stores[client].scorers.register("0", name, text)
        assert made.scorer_version == max(versions, default=0) + 1
        versions[made.scorer_version] = text

    @rule(client=clients, name=keys, version=st.sampled_from([None, 1, 2]))
    def unregister(self, client: int, name: str, version: int | None) -> None:
        versions = self.scorers.get(name, {})
        call = self.stores[client].scorers.delete
        if not versions or (version is not None and version not in versions):
            with pytest.raises(NotFoundError):
                call("0", name, version)
            return
        call("0", name, version)
        self.scorers[name] = (
            {} if version is None else {n: versions[n] for n in versions if n != version}
        )

    @rule(client=clients)
    def compact(self, client: int) -> None:
        compact_lake(self.stores[client].lake)

    @rule(client=clients)
    def open_again(self, client: int) -> None:
        self.stores[client].lake.close()
        self.stores[client] = self.opened()

    @invariant()
    def everybody_sees_what_was_said(self) -> None:
        for client in range(len(getattr(self, "stores", ()))):
            for place, known in enumerate(self.records):
                if known is not None:
                    self.is_as_said(client, place, known)
            names = [each.name for each in self.datasets(client).search(order_by=["name"])]
            assert names == ["b"] if self.records[0] is None else ["a", "b"]
            latest = self.stores[client].scorers.latest("0")
            assert {each.scorer_name: each.scorer_version for each in latest} == {
                name: max(versions) for name, versions in self.scorers.items() if versions
            }

    def is_as_said(self, client: int, place: int, known: dict[int, dict[str, Any]]) -> None:
        found = self.datasets(client).load(self.ids[place])
        assert len(found) == len(known)
        for each in found:
            said = known[each.inputs["n"]]
            assert (each.expectations, each.tags) == (said["expectations"], said["tags"])
            assert each.outputs == said["outputs"]
        dataset = self.datasets(client).get(self.ids[place])
        assert dataset.tags == self.tags[place]
        assert dataset.profile == (f'{{"num_records": {len(known)}}}' if known else None)

    def teardown(self) -> None:
        for store in getattr(self, "stores", ()):
            store.lake.close()


def test_datasets_and_scorers_behave_as_dictionaries_would() -> None:
    run_state_machine_as_test(
        EvaluationMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
