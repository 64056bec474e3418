"""What MLflow's server answers when its lake is gone, read-only or full: its codes, and no 500."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from faults.test_refusals import full_but_for, mounted, needs_root
from mlflow.server import app, handlers

from lakeflow.mlflow.registry_store import RegistryStore
from lakeflow.mlflow.tracking_store import TrackingStore
from lakeflow.open_lakes import open_lake

if TYPE_CHECKING:
    from pathlib import Path

Ask = Callable[..., tuple[int, str | None]]

READS = {
    "runs/get": {},
    "runs/search": {"experiment_ids": ["0"]},
    "experiments/search": {"max_results": 10},
    "registered-models/search": {},
    "metrics/get-history": {"metric_key": "m"},
}
WRITES: dict[str, dict[str, Any]] = {
    "runs/create": {"experiment_id": "0"},
    "runs/log-batch": {"params": [{"key": "p", "value": "v" * 5_000}]},
    "experiments/create": {"name": "e"},
    "registered-models/create": {"name": "m"},
}
GETS = {"runs/get", "registered-models/search", "metrics/get-history"}


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Ask]:
    """Let MLflow's server run over a lake; the run that is asked for is in it."""

    def chosen(lake: Path) -> Ask:
        uri = f"lakeflow://{lake}"
        monkeypatch.setattr(handlers, "_tracking_store", TrackingStore(uri))
        monkeypatch.setattr(handlers, "_model_registry_store", RegistryStore(uri))
        client = app.test_client()
        made = client.post("/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
        run_id = made.get_json()["run"]["info"]["run_id"]

        def ask(path: str, fields: dict[str, Any]) -> tuple[int, str | None]:
            url, fields = f"/api/2.0/mlflow/{path}", {"run_id": run_id, **fields}
            if path in GETS:
                answer = client.get(url, query_string=fields)
            else:
                answer = client.post(url, json=fields)
            return answer.status_code, answer.get_json().get("error_code")

        return ask

    return chosen


def test_a_lake_that_is_gone_is_out_of_order_until_it_is_back(
    over: Callable[[Path], Ask], tmp_path: Path
) -> None:
    lake, elsewhere = tmp_path / "lake", tmp_path / "elsewhere"
    ask = over(lake)
    assert {ask(path, fields) for path, fields in READS.items()} == {(200, None)}
    open_lake(str(lake)).seal()
    shutil.move(lake, elsewhere)
    found = {path: ask(path, fields) for path, fields in {**READS, **WRITES}.items()}
    # A run that this process has just made is still known to it.
    assert set(found.values()) <= {(503, "TEMPORARILY_UNAVAILABLE"), (200, None)}
    assert {found[path] for path in WRITES} == {(503, "TEMPORARILY_UNAVAILABLE")}
    assert not lake.exists()
    shutil.move(elsewhere, lake)
    assert {ask(path, fields) for path, fields in {**READS, **WRITES}.items()} == {(200, None)}


@needs_root
def test_a_full_disk_is_said_and_what_is_there_is_read(
    over: Callable[[Path], Ask], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        ask = over(disk / "lake")
        with full_but_for(disk, 0):
            found = {path: ask(path, fields) for path, fields in WRITES.items()}
            # A line that fits into what is left of a page of the disk still goes there.
            small = found.pop("runs/create")
            assert small in {(200, None), (429, "RESOURCE_EXHAUSTED")}
            assert set(found.values()) == {(429, "RESOURCE_EXHAUSTED")}
            for path, fields in READS.items():
                assert ask(path, fields) == (200, None), path
        for path, fields in WRITES.items():
            assert ask(path, fields) == (200, None), path
        open_lake(str(disk / "lake")).close()


@needs_root
def test_a_disk_that_is_read_only_is_said_and_what_is_there_is_read(
    over: Callable[[Path], Ask], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        ask = over(disk / "lake")
        open_lake(str(disk / "lake")).close()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for path, fields in WRITES.items():
            assert ask(path, fields) == (403, "PERMISSION_DENIED"), path
        for path, fields in READS.items():
            assert ask(path, fields) == (200, None), path
