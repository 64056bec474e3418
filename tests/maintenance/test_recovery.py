"""What a compaction makes of a lake that was copied in part, or lost files."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import deltalake
import pytest

from lakeflow.config import Settings
from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.kinds import TABLES
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.recovery import restore_tables, standing_fold
from lakeflow.tables import folds
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store


@pytest.fixture
def lake(another_process: Callable[..., Store], tmp_path: Path) -> tuple[Path, str]:
    """Return a lake with three folds of ten points each, whose log is still there, and its run."""
    path = tmp_path / "lake"
    store = another_process(str(path), vacuum_grace_s=3600)
    run_id = store.runs.create("0", run_name="r").info.run_id
    for fold in range(3):
        for step in range(10):
            store.runs.log_metric(run_id, "loss", float(step), 1, 10 * fold + step)
        store.runs.set_tag(run_id, "fold", str(fold))
        compact_lake(store.lake)
    store.lake.close()
    return path, run_id


def check(another_process: Callable[..., Store], path: Path, run_id: str) -> None:
    """Compare what readers see, in our way and through the tables alone."""
    store = another_process(str(path))
    assert len(store.runs.history(run_id, "loss")) == 30
    assert store.runs.get(run_id).data.tags["fold"] == "2"
    assert store.runs.search(["0"], "tags.fold = '2'")
    table = deltalake.DeltaTable(path / "tables/metrics").to_pyarrow_table()
    assert sorted(table.column("step").to_pylist()) == list(range(30))
    store.lake.close()


def test_a_fold_whose_tables_have_not_arrived_is_folded_again(
    another_process: Callable[..., Store], lake: tuple[Path, str]
) -> None:
    path, run_id = lake
    newest = folds.newest_fold(another_process(str(path)).lake.fs)
    before = folds.read_fold(another_process(str(path)).lake.fs, newest.number - 1)
    for name in ("metrics", "tags"):
        folder = path / "tables" / name
        for file in {f.path for f in newest.files[name]} - {f.path for f in before.files[name]}:
            (folder / file).unlink()
        (folder / "_delta_log" / f"{newest.versions[name]:020d}.json").unlink()
    report = compact_lake(another_process(str(path)).lake)
    assert report.folds == [newest.number + 1]
    check(another_process, path, run_id)
    compact_lake(another_process(str(path), vacuum_grace_s=0, retention_s=0).lake)
    check(another_process, path, run_id)


@pytest.mark.parametrize("lost", ["0000000003*", "000000000[23]*"])
def test_tables_with_a_fold_that_nobody_knows_are_brought_back(
    another_process: Callable[..., Store], lake: tuple[Path, str], lost: str
) -> None:
    path, run_id = lake
    for file in (path / "folds").glob(lost):
        file.unlink()
    assert len(another_process(str(path)).runs.history(run_id, "loss")) == 30
    report = compact_lake(another_process(str(path)).lake)
    assert report.records
    check(another_process, path, run_id)
    assert not compact_lake(another_process(str(path)).lake).folds


def test_what_the_log_may_lack_is_not_taken_from_the_tables(
    another_process: Callable[..., Store], lake: tuple[Path, str]
) -> None:
    """Nothing is changed where all knowledge of the folds is lost."""
    path, _ = lake
    shutil.rmtree(path / "folds")
    versions = {each: _version(each) for each in (path / "tables").iterdir()}
    with pytest.raises(DamagedLakeError, match=r"does not know.*\n.*backup"):
        compact_lake(another_process(str(path)).lake)
    assert versions == {each: _version(each) for each in (path / "tables").iterdir()}


def test_a_file_whose_records_are_deleted_from_the_log_is_named(
    another_process: Callable[..., Store], lake: tuple[Path, str]
) -> None:
    path, _ = lake
    compact_lake(another_process(str(path), vacuum_grace_s=0).lake)
    newest = folds.newest_fold(another_process(str(path)).lake.fs)
    lost = newest.files["metrics"][-1].path
    (path / "tables/metrics" / lost).write_bytes(b"")
    before = {each for each in path.rglob("*") if each.is_file()}
    with pytest.raises(DamagedLakeError, match=lost):
        compact_lake(another_process(str(path), vacuum_grace_s=0, retention_s=0).lake)
    assert {each for each in path.rglob("*") if each.is_file()} >= before


def test_a_plan_that_cannot_be_carried_out_any_more_gives_way(
    another_process: Callable[..., Store], lake: tuple[Path, str]
) -> None:
    path, run_id = lake
    store = another_process(str(path))
    newest = folds.newest_fold(store.lake.fs)
    lost: Any = {"nobody": (3, 100, newest.number + 1)}
    positions = {**newest.positions, **lost}
    plan = folds.FoldPlan(folds.new_mark(newest.number + 1), newest.number, positions, 2**62)
    folds.begin(store.lake.fs, plan)
    store.runs.set_tag(run_id, "other", "x")
    report = compact_lake(another_process(str(path)).lake)
    assert report.folds == [newest.number + 2]
    check(another_process, path, run_id)


def _version(table: Path) -> int:
    return deltalake.DeltaTable(table).version()


@pytest.mark.parametrize("hours", [25, -25])
def test_ages_are_by_the_clock_of_the_store(
    another_process: Callable[..., Store],
    lake: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    """A machine whose clock is a day off deletes neither more nor less than others."""
    path, run_id = lake
    now, now_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: now() + 3600 * hours)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + 3600 * hours * 10**9)
    young, old = path / "tables/metrics/young.parquet", path / "tables/metrics/old.parquet"
    staged = path / ".staging/young"
    staged.mkdir(parents=True)
    for file in (young, old):
        file.write_bytes(b"not committed yet")
    os.utime(old, (now() - 3600 * 30, now() - 3600 * 30))
    store = another_process(str(path))
    store.runs.set_tag(run_id, "late", "x")
    compact_lake(store.lake)
    assert young.exists()
    assert staged.exists()
    assert not old.exists()
    check(another_process, path, run_id)
    assert (path / "folds" / "0000000001.done.json").exists(), "as_of goes back to it"


def test_the_tables_of_a_first_fold_are_synced_at_once(tmp_path: Path) -> None:
    """Also those that somebody else has made, who may be about to."""
    for made in (len(TABLES), 0):
        fs = FaultFilesystem(open_filesystem(str(tmp_path / "lake")))
        lake = Lake.on(fs, Settings())
        base = standing_fold(lake, folds.newest(fs).done)
        fs.calls.clear()
        restore_tables(lake, base)
        assert (fs.calls["create"], fs.calls["sync"]) == (made, 1)
