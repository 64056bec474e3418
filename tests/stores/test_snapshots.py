"""Pages hold still: what others log, fold and delete meanwhile moves nothing."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.config import Settings
from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.entities import PagedList, Run

RUNS = 7


def page(store: Store, token: str | None, size: int = 2) -> PagedList[Run]:
    return store.runs.search(
        ["0"], "metrics.m >= 0", max_results=size, order_by=["metrics.m"], page_token=token
    )


def filled(store: Store) -> list[str]:
    ids = [
        store.runs.create("0", start_time=n, run_name=f"run-{n}").info.run_id
        for n in range(RUNS)
    ]
    for number, run_id in enumerate(ids):
        store.runs.log_metric(run_id, "m", number, 1, 1)
    return ids


def rest_of(store: Store, token: str | None) -> list[Run]:
    found: list[Run] = []
    while token:
        some = page(store, token)
        found += some
        token = some.token
    return found


def move_everything(store: Store, ids: list[str]) -> None:
    """Turn the order around, add a run that would come last, delete one."""
    for number, run_id in enumerate(ids):
        store.runs.log_metric(run_id, "m", 100 - number, 2, 2)
    late = store.runs.create("0").info.run_id
    store.runs.log_metric(late, "m", 1_000, 1, 1)
    store.runs.set_stage(ids[-1], "deleted")


@pytest.mark.parametrize("folds_before", [False, True])
@pytest.mark.parametrize("folds_after", [False, True])
@pytest.mark.parametrize("is_other_process", [False, True])
def test_pages_show_the_lake_of_the_first_one(
    another_process: Callable[..., Store],
    uri: str,
    folds_before: bool,
    folds_after: bool,
    is_other_process: bool,
) -> None:
    store = another_process(uri)
    ids = filled(store)
    if folds_before:
        compact_lake(store.lake)
    first = page(store, None)
    move_everything(store, ids)
    if folds_after:
        compact_lake(store.lake)
    reader = another_process(uri) if is_other_process else store
    found = [*first, *rest_of(reader, first.token)]
    assert [run.info.run_id for run in found] == ids
    assert [run.data.metrics["m"] for run in found] == list(range(RUNS))
    now = [run.info.run_id for run in page(store, None, 100)]
    assert now[:-1] == ids[-2::-1], "a new search sees what there is now"


def test_a_page_of_a_moment_whose_log_is_gone_goes_on_with_what_there_is(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri, vacuum_grace_s=0, retention_s=0)
    ids = filled(store)
    first = page(store, None)
    late = store.runs.create("0").info.run_id
    store.runs.log_metric(late, "m", 1_000, 1, 1)
    store.lake.seal()
    compact_lake(store.lake)
    store.runs.log_metric(late, "n", 1, 1, 1)
    store.lake.seal()
    compact_lake(store.lake)
    found = [*first, *rest_of(another_process(uri), first.token)]
    assert [run.info.run_id for run in found] == [*ids, late]


def test_a_second_page_of_a_quiet_lake_asks_for_nothing(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    filled(store)
    first = page(store, None)
    assert page(store, first.token).token
    assert not store.runs.reader._snapshots._past, "no second copy of the log is made"


def test_few_moments_are_kept(another_process: Callable[..., Store], uri: str) -> None:
    store = another_process(uri)
    ids = filled(store)
    for number in range(20):
        token = page(store, None).token
        store.runs.log_metric(ids[0], "other", number, number, number)
        assert len(rest_of(store, token)) == RUNS - 2
    assert len(store.runs.reader._snapshots._past) <= 4
    schemas = store.runs.reader._engine.cursor().run(
        "SELECT count(DISTINCT schema_name) FROM duckdb_schemas() WHERE schema_name LIKE 'past%'"
    )
    assert schemas[0][0] <= 4


_NUMBERS = itertools.count()
STEPS = ["log", "tag", "new", "delete", "compact", "page", "reopen"]


class Reading:
    """A search that is paged through while others change the lake."""

    def __init__(self, size: int) -> None:
        self.uri = f"memory://moments-{next(_NUMBERS)}"
        self.size = size
        self.reopen()
        self.ids = filled(self.store)
        self.found: list[Any] = []
        self.take(page(self.store, None, size))

    def take(self, some: PagedList[Run]) -> None:
        self.found += [(run.info.run_id, run.data.metrics["m"]) for run in some]
        self.token = some.token

    def turn(self) -> None:
        if self.token:
            self.take(page(self.store, self.token, self.size))

    def reopen(self) -> None:
        settings = Settings(auto_compact=False)
        self.store = Store(Lake.on(open_filesystem(self.uri), settings))

    def log(self, number: int) -> None:
        run_id = self.ids[number % RUNS]
        self.store.runs.log_metric(run_id, "m", 50 - number, number + 2, number + 2)

    def add(self, number: int) -> None:
        late = self.store.runs.create("0").info.run_id
        self.store.runs.log_metric(late, "m", number, 1, 1)

    def delete(self, number: int) -> None:
        self.store.runs.set_stage(self.ids[number % RUNS], "deleted")
        self.store.runs.heads.forget()

    def step(self, name: str, number: int) -> None:
        steps: dict[str, Callable[[], object]] = {
            "log": lambda: self.log(number),
            "tag": lambda: self.store.runs.set_tag(self.ids[number % RUNS], "t", number),
            "new": lambda: self.add(number),
            "delete": lambda: self.delete(number),
            "compact": lambda: compact_lake(self.store.lake),
            "page": self.turn,
            "reopen": self.reopen,
        }
        with contextlib.suppress(InvalidInputError):  # the run is deleted by now
            steps[name]()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(st.sampled_from(STEPS), max_size=12), size=st.integers(1, 3))
def test_whatever_happens_meanwhile_every_run_comes_once(steps: list[str], size: int) -> None:
    reading = Reading(size)
    for number, name in enumerate(steps):
        reading.step(name, number)
    while reading.token:
        reading.turn()
    assert reading.found == [(run_id, number) for number, run_id in enumerate(reading.ids)]
