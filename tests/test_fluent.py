"""The fluent functions: which run is active where, and what becomes of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow.config import Settings
from lakeflow.entities import Dataset, ViewType
from lakeflow.exceptions import (
    InvalidInputError,
    InvalidStateError,
    LakeflowException,
    NotFoundError,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def lake(uri: str) -> str:
    lakeflow.set_tracking_uri(uri)
    return uri


def test_a_block_logs_to_its_run_and_ends_it() -> None:
    with lakeflow.start_run(run_name="first", tags={"a": 1}, description="note") as run:
        assert lakeflow.active_run() == run
        lakeflow.log_param("lr", 0.1)
        lakeflow.log_params({"layers": 3, "size": None})
        lakeflow.log_metric("loss", 0.5, step=2, timestamp=7)
        lakeflow.log_metrics({"acc": 0.9, "f1": 0.8}, step=2)
        lakeflow.set_tag("b", 2)
        lakeflow.set_tags({"c": 3, "d": True})
    assert lakeflow.active_run() is None
    found = lakeflow.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.end_time >= found.info.start_time
    assert found.data.params == {"lr": "0.1", "layers": "3", "size": "None"}
    assert found.data.metrics == {"loss": 0.5, "acc": 0.9, "f1": 0.8}
    tags = {key: value for key, value in found.data.tags.items() if len(key) == 1}
    assert tags == {"a": "1", "b": "2", "c": "3", "d": "True"}
    assert found.data.tags["mlflow.note.content"] == "note"
    assert found.info.user_id == found.data.tags["mlflow.user"]
    assert lakeflow.last_active_run() == found


def test_logging_without_a_run_starts_one() -> None:
    lakeflow.log_metric("loss", 1)
    run = lakeflow.active_run()
    assert run is not None
    assert lakeflow.get_run(run.info.run_id).data.metrics == {"loss": 1}
    lakeflow.end_run()
    lakeflow.end_run()
    assert lakeflow.active_run() is None


def test_a_second_run_must_be_nested() -> None:
    with lakeflow.start_run() as parent:
        with pytest.raises(InvalidStateError, match=parent.info.run_id):
            lakeflow.start_run()
        with lakeflow.start_run(nested=True) as child:
            lakeflow.log_metric("loss", 1)
        lakeflow.log_metric("loss", 2)
    assert lakeflow.get_run(child.info.run_id).data.metrics == {"loss": 1}
    assert lakeflow.get_run(parent.info.run_id).data.metrics == {"loss": 2}
    assert lakeflow.get_parent_run(child.info.run_id) == lakeflow.get_run(parent.info.run_id)


def test_a_parent_may_be_named() -> None:
    parent = lakeflow.LakeflowClient().create_run("0")
    with lakeflow.start_run(parent_run_id=parent.info.run_id) as child:
        pass
    assert lakeflow.get_parent_run(child.info.run_id) == parent


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_what_leaves_a_block_decides_its_status(
    error: type[BaseException], status: str
) -> None:
    with pytest.raises(error), lakeflow.start_run() as run:
        raise error
    assert lakeflow.get_run(run.info.run_id).info.status == status


def test_a_run_is_resumed_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    with lakeflow.start_run() as run:
        lakeflow.log_metric("loss", 1)
    with lakeflow.start_run(run_id=run.info.run_id, tags={"again": "yes"}) as again:
        assert again.info.status == "RUNNING"
        lakeflow.log_metric("loss", 2, step=1)
    found = lakeflow.get_run(run.info.run_id)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"loss": 2})
    assert found.data.tags["again"] == "yes"
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    with lakeflow.start_run() as by_environment:
        assert by_environment.info.run_id == run.info.run_id


def test_a_deleted_run_is_not_resumed() -> None:
    with lakeflow.start_run() as run:
        pass
    lakeflow.delete_run(run.info.run_id)
    with pytest.raises(InvalidInputError, match="deleted"):
        lakeflow.start_run(run_id=run.info.run_id)
    with pytest.raises(NotFoundError):
        lakeflow.start_run(run_id="f" * 32)
    assert lakeflow.active_run() is None


def test_each_thread_has_its_own_active_run() -> None:
    seen = {}

    def work(name: str) -> None:
        assert lakeflow.active_run() is None
        with lakeflow.start_run(run_name=name):
            for step in range(20):
                lakeflow.log_metric(name, step, step=step)
            seen[name] = lakeflow.last_active_run()

    with lakeflow.start_run() as outer:
        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert lakeflow.active_run().info.run_id == outer.info.run_id
    assert len({run.info.run_id for run in seen.values()}) == 4
    assert all(run.data.metrics == {name: 19} for name, run in seen.items())


def test_each_task_has_its_own_active_run() -> None:
    async def work(name: str) -> str:
        with lakeflow.start_run(run_name=name) as run:
            await asyncio.sleep(0.01)
            lakeflow.log_param("name", name)
            await asyncio.sleep(0.01)
            return run.info.run_id

    async def several() -> list[str]:
        return await asyncio.gather(*(work(f"t{n}") for n in range(4)))

    found = [lakeflow.get_run(run_id) for run_id in asyncio.run(several())]
    assert [run.data.params["name"] for run in found] == [run.info.run_name for run in found]


def experiment_of_a_run(**options: Any) -> str:
    with lakeflow.start_run(**options) as run:
        pass
    name: str = lakeflow.LakeflowClient().get_experiment(run.info.experiment_id).name
    return name


def test_an_experiment_is_made_once_and_chosen() -> None:
    first = lakeflow.set_experiment("digits")
    assert lakeflow.set_experiment("digits") == first
    assert lakeflow.set_experiment(experiment_id=first.experiment_id) == first
    with lakeflow.start_run() as run:
        assert run.info.experiment_id == first.experiment_id
    with pytest.raises(InvalidInputError, match="exactly one"):
        lakeflow.set_experiment()
    with pytest.raises(NotFoundError):
        lakeflow.set_experiment(experiment_id="99")
    lakeflow.LakeflowClient().delete_experiment(first.experiment_id)
    with pytest.raises(InvalidInputError, match="deleted experiment 'digits'"):
        lakeflow.set_experiment("digits")


def test_a_number_is_no_name_of_an_experiment() -> None:
    with pytest.raises(InvalidInputError, match="experiment name 5 is not") as caught:
        lakeflow.set_experiment(5)
    assert "experiment_id=5" in str(caught.value)
    assert lakeflow.LakeflowClient().get_experiment_by_name("5") is None


def test_the_experiment_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEFLOW_EXPERIMENT_NAME", "from the environment")
    assert experiment_of_a_run() == "from the environment"


def test_the_location_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for nothing in ("", None):
        lakeflow.set_tracking_uri(tmp_path)
        lakeflow.set_tracking_uri(nothing)
        assert not lakeflow.is_tracking_uri_set()
        assert lakeflow.get_tracking_uri().endswith("/lake")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "theirs"))
    assert lakeflow.get_tracking_uri() == f"{tmp_path}/theirs"
    monkeypatch.setenv("LAKEFLOW_TRACKING_URI", f"file://{tmp_path}/ours")
    assert lakeflow.get_tracking_uri() == f"{tmp_path}/ours"


@pytest.mark.parametrize("prefix", ["LAKEFLOW", "MLFLOW"])
@pytest.mark.parametrize("around", [" {}", "'{}'", '"{}"', ' "{}"\n'])
def test_blanks_and_quotes_around_a_variable_are_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefix: str, around: str
) -> None:
    lakeflow.set_tracking_uri(None)
    run_id = lakeflow.LakeflowClient(tmp_path / "l").create_run("0").info.run_id
    given = {
        "TRACKING_URI": f"{tmp_path}/l",
        "EXPERIMENT_NAME": "e",
        "RUN_ID": run_id,
        "ENABLE_ASYNC_LOGGING": "true",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"{prefix}_{name}", around.format(value))
    monkeypatch.setenv("LAKEFLOW_CACHE_FOLDER", around.format("/c"))
    monkeypatch.setenv("LAKEFLOW_CACHE_BYTES", around.format("7"))
    assert lakeflow.get_tracking_uri() == f"{tmp_path}/l"
    with lakeflow.start_run() as run:
        assert lakeflow.log_metric("m", 1) is not None
    assert run.info.run_id == run_id
    assert experiment_of_a_run() == "e"
    settings = Settings.from_environment()
    assert (settings.cache_folder, settings.cache_bytes) == ("/c", 7)


def test_an_id_of_the_environment_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    lakeflow.create_experiment("makes the lake")
    for name, value in {"EXPERIMENT_ID": "a b", "RUN_ID": "f" * 32}.items():
        monkeypatch.setenv(f"LAKEFLOW_{name}", value)
        with pytest.raises(LakeflowException, match=f"{name} of the environment"):
            lakeflow.start_run()


def test_a_child_finds_an_experiment_whose_name_has_quotes() -> None:
    for name in ('"e"', " e ", "'"):
        lakeflow.set_experiment(name)
        code = "import lakeflow; print(lakeflow.config.environment('EXPERIMENT_NAME'), end='.')"
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert found.stdout == f"{name}."


def test_a_run_that_is_resumed_takes_the_name_that_it_is_given() -> None:
    run_id = lakeflow.LakeflowClient().create_run("0", run_name="old").info.run_id
    for name in (None, ""):
        with lakeflow.start_run(run_id, run_name=name) as run:
            assert run.info.run_name == "old"
    with lakeflow.start_run(run_id, run_name="new") as run:
        assert (run.info.run_name, run.data.tags["mlflow.runName"]) == ("new", "new")
    with lakeflow.start_run(run_id, tags={"mlflow.runName": "newer"}) as run:
        assert run.info.run_name == "newer"
    with pytest.raises(InvalidInputError, match="different values"):
        lakeflow.start_run(run_id, run_name="a", tags={"mlflow.runName": "b"})
    assert lakeflow.get_run(run_id).info.status == "FINISHED"


def test_a_run_stays_in_the_lake_it_was_started_in(tmp_path: Path, lake: str) -> None:
    with lakeflow.start_run() as run:
        lakeflow.set_tracking_uri(tmp_path / "elsewhere")
        lakeflow.log_metric("loss", 1)
    found = lakeflow.LakeflowClient(lake).get_run(run.info.run_id)
    assert (found.data.metrics, found.info.status) == ({"loss": 1}, "FINISHED")


def test_queued_calls_are_logged_and_their_errors_raised() -> None:
    with lakeflow.start_run() as run:
        promises = [lakeflow.log_metric("m", n, step=n, synchronous=False) for n in range(50)]
        promises.append(lakeflow.log_params({"p": 1}, synchronous=False))
        promises.append(lakeflow.set_tag("t", 1, synchronous=False))
        for promise in promises:
            promise.wait()
        with pytest.raises(LakeflowException, match="is 'bad'") as caught:
            lakeflow.log_metric("m", "bad", synchronous=False).wait()
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    data = lakeflow.get_run(run.info.run_id).data
    assert (data.metrics, data.params, data.tags["t"]) == ({"m": 49}, {"p": "1"}, "1")


def test_the_environment_turns_queueing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_LOGGING", "true")
    with lakeflow.start_run() as run:
        promise = lakeflow.log_metric("m", 1)
        assert promise is not None
    monkeypatch.setenv("LAKEFLOW_ENABLE_ASYNC_LOGGING", "false")
    assert lakeflow.log_metric("m", 2, run_id=run.info.run_id, step=1) is None
    assert lakeflow.get_run(run.info.run_id).data.metrics == {"m": 2}


def test_datasets_come_with_their_context() -> None:
    one, two = (Dataset(name, "1", "local", "/data") for name in ("one", "two"))
    with lakeflow.start_run() as run:
        lakeflow.log_inputs([one, two], ["training", None], [None, {"k": "v"}])
        with pytest.raises(InvalidInputError, match="2 datasets, 1 contexts"):
            lakeflow.log_inputs([one, two], ["training"])
    inputs = lakeflow.get_run(run.info.run_id).inputs.dataset_inputs
    tags = {use.dataset.name: {tag.key: tag.value for tag in use.tags} for use in inputs}
    assert tags == {"one": {"mlflow.data.context": "training"}, "two": {"k": "v"}}


def test_ending_with_no_such_status_leaves_the_run_active() -> None:
    with lakeflow.start_run():
        with pytest.raises(InvalidInputError, match="DONE"):
            lakeflow.end_run("DONE")
        assert lakeflow.active_run() is not None


def test_a_history_comes_as_columns() -> None:
    with lakeflow.start_run() as run:
        for step in range(5):
            lakeflow.log_metric("loss", step / 2, step=step, timestamp=step)
    run_id = run.info.run_id
    lakeflow.compact()
    lakeflow.log_metric("loss", 9, step=9, timestamp=9, run_id=run_id)
    arrow = lakeflow.metric_history(run_id, "loss")
    assert arrow.schema.names == ["value", "timestamp", "step"]
    frame = lakeflow.metric_history(run_id, "loss", output_format="polars")
    assert frame["step"].to_list() == arrow["step"].to_pylist() == [0, 1, 2, 3, 4, 9]
    assert lakeflow.metric_history(run_id, "none").num_rows == 0
    with pytest.raises(InvalidInputError, match="'excel'"):
        lakeflow.metric_history(run_id, "loss", output_format="excel")


def test_view_types_have_names() -> None:
    assert ViewType.from_string("all") == ViewType.ALL
    assert ViewType.to_string(ViewType.ACTIVE_ONLY) == "active_only"
    with pytest.raises(InvalidInputError):
        ViewType.from_string("some")


def test_the_experiment_stays_set_by_its_name_in_every_lake(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    lakeflow.LakeflowClient(two).create_experiment("another with id 1")
    lakeflow.set_tracking_uri(one)
    lakeflow.set_experiment("e")
    for lake in (one, two, one):
        lakeflow.set_tracking_uri(lake)
        assert experiment_of_a_run() == "e"
        assert experiment_of_a_run(experiment_id=0) == "Default"


def test_the_environment_names_the_first_run_of_the_process_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = lakeflow.LakeflowClient().create_run("0").info.run_id
    monkeypatch.setenv("LAKEFLOW_RUN_ID", "f" * 32)
    with pytest.raises(NotFoundError):
        lakeflow.start_run()
    monkeypatch.setenv("LAKEFLOW_RUN_ID", "")
    monkeypatch.setenv("MLFLOW_RUN_ID", named)
    in_thread = []

    def work() -> None:
        with lakeflow.start_run() as run:
            in_thread.append(run.info.run_id)

    with lakeflow.start_run() as first, lakeflow.start_run(nested=True) as child:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    with lakeflow.start_run() as later:
        pass
    assert first.info.run_id == named
    assert "MLFLOW_RUN_ID" not in os.environ
    assert len({named, child.info.run_id, later.info.run_id, *in_thread}) == 4


def test_a_parent_that_cannot_be_one_is_refused() -> None:
    client = lakeflow.LakeflowClient()
    parent, other = (client.create_run("0").info.run_id for _ in range(2))
    with pytest.raises(NotFoundError):
        lakeflow.start_run(nested=True, parent_run_id="f" * 32)
    with lakeflow.start_run(run_id=parent):
        with pytest.raises(InvalidInputError, match=f"parent_run_id is '{other}'"):
            lakeflow.start_run(nested=True, parent_run_id=other)
        with lakeflow.start_run(
            experiment_id=client.create_experiment("e"), nested=True, parent_run_id=parent
        ) as child:
            pass
    assert lakeflow.get_parent_run(child.info.run_id).info.run_id == parent
    client.delete_run(parent)
    with pytest.raises(InvalidInputError, match="deleted"):
        lakeflow.start_run(parent_run_id=parent)
    assert lakeflow.active_run() is None
    assert len(client.search_runs(["0"])) == 1


def test_what_the_system_calls_us_never_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "j\udcf6rg")
    for arguments, name in (
        ([], "<console>"),
        (["tr\udce4in.py"], "tr\ufffdin.py"),
        (["x" * 2**21], "x" * 4_096),
    ):
        monkeypatch.setattr(sys, "argv", arguments)
        lakeflow.set_experiment(f"an experiment is somebody's, too: {name[:9]}")
        with lakeflow.start_run() as run:
            pass
        tags = lakeflow.get_run(run.info.run_id).data.tags
        assert tags["mlflow.source.name"] == name
        assert tags["mlflow.user"] == "j\ufffdrg"
