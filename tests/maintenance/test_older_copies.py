"""An older copy of a lake is put in its place, or over it, while processes have it open."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from lakeflow.exceptions import DamagedLakeError
from lakeflow.maintenance.compact import compact_lake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lakeflow.stores.store import Store

SETTINGS = {"vacuum_grace_s": 0, "retention_s": 0}


def put_back(backup: Path, lake: Path, *, is_over: bool) -> None:
    if is_over:
        for file in (each for each in backup.rglob("*") if each.is_file()):
            # As cp does it: the file stays the same one, and who has it open writes to it.
            (lake / file.relative_to(backup)).write_bytes(file.read_bytes())
        return
    shutil.rmtree(lake)
    shutil.copytree(backup, lake)


def seen(store: Store, run_id: str) -> Any:
    return (
        [each.step for each in store.runs.history(run_id, "loss")],
        sorted(run.info.run_name for run in store.runs.search(["0"])),
        sorted(each.name for each in store.experiments.search()),
    )


def grow(store: Store, run_id: str, steps: range) -> None:
    for step in steps:
        store.runs.log_metric(run_id, "loss", float(step), 1, step)
    store.runs.create("0", run_name=f"at {steps.stop}")
    store.experiments.create(f"at {steps.stop}")


@pytest.mark.parametrize("is_folded_before", [False, True])
@pytest.mark.parametrize("folds_after", [0, 2])
def test_who_has_a_lake_open_sees_the_older_copy_that_is_in_its_place(
    another_process: Callable[..., Store],
    tmp_path: Path,
    is_folded_before: bool,
    folds_after: int,
) -> None:
    lake, backup = tmp_path / "lake", tmp_path / "backup"
    writer, reader = (another_process(str(lake), **SETTINGS) for _ in range(2))
    run_id = writer.runs.create("0", run_name="first").info.run_id
    grow(writer, run_id, range(5))
    if is_folded_before:
        compact_lake(writer.lake)
    grow(writer, run_id, range(5, 8))
    shutil.copytree(lake, backup)
    for n in range(folds_after + 1):
        grow(writer, run_id, range(8 + n, 9 + n))
        if n < folds_after:
            compact_lake(writer.lake)
    assert len(seen(reader, run_id)[0]) == 9 + folds_after
    put_back(backup, lake, is_over=False)

    there = seen(another_process(str(lake)), run_id)
    assert there == ([*range(8)], ["at 5", "at 8", "first"], ["Default", "at 5", "at 8"])
    assert seen(writer, run_id) == seen(reader, run_id) == there
    # What the writer logs now would go to a file that has no name any more.
    with pytest.raises(DamagedLakeError, match="is lost"):
        writer.runs.create("0")
    fresh = another_process(str(lake), **SETTINGS)
    grow(fresh, run_id, range(20, 21))
    # Its number is that of another event by now, on which nothing is decided.
    with pytest.raises(DamagedLakeError, match="an older copy was put in its place"):
        writer.experiments.create("beyond")
    writer.runs.log_metric(run_id, "loss", 0.0, 1, 30)
    grow(fresh, run_id, range(40, 41))
    compact_lake(writer.lake)
    compact_lake(fresh.lake)
    after = seen(another_process(str(lake)), run_id)
    assert after[0] == [*range(8), 20, 30, 40]
    assert after[2] == ["Default", "at 21", "at 41", "at 5", "at 8"]
    assert seen(writer, run_id) == seen(reader, run_id) == seen(fresh, run_id) == after


def test_who_writes_to_a_segment_that_an_older_one_is_put_over_begins_another(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake, backup = tmp_path / "lake", tmp_path / "backup"
    writer, reader = (another_process(str(lake), **SETTINGS) for _ in range(2))
    run_id = writer.runs.create("0", run_name="first").info.run_id
    grow(writer, run_id, range(5))
    shutil.copytree(lake, backup)
    grow(writer, run_id, range(5, 8))
    seen(reader, run_id)
    put_back(backup, lake, is_over=True)
    # Events of later changes are there still.
    there = ([*range(5)], ["at 5", "first"], ["Default", "at 5", "at 8"])
    assert seen(reader, run_id) == seen(another_process(str(lake)), run_id) == there
    with pytest.raises(DamagedLakeError, match="is lost"):
        writer.runs.create("0")
    grow(writer, run_id, range(8, 9))
    after = [*range(5), 8]
    for store in (writer, reader, another_process(str(lake))):
        assert seen(store, run_id)[0] == after
    compact_lake(reader.lake)
    assert seen(another_process(str(lake)), run_id)[0] == after
