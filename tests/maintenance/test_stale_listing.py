"""Compactions of a store without locks, which go by a listing that others have overtaken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec
import pytest

from lakeflow.config import Settings
from lakeflow.ids import new_id
from lakeflow.lake import Lake
from lakeflow.maintenance import compact, turns, vacuum
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.tables import folds
from lakeflow.testing.flaky import FlakyFileSystem, lake_filesystem

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.maintenance.planning import NextFold


@pytest.fixture
def open_store() -> Callable[..., Store]:
    """Return a function that opens one lake as several machines do."""
    flaky, root = FlakyFileSystem(fsspec.filesystem("memory")), f"/stale-{new_id()}"

    def opened(**given: Any) -> Store:
        settings = Settings(
            **{"auto_compact": False, "cache_bytes": 0, "check_interval_ms": 0} | given
        )
        return Store(Lake.on(lake_filesystem(flaky, root, settings), settings))

    return opened


class Killed(BaseException):
    pass


def test_a_claim_that_ends_beyond_the_listing_is_carried_out_whole(
    open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another compaction ends in the middle of a new segment, claims the rest, and dies."""
    writer, ours, theirs = open_store(), open_store(), open_store(fold_bytes=300)
    run_id = writer.runs.create("0", start_time=1, run_name="r").info.run_id
    carry_out = compact._Compaction._carry_out

    def until_a_segment_is_split(self: Any, fold: NextFold) -> None:
        for name, position in fold.base.positions.items():
            if position.offset and fold.plan.positions[name].segment > position.segment:
                raise Killed
        carry_out(self, fold)

    def overtake() -> None:
        with writer.lake.gathering() as gathered:
            for step in range(10):
                writer.runs.log_metric(run_id, "loss", float(step), step, step)
            gathered.write()
        theirs.lake.fs._lease(turns.LOCK, 0)
        with monkeypatch.context() as patched:
            patched.setattr(compact._Compaction, "_carry_out", until_a_segment_is_split)
            with pytest.raises(Killed):
                compact_lake(theirs.lake)
        done, begun, _ = folds.newest(theirs.lake.fs)
        assert begun == done + 1

    standing_fold = compact.standing_fold

    def overtaken(lake: Lake, newest: int) -> folds.Fold:
        # By now the log is listed.
        monkeypatch.setattr(compact, "standing_fold", standing_fold)
        overtake()
        return standing_fold(lake, newest)

    monkeypatch.setattr(compact, "standing_fold", overtaken)
    compact_lake(ours.lake)
    compact_lake(open_store().lake)
    points = open_store().runs.history(run_id, "loss")
    assert [point.step for point in points] == list(range(10))


def test_what_somebody_else_has_deleted_meanwhile_is_gone(
    open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(fold_bytes=300, vacuum_grace_s=0)
    run_id = store.runs.create("0", start_time=1, run_name="r").info.run_id
    with store.lake.gathering() as gathered:
        for step in range(10):
            store.runs.log_metric(run_id, "loss", float(step), step, step)
        gathered.write()
    monkeypatch.setattr(compact, "vacuum", lambda *_: vacuum.VacuumReport())
    listed = store.lake.listing().segments
    compact_lake(store.lake)
    numbers = range(1, folds.newest(store.lake.fs)[0] + 1)
    in_a_segment = [
        fold
        for fold in (folds.read_fold(store.lake.fs, number) for number in numbers)
        if any(position.offset for position in fold.positions.values())
    ]
    assert in_a_segment
    monkeypatch.setattr(vacuum, "_settled", lambda *_: in_a_segment[0])
    store.lake.fs.delete_many(list(listed))
    vacuum.vacuum(store.lake, listed)
    assert len(open_store().runs.history(run_id, "loss")) == 10
