"""A process with many lakes has few engines open."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.query.engine import open_engines

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
    # Of earlier tests some may end meanwhile.
    assert max(threads[3:]) <= threads[2]


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
