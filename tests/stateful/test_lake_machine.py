"""Random steps by several processes' worth of clients on one lake, against plain dicts."""

from __future__ import annotations

import itertools
import math
import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lakeflow.config import Settings
from lakeflow.entities import Dataset, DatasetInput, Metric, Param, RunTag, ViewType
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.values import replace

if TYPE_CHECKING:
    from servers.ceph import CephServer

# Small enough that segments rotate, folds come in several steps and files are merged.
SETTINGS = Settings(
    segment_bytes=1_500, fold_bytes=4_000, vacuum_grace_s=0, retention_s=0, auto_compact=False
)
CLIENTS = 3
EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "25"))
_NUMBERS = itertools.count()

clients = st.integers(0, CLIENTS - 1)
keys = st.sampled_from(["loss", "val/acc", "a b", "ünï"])
values = st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0])
texts = st.text(max_size=8).filter(lambda text: text.isprintable()) | st.sampled_from(
    ["", "\n\r\t\0", '"}\\', "'; DROP TABLE runs --", "☃"]
)
steps = st.integers(-2, 3)


def exact(value: float) -> Any:
    """Return something that compares NaN as equal, and zeros by nothing but their value."""
    return "nan" if math.isnan(value) else value


def latest(points: list[tuple[str, Any, int, int]], key: str) -> Any:
    rank = {(s, t, place): v for place, (k, v, t, s) in enumerate(points) if k == key}
    return rank[max(rank)]


def in_time(points: list[tuple[str, Any, int, int]], key: str) -> list[tuple[Any, ...]]:
    # Sorting keeps what is equal in the order of logging.
    return sorted((p for p in points if p[0] == key), key=lambda point: point[2:])


class LakeMachine(RuleBasedStateMachine):
    """Each rule is a call by one of the clients; the model is what a single dict would say."""

    runs = Bundle("runs")
    place: ClassVar[str] = "memory://lakes"
    storage_options: ClassVar[dict[str, Any]] = {}

    @initialize()
    def make(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.settings = replace(SETTINGS, cache_folder=f"{self.folder}/cache")
        self.uri = f"{self.place or self.folder}/machine-{next(_NUMBERS)}"
        self.stores = [self.opened() for _ in range(CLIENTS)]
        self.model: dict[str, dict[str, Any]] = {}
        self.removed: list[str] = []

    def teardown(self) -> None:
        for store in getattr(self, "stores", []):
            store.lake.close()
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def opened(self) -> Store:
        fs = open_filesystem(self.uri, self.storage_options, self.settings)
        return Store(Lake.on(fs, self.settings))

    @rule(target=runs, client=clients, name=texts, tag=texts)
    def create_run(self, client: int, name: str, tag: str) -> str:
        run = self.stores[client].runs.create("0", tags={"made": tag}, run_name=name)
        self.model[run.info.run_id] = {
            "name": run.info.run_name,
            "status": "RUNNING",
            "stage": "active",
            "points": [],
            "params": {},
            "tags": {"made": tag, "mlflow.runName": run.info.run_name},
            "inputs": {},
        }
        assert name in ("", run.info.run_name)
        return run.info.run_id

    def attempt(self, run_id: str, client: int, call: Any, *args: Any) -> bool:
        """Make a call that a deleted run refuses; return whether it was taken.

        A client that remembers the run as active may not know yet that another deleted it.
        """
        if self.model[run_id]["stage"] == "deleted":
            self.stores[client].runs.heads._heads.pop(run_id, None)
            with pytest.raises(InvalidInputError, match="'active' state"):
                call(run_id, *args)
            return False
        head = self.stores[client].runs.heads._heads.get(run_id)
        if head is not None and not head.is_active:
            self.stores[client].runs.heads._heads.pop(run_id)
        call(run_id, *args)
        return True

    @rule(client=clients, run=runs, key=keys, value=values, step=steps, time=st.integers(0, 3))
    def log_metric(self, client: int, run: str, key: str, value: float, step: int, time: int):
        if self.attempt(
            run, client, self.stores[client].runs.log_metric, key, value, time, step
        ):
            self.model[run]["points"].append((key, exact(value), time, step))

    @rule(
        client=clients,
        run=runs,
        points=st.lists(st.tuples(keys, values, st.integers(0, 3), steps), max_size=30),
        tags=st.dictionaries(keys, texts, max_size=2),
    )
    def log_batch(self, client: int, run: str, points: list[Any], tags: dict[str, str]) -> None:
        if not points and not tags:
            return
        metrics = [Metric(k, v, t, s) for k, v, t, s in points]
        pairs = [RunTag(key, value) for key, value in tags.items()]
        if self.attempt(run, client, self.stores[client].runs.log_batch, metrics, [], pairs):
            self.model[run]["points"] += [(k, exact(v), t, s) for k, v, t, s in points]
            self.model[run]["tags"] |= tags

    @rule(client=clients, run=runs, key=keys, value=texts)
    def log_param(self, client: int, run: str, key: str, value: str) -> None:
        model = self.model[run]["params"]
        if model.get(key, value) != value and self.model[run]["stage"] == "active":
            self.stores[client].runs.heads._heads.pop(run, None)
            with pytest.raises(InvalidInputError, match="Changing param values is not allowed"):
                self.stores[client].runs.log_param(run, key, value)
            batch = [Param("new", "x"), Param(key, value)]
            with pytest.raises(InvalidInputError, match="Changing param values is not allowed"):
                self.stores[client].runs.log_batch(run, params=batch)
        elif self.attempt(run, client, self.stores[client].runs.log_param, key, value):
            model[key] = value

    @rule(client=clients, run=runs, key=keys, value=texts)
    def set_tag(self, client: int, run: str, key: str, value: str) -> None:
        if self.attempt(run, client, self.stores[client].runs.set_tag, key, value):
            self.model[run]["tags"][key] = value

    @rule(client=clients, run=runs, key=keys)
    def delete_tag(self, client: int, run: str, key: str) -> None:
        if self.model[run]["stage"] == "active" and key not in self.model[run]["tags"]:
            self.stores[client].runs.heads._heads.pop(run, None)
            with pytest.raises(NotFoundError, match="No tag with name"):
                self.stores[client].runs.delete_tag(run, key)
        elif self.attempt(run, client, self.stores[client].runs.delete_tag, key):
            del self.model[run]["tags"][key]

    @rule(client=clients, run=runs, name=texts, status=st.sampled_from(["RUNNING", "FAILED"]))
    def update(self, client: int, run: str, name: str, status: str) -> None:
        if self.attempt(run, client, self.stores[client].runs.update, status, name):
            self.model[run]["status"] = status
            if name:
                self.model[run]["name"] = name
                self.model[run]["tags"]["mlflow.runName"] = name

    @rule(client=clients, run=runs, digest=st.sampled_from("xy"), source=texts)
    def log_input(self, client: int, run: str, digest: str, source: str) -> None:
        use = DatasetInput(Dataset("data", digest, "local", source))
        if self.attempt(run, client, self.stores[client].runs.log_inputs, [use]):
            self.model[run]["inputs"].setdefault(digest, source)

    @rule(client=clients, run=runs, stage=st.sampled_from(["active", "deleted"]))
    def move(self, client: int, run: str, stage: str) -> None:
        self.stores[client].runs.set_stage(run, stage)
        self.model[run]["stage"] = stage

    @rule(client=clients, run=consumes(runs))
    def remove(self, client: int, run: str) -> None:
        self.stores[client].removals.run(run)
        del self.model[run]
        self.removed.append(run)

    @rule(client=clients)
    @precondition(lambda self: self.model)
    def compact(self, client: int) -> None:
        compact_lake(self.stores[client].lake)

    @rule(client=clients)
    def reopen(self, client: int) -> None:
        self.stores[client].lake.close()
        self.stores[client] = self.opened()

    @rule(client=clients)
    def read(self, client: int) -> None:
        self.look(self.stores[client])

    @invariant()
    def one_client_sees_the_model(self) -> None:
        if getattr(self, "model", None):
            self.look(self.stores[0])

    def look(self, store: Store) -> None:
        for run_id, model in self.model.items():
            run = store.runs.get(run_id)
            points = model["points"]
            names = {key for key, *_ in points}
            assert run.info.run_name == model["name"]
            assert (run.info.status, run.info.lifecycle_stage) == (
                model["status"],
                model["stage"],
            )
            assert run.data.params == model["params"]
            assert run.data.tags == model["tags"]
            assert {k: exact(v) for k, v in run.data.metrics.items()} == {
                key: latest(points, key) for key in names
            }
            assert {
                use.dataset.digest: use.dataset.source for use in run.inputs.dataset_inputs
            } == model["inputs"]
            for key in names:
                history = [
                    (m.key, exact(m.value), m.timestamp, m.step)
                    for m in store.runs.history(run_id, key)
                ]
                assert history == in_time(points, key)
        for run_id in self.removed:
            with pytest.raises(NotFoundError):
                store.runs.get(run_id)
        found = store.runs.search(["0"], view_type=ViewType.ALL)
        assert {run.info.run_id for run in found} == self.model.keys()
        deleted = {key for key, model in self.model.items() if model["stage"] == "deleted"}
        assert set(store.removals.deleted_runs(2**50)) == deleted


class LocalLakeMachine(LakeMachine):
    """The same on a local disk."""

    place = ""


class RemoteLakeMachine(LakeMachine):
    """The same on a real object store."""


@pytest.fixture(scope="module")
def bucket(gateway: CephServer) -> None:
    RemoteLakeMachine.place = f"s3://{gateway.make_bucket(f'stateful-{os.getpid()}')}"
    RemoteLakeMachine.storage_options = gateway.storage_options


@pytest.mark.parametrize("machine", [LakeMachine, LocalLakeMachine])
def test_a_lake_behaves_as_one_dictionary_would(machine: type[LakeMachine]) -> None:
    run(machine, EXAMPLES)


@pytest.mark.usefixtures("bucket")
def test_a_lake_on_an_object_store_does_too() -> None:
    run(RemoteLakeMachine, max(1, EXAMPLES // 5))


def run(machine: type[LakeMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            derandomize=False,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
