"""A copy of a lake holds what calls had returned from, whatever goes on meanwhile."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import fsspec
import pytest

import lakeflow
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, InvalidStateError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.log.positions import events_apart, list_segments
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.copying import copy_lake
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store


def filled(store: Store, points: int = 5) -> str:
    """Make a run that is in the tables, in the log, and half in both."""
    run_id = store.runs.create("0", run_name="r").info.run_id
    for step in range(points):
        store.runs.log_metric(run_id, "loss", float(step), step, step)
        store.runs.set_tag(run_id, "step", str(step))
        if step == points // 2:
            compact_lake(store.lake)
    return run_id


def check(store: Store, run_id: str, points: int = 5) -> None:
    assert [point.step for point in store.runs.history(run_id, "loss")] == list(range(points))
    (run,) = store.runs.search(["0"], f"tags.step = '{points - 1}'")
    assert run.info.run_id == run_id
    assert store.experiments.get("0").name == "Default"


@pytest.mark.parametrize("target", ["memory", "file"])
def test_a_copy_holds_tables_and_log_and_goes_its_own_way(
    another_process: Callable[..., Store], uri: str, tmp_path: Path, target: str
) -> None:
    source = another_process(uri)
    run_id = filled(source)
    place = str(tmp_path / "copy") if target == "file" else f"memory://{tmp_path.name}-copy"
    first = lakeflow.copy(uri, place)
    assert lakeflow.copy(uri, place).files < first.files
    source.runs.set_tag(run_id, "later", "x")
    source.experiments.create("later")
    compact_lake(source.lake)
    lakeflow.copy(uri, place)
    copied = another_process(place)
    check(copied, run_id)
    assert copied.experiments.find("later") is not None
    copied.runs.log_metric(run_id, "loss", 5.0, 5, 5)
    compact_lake(copied.lake)
    assert len(another_process(place).runs.history(run_id, "loss")) == 6
    check(another_process(uri), run_id)
    with pytest.raises(InvalidStateError, match="was written to"):
        lakeflow.copy(uri, place)


def test_a_copy_overwrites_nothing_of_somebody_else(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    filled(another_process(str(tmp_path / "lake")))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("x")
    with pytest.raises(InvalidInputError, match=r"thesis\.tex"):
        lakeflow.copy(tmp_path / "lake", tmp_path / "thesis")
    another_process(str(tmp_path / "other"))
    with pytest.raises(InvalidStateError, match="another lake"):
        lakeflow.copy(tmp_path / "lake", tmp_path / "other")


@pytest.mark.parametrize("name", ["lake", "link"])
def test_a_lake_is_not_copied_onto_itself_whatever_it_is_called(
    another_process: Callable[..., Store], tmp_path: Path, name: str
) -> None:
    lake = tmp_path / "lake"
    store = another_process(str(lake))
    run_id = filled(store)
    compact_lake(store.lake)
    (tmp_path / "link").symlink_to(lake)
    with pytest.raises(InvalidInputError, match="are one lake"):
        lakeflow.copy(lake, tmp_path / name)
    store.runs.log_metric(run_id, "loss", 5.0, 5, 5)
    assert len(another_process(str(lake)).runs.history(run_id, "loss")) == 6
    assert not [*(lake / ".staging").iterdir()]


def test_a_copy_whose_own_log_is_folded_and_gone_is_not_overwritten(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    source = another_process(str(tmp_path / "lake"))
    run_id = filled(source)
    lakeflow.copy(tmp_path / "lake", tmp_path / "copy")
    copied = another_process(str(tmp_path / "copy"), vacuum_grace_s=0, retention_s=0)
    copied.runs.set_tag(run_id, "mine", "x")
    copied.lake.close()
    for _ in range(2):
        compact_lake(copied.lake)
    assert not list_segments(copied.lake.fs)
    for number in range(3):  # the source gets beyond the folds of the copy
        source.runs.set_tag(run_id, "number", str(number))
        compact_lake(source.lake)
    with pytest.raises(InvalidStateError, match="was written to"):
        lakeflow.copy(tmp_path / "lake", tmp_path / "copy")


def test_an_experiment_of_a_copy_is_not_overwritten_by_one_that_is_folded(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    ages = {"vacuum_grace_s": 0, "retention_s": 0}
    source = another_process(str(tmp_path / "lake"), **ages)
    filled(source)
    lakeflow.copy(tmp_path / "lake", tmp_path / "copy")
    source.experiments.create("theirs")
    for _ in range(2):
        compact_lake(source.lake)
    assert not events_apart(list_segments(source.lake.fs))[0]
    lakeflow.copy(tmp_path / "lake", tmp_path / "copy")
    another_process(str(tmp_path / "copy")).experiments.create("mine")
    source.experiments.create("theirs too")
    for _ in range(2):
        compact_lake(source.lake)
    with pytest.raises(InvalidStateError, match="was written to"):
        lakeflow.copy(tmp_path / "lake", tmp_path / "copy")


def test_a_name_that_leads_out_of_a_lake_is_written_nowhere(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    place = f"memory://{tmp_path.name}-hostile"
    filled(another_process(place))
    store = fsspec.filesystem("memory").store
    root = f"/{tmp_path.name}-hostile"
    store[f"{root}/rejected/../../../evil.txt"] = store[f"{root}/lake.json"]
    with pytest.raises(DamagedLakeError, match=r"'rejected/\.\.' in .* leads out"):
        lakeflow.copy(place, tmp_path / "a" / "b" / "copy")
    assert not [*tmp_path.rglob("evil.txt")]


def test_a_copy_that_is_stopped_anywhere_goes_on(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    store = another_process(str(tmp_path / "lake"))
    run_id = filled(store)
    for write in itertools.count(1, 7):
        place = tmp_path / f"copy{write}"
        try:
            copy_lake(
                store.lake, FaultFilesystem(open_filesystem(place), Fault(write, "before"))
            )
        except Killed:
            assert not (place / "lake.json").exists()
            lakeflow.copy(tmp_path / "lake", place)
        else:
            break
        check(another_process(str(place)), run_id)
    assert write > 7


def test_a_lake_that_is_logged_to_and_compacted_is_copied(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = str(tmp_path / "lake")
    writer = another_process(lake, vacuum_grace_s=0, retention_s=0, segment_bytes=2_000)
    run_id = writer.runs.create("0").info.run_id
    logged, done = 0, threading.Event()

    def work() -> None:
        nonlocal logged
        for step in itertools.count():
            writer.runs.log_metric(run_id, "loss", float(step), step, step)
            logged = step + 1
            if step % 50 == 0:
                compact_lake(writer.lake)
            if done.is_set():
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for number in range(4):
            while logged < 60 * number:
                done.wait(0.01)
            before = logged
            reader = another_process(lake)
            copy_lake(reader.lake, open_filesystem(str(tmp_path / f"copy{number}")))
            copied = another_process(str(tmp_path / f"copy{number}"))
            steps = [point.step for point in copied.runs.history(run_id, "loss")]
            assert len(steps) >= before
            assert steps == list(range(len(steps)))
            compact_lake(copied.lake)
            assert [p.step for p in copied.runs.history(run_id, "loss")] == steps
    finally:
        done.set()
        thread.join()


def test_a_lake_that_lacks_a_file_is_not_copied(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake: Any = another_process(str(tmp_path / "lake"))
    filled(lake)
    next((tmp_path / "lake/index/run").glob("*.blocks")).unlink()
    with pytest.raises(DamagedLakeError, match="lacks a file"):
        lakeflow.copy(tmp_path / "lake", tmp_path / "copy")
