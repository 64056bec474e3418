"""What a run uses, its tags that go, and the place of its artifacts."""

from __future__ import annotations

import json

import numpy
import pandas
import pytest

import lakeflow
from lakeflow.entities import Dataset, DatasetInput, InputTag
from lakeflow.exceptions import InvalidInputError, NotFoundError

FRAME = pandas.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})


@pytest.fixture(autouse=True)
def lake(uri: str) -> str:
    lakeflow.set_tracking_uri(uri)
    return uri


def logged() -> list[DatasetInput]:
    return lakeflow.last_active_run().inputs.dataset_inputs


def test_a_dataset_is_logged_with_what_it_is_used_for() -> None:
    dataset = lakeflow.data.from_pandas(FRAME, source="/data/x.csv", name="x")
    lakeflow.log_input(dataset, context="training", tags={"split": "1"})
    (use,) = logged()
    assert use.dataset == Dataset(**dataset.to_dict())
    assert {tag.key: tag.value for tag in use.tags} == {
        "mlflow.data.context": "training",
        "split": "1",
    }


def test_one_dataset_is_logged_by_each_function_alike() -> None:
    dataset = lakeflow.data.from_numpy(numpy.arange(3), name="x")
    entity = dataset._to_mlflow_entity()
    with lakeflow.start_run():
        lakeflow.log_input(dataset, "training")
    by_entity, by_list, by_client = [], [], []
    with lakeflow.start_run():
        lakeflow.log_input(entity, "training")
        by_entity = logged()
    with lakeflow.start_run():
        lakeflow.log_inputs([dataset], ["training"])
        by_list = logged()
    with lakeflow.start_run() as run:
        use = DatasetInput(entity, [InputTag("mlflow.data.context", "training")])
        lakeflow.MlflowClient().log_inputs(run.info.run_id, [use])
        by_client = logged()
    assert by_entity == by_list == by_client == [use]


def test_what_is_no_dataset_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"DataFrame.*\nHint: .*from_pandas"):
        lakeflow.log_input(FRAME)
    with pytest.raises(InvalidInputError, match="a str is logged"):
        lakeflow.log_input("data.csv")


def test_a_tag_is_removed_from_the_active_run() -> None:
    with lakeflow.start_run(tags={"a": 1, "b": 2}) as run:
        lakeflow.delete_tag("a")
        with pytest.raises(NotFoundError, match="nope"):
            lakeflow.delete_tag("nope")
    tags = lakeflow.get_run(run.info.run_id).data.tags
    assert (tags.get("a"), tags["b"]) == (None, "2")


def test_artifacts_have_a_place_below_the_folder_of_their_run() -> None:
    folder = lakeflow.get_artifact_uri()
    assert folder == lakeflow.active_run().info.artifact_uri
    assert lakeflow.get_artifact_uri("a/b.txt") == f"{folder}/a/b.txt"
    assert lakeflow.get_artifact_uri("/a/") == f"{folder}/a"
    with pytest.raises(InvalidInputError, match=r"\.\./b"):
        lakeflow.get_artifact_uri("../b")


def test_a_run_with_datasets_is_a_dictionary_that_json_takes() -> None:
    lakeflow.log_input(lakeflow.data.from_pandas(FRAME, "/x", name="x"), "training")
    run = lakeflow.last_active_run()
    whole = json.loads(json.dumps(run.to_dictionary()))
    assert whole["info"]["run_uuid"] == whole["info"]["run_id"] == run.info.run_id
    (use,) = whole["inputs"]["dataset_inputs"]
    assert use["dataset"]["source"] == '{"uri": "/x"}'
    assert use["tags"] == {"mlflow.data.context": "training"}
