"""MLflow's server over a lake: the same answers over HTTP as over SQLite."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from inside_mlflow.served import Server, over_lake, started, wait_for
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

import lakeflow

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = "f" * 32


def _client(server: Server) -> MlflowClient:
    return MlflowClient(server.url, server.url)


def _said(call: Callable[[], Any]) -> Any:
    """Return what a call returns, or the code of its error."""
    try:
        return call()
    except MlflowException as error:
        return error.error_code
    except requests.HTTPError as error:
        return error.response.status_code


def _runs(client: MlflowClient, folder: Path) -> list[Any]:
    experiment = client.create_experiment("runs", tags={"team": "vision"})
    ids = {}
    for number in range(5):
        run = client.create_run(experiment, start_time=1000 + number, run_name=f"r{number}")
        ids[run.info.run_id] = run.info.run_name
        client.log_batch(
            run.info.run_id,
            [Metric("loss", 1 / (step + 1 + number), step, step) for step in range(20)],
            [Param("depth", str(number))],
            [RunTag("even", str(number % 2 == 0))],
        )
        client.log_metric(run.info.run_id, "odd", float("nan"), 5, 3)
        client.set_terminated(run.info.run_id, end_time=2000 + number)
    first, second, *_ = ids
    client.set_tag(first, "note", "a 'quoted' ünïcode")
    client.delete_tag(first, "note")
    client.delete_run(second)
    asked = [
        client.search_runs([experiment], "metrics.loss < 0.04", order_by=["params.depth ASC"]),
        client.search_runs([experiment], "tags.even = 'True'", order_by=["metrics.loss DESC"]),
        client.search_runs([experiment], "", ViewType.DELETED_ONLY),
        client.search_runs([experiment], max_results=2),
    ]
    rest = client.search_runs([experiment], max_results=2, page_token=asked[-1].token)
    run = client.get_run(first)
    return [
        [[ids[each.info.run_id] for each in found] for found in (*asked, rest)],
        (run.info.status, run.info.start_time, run.info.end_time, run.info.lifecycle_stage),
        sorted(run.data.params.items()),
        sorted(key for key in run.data.tags if not key.startswith("mlflow.")),
        run.data.metrics["loss"],
        [(m.value, m.step, m.timestamp) for m in client.get_metric_history(first, "loss")],
        _said(lambda: client.get_run(NOBODY)),
        _said(lambda: client.log_param(first, "depth", "9")),
        _said(lambda: client.log_metric(second, "loss", 1.0)),
        _said(lambda: client.create_experiment("runs")),
        _said(lambda: client.search_runs([experiment], "metrics.loss ~ 3")),
        _said(lambda: client.search_runs([experiment], page_token="evilhax")),
        _said(lambda: client.delete_tag(first, "nothing")),
        [each.name for each in client.search_experiments(filter_string="name = 'runs'")],
    ]


def _artifacts(client: MlflowClient, folder: Path) -> list[Any]:
    experiment = client.create_experiment("files")
    run_id = client.create_run(experiment).info.run_id
    client.log_text(run_id, "hello", "notes/a.txt")
    local = folder / "local"
    (local / "deep").mkdir(parents=True)
    (local / "deep" / "b.bin").write_bytes(os.urandom(3_000_000))
    client.log_artifacts(run_id, str(local), "copy")
    client.log_artifact(run_id, str(local / "deep" / "b.bin"))
    fetched = client.download_artifacts(run_id, "copy", str(folder))
    same = (local / "deep" / "b.bin").read_bytes()
    return [
        client.get_run(run_id).info.artifact_uri.replace(run_id, "RUN").split(":")[0],
        [
            [
                (each.path, each.is_dir, each.file_size)
                for each in client.list_artifacts(run_id, path)
            ]
            for path in (None, "notes", "copy/deep", "nothing")
        ],
        open(f"{fetched}/deep/b.bin", "rb").read() == same,
        _said(lambda: client.list_artifacts(run_id, "../..")),
        _said(lambda: client.list_artifacts(NOBODY)),
    ]


def _registry(client: MlflowClient, folder: Path) -> list[Any]:
    model = client.create_registered_model("tree", {"a": "b"}, "a tree")
    source = "s3://bucket/model"
    for number in range(3):
        client.create_model_version(
            "tree", source, description=str(number), tags={"n": str(number)}
        )
    client.set_registered_model_alias("tree", "champion", "2")
    client.update_model_version("tree", "1", "first")
    client.set_model_version_tag("tree", "3", "late", "yes")
    client.delete_model_version("tree", "3")
    found = client.search_model_versions("name = 'tree'", order_by=["version_number ASC"])
    by_alias = client.get_model_version_by_alias("tree", "champion")
    return [
        (model.name, model.description, model.tags),
        [(each.version, each.description, each.tags, each.source) for each in found],
        (by_alias.version, by_alias.status, by_alias.aliases),
        [each.name for each in client.search_registered_models("name LIKE 'tr%'")],
        client.rename_registered_model("tree", "oak"),
        client.get_model_version_download_uri("oak", "1"),
        _said(lambda: client.create_registered_model("oak")),
        _said(lambda: client.get_model_version("oak", "9")),
        _said(lambda: client.get_registered_model("nothing")),
        _said(lambda: client.create_model_version("nothing", source)),
        _said(lambda: client.search_model_versions("name ~ 'x'")),
        client.delete_registered_model("oak"),
    ]


PROGRAMS = {"runs": _runs, "artifacts": _artifacts, "registry": _registry}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_gets_the_same_answers(
    program: str, lake_server: Server, sqlite_server: Server, tmp_path: Path
) -> None:
    ours, theirs = (
        repr(PROGRAMS[program](_client(server), _made(tmp_path / name)))
        for name, server in {"ours": lake_server, "theirs": sqlite_server}.items()
    )
    assert ours == theirs


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_files_of_remote_clients_are_in_the_lake_and_recorded(lake_server: Server) -> None:
    client = _client(lake_server)
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "hello", "notes/a.txt")
    lake = lake_server.folder / "lake"
    assert (lake / "artifacts" / "0" / run_id / "artifacts" / "notes" / "a.txt").exists()
    report = lakeflow.artifacts.verify([run_id], tracking_uri=str(lake))
    assert (report.files, report.findings) == (1, [])


def test_clients_that_ask_for_parts_send_and_get_the_whole(
    lake_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UPLOAD", "DOWNLOAD"):
        monkeypatch.setenv(f"MLFLOW_ENABLE_PROXY_MULTIPART_{name}", "true")
        monkeypatch.setenv(f"MLFLOW_MULTIPART_{name}_MINIMUM_FILE_SIZE", "1000")
    content = os.urandom(5_000_000)
    (tmp_path / "large.bin").write_bytes(content)
    client = _client(lake_server)
    run_id = client.create_run("0").info.run_id
    client.log_artifact(run_id, str(tmp_path / "large.bin"), "files")
    lake = lake_server.folder / "lake"
    report = lakeflow.artifacts.verify([run_id], tracking_uri=str(lake))
    assert (report.files, report.findings) == (1, [])
    (tmp_path / "back").mkdir()
    found = client.download_artifacts(run_id, "files/large.bin", str(tmp_path / "back"))
    assert Path(found).read_bytes() == content


def test_what_another_process_writes_is_seen_at_once(lake_server: Server) -> None:
    ours = lakeflow.LakeflowClient(lake_server.folder / "lake")
    run_id = ours.create_run("0").info.run_id
    # Each call on a connection of its own, which either worker may get.
    for step in range(20):
        if step % 2:
            ours.log_metric(run_id, "m", step, step=step)
        else:
            _client(lake_server).log_metric(run_id, "m", step, step=step)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            seen = pool.map(
                lambda _: requests.get(
                    f"{lake_server.url}/api/2.0/mlflow/runs/get", {"run_id": run_id}, timeout=60
                ).json()["run"]["data"]["metrics"][0]["value"],
                range(4),
            )
            assert set(seen) == {step}
    assert ours.get_run(run_id).data.metrics == {"m": 19}


def test_many_clients_at_once_lose_nothing(lake_server: Server) -> None:
    run_id = _client(lake_server).create_run("0").info.run_id

    def log(writer: int) -> None:
        client = _client(lake_server)
        for step in range(10):
            client.log_metric(run_id, f"m{writer}", step, step=step)
            client.log_param(run_id, f"p{writer}-{step}", "v")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(log, range(8)))
    run = _client(lake_server).get_run(run_id)
    assert run.data.metrics == {f"m{writer}": 9 for writer in range(8)}
    assert len(run.data.params) == 80


def test_the_log_of_a_server_begins_quietly(lake_server: Server) -> None:
    for word in ("Traceback", "ERROR", "WARNING", "job execution"):
        assert word not in lake_server.said.split("MLflow is at")[0]


def test_the_command_ends_all_its_processes(tmp_path: Path) -> None:
    with over_lake(tmp_path, "--workers", "2", "--compact-every", "1s") as server:
        wait_for(server)
        run_id = _client(server).create_run("0").info.run_id
        _client(server).log_metric(run_id, "m", 1.0)
        folds = tmp_path / "lake" / "folds"
        _until(lambda: folds.exists() and any(folds.iterdir()))
        started = _descendants(server.process.pid)
        assert len(started) >= 4
        # Everybody can read command lines, and a location may have a password in it.
        assert not [pid for pid in started if str(tmp_path / "lake") in _command_line(pid)]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        assert [pid for pid in started if os.path.exists(f"/proc/{pid}")] == []


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def _descendants(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = [int(each) for each in file.read().split()]
    return children + [each for child in children for each in _descendants(child)]


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_a_command_whose_server_does_not_start_ends_with_its_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lakeflow", "server", str(tmp_path / "lake"), "--port"]
    with started(tmp_path, [*command, "0", "--", "--no-such-option"], "") as server:
        assert server.process.wait(60) == 2
        assert "No such option" in server.said
        assert "MLflow is at" not in server.said


SENT = {
    "no JSON": ("runs/create", b"{", "application/json"),
    "a list": ("runs/create", b"[]", "application/json"),
    "a number": ("runs/create", b"3", "application/json"),
    "no UTF-8": ("runs/create", b"\xff\xfe", "application/json"),
    "nothing": ("runs/create", b"", "application/json"),
    "another type": ("runs/create", b"a=b", "text/plain"),
    "an experiment that is a list": ("runs/create", {"experiment_id": [1]}, None),
    "an experiment that is not there": ("runs/create", {"experiment_id": "77777"}, None),
    "an experiment that is no number": ("runs/create", {"experiment_id": "../x"}, None),
    "an experiment of nothing": ("experiments/create", {"name": ""}, None),
    "an experiment of blanks": ("experiments/create", {"name": None}, None),
    "a long name": ("experiments/create", {"name": "x" * 5_000}, None),
    "an unknown run": (
        "runs/log-metric",
        {"run_id": NOBODY, "key": "m", "value": 1, "timestamp": 1},
        None,
    ),
    "a metric that is text": (
        "runs/log-metric",
        {"run_id": NOBODY, "key": "m", "value": "x"},
        None,
    ),
    "a key that is a path": (
        "runs/log-parameter",
        {"run_id": "RUN", "key": "../x", "value": "1"},
        None,
    ),
    "a key of nothing": (
        "runs/log-parameter",
        {"run_id": "RUN", "key": "", "value": "1"},
        None,
    ),
    "a long key": (
        "runs/log-parameter",
        {"run_id": "RUN", "key": "k" * 300, "value": "1"},
        None,
    ),
    "a long value": (
        "runs/log-parameter",
        {"run_id": "RUN", "key": "k", "value": "v" * 9_000},
        None,
    ),
    "a run id with a zero byte": (
        "runs/log-parameter",
        {"run_id": "a\0b", "key": "k", "value": "v"},
        None,
    ),
    "a run id of a megabyte": (
        "runs/log-parameter",
        {"run_id": "a" * 10**6, "key": "k", "value": "v"},
        None,
    ),
    "too many metrics": (
        "runs/log-batch",
        {"run_id": "RUN", "metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 1_001},
        None,
    ),
    "a param twice": (
        "runs/log-batch",
        {"run_id": "RUN", "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
        None,
    ),
    "a metric without a value": (
        "runs/log-batch",
        {"run_id": "RUN", "metrics": [{"key": "m"}]},
        None,
    ),
    "metrics that are a text": ("runs/log-batch", {"run_id": "RUN", "metrics": "m"}, None),
    "a body of eight megabytes": (
        "runs/set-tag",
        {"run_id": "RUN", "key": "k", "value": "v" * 8_000_000},
        None,
    ),
    "a filter that is none": ("runs/search", {"experiment_ids": ["0"], "filter": "((("}, None),
    "a filter of SQL": (
        "runs/search",
        {"experiment_ids": ["0"], "filter": "1; DROP TABLE runs"},
        None,
    ),
    "an order that is none": (
        "runs/search",
        {"experiment_ids": ["0"], "order_by": ["x y z"]},
        None,
    ),
    "too large a page": ("runs/search", {"experiment_ids": ["0"], "max_results": 10**6}, None),
    "a page of less than nothing": (
        "runs/search",
        {"experiment_ids": ["0"], "max_results": -5},
        None,
    ),
    "a token that is none": (
        "runs/search",
        {"experiment_ids": ["0"], "page_token": "###"},
        None,
    ),
    "ids that are no list": ("runs/search", {"experiment_ids": "0"}, None),
    "a view that is none": (
        "runs/search",
        {"experiment_ids": ["0"], "run_view_type": "X"},
        None,
    ),
    "a status that is none": ("runs/update", {"run_id": "RUN", "status": "DONE"}, None),
    "a model without a name": ("registered-models/create", {"description": "x"}, None),
    "a model called a path": ("registered-models/create", {"name": "a/b:c"}, None),
    "a version of nothing": (
        "model-versions/create",
        {"name": "nothing", "source": "/x"},
        None,
    ),
    "an alias that is none": (
        "registered-models/alias",
        {"name": "nothing", "alias": "v1", "version": "1"},
        None,
    ),
    "a dataset that is none": (
        "runs/log-inputs",
        {"run_id": "RUN", "datasets": [{"tags": []}]},
        None,
    ),
}
"""What is posted: a path, a body and its type; RUN is a run that is there."""

OURS = {
    # An experiment without an id is a parameter that is wrong here.
    "no JSON": (400, "INVALID_PARAMETER_VALUE"),
    "a list": (400, "INVALID_PARAMETER_VALUE"),
    "no UTF-8": (400, "INVALID_PARAMETER_VALUE"),
    "nothing": (400, "INVALID_PARAMETER_VALUE"),
    # What can be no id of a run is said to be none; over SQLite it is one that is not there.
    "a run id with a zero byte": (400, "INVALID_PARAMETER_VALUE"),
    "a run id of a megabyte": (400, "INVALID_PARAMETER_VALUE"),
    # Nothing is cut short.
    "a body of eight megabytes": (400, "INVALID_PARAMETER_VALUE"),
}
"""What differs from SQLite, on purpose."""


@pytest.fixture(scope="module")
def run_ids(lake_server: Server, sqlite_server: Server) -> dict[str, str]:
    """A run of each server, by its URL."""
    servers = (lake_server, sqlite_server)
    return {each.url: _client(each).create_run("0").info.run_id for each in servers}


@pytest.mark.parametrize("sent", SENT)
def test_bad_input_has_the_code_that_it_has_over_sqlite(
    sent: str, lake_server: Server, sqlite_server: Server, run_ids: dict[str, str]
) -> None:
    path, body, kind = SENT[sent]
    codes = []
    for server in (lake_server, sqlite_server):
        data = body
        if not isinstance(body, bytes):
            data = json.dumps(body).replace('"RUN"', f'"{run_ids[server.url]}"').encode()
        answer = requests.post(
            f"{server.url}/api/2.0/mlflow/{path}",
            data,
            headers={"Content-Type": kind or "application/json"},
            timeout=60,
        )
        try:
            codes.append((answer.status_code, answer.json().get("error_code")))
        except ValueError:
            codes.append((answer.status_code, None))
    ours, theirs = codes
    # Of some requests MLflow makes a 500 before it asks any store.
    assert ours[0] < 500 or ours == theirs
    assert ours == OURS.get(sent, theirs)
