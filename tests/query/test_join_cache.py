"""What searches join is join_cache, and what is found stays what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeflow.config import Settings
from lakeflow.entities import LifecycleStage, Metric, Param
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.query.engine import join_cache
from lakeflow.query.engine.connection import Engine
from lakeflow.query.engine.join_cache import JoinCache
from lakeflow.query.engine.overlay import Overlay
from lakeflow.stores import reader
from lakeflow.stores.store import Store
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 20


@pytest.fixture
def store() -> Store:
    fs = FaultFilesystem(open_filesystem("memory://kept"))
    store = Store(Lake.on(fs, Settings(auto_compact=False, vacuum_grace_s=0, retention_s=0)))
    for number in range(RUNS):
        run_id = store.runs.create("0", start_time=number, run_name=f"r{number}").info.run_id
        params = [Param("kind", "ab"[number % 2])]
        store.runs.log_batch(run_id, [Metric("loss", number, 1, 1)], params)
    compact_lake(store.lake)
    yield store
    fs.delete_many([path for folder in ("log", "folds", "tables") for path in fs.sizes(folder)])
    fs.delete("lake.json")


def found(store: Store, text: str, order: str = "metrics.loss") -> list[str]:
    runs = store.runs.search(["0"], text, max_results=100, order_by=[order])
    return [run.info.run_name for run in runs]


def reads_of_tables(store: Store) -> int:
    return store.lake.fs.calls["read_fixed"] + store.lake.fs.calls["read"]


FILTER = "metrics.loss < 10 AND params.kind = 'a'"


def test_other_conditions_orders_and_pages_of_the_same_fields_read_no_file(
    store: Store,
) -> None:
    assert len(found(store, "")) == RUNS, "the documents of all runs are kept besides"
    first = found(store, FILTER)
    assert first == ["r0", "r2", "r4", "r6", "r8"]
    assert found(store, FILTER) == first
    before = reads_of_tables(store)
    assert found(store, FILTER) == first
    assert found(store, FILTER, "metrics.loss DESC") == first[::-1]
    assert found(store, "metrics.loss >= 15 OR params.kind = 'b'")[-1] == "r19"
    token, pages = None, []
    while token or not pages:
        page = store.runs.search(
            ["0"], FILTER, max_results=2, order_by=["metrics.loss"], page_token=token
        )
        pages += [run.info.run_name for run in page]
        token = page.token
    assert pages == first
    assert reads_of_tables(store) == before


def test_what_is_logged_since_is_seen(store: Store) -> None:
    for _ in range(3):
        found(store, FILTER)
    ids = {
        run.info.run_name: run.info.run_id for run in store.runs.search(["0"], max_results=100)
    }
    store.runs.log_metric(ids["r2"], "loss", 50, 2, 2)
    store.runs.log_metric(ids["r18"], "loss", 3, 2, 2)
    store.runs.set_stage(ids["r0"], LifecycleStage.DELETED)
    new = store.runs.create("0", start_time=99, run_name="new").info.run_id
    store.runs.log_batch(new, [Metric("loss", 5, 1, 1)], [Param("kind", "a")])
    expected = ["r18", "r4", "new", "r6", "r8"]
    for _ in range(3):
        assert found(store, FILTER) == expected
    compact_lake(store.lake)
    for _ in range(3):
        assert found(store, FILTER) == expected


@pytest.mark.parametrize(
    ("place", "limit"), [(join_cache, "_MOST_CHARACTERS"), (reader, "_MOST_ROWS_TO_CACHE")]
)
def test_what_is_large_is_not_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, place: object, limit: str
) -> None:
    monkeypatch.setattr(place, limit, RUNS - 1)
    for _ in range(3):
        before = reads_of_tables(store)
        assert len(found(store, FILTER)) == 5
        assert reads_of_tables(store) > before


def test_a_lake_that_is_closed_meanwhile_is_searched_all_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        found(store, FILTER)
    pinned = Overlay.pinned

    def closed_before(overlay: Overlay) -> object:
        monkeypatch.setattr(Overlay, "pinned", pinned)
        store.runs.reader._engine.close()
        return pinned(overlay)

    monkeypatch.setattr(Overlay, "pinned", closed_before)
    assert len(found(store, FILTER)) == 5


def kept_tables(engine: Engine) -> list[str]:
    rows = engine.cursor().run("SELECT table_name FROM duckdb_tables()")
    return sorted(name for (name,) in rows)


def test_those_asked_for_last_are_kept_and_those_that_are_read() -> None:
    engine = Engine()
    relations = JoinCache(engine)

    def name_of(number: int) -> str | None:
        with relations.held("SELECT $n AS n", {"n": number}) as name:
            if name is not None:
                assert engine.cursor().run(f"FROM {name}") == [(number,)]
            return name

    assert [name_of(0) for _ in range(3)] == [None, None, "main.kept_0"]
    with relations.held("SELECT $n AS n", {"n": 0}) as held:
        assert held == "main.kept_0"
        for number in range(1, 12):
            assert [name_of(number) for _ in range(3)][:2] == [None, None]
        assert engine.cursor().run(f"FROM {held}") == [(0,)]
    assert len(kept_tables(engine)) == 4
    assert "kept_0" in kept_tables(engine)
    assert [name_of(1) for _ in range(3)][:2] == [None, None], "it was let go of"
    engine.close()
    assert [name_of(11) for _ in range(3)][:2] == [None, None], "its memory is gone"
    assert len(kept_tables(engine)) == 1


def test_what_most_ask_for_first_is_kept_first(store: Store) -> None:
    for _ in range(3):
        assert len(found(store, FILTER, "start_time DESC")) == 5
    (kept,) = (
        name for name in kept_tables(store.runs.reader._engine) if name.startswith("kept_")
    )
    rows = store.runs.reader._engine.cursor().run(f"SELECT start_time FROM main.{kept}")
    assert len(rows) == RUNS
    assert rows == sorted(rows, reverse=True), "the latest is the first of the usual order"


def test_a_relation_that_cannot_be_made_is_not_asked_for_again(tmp_path: Path) -> None:
    relations = JoinCache(Engine())
    for _ in range(4):
        with relations.held("FROM read_parquet($f)", {"f": [str(tmp_path / "gone")]}) as name:
            assert name is None
