"""A registry behaves as one dictionary would, whoever calls, folds or opens it again."""

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
    precondition,
    rule,
    run_state_machine_as_test,
)

from lakeflow.config import Settings
from lakeflow.entities.model_registry.model_version_stages import ALL_STAGES
from lakeflow.exceptions import AlreadyExistsError, NotFoundError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "10"))
SETTINGS = Settings(vacuum_grace_s=0, retention_s=0, auto_compact=False)
_NUMBERS = itertools.count()

clients = st.integers(0, 1)
names = st.sampled_from(["a", "b", "it's/c"])
versions = st.integers(1, 4)
texts = st.sampled_from(["x", "", "ü"])


class RegistryMachine(RuleBasedStateMachine):
    """Each rule is a call by one of two processes; what must be refused, is."""

    @initialize()
    def make(self) -> None:
        self.uri = f"memory://registry-machine-{next(_NUMBERS)}"
        self.stores = [self.opened(), self.opened()]
        self.models: dict[str, dict[str, Any]] = {}

    def opened(self) -> Store:
        return Store(Lake.on(open_filesystem(self.uri, {}, SETTINGS), SETTINGS))

    def of(self, name: str, version: int) -> dict[str, Any] | None:
        return self.models.get(name, {"versions": {}})["versions"].get(version)

    @rule(client=clients, name=names, tag=texts)
    def create(self, client: int, name: str, tag: str) -> None:
        def call() -> None:
            self.stores[client].models.create(name, {"made": tag})

        if name in self.models:
            with pytest.raises(AlreadyExistsError):
                call()
            return
        call()
        self.models[name] = {"tags": {"made": tag}, "aliases": {}, "versions": {}, "last": 0}

    @rule(client=clients, name=names, new=names)
    def rename(self, client: int, name: str, new: str) -> None:
        def call() -> None:
            self.stores[client].models.rename(name, new)

        if name not in self.models:
            with pytest.raises(NotFoundError):
                call()
        elif new in self.models and new != name:
            with pytest.raises(AlreadyExistsError):
                call()
        else:
            call()
            self.models[new] = self.models.pop(name)

    @rule(client=clients, name=names)
    def delete(self, client: int, name: str) -> None:
        if name in self.models:
            self.stores[client].models.delete(name)
            del self.models[name]

    @rule(client=clients, name=names, source=texts)
    def register(self, client: int, name: str, source: str) -> None:
        if name not in self.models:
            with pytest.raises(NotFoundError):
                self.stores[client].model_versions.create(name, source)
            return
        model = self.models[name]
        made = self.stores[client].model_versions.create(name, source)
        model["last"] += 1
        assert made.version == model["last"]
        model["versions"][made.version] = {"source": source, "stage": "None", "tags": {}}

    @rule(client=clients, name=names, version=versions, stage=st.sampled_from(ALL_STAGES))
    def move(self, client: int, name: str, version: int, stage: str) -> None:
        found = self.of(name, version)
        if found is not None:
            archive = stage in {"Staging", "Production"}
            self.stores[client].model_versions.transition(name, version, stage, archive)
            for number, each in self.models[name]["versions"].items():
                if archive and each["stage"] == stage and number != version:
                    each["stage"] = "Archived"
            found["stage"] = stage

    @rule(client=clients, name=names, version=versions, alias=st.sampled_from(["A", "b-1"]))
    def point(self, client: int, name: str, version: int, alias: str) -> None:
        def call() -> None:
            self.stores[client].models.set_alias(name, alias, version)

        if self.of(name, version) is None:
            with pytest.raises(NotFoundError):
                call()
            return
        call()
        self.models[name]["aliases"][alias] = version

    @rule(client=clients, name=names, version=versions, value=texts)
    def tag(self, client: int, name: str, version: int, value: str) -> None:
        found = self.of(name, version)
        if found is not None:
            self.stores[client].model_versions.set_tag(name, version, "k", value, None)
            found["tags"]["k"] = value

    @rule(client=clients, name=names, version=versions)
    def remove(self, client: int, name: str, version: int) -> None:
        if self.of(name, version) is not None:
            self.stores[client].model_versions.delete(name, version)
            model = self.models[name]
            del model["versions"][version]
            aliases = model["aliases"].items()
            model["aliases"] = {alias: at for alias, at in aliases if at != version}

    @rule(client=clients)
    @precondition(lambda self: self.models)
    def compact(self, client: int) -> None:
        compact_lake(self.stores[client].lake)

    @rule(client=clients)
    def reopen(self, client: int) -> None:
        self.stores[client].lake.close()
        self.stores[client] = self.opened()

    @rule(client=clients)
    def search(self, client: int) -> None:
        store = self.stores[client]
        found = store.model_versions.search(None, 100, ["version_number"], None)
        assert [(each.name, each.version) for each in found] == sorted(
            ((name, n) for name, model in self.models.items() for n in model["versions"]),
            key=lambda each: (each[1], each[0]),
        )
        models = store.models.search("tags.made = 'x'", 100, None, None)
        made = (name for name, model in self.models.items() if model["tags"]["made"] == "x")
        assert [each.name for each in models] == sorted(made)

    @invariant()
    def one_client_sees_the_model(self) -> None:
        if not hasattr(self, "models"):
            return
        store = self.stores[0]
        for name, model in self.models.items():
            found = store.models.get(name)
            assert (found.tags, found.aliases) == (model["tags"], model["aliases"])
            latest: dict[str, int] = {}
            for number, version in sorted(model["versions"].items()):
                latest[version["stage"]] = number
                seen = store.model_versions.get(name, number)
                told = {"source": seen.source, "stage": seen.current_stage, "tags": seen.tags}
                assert told == version
            assert {
                each.current_stage: each.version for each in found.latest_versions
            } == latest

    def teardown(self) -> None:
        for store in getattr(self, "stores", []):
            store.lake.close()


def test_a_registry_behaves_as_one_dictionary_would() -> None:
    run_state_machine_as_test(
        RegistryMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
