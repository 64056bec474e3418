"""Experiments: the same programs on a lake and on SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow.programs import a_moment, refused
from mlflow.entities import ExperimentTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

if TYPE_CHECKING:
    from inside_mlflow.programs import Sides

MISSING, TAKEN = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
INVALID, STATE = "INVALID_PARAMETER_VALUE", "INVALID_STATE"
IS_2 = mlflow.__version__.startswith("2.")


def names(found: Any) -> list[str]:
    return [each.name for each in found]


def test_a_new_store_holds_the_default_experiment(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        return client.search_experiments(ViewType.ALL), client.get_experiment("0")

    found, default = sides.clients(program)
    assert found == [default]
    assert default["_name"] == "Default"
    assert default["_artifact_location"] == "<artifacts>/0"


def test_experiments_are_made_found_renamed_deleted_and_restored(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        first = client.create_experiment("first", tags={"team": "a", "empty": ""})
        a_moment()
        second = client.create_experiment("ünï / 'code' ☃")
        client.rename_experiment(second, "second")
        client.set_experiment_tag(first, "team", "line\nbreak")
        client.set_experiment_tag(first, "number", 3)
        client.delete_experiment(second)
        answers = [
            first,
            second,
            client.get_experiment(first),
            client.get_experiment_by_name("second"),
            client.get_experiment_by_name("never"),
            [names(client.search_experiments(view)) for view in (1, 2, 3)],
        ]
        client.restore_experiment(second)
        return [*answers, client.get_experiment(second)]

    answers = sides.clients(program)
    assert answers[0] == "1"
    assert answers[2]["_tags"] == {"team": "line\nbreak", "empty": "", "number": "3"}


def test_the_time_of_an_update_grows_with_each_change_of_an_experiment(sides: Sides) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    made = client.create_experiment("e")

    def times() -> tuple[int, int]:
        found = client.get_experiment(made)
        return found.creation_time, found.last_update_time

    seen = [times()[1]]
    assert times()[0] == times()[1]
    for change in (
        lambda: client.rename_experiment(made, "f"),
        lambda: client.delete_experiment(made),
        lambda: client.restore_experiment(made),
    ):
        change()
        seen.append(times()[1])
    assert seen == sorted(set(seen))


def test_what_is_wrong_with_an_experiment_has_mlflows_codes(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        client.create_experiment("taken")
        gone = client.create_experiment("gone")
        client.delete_experiment(gone)
        return [
            refused(client.create_experiment, "taken"),
            refused(client.create_experiment, "gone"),
            refused(client.create_experiment, ""),
            refused(client.create_experiment, None),
            refused(client.create_experiment, "x" * 501),
            refused(client.get_experiment, "99"),
            refused(client.delete_experiment, "99"),
            refused(client.delete_experiment, gone),
            refused(client.restore_experiment, "0"),
            refused(client.rename_experiment, "99", "x"),
            refused(client.rename_experiment, gone, "x"),
            refused(client.set_experiment_tag, gone, "k", "v"),
            refused(client.set_experiment_tag, "99", "k", "v"),
            refused(client.set_experiment_tag, "0", "", "v"),
        ]

    codes = sides.clients(program)
    assert codes[:2] == [TAKEN, TAKEN]
    assert codes[2:5] == [INVALID] * 3
    assert codes[5:] == [MISSING] * 5 + [STATE, INVALID, MISSING, INVALID]


def test_the_texts_of_errors_say_what_mlflow_says(sides: Sides) -> None:
    client = MlflowClient(sides.lake, sides.lake)
    client.create_experiment("taken")
    for text, call in (
        ("No Experiment with id=99 exists", lambda: client.get_experiment("99")),
        (r"Experiment\(name=taken\) already", lambda: client.create_experiment("taken")),
        ("exceeds the maximum length", lambda: client.create_experiment("x" * 501)),
    ):
        with pytest.raises(MlflowException, match=text):
            call()


# MLflow 2 deletes no tags of experiments.
if not IS_2:

    def test_tags_of_experiments_are_deleted(sides: Sides) -> None:
        def program(client: MlflowClient) -> Any:
            made = client.create_experiment("e", tags={"a": "1", "b": "2"})
            client.delete_experiment_tag(made, "a")
            answers = [client.get_experiment(made).tags]
            answers += [refused(client.delete_experiment_tag, made, "a")]
            answers += [refused(client.delete_experiment_tag, "99", "a")]
            client.delete_experiment(made)
            return [*answers, refused(client.delete_experiment_tag, made, "b")]

        found = sides.clients(program)
        assert found[0] == {"b": "2"}
        assert found[1:] == [MISSING, MISSING, INVALID]


SEARCHES: list[dict[str, Any]] = [
    {},
    {"order_by": ["name"]},
    {"order_by": ["name DESC"]},
    {"order_by": ["creation_time", "experiment_id DESC"]},
    {"order_by": ["experiment_id ASC"]},
    {"order_by": ["last_update_time DESC", "name ASC"]},
    {"filter_string": "name = 'a'"},
    {"filter_string": "name != 'a'"},
    {"filter_string": "name LIKE 'A%'"},
    {"filter_string": "name ILIKE 'A%'"},
    {"filter_string": "attribute.name ILIKE '%B%' AND tags.kind = 'x'"},
    {"filter_string": "attribute.`name` = 'Abc'"},
    {"filter_string": "tags.kind != 'x'"},
    {"filter_string": "tag.`with space` LIKE '%v%'"},
    {"filter_string": 'tags."with space" ILIKE "%V%"'},
    {"filter_string": "creation_time > 0 AND last_update_time >= 1"},
    {"filter_string": "creation_time < 10"},
    {"view_type": ViewType.DELETED_ONLY},
    {"view_type": ViewType.ALL, "order_by": ["name"]},
]


def test_searches_find_the_same_experiments_in_the_same_order(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        for name, tags in (
            ("a", {"kind": "x"}),
            ("ab", {"kind": "y"}),
            ("Abc", {"with space": "Value"}),
            ("b", {"kind": "x", "with space": "v"}),
        ):
            client.create_experiment(name, tags=tags)
            a_moment()
        client.delete_experiment(client.create_experiment("gone", tags={"kind": "x"}))
        return [names(client.search_experiments(**search)) for search in SEARCHES]

    found = sides.clients(program)
    assert found[1] == ["Abc", "Default", "a", "ab", "b"]
    assert found[7] == ["b", "Abc", "ab", "Default"]


def test_pages_of_experiments_follow_one_another_to_an_end(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        for number in range(5):
            client.create_experiment(f"e{number}")
        pages, token = [], None
        while True:
            page = client.search_experiments(max_results=2, order_by=["name"], page_token=token)
            pages.append(names(page))
            token = page.token
            if not token:
                return pages

    assert sides.clients(program)[-1] == ["e3", "e4"]


def test_wrong_searches_of_experiments_are_refused(sides: Sides) -> None:
    def program(client: MlflowClient) -> Any:
        search = client.search_experiments
        return [
            refused(search, max_results=0),
            refused(search, max_results=50_001),
            refused(search, filter_string="nothing = 'x'"),
            refused(search, filter_string="name <> "),
            refused(search, order_by=["nothing"]),
            refused(search, page_token="evilhax"),
        ]

    assert set(sides.clients(program)) == {INVALID}


def test_deleting_an_experiment_deletes_its_runs_and_restoring_restores_all(
    sides: Sides,
) -> None:
    def program(client: MlflowClient) -> Any:
        made = client.create_experiment("e")
        runs = [client.create_run(made).info.run_id for _ in range(2)]
        client.delete_run(runs[0])

        def stages() -> Any:
            return [client.get_run(each).info.lifecycle_stage for each in runs]

        answers = [stages()]
        client.delete_experiment(made)
        answers += [stages(), refused(client.create_run, made)]
        answers += [refused(client.log_metric, runs[1], "m", 1.0)]
        client.restore_experiment(made)
        return [*answers, stages()]

    found = sides.clients(program)
    assert found[1] == ["deleted", "deleted"]
    assert found[-1] == ["active", "active"]


def test_a_location_that_is_given_is_the_experiments(sides: Sides) -> None:
    locations = ["s3://bucket/x", "s3://b/p?x=y#f", "my_location", "/tmp/elsewhere"]

    def program(client: MlflowClient) -> Any:
        answers = []
        for number, location in enumerate(locations):
            made = client.create_experiment(f"e{number}", artifact_location=location)
            answers.append(client.get_experiment(made).artifact_location)
            run = client.create_run(made)
            answers.append(run.info.artifact_uri.replace(run.info.run_id, "run"))
        return answers

    found = sides.clients(program)
    assert found[3] == "s3://b/p/run/artifacts?x=y#f"
    assert found[4] == f"{sides.folder}/my_location"


def test_fluent_experiments_are_the_same(sides: Sides) -> None:
    def program() -> Any:
        made = mlflow.set_experiment("digits")
        mlflow.set_experiment_tags({"team": "vision", "n": 1})
        mlflow.set_experiment_tag("one", "more")
        other = mlflow.create_experiment("other")
        mlflow.delete_experiment(other)
        with mlflow.start_run() as run:
            pass
        return [
            mlflow.get_experiment(made.experiment_id),
            mlflow.get_experiment_by_name("other"),
            mlflow.search_experiments(filter_string="tags.team = 'vision'"),
            run.info.experiment_id,
            refused(mlflow.set_experiment, "other"),
            refused(mlflow.set_experiment, experiment_id="99"),
        ]

    assert sides.fluent(program)[3] == "1"


def test_only_active_experiments_are_active(sides: Sides) -> None:
    store = MlflowClient(sides.lake, sides.lake)._tracking_client.store
    made = store.create_experiment("e", None, [ExperimentTag("k", "v")])
    gone = store.create_experiment("gone", None, [])
    store.delete_experiment(gone)
    assert store.filter_active_experiment_ids([made, gone, "0", "99"]) == [made, "0"]
    assert store.filter_active_experiment_ids([]) == []
