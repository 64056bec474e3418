"""What is kept of single things is bounded, however many folds a service lives through."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import Metric
from lakeflow.kinds import RUN
from lakeflow.stores import stored_things
from lakeflow.stores.stored_things import StoredThings
from lakeflow.tables.block_reader import look_up

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from lakeflow.stores.store import Store

METRICS = 40


def held(store: Store) -> dict[str, int]:
    """Return how much a reader of a lake keeps, by where."""
    snapshots = store.snapshots
    return {
        "joined": len(store.runs.reader._joins._tables),
        "past": len(snapshots._past),
        "hot": sum(map(len, snapshots._now.memory.things.values())),
        "descriptors": len(os.listdir("/proc/self/fd")),
    }


def test_a_reader_keeps_no_more_after_many_folds_than_after_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_things, "_MOST_CHARACTERS_KEPT", 20_000)
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_ids = [client.create_run("0").info.run_id for _ in range(3)]
    counts = []
    for step in range(6):
        for run_id in run_ids:
            points = [Metric(f"metric {n}", step, step, step) for n in range(METRICS)]
            client.log_batch(run_id, points)
        lakeflow.compact(uri)
        client.set_tag(run_ids[0], "step", step)
        for _ in range(2):
            assert len(client.search_runs(["0"], "metrics.`metric 1` >= 0")) == 3
        first = client.search_runs(["0"], max_results=1)
        client.search_runs(["0"], max_results=1, page_token=first.token)
        assert len(client.get_metric_history(run_ids[0], "metric 1")) == step + 1
        counts.append(held(client._store))
    assert counts[3:] == counts[3:4] * 3
    stored = client._store.snapshots.stored
    assert 0 < stored._characters <= 20_000
    assert sum(characters for _, characters in stored._kept.values()) == stored._characters


def test_of_folds_long_past_nothing_is_kept(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    for step in range(5):
        client.log_metric(run_id, "m", step, step=step)
        lakeflow.compact(uri)
        assert client.get_run(run_id).data.metrics == {"m": step}
    stored = client._store.snapshots.stored
    assert {fold for fold, *_ in stored._kept} == {4, 5}
    assert sum(characters for _, characters in stored._kept.values()) == stored._characters


def test_what_was_asked_for_last_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_things, "_MOST_THINGS_KEPT", 2)
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    first, second, third = (client.create_run("0").info.run_id for _ in range(3))
    lakeflow.compact(uri)
    lake = client._store.lake
    stored, fold = StoredThings(lake), lake.fold()
    reads: list[str] = []

    def read(files: Any, ids: list[str]) -> dict[str, str]:
        reads.extend(ids)
        return look_up(files, ids)

    monkeypatch.setattr(stored_things, "look_up", read)
    for run_id in (first, second, first, third, first):
        assert stored.get(RUN, [run_id], fold).keys() == {run_id}
    assert reads == [first, second, third]
