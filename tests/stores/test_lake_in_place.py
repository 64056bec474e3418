"""A lake that is moved, deleted or replaced under a process that logs to it."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import DamagedLakeError, InvalidStateError
from lakeflow.log.positions import event_path
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.artifacts.recorded import Label

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store


def test_a_lake_that_is_moved_is_not_made_anew(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    store = another_process(str(old), segment_bytes=2_000)
    run_id = store.runs.create("0").info.run_id
    store.runs.log_metric(run_id, "loss", 0.0, 0, 0)
    old.rename(new)
    logged = 1
    # Until the segment is full the file that was moved takes it.
    with contextlib.suppress(InvalidStateError):
        for step in range(1, 200):
            store.runs.log_metric(run_id, "loss", float(step), step, step)
            logged += 1
    assert logged < 40
    for call in (
        lambda: store.runs.create("0"),
        lambda: store.terminate(run_id),
        lambda: store.experiments.create("x"),
        lambda: store.runs.search(["0"]),
        lambda: store.artifacts.log_text(run_id, "text", "late.txt"),
        lambda: store.artifacts.log_new(run_id, {"late.png": b"x"}, Label("image"), {}),
        lambda: store.artifacts.listing(run_id),
        lambda: store.tables.log(run_id, {"a": [1]}, "late.json"),
        lambda: compact_lake(store.lake),
    ):
        with pytest.raises(InvalidStateError):
            call()
    assert not old.exists()
    assert len(another_process(str(new)).runs.history(run_id, "loss")) == logged
    new.rename(old)
    store.terminate(run_id)
    assert another_process(str(old)).runs.get(run_id).info.status == "FINISHED"


def test_a_lake_that_is_deleted_and_made_anew_is_another_one(
    another_process: Callable[..., Store], uri: str, tmp_path: Path
) -> None:
    store = another_process(uri)
    run_id = store.runs.create("0").info.run_id
    for path in list(store.lake.fs.sizes("")):
        store.lake.fs.delete(path)
    with pytest.raises(InvalidStateError):
        store.terminate(run_id)
    another_process(uri)
    with pytest.raises(InvalidStateError):
        store.terminate(run_id)


def test_a_log_that_is_deleted_is_missed_at_the_end_of_a_run(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    path = tmp_path / "lake"
    store = another_process(str(path))
    run_id = store.runs.create("0").info.run_id
    compact_lake(store.lake)
    shutil.rmtree(path / "log")
    store.terminate(run_id)  # all of it was folded
    store.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    shutil.rmtree(path / "log")
    with pytest.raises(DamagedLakeError, match="since the last compaction is lost"):
        store.runs.create("0")
    store.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    assert len(another_process(str(path)).runs.history(run_id, "loss")) == 1


@pytest.mark.parametrize("is_folded", [False, True])
def test_a_log_that_is_deleted_is_missed_by_the_next_change_of_experiments(
    another_process: Callable[..., Store], tmp_path: Path, is_folded: bool
) -> None:
    path = tmp_path / "lake"
    store = another_process(str(path))
    first = store.experiments.create("first")
    if is_folded:
        compact_lake(store.lake)
    shutil.rmtree(path / "log")
    if is_folded:
        assert store.experiments.create("second") != first
        found = another_process(str(path)).experiments.search()
        assert {each.name for each in found} == {"Default", "first", "second"}
        return
    for call in (
        lambda: store.experiments.create("second"),
        lambda: store.experiments.rename(first, "renamed"),
        lambda: store.models.create("model"),
    ):
        with pytest.raises(DamagedLakeError, match=r"log .* was deleted(.|\n)*backup"):
            call()


def test_another_event_in_place_of_ones_own_is_noticed_by_the_next_change(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    path = tmp_path / "lake"
    store = another_process(str(path))
    store.experiments.create("first")
    event = path / event_path(store.control.last)
    content = event.read_bytes()

    def put(data: bytes) -> None:
        event.write_bytes(data)
        os.utime(event, (1, 1))  # as of an older copy

    put(content.replace(b"first", b"other"))
    with pytest.raises(DamagedLakeError, match="an older copy was put in its place"):
        store.experiments.create("second")
    put(content)
    assert store.experiments.create("second") == "2"


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_lake_that_is_gone_is_not_made_anew_until_its_place_is_named_again(
    tmp_path: Path, is_moved: bool
) -> None:
    lake, elsewhere = tmp_path / "lake", tmp_path / "elsewhere"
    lakeflow.set_tracking_uri(lake)
    lakeflow.create_experiment("first")
    assert lakeflow.set_experiment("chosen").experiment_id == "2"
    lake.rename(elsewhere)
    if not is_moved:
        shutil.rmtree(elsewhere)
    for call in (
        lakeflow.start_run,
        lambda: lakeflow.set_experiment("after"),
        lambda: lakeflow.log_metric("loss", 1.0),
        lakeflow.search_runs,
        lambda: lakeflow.register_model("s3://b/m", "model"),
        lambda: LakeflowClient(lake).create_run("0"),
        lambda: lakeflow.sql("SELECT * FROM runs"),
        lambda: lakeflow.compact(lake),
    ):
        with pytest.raises(InvalidStateError, match=r"was moved or deleted(.|\n)*begins anew"):
            call()
    assert not lake.exists()
    if is_moved:
        elsewhere.rename(lake)
        with lakeflow.start_run() as run:
            pass
        assert run.info.experiment_id == "2"
        return
    lakeflow.set_tracking_uri(lake)
    with lakeflow.start_run() as run:
        lakeflow.log_metric("loss", 1.0)
    client = LakeflowClient(lake)
    assert client.get_run(run.info.run_id).data.metrics == {"loss": 1.0}
    # By its name: the id that it had is not its id here.
    assert client.get_experiment(run.info.experiment_id).name == "chosen"
    assert client.get_experiment_by_name("first") is None


def test_another_lake_in_the_place_of_one_is_not_opened_without_a_word(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    lakeflow.set_registry_uri(lake)
    lakeflow.register_model("s3://b/m", "before")
    shutil.rmtree(lake)
    another_process(str(lake)).models.create("after")
    with pytest.raises(InvalidStateError):
        lakeflow.register_model("s3://b/m", "after")
    lakeflow.set_registry_uri(lake)
    assert lakeflow.register_model("s3://b/m", "after").version == 1
    assert [each.name for each in lakeflow.search_registered_models()] == ["after"]
