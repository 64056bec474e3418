"""Compaction: what it folds, what it merges, what it deletes, what it survives."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import deltalake
import pyarrow.parquet
import pytest

import lakeflow
from lakeflow import LakeflowClient, records
from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, RunTag
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import TABLES
from lakeflow.lake import Lake
from lakeflow.log.positions import CONTROL, Position, list_segments, writer_of
from lakeflow.maintenance.compact import (
    CompactionReport,
    compact_lake,
)
from lakeflow.maintenance.tiers import MERGE_FILES, files_to_rewrite
from lakeflow.open_store import open_store
from lakeflow.query.engine.connection import Engine
from lakeflow.records import Origin, copied
from lakeflow.schema import EXPERIMENT_TAGS, METRICS, PARAMS, RUNS
from lakeflow.stores.control import ControlStore
from lakeflow.tables import folds
from lakeflow.tables.data_file import DataFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lakeflow.stores.store import Store


def fill(client: LakeflowClient, run_id: str, start: int, count: int) -> None:
    points = [Metric("loss", step / 7, step, step) for step in range(start, start + count)]
    client.log_batch(run_id, points)


def test_folding_nothing_does_nothing(client: LakeflowClient, uri: str) -> None:
    client.get_experiment("0")
    report = lakeflow.compact(uri)
    assert (report.folds, report.records) == ([1], 1), "the event that made the experiment"
    report = lakeflow.compact(uri)
    assert (report.folds, report.records, report.tables) == ([], 0, {})


def test_a_dry_run_says_what_there_is_and_writes_nothing(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    fill(client, run_id, 0, 100)
    before = client._store.lake.listing()
    report = lakeflow.compact(uri, dry_run=True)
    assert report.is_dry_run
    assert (report.log_bytes, report.log_segments) == (before.unfolded_bytes, 2)
    assert client._store.lake.listing() == before


def test_what_is_read_is_the_same_before_and_after(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    fill(client, run_id, 0, 1000)
    client.log_param(run_id, "p", 1)
    run, history = client.get_run(run_id), client.get_metric_history(run_id, "loss")
    lakeflow.compact(uri)
    assert client.get_run(run_id) == run
    assert client.get_metric_history(run_id, "loss") == history


def test_a_long_log_is_folded_in_steps(
    another_process: Callable[..., Store], uri: str, table_rows: Any
) -> None:
    store = another_process(uri, fold_bytes=20_000, segment_bytes=15_000)
    runs = [store.runs.create("0").info.run_id for _ in range(5)]
    for step in range(400):
        store.runs.log_metric(runs[step % 5], "loss", step, step, step)
    steps: list[int] = []
    report = compact_lake(store.lake, progress=lambda p: steps.append(p.done_bytes))
    assert len(report.folds) >= 4
    assert report.records == 406
    assert steps == sorted(steps)
    assert len(store.runs.history(runs[0], "loss")) == 80
    assert store.lake.listing().unfolded_bytes == 0


def test_a_point_logged_again_is_a_record_of_its_own(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    for _ in range(3):
        fill(client, run_id, 0, 10)
        report = lakeflow.compact(uri)
        assert report.tables["metrics"].rows == 10
    assert len(client.get_metric_history(run_id, "loss")) == 30


@pytest.mark.parametrize("is_folded", [False, True])
def test_a_copy_of_a_record_is_no_other_one(
    another_process: Callable[..., Store], uri: str, is_folded: bool
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    points = [Metric("loss", number, number, number) for number in range(3)]
    store.runs.log_batch(run_id, points)
    (segment,) = (path for path in list_segments(store.lake.fs) if writer_of(path) != CONTROL)
    line = store.lake.fs.read(segment).splitlines()[-1].decode()
    written = json.loads(line)
    origin = Origin(writer_of(segment), written["seq"], written["clock"])
    body = line[1 : line.index(',"seq"')]
    if is_folded:
        compact_lake(store.lake)
    for _ in range(2):
        store.lake.append([copied(origin, body)])
    for _ in range(2):
        count = store.columns.query('SELECT "count" FROM latest_metrics', None)
        assert count["count"].to_pylist() == [3]
        rows = store.columns.query('SELECT "value" FROM metrics ORDER BY "value"', None)
        assert rows["value"].to_pylist() == [0, 1, 2]
        assert len(store.runs.history(run_id, "loss")) == 3
        compact_lake(store.lake)


def test_a_place_says_nothing_of_a_line_that_is_no_copy(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    about = records.about("0", run_id)
    store.lake.append([f'"copied_place":5,{about},{records.metric(("loss", 0.5, 1, 1))}'])
    for _ in range(2):
        places = store.columns.query("SELECT place FROM metrics", None)["place"].to_pylist()
        assert places == [0]
        compact_lake(store.lake)


def test_small_files_are_merged_once_there_are_enough(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    for number in range(2 * MERGE_FILES):
        fill(client, run_id, 10 * number, 10)
        lakeflow.compact(uri)
        files = client._store.lake.tables["metrics"].files()
        assert len(files) < MERGE_FILES
    assert sum(file.rows for file in files) == 20 * MERGE_FILES
    assert len(client.get_metric_history(run_id, "loss")) == 20 * MERGE_FILES


def test_files_of_one_size_are_merged() -> None:
    small = [DataFile(f"s{n}", 1, 10) for n in range(MERGE_FILES - 1)]
    middle = [DataFile(f"m{n}", 1, PARAMS.file_rows // 10) for n in range(MERGE_FILES - 1)]
    full = [DataFile(f"f{n}", 1, PARAMS.file_rows) for n in range(50)]
    everything = [*full, *middle, *small]
    assert files_to_rewrite(PARAMS, everything, [], 0) == ([], [])
    assert files_to_rewrite(PARAMS, everything, [], 5) == (small, [])
    assert files_to_rewrite(PARAMS, full, [], 5) == ([], [])
    grown = [DataFile("s", 1, 15_000) for _ in small]
    merged, _ = files_to_rewrite(PARAMS, [*middle, *grown], [], 5)
    assert sorted(merged, key=lambda f: f.rows) == grown + middle, "they fill up the next tier"


def test_a_large_file_gives_up_the_rows_that_change() -> None:
    small, large = DataFile("s", 1, 10), DataFile("l", 1, PARAMS.file_rows // 2)
    assert files_to_rewrite(PARAMS, [small, large], [small, large], 5) == ([small], [large])


def test_a_compaction_that_has_folded_much_ends_with_sorted_tables() -> None:
    full = [DataFile(f"f{n}", 1, PARAMS.file_rows) for n in range(2)]
    last = PARAMS.file_rows // 10
    half = PARAMS.file_rows
    assert files_to_rewrite(PARAMS, full, [], last, half) == (full, [])
    assert files_to_rewrite(PARAMS, full, full, 0, half) == (full, [])
    assert files_to_rewrite(PARAMS, full, [], last, half - 1) == ([], []), "much is stored"
    assert files_to_rewrite(PARAMS, full * 2, [], last, 4 * half) == ([], []), "too large"
    assert files_to_rewrite(PARAMS, full[:1], [], 0, half) == ([], []), "sorted already"
    assert files_to_rewrite(METRICS, full, [], last) == ([], []), "not searched"
    small = [DataFile("s", 1, 10)]
    assert files_to_rewrite(PARAMS, small, [], 10, 10) == ([], []), "not worth it"


@pytest.fixture
def small_files() -> Iterator[None]:
    rows = {spec: spec.file_rows for spec in TABLES.values()}
    for spec in TABLES.values():
        object.__setattr__(spec, "file_rows", 65_536)
    yield
    for spec, number in rows.items():
        object.__setattr__(spec, "file_rows", number)


@pytest.mark.usefixtures("small_files")
def test_rows_are_sorted_within_files_and_from_file_to_file(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    store = another_process(lake)
    experiments = ["0", *(store.experiments.create(f"e{n}") for n in range(4))]
    for number in range(120):
        run_id = store.runs.create(experiments[number % 5]).info.run_id
        points = [Metric(f"m{n}", n, n, n) for n in range(800)]
        store.runs.log_batch(run_id, points, [Param(f"p{n}", "v") for n in range(20)])
    compact_lake(store.lake)
    tables = {"latest_metrics": True, "params": False, "runs": False, "metrics": True}
    for name, several in tables.items():
        table = store.lake.tables[name]
        files = sorted(table.files(), key=lambda file: file.bounds[table.spec.sort[0]])
        assert (len(files) > 1) is several
        keys = [
            key
            for file in files
            for key in zip(
                *pyarrow.parquet.read_table(f"{lake}/{table.folder}/{file.path}")
                .select(table.spec.sort)
                .to_pydict()
                .values(),
                strict=True,
            )
        ]
        assert keys == sorted(keys)


@pytest.mark.usefixtures("small_files")
def test_a_key_is_one_stretch_after_several_folds(
    another_process: Callable[..., Store], uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = another_process(uri, fold_bytes=100_000)
    for _ in range(300):
        run_id = store.runs.create("0").info.run_id
        points = [Metric(f"m{n}", n, n, n) for n in range(10)]
        store.runs.log_batch(run_id, points, [Param(f"p{n}", "v") for n in range(10)])
    made, connect = [], Engine._connect
    monkeypatch.setattr(Engine, "_connect", lambda each: made.append(each) or connect(each))
    report = compact_lake(store.lake)
    assert len(report.folds) > 2
    assert len(made) == 1, "one engine does for all folds"
    for name in ("params", "latest_metrics"):
        files = store.lake.tables[name].files()
        assert [file.rows for file in files] == [3_000]
        assert report.tables[name].rows <= 3 * 3_000
    assert len(store.lake.tables["metrics"].files()) == len(report.folds)
    assert len(store.runs.search("0", "params.p3 = 'v'")) == 300


@pytest.mark.usefixtures("small_files")
def test_a_run_that_goes_on_leaves_a_large_file_once(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    ids = [store.runs.create("0").info.run_id for _ in range(1_100)]
    for run_id in ids:
        store.runs.log_batch(run_id, [Metric("m", 1, 1, 1)], [Param("p", "1")])
    compact_lake(store.lake)
    table = store.lake.tables[RUNS.name]
    (first,) = table.files()
    expected = store.runs.get(ids[300]).data
    for step in range(2, 5):
        store.runs.log_metric(ids[300], "m", step, step, step)
        store.runs.update(ids[300], "RUNNING", f"step {step}")
        store.runs.log_batch(
            ids[300], [Metric("n", math.nan, 1, step)], tags=[RunTag("t", str(step))]
        )
        report = compact_lake(store.lake)
        run = store.runs.get(ids[300])
        assert run.info.run_name == f"step {step}"
        assert (run.data.metrics["m"], run.data.tags["t"]) == (step, str(step))
        assert math.isnan(run.data.metrics["n"])
        assert run.data.params == expected.params
        large = [file for file in table.files() if file.rows == 1_099]
        assert len(large) == 1
        assert report.tables[RUNS.name].rows == (1_100 if step == 2 else 1)
        assert sum(file.rows for file in table.files()) == 1_100
    assert first.path not in {file.path for file in table.files()}
    store.runs.delete_tag(ids[300], "t")
    store.runs.terminate(ids[300], "FAILED", end_time=5)
    hot = store.runs.get(ids[300]).to_dictionary()
    compact_lake(store.lake)
    assert store.runs.get(ids[300]).to_dictionary() == hot
    assert "t" not in hot["data"]["tags"]


@pytest.mark.usefixtures("small_files")
def test_a_last_row_leaves_a_large_file_though_none_is_added(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    rows = [
        {"experiment_id": f"{number}", "key": "t", "value": "1"} for number in range(1, 1_101)
    ]
    control = ControlStore(store.lake, store.snapshots.stored)
    control.change(lambda _: (records.table(EXPERIMENT_TAGS.name, rows), None))
    compact_lake(store.lake)
    gone = [{"experiment_id": "300", "key": "t", "value": None}]
    control.change(lambda _: (records.table(EXPERIMENT_TAGS.name, gone), None))
    compact_lake(store.lake)
    found = store.lake.tables[EXPERIMENT_TAGS.name].files()
    assert sum(file.rows for file in found) == 1_099


def test_only_files_that_hold_changed_runs_are_rewritten(
    client: LakeflowClient, uri: str
) -> None:
    first = [client.create_run("0").info.run_id for _ in range(3)]
    lakeflow.compact(uri)
    second = [client.create_run("0").info.run_id for _ in range(3)]
    lakeflow.compact(uri)
    before = {file.path for file in client._store.lake.tables["runs"].files()}
    client.set_terminated(second[1])
    lakeflow.compact(uri)
    after = {file.path for file in client._store.lake.tables["runs"].files()}
    assert len(before & after) == 1
    assert client.get_run(second[1]).info.status == "FINISHED"
    assert client.get_run(first[0]).info.status == "RUNNING"


def test_replaced_files_and_folded_segments_go_past_their_age(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    store = another_process(lake, vacuum_grace_s=0, retention_s=0)
    run_id = store.runs.create("0").info.run_id
    compact_lake(store.lake)
    store.terminate(run_id)
    store.lake.seal()
    compact_lake(store.lake)
    store.runs.log_metric(run_id, "loss", 1, 1, 1)
    compact_lake(store.lake)
    assert len(list((tmp_path / "lake/tables/runs").glob("*.parquet"))) == 1
    assert len(list((tmp_path / "lake/log").glob("*/*.jsonl"))) == 1, "the open one stays"
    assert len(list((tmp_path / "lake/folds").glob("*.done.json"))) == 1
    assert store.runs.get(run_id).data.metrics == {"loss": 1}


def test_young_files_stay_for_who_still_reads_them(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    store = another_process(lake)
    run_id = store.runs.create("0").info.run_id
    compact_lake(store.lake)
    reader = another_process(lake)
    assert reader.runs.get(run_id).info.status == "RUNNING"
    store.terminate(run_id)
    compact_lake(store.lake)
    assert len(list((tmp_path / "lake/tables/runs").glob("*.parquet"))) == 2


def test_a_reader_that_was_overtaken_by_a_vacuum_goes_on(
    another_process: Callable[..., Store], uri: str
) -> None:
    writer = another_process(uri, vacuum_grace_s=0, retention_s=0)
    reader = another_process(uri)
    runs = [writer.runs.create("0").info.run_id for _ in range(4)]
    for number, run_id in enumerate(runs):
        writer.runs.log_metric(run_id, "loss", number, number, number)
        assert reader.runs.get(runs[0]).data.metrics == {"loss": 0}
        writer.lake.seal()
        compact_lake(writer.lake)
        compact_lake(writer.lake)
        assert reader.runs.get(run_id).data.metrics == {"loss": number}


def test_a_reader_from_before_the_first_fold_finds_the_later_ones(
    another_process: Callable[..., Store], uri: str
) -> None:
    writer = another_process(uri, vacuum_grace_s=0, retention_s=0)
    run_id = writer.runs.create("0").info.run_id
    reader = another_process(uri)
    assert reader.runs.get(run_id).data.metrics == {}
    for number in range(3):
        writer.runs.log_metric(run_id, "loss", number, number, number)
        writer.lake.seal()
        compact_lake(writer.lake)
    assert reader.runs.get(run_id).data.metrics == {"loss": 2}


def test_a_table_that_another_tool_has_rewritten_is_read_again(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    store = another_process(str(lake))
    run_id = store.runs.create("0").info.run_id
    for number in range(3):
        store.runs.log_metric(run_id, "loss", number, number, number)
        compact_lake(store.lake)
    assert lakeflow.scan_metrics(lake).collect().height == 3
    reader = another_process(str(lake))
    assert len(reader.runs.history(run_id, "loss")) == 3
    store.runs.log_metric(run_id, "loss", 9, 9, 9)
    for name in TABLES:
        table = deltalake.DeltaTable(lake / "tables" / name)
        table.optimize.compact()
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)

    def look(store: Store) -> None:
        assert len(store.runs.history(run_id, "loss")) == 4
        assert [run.info.run_id for run in store.runs.search(["0"], "metrics.loss = 9")] == [
            run_id
        ]
        assert (
            store.columns.query("SELECT count(*) AS n FROM metrics", None)["n"][0].as_py() == 4
        )

    look(reader)
    assert lakeflow.scan_metrics(lake).collect().height == 4
    compact_lake(store.lake)
    look(reader)
    look(another_process(str(lake)))
    # Nothing is logged in between: a fold of nothing says which files there are now.
    table = deltalake.DeltaTable(lake / "tables/metrics")
    table.optimize.compact()
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert compact_lake(another_process(str(lake)).lake).folds
    look(another_process(str(lake)))


def test_values_too_large_for_the_memory_that_is_set_are_folded_all_the_same(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri, fold_memory_bytes=32 * 2**20)
    values = {f"p{n}": random.Random(n).randbytes(2**19).hex() for n in range(40)}
    run_id = store.runs.create("0").info.run_id
    store.runs.log_batch(run_id, params=[Param(key, value) for key, value in values.items()])
    assert compact_lake(store.lake).rejected == 0
    assert store.runs.get(run_id).data.params == values


def test_a_fold_stays_before_what_its_listing_missed(
    another_process: Callable[..., Store], uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing that sees an effect and not its cause must not fold the effect alone."""
    cause, effect = another_process(uri), another_process(uri)
    effect.runs.create("0")
    runs: list[str] = []

    def listing(fs: Any) -> dict[str, int]:
        before = list_segments(fs)
        if runs:
            return before
        runs.append(cause.runs.create("0").info.run_id)
        effect.terminate(runs[0])
        after = list_segments(fs)
        hidden = [path for path in after if path not in before]
        return {path: size for path, size in after.items() if path not in hidden}

    compactor = another_process(uri)
    monkeypatch.setattr("lakeflow.maintenance.planning.list_segments", listing)
    assert compact_lake(compactor.lake).orphans == 0
    assert runs
    compact_lake(compactor.lake)
    assert another_process(uri).runs.get(runs[0]).info.status == "FINISHED"


def test_a_log_of_very_many_segments_is_folded(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri, segment_bytes=1)
    run_id = store.runs.create("0").info.run_id
    for step in range(1_000):
        store.runs.log_metric(run_id, "loss", step, step, step)
    assert compact_lake(store.lake).records == 1_002
    assert len(store.runs.history(run_id, "loss")) == 1_000


def test_a_torn_tail_does_not_keep_a_compaction_going(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    torn = store.lake.fs.open_append("log/dead/00000001.jsonl")
    torn.write(b'{"seq":1,"clo')
    report = compact_lake(
        store.lake, progress=lambda _: store.runs.log_metric(run_id, "loss", 1, 1, 1)
    )
    assert len(report.folds) <= 2


@pytest.mark.parametrize("place", [0, 1, 249])
@pytest.mark.parametrize("other", ["other", "x" * 5_000])
def test_one_row_that_is_not_like_all_the_others_is_kept(
    client: LakeflowClient, run_id: str, uri: str, place: int, other: str
) -> None:
    values = ["same"] * 250
    values[place] = other
    params = [Param(f"key {number:03}", value) for number, value in enumerate(values)]
    client.log_batch(run_id, params=params)
    assert lakeflow.compact(uri).tables[PARAMS.name].rows == 250

    table = lakeflow.sql("SELECT * FROM params ORDER BY key", tracking_uri=uri)
    assert table.column("value").to_pylist() == values
    assert {*table.column("run_id").to_pylist()} == {run_id}


def test_threads_read_tables_and_log_of_one_fold(
    another_process: Callable[..., Store], uri: str
) -> None:
    store, compactor = another_process(uri), another_process(uri)
    run_id = store.runs.create("0").info.run_id
    logged = 0
    done = threading.Event()

    def look() -> bool:
        while not done.is_set():
            least = logged
            if len(store.runs.history(run_id, "loss")) < least:
                return False
            if least and store.runs.get(run_id).data.metrics["loss"] < least - 1:
                return False
        return True

    with ThreadPoolExecutor(3) as pool:
        looks = [pool.submit(look) for _ in range(3)]
        for step in range(160):
            store.runs.log_metric(run_id, "loss", step, step, step)
            logged = step + 1
            if step % 20 == 0:
                compact_lake(compactor.lake)
        done.set()
        assert all(each.result() for each in looks)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    fs = open_filesystem(tmp_path)
    with fs.exclusive("folds/lock") as mine:
        assert mine
        child = os.fork()
        if child == 0:
            time.sleep(20)
            os._exit(0)
    try:
        with fs.exclusive("folds/lock") as mine:
            assert mine
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_unfinished_fold_is_finished_by_the_next(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    store.runs.log_metric(run_id, "loss", 1, 1, 1)
    segments = store.lake.listing().segments
    (segment,) = (path for path in segments if writer_of(path) != CONTROL)
    position = Position(1, segments[segment], 1)
    plan = folds.FoldPlan(folds.new_mark(1), 0, {writer_of(segment): position}, 2**62)
    folds.begin(store.lake.fs, plan)
    store.runs.log_metric(run_id, "loss", 2, 2, 2)
    assert len(store.runs.history(run_id, "loss")) == 2
    report = compact_lake(store.lake)
    assert report.folds == [1, 2]
    assert len(store.runs.history(run_id, "loss")) == 2


def test_a_change_of_a_run_whose_creation_is_lost_is_counted(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri)
    store.lake.append(['"experiment_id":"0","run_id":"lost","runs":{"status":["FAILED"]}'])
    run_id = store.runs.create("0").info.run_id
    report = compact_lake(store.lake)
    assert (report.records, report.orphans) == (3, 1)
    assert store.runs.get(run_id).info.run_id == run_id


def test_a_log_that_has_grown_is_folded_without_being_asked(tmp_path: Path) -> None:
    code = """
import sys, lakeflow
client = lakeflow.LakeflowClient(sys.argv[1])
run_id = client.create_run("0").info.run_id
for step in range(5000):
    client.log_metric(run_id, "loss", step, step=step)
"""
    environment = {"LAKEFLOW_AUTO_COMPACT_BYTES": "200000"}
    subprocess.run([sys.executable, "-c", code, tmp_path / "lake"], env=environment, check=True)
    lake = Lake.on(open_filesystem(tmp_path / "lake"), Settings())
    assert lake.fold().number >= 1
    assert lake.listing().unfolded_bytes < 5000 * 170


def test_where_no_thread_can_be_started_logging_goes_on_and_a_later_one_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_AUTO_COMPACT_BYTES", "1000")
    client = LakeflowClient(tmp_path)
    run_id = client.create_run("0").info.run_id
    lake = open_store(tmp_path, create=False).lake

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for step in range(20):
            client.log_metric(run_id, "loss", step, step=step)
    assert lake.fold().number == 0
    for step in range(20, 40):
        client.log_metric(run_id, "loss", step, step=step)
    lake.close()
    assert Lake.on(open_filesystem(tmp_path), Settings()).fold().number >= 1
    assert len(client.get_metric_history(run_id, "loss")) == 40


def test_without_threads_at_the_end_of_a_process_a_lake_is_compacted_and_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_EXCLUSIVE_WRITER", "true")
    monkeypatch.setenv("LAKEFLOW_CACHE_FOLDER", str(tmp_path / "cache"))
    uri = f"local://{tmp_path / 'lake'}"
    client = LakeflowClient(uri)
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    for step in range(3):
        client.log_metric(run_id, "loss", step, step=step)
        client.create_experiment(str(step))

    def refuse(*_: object) -> None:
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    assert lakeflow.compact(uri).folds == [1]
    lakeflow.copy(uri, tmp_path / "copy")
    copied = LakeflowClient(tmp_path / "copy")
    assert len(copied.get_metric_history(run_id, "loss")) == 3
    fs = open_filesystem(uri)
    fs.delete_many(list(fs.sizes("tables")))
    assert not fs.sizes("tables")


def test_what_waits_at_the_end_is_folded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEFLOW_AUTO_COMPACT_SEGMENTS", "1")
    client = LakeflowClient(tmp_path)
    run_id = client.create_run("0").info.run_id
    for step in range(5_000):
        client.log_metric(run_id, "loss", step, step=step, synchronous=False)
    open_store(tmp_path, create=False).lake.close()
    lake = Lake.on(open_filesystem(tmp_path), Settings())
    assert (lake.fold().number, lake.listing().unfolded_bytes) == (1, 0)
    assert len(client.get_metric_history(run_id, "loss")) == 5_000


@pytest.mark.parametrize(
    ("name", "value"),
    [("FOLD_BYTES", "many"), ("AUTO_COMPACT", "perhaps"), ("DURABILITY", "none")],
)
def test_a_setting_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LAKEFLOW_{name}", value)
    with pytest.raises(lakeflow.LakeflowException, match=f"LAKEFLOW_{name} is '{value}'"):
        Settings.from_environment()


def test_a_report_begins_empty() -> None:
    assert CompactionReport().tables == {}
