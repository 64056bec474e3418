"""Stores in threads, in loops of asyncio, in forked and in other processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow.programs import tracking
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"lakeflow://{tmp_path}/lake"


def history(uri: str, run_id: str) -> list[int]:
    return [each.step for each in MlflowClient(uri, uri).get_metric_history(run_id, "m")]


def log(uri: str, run_id: str, steps: range) -> None:
    client = MlflowClient(uri, uri)
    for step in steps:
        client.log_metric(run_id, "m", step, timestamp=step, step=step)


def test_a_forked_child_and_its_parent_log_to_one_run(uri: str) -> None:
    run_id = MlflowClient(uri, uri).create_run("0").info.run_id
    log(uri, run_id, range(5))
    context = multiprocessing.get_context("fork")
    child = context.Process(target=log, args=(uri, run_id, range(5, 10)))
    child.start()
    log(uri, run_id, range(10, 15))
    child.join(60)
    assert child.exitcode == 0
    assert history(uri, run_id) == list(range(15))


def test_another_process_goes_on_with_the_run_of_its_environment(uri: str) -> None:
    program = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('m', 1, step=1)"
    with tracking(uri), mlflow.start_run() as run:
        mlflow.log_metric("m", 0, step=0)
        said = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": run.info.run_id}
        subprocess.run([sys.executable, "-c", program], env=os.environ | said, check=True)
    assert history(uri, run.info.run_id) == [0, 1]


def test_a_loop_of_asyncio_calls_in_its_threads(uri: str) -> None:
    client = MlflowClient(uri, uri)
    run_id = client.create_run("0").info.run_id

    async def program() -> Any:
        calls = (
            asyncio.to_thread(client.log_metric, run_id, "m", step, step, step)
            for step in range(20)
        )
        await asyncio.gather(*calls)
        return await asyncio.to_thread(client.search_runs, ["0"])

    assert [run.info.run_id for run in asyncio.run(program())] == [run_id]
    assert history(uri, run_id) == list(range(20))


def test_what_a_store_returns_and_raises_can_be_pickled(uri: str) -> None:
    client = MlflowClient(uri, uri)
    run = client.create_run("0", tags={"t": "v"})
    client.log_metric(run.info.run_id, "m", 1.0)
    found = client.get_run(run.info.run_id)
    assert pickle.loads(pickle.dumps(found)).data.metrics == {"m": 1.0}
    with pytest.raises(MlflowException) as raised:
        client.get_run("0" * 32)
    assert pickle.loads(pickle.dumps(raised.value)).error_code == raised.value.error_code


@pytest.mark.parametrize(
    ("wrong", "text"),
    [("lakeflow://host/path", "names a host"), ("lakeflow+nothing://x", "scheme|Unsupported")],
)
def test_a_wrong_uri_says_what_is_wrong_before_the_first_run(wrong: str, text: str) -> None:
    with pytest.raises(MlflowException, match=text), tracking(wrong):
        mlflow.start_run()


def test_a_folder_that_is_no_lake_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MlflowException, match="lake"), tracking(f"lakeflow://{tmp_path}"):
        mlflow.start_run()
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_mlflow_is_not_imported_by_who_only_names_the_plugin() -> None:
    program = "import sys, lakeflow.mlflow.entry_points\nassert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
