"""What each call asks of the filesystem; counted, not timed."""

from __future__ import annotations

import itertools
import time

import pytest

from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.runs import PARAM_STALENESS_S
from lakeflow.stores.store import Store
from lakeflow.testing.faults import FaultFilesystem

_NUMBERS = itertools.count()


@pytest.fixture
def fs() -> FaultFilesystem:
    return FaultFilesystem(open_filesystem(f"memory://budget-{next(_NUMBERS)}"))


@pytest.fixture
def store(fs: FaultFilesystem) -> Store:
    return Store(Lake.on(fs, Settings(auto_compact=False)))


def spent(fs: FaultFilesystem) -> dict[str, int]:
    calls = {kind: number for kind, number in fs.calls.items() if number}
    fs.calls.clear()
    return calls


def test_logging_is_one_write_and_no_read(fs: FaultFilesystem, store: Store) -> None:
    run_id = store.runs.create("0").info.run_id
    spent(fs)
    store.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    assert spent(fs) == {"append": 1}
    store.runs.set_tag(run_id, "t", "v")
    assert spent(fs) == {"append": 1}
    metrics = [Metric(f"m{n}", n, n, n) for n in range(5_000)]
    store.runs.log_batch(run_id, metrics, tags=[RunTag("t", "v")])
    assert spent(fs) == {"append": 1}
    store.terminate(run_id)
    assert spent(fs) == {"append": 1}


def test_making_a_run_is_one_write_and_a_look(fs: FaultFilesystem, store: Store) -> None:
    store.runs.create("0")
    spent(fs)
    store.runs.create("0", tags={"a": 1}, run_name="name")
    assert spent(fs) == {"append": 1, "exists": 1}, "the next event is not there"


def test_a_new_param_is_one_write_and_now_and_then_a_look_at_the_log(
    fs: FaultFilesystem, store: Store
) -> None:
    run_id = store.runs.create("0").info.run_id
    store.runs.log_param(run_id, "first", 1)
    spent(fs)
    store.runs.log_param(run_id, "p", 1)
    assert spent(fs) == {"append": 1}
    time.sleep(PARAM_STALENESS_S)
    store.runs.log_param(run_id, "q", 1)
    calls = spent(fs)
    assert (calls["append"], calls["read"]) == (1, 2), "its own segment, and the first event"
    store.runs.log_param(run_id, "p", 1)
    assert spent(fs) == {}, "a param that is known costs nothing"


@pytest.mark.parametrize("runs", [20, 400])
def test_get_run_reads_a_bounded_number_of_files(
    fs: FaultFilesystem, store: Store, runs: int
) -> None:
    ids = []
    for _ in range(runs):
        ids.append(store.runs.create("0").info.run_id)
        store.runs.log_batch(ids[-1], [Metric("m", 1, 1, 1)], [Param("p", "v")])
    compact_lake(store.lake)
    reader = Store(Lake.on(fs, Settings(auto_compact=False)))
    reader.runs.get(ids[0])
    spent(fs)
    reader.runs.get(ids[runs // 2])
    calls = spent(fs)
    assert calls["list"] == 4, "the log, the events, the folder of its one writer, the folds"
    assert calls.get("read", 0) <= 3, "the end of a block file, a block of its index, one of it"
    assert sum(calls.values()) < 10
    reader.runs.get(ids[runs // 2])
    assert "read" not in spent(fs), "what was read of the tables is kept"


def test_reading_again_reads_only_what_is_new(fs: FaultFilesystem, store: Store) -> None:
    run_id = store.runs.create("0").info.run_id
    for step in range(1000):
        store.runs.log_metric(run_id, "loss", 1.0, step, step)
    store.runs.get(run_id)
    spent(fs)
    store.runs.get(run_id)
    assert "read" not in spent(fs)
    store.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    store.runs.get(run_id)
    assert spent(fs)["read"] == 1


def test_a_fold_commits_once_a_table_and_leaves_few_files(
    fs: FaultFilesystem, store: Store
) -> None:
    run_id = store.runs.create("0").info.run_id
    for fold in range(20):
        for step in range(10):
            store.runs.log_metric(run_id, "loss", 1.0, step, 10 * fold + step)
        written = len(fs.writes)
        compact_lake(store.lake)
        # Plan, done, clock, and for a changed table a file and a commit: metrics and
        # latest_metrics; the documents of runs. Checkpoints come on top now and then.
        most = 3 + 2 * 2 + 1 + 3
        if fold == 0:  # all tables are made; runs, tags, experiments, events and their indexes
            most += 2 * len(store.lake.tables) + 2 * 4 + 3
        assert len(fs.writes) - written <= most
    assert len(store.lake.tables["metrics"].files()) <= 8
    assert len(store.lake.tables["latest_metrics"].files()) == 1
