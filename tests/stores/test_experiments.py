"""Experiments by the client: names that stay unique, runs that go along."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import (
    AlreadyExistsError,
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
)
from lakeflow.open_store import open_store


def test_a_new_lake_has_one_experiment(client: LakeflowClient) -> None:
    default = client.get_experiment("0")
    assert (default.name, default.lifecycle_stage) == ("Default", "active")
    assert default.creation_time == default.last_update_time
    assert client.get_experiment(0) == client.get_experiment_by_name("Default") == default
    assert client.get_experiment_by_name("nobody") is None


def test_ids_count_up_and_names_are_taken_for_good(client: LakeflowClient) -> None:
    assert [client.create_experiment(name) for name in ("a", "b")] == ["1", "2"]
    client.delete_experiment("1")
    for taken in ("a", "b", "Default"):
        with pytest.raises(AlreadyExistsError, match=f"name={taken}"):
            client.create_experiment(taken)
    assert client.create_experiment("A") == "3"
    for bad in ("", None, 7, "x" * 501):
        with pytest.raises(InvalidInputError):
            client.create_experiment(bad)
    with pytest.raises(InvalidInputError):
        client.create_experiment("c", tags={"../bad": 1})
    assert client.get_experiment_by_name("c") is None


def test_threads_that_race_for_a_name_make_one(client: LakeflowClient) -> None:
    def attempt(number: int) -> str | None:
        try:
            return client.create_experiment(f"name {number % 2}")
        except AlreadyExistsError:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [each for each in pool.map(attempt, range(6)) if each is not None]
    assert sorted(made) == ["1", "2"]


def test_deleting_takes_the_runs_along(client: LakeflowClient, uri: str) -> None:
    experiment = client.create_experiment("e")
    runs = [client.create_run(experiment).info.run_id for _ in range(3)]
    other = client.create_run("0").info.run_id
    client.delete_run(runs[0])
    lakeflow.compact(uri)
    runs.append(client.create_run(experiment).info.run_id)

    def stages() -> list[str]:
        return [client.get_run(run).info.lifecycle_stage for run in runs]

    client.delete_experiment(experiment)
    assert (stages(), client.get_experiment(experiment).lifecycle_stage) == (
        ["deleted"] * 4,
        "deleted",
    )
    assert client.get_run(other).info.lifecycle_stage == "active"
    with pytest.raises(InvalidInputError, match="'active' state"):
        client.create_run(experiment)
    with pytest.raises(InvalidInputError):
        client.log_metric(runs[1], "m", 1)
    with pytest.raises(NotFoundError):
        client.delete_experiment(experiment)
    lakeflow.compact(uri)
    client.restore_experiment(experiment)
    assert stages() == ["active"] * 4
    client.log_metric(runs[1], "m", 1)
    with pytest.raises(NotFoundError):
        client.restore_experiment(experiment)


def test_renaming_moves_the_update_time_and_keeps_names_unique(client: LakeflowClient) -> None:
    experiment = client.create_experiment("e")
    before = client.get_experiment(experiment)
    client.rename_experiment(experiment, "f")
    after = client.get_experiment(experiment)
    assert (after.name, client.get_experiment_by_name("e")) == ("f", None)
    assert after.last_update_time > before.last_update_time
    client.rename_experiment(experiment, "f")
    with pytest.raises(AlreadyExistsError):
        client.rename_experiment(experiment, "Default")
    with pytest.raises(InvalidInputError):
        client.rename_experiment(experiment, "")
    client.delete_experiment(experiment)
    with pytest.raises(InvalidStateError, match="non-active"):
        client.rename_experiment(experiment, "g")


def test_tags_are_texts_and_the_last_one_stays(client: LakeflowClient) -> None:
    experiment = client.create_experiment("e", tags={"a": 1})
    client.set_experiment_tag(experiment, "a", None)
    client.set_experiment_tag(experiment, "long", "x\n" * 10_000)
    assert client.get_experiment(experiment).tags == {"a": "None", "long": "x\n" * 10_000}
    client.delete_experiment(experiment)
    with pytest.raises(InvalidInputError, match="'active' state"):
        client.set_experiment_tag(experiment, "a", 1)
    with pytest.raises(NotFoundError):
        client.set_experiment_tag("99", "a", 1)


def test_a_tag_that_is_deleted_can_be_set_again(client: LakeflowClient) -> None:
    experiment = client.create_experiment("e", tags={"a": 1, "b": 2})
    client.delete_experiment_tag(experiment, "a")
    assert client.get_experiment(experiment).tags == {"b": "2"}
    assert client.search_experiments(filter_string="tags.a = '1'") == []
    with pytest.raises(NotFoundError, match="No tag with name: a in experiment with id 1"):
        client.delete_experiment_tag(experiment, "a")
    client.set_experiment_tag(experiment, "a", 3)
    assert client.get_experiment(experiment).tags == {"a": "3", "b": "2"}
    client.delete_experiment(experiment)
    with pytest.raises(InvalidInputError, match="'active' state"):
        client.delete_experiment_tag(experiment, "a")
    with pytest.raises(NotFoundError):
        client.delete_experiment_tag("99", "a")


def test_a_location_that_is_given_is_kept(client: LakeflowClient) -> None:
    def location(name: str, given: str) -> str:
        return client.get_experiment(client.create_experiment(name, given)).artifact_location

    assert location("url", "s3://bucket/x") == "s3://bucket/x"
    assert location("path", "/data/x") == "/data/x"
    assert location("relative", "mine") == os.path.join(Path.cwd(), "mine")


def test_another_process_sees_a_change_at_its_next_call(
    client: LakeflowClient, uri: str, another_process
) -> None:
    other = another_process(uri)
    assert other.experiments.find("late") is None
    made = client.create_experiment("late")
    assert other.experiments.find("late").experiment_id == made
    other.delete_experiment(made)
    with pytest.raises(InvalidInputError):
        client.create_run(made)


def test_tags_of_more_than_a_line_of_the_log_are_all_kept(
    client: LakeflowClient, uri: str
) -> None:
    long = {f"tag-{number}": "x" * 900_000 for number in range(4)}
    made = client.create_experiment("long", tags=long)
    open_store(uri, create=True).experiments.set_tags("0", long)
    for _ in range(2):
        assert client.get_experiment(made).tags == client.get_experiment("0").tags == long
        lakeflow.compact(uri)
