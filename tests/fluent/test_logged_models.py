"""The functions about logged models act on the active run, and on the active model."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.entities import Dataset, LoggedModelInput
from lakeflow.exceptions import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAIN = Dataset("digits", "1a2b", "local", "/data/digits.csv")


@pytest.fixture(autouse=True)
def lake(uri: str) -> Iterator[None]:
    lakeflow.set_tracking_uri(uri)
    yield
    lakeflow.clear_active_model()


def test_a_model_is_of_the_active_run_and_its_experiment() -> None:
    lakeflow.set_experiment("digits")
    with lakeflow.start_run() as run:
        model = lakeflow.initialize_logged_model(tags={"mlflow.user": "me"})
    assert (model.source_run_id, model.experiment_id) == (
        run.info.run_id,
        run.info.experiment_id,
    )
    assert model.tags["mlflow.user"] == "me"
    assert model.tags["mlflow.source.type"] == "LOCAL"
    outside = lakeflow.initialize_logged_model("outside")
    assert (outside.source_run_id, outside.experiment_id) == (None, run.info.experiment_id)
    last = lakeflow.last_logged_model()
    assert last is not None
    assert last.name == "outside"


def test_a_model_and_a_dataset_become_inputs_once() -> None:
    model_id = lakeflow.create_external_model("agent").model_id
    with lakeflow.start_run() as run:
        for step in range(2):
            lakeflow.log_metric("m", step, step=step, model_id=model_id, dataset=TRAIN)
        lakeflow.log_metrics({"a": 1.0, "b": 2.0}, model_id=model_id)
        lakeflow.log_metric("on data alone", 3, dataset=TRAIN)
    known = lakeflow.get_run(run.info.run_id)
    assert known.inputs.model_inputs == [LoggedModelInput(model_id)]
    assert [each.dataset.digest for each in known.inputs.dataset_inputs] == ["1a2b"]
    assert known.data.metrics == {"m": 1.0, "a": 1.0, "b": 2.0, "on data alone": 3.0}
    points = lakeflow.get_logged_model(model_id).metrics or ()
    assert [(each.key, each.dataset_digest) for each in points] == [
        ("m", "1a2b"),
        ("m", "1a2b"),
        ("a", None),
        ("b", None),
    ]


def test_what_a_run_has_made_is_no_input_of_it() -> None:
    with lakeflow.start_run() as run:
        model_id = lakeflow.initialize_logged_model("made").model_id
        lakeflow.log_outputs([lakeflow.entities.LoggedModelOutput(model_id, 0)])
        lakeflow.log_metric("m", 1, model_id=model_id)
        used = lakeflow.initialize_logged_model("used").model_id
        lakeflow.log_input(model=LoggedModelInput(used))
        lakeflow.log_inputs(models=[LoggedModelInput(used)])
    inputs = lakeflow.get_run(run.info.run_id).inputs
    assert inputs.model_inputs == [LoggedModelInput(used)]


def test_the_active_model_is_one_of_the_thread_and_ends_with_its_block() -> None:
    with lakeflow.set_active_model(name="first") as first:
        with lakeflow.set_active_model(name="second") as second:
            assert lakeflow.get_active_model_id() == second.model_id
        assert lakeflow.get_active_model_id() == first.model_id
        seen = []
        thread = threading.Thread(target=lambda: seen.append(lakeflow.get_active_model_id()))
        thread.start()
        thread.join()
        assert seen == [None]
        lakeflow.log_model_params({"depth": 3})
    assert lakeflow.get_active_model_id() is None
    assert lakeflow.get_logged_model(first.model_id).params == {"depth": "3"}
    with pytest.raises(InvalidInputError, match="no model is active"):
        lakeflow.log_model_params({"depth": 4})
    again = lakeflow.set_active_model(name="first")
    assert again.model_id == first.model_id
    lakeflow.clear_active_model()
    assert lakeflow.get_active_model_id() is None


@pytest.mark.parametrize("variable", ["LAKEFLOW_ACTIVE_MODEL_ID", "MLFLOW_ACTIVE_MODEL_ID"])
def test_the_active_model_of_a_process_is_that_of_its_environment(variable: str) -> None:
    program = (
        "from lakeflow import clear_active_model, get_active_model_id\n"
        "print(get_active_model_id())\nclear_active_model()\nprint(get_active_model_id())"
    )
    command, known = [sys.executable, "-c", program], os.environ | {variable: "m-1a2b"}
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["m-1a2b", "None"]


def test_the_newest_of_a_name_is_active(caplog: pytest.LogCaptureFixture) -> None:
    name = 'it\'s 100% "odd"'
    with pytest.raises(InvalidInputError, match="Invalid model name"):
        lakeflow.set_active_model(name=name)
    for number in range(3):
        # Two that are made in one millisecond are equally new.
        time.sleep(0.002)
        lakeflow.create_external_model("twin", params={"number": number})
    assert lakeflow.set_active_model(name="twin").params == {"number": "2"}
    assert "several logged models" in caplog.text
    with pytest.raises(InvalidInputError, match="does not match the provided name"):
        lakeflow.set_active_model(name="other", model_id=lakeflow.get_active_model_id())
    with pytest.raises(InvalidInputError, match="name or model_id"):
        lakeflow.set_active_model()
    with pytest.raises(NotFoundError):
        lakeflow.set_active_model(model_id="m-" + "0" * 32)


def test_models_come_back_as_frames() -> None:
    with lakeflow.start_run():
        for name in ("small", "large"):
            model = lakeflow.create_external_model(name, params={"name": name})
            lakeflow.log_metric("m", len(name), model_id=model.model_id)
    order = [{"field_name": "name"}]
    frame = lakeflow.search_logged_models(order_by=order, output_format="polars")
    assert frame["name"].to_list() == ["large", "small"]
    assert frame["params"][0].to_list() == [{"key": "name", "value": "large"}]
    assert [point["value"] for point in frame["metrics"][1]] == [5.0]
    pandas = lakeflow.search_logged_models(order_by=order, max_results=1)
    assert list(pandas["name"]) == ["large"]
    assert list(pandas["status"]) == ["READY"]
    with pytest.raises(InvalidInputError, match="output format"):
        lakeflow.search_logged_models(output_format="xml")  # type: ignore[arg-type]


def test_a_model_is_registered_by_its_uri() -> None:
    model = lakeflow.create_external_model("agent")
    version = lakeflow.register_model(model.model_uri, "Agent")
    assert (version.source, version.run_id) == (model.model_uri, None)
    client = lakeflow.LakeflowClient()
    location = client.get_model_version_download_uri("Agent", "1")
    assert location == model.artifact_location
    with pytest.raises(NotFoundError):
        lakeflow.register_model("models:/m-" + "0" * 32, "Agent")
