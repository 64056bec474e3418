"""A process with many lakes has few engines open."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.open_store import open_store
from lakeflow.query.engine import connection, open_engines, permitted
from lakeflow.query.engine.sandbox import Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_threads_of_a_process_do_not_grow_with_its_lakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_engines, "_MOST_OPEN", 2)
    clients = [LakeflowClient(tmp_path / str(number)) for number in range(4)]
    threads = []
    for client in clients * 2:
        client.create_run("0")
        expected = len(threads) // 4 + 1
        assert len(client.search_runs(["0"])) == expected
        count = lakeflow.sql("SELECT count(*) FROM runs", tracking_uri=client.tracking_uri)
        assert count[0].to_pylist() == [expected]
        threads.append(len(os.listdir("/proc/self/task")))
    # Those of earlier tests come and go meanwhile; what a lake adds would stay.
    assert min(threads[3:]) <= threads[2]


def test_an_engine_that_is_read_is_not_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_engines, "_MOST_OPEN", 1)
    clients = [LakeflowClient(tmp_path / str(number)) for number in range(3)]
    for number, client in enumerate(clients):
        for value in range(3):
            client.log_metric(client.create_run("0").info.run_id, "m", number + value)

    def search(client: LakeflowClient) -> list[float]:
        answers = []
        for _ in range(4):
            first = client.search_runs(["0"], order_by=["metrics.m DESC"], max_results=2)
            token = first.token
            rest = client.search_runs(["0"], order_by=["metrics.m DESC"], page_token=token)
            answers.append([run.data.metrics["m"] for run in [*first, *rest]])
        assert answers == answers[:1] * 4
        return answers[0]

    with ThreadPoolExecutor(3) as pool:
        for number, found in enumerate(pool.map(search, clients)):
            assert found == [number + 2, number + 1, number]


def test_what_is_known_of_files_of_past_folds_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_MOST_FOLDS", 2)
    client = LakeflowClient(tmp_path)
    store = open_store(tmp_path, create=True)
    for number in range(6):
        client.create_run("0")
        if number == 5:
            with store.snapshots.held():
                before = store.columns.query("FROM runs", None).num_rows
                assert before == 6
        lakeflow.compact(tmp_path)
        found = client.search_runs(["0"])
        assert len(found) == lakeflow.sql("FROM runs", tracking_uri=tmp_path).num_rows
        assert len(found) == number + 1
    engine = store.snapshots._engine
    assert engine.connections == 2


def test_a_connection_goes_while_no_lock_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    were_free = []

    class Connection:
        def __del__(self) -> None:
            with ThreadPoolExecutor(1) as pool:
                is_free = pool.submit(open_engines.lock.acquire, blocking=False).result()
                were_free.append(is_free)
                if is_free:
                    pool.submit(open_engines.lock.release).result()

    monkeypatch.setattr(connection, "_MOST_FOLDS", 0)
    engine = connection.Engine()
    engine._connection = Connection()
    engine.reads(1)
    assert were_free == [True]


def test_settings_of_an_engine_are_those_of_its_cursors(tmp_path: Path) -> None:
    sandbox = Sandbox(None, str(tmp_path))
    names = ("parquet_metadata_cache", "python_enable_replacements", "max_expression_depth")
    asked = ", ".join(f"current_setting('{name}')" for name in (*names, "TimeZone"))
    (found,) = sandbox.cursor().run(f"SELECT {asked}")
    assert found == (True, False, permitted.MAX_DEPTH, "UTC")
    sandbox.close()
