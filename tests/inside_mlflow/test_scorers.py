"""Scorers and what else is about reviews: MLflow's calls over SQLite and over a lake."""

from __future__ import annotations

import concurrent.futures
import json
from typing import Any

import mlflow
import pytest
from mlflow.genai.scorers import delete_scorer, get_scorer, list_scorers, scorer
from mlflow.genai.scorers.registry import list_scorer_versions

MODEL = json.dumps({"name": "s", "description": "\N{SNOWMAN}"})


def version(found: Any) -> tuple[Any, ...]:
    text = found._serialized_scorer
    return found.experiment_id, found.scorer_name, found.scorer_version, text


def test_versions_of_scorers_are_made_found_and_deleted(pair: Any) -> None:
    def program(store: Any) -> Any:
        mine = store.create_experiment("scored")
        other = store.create_experiment("scored too")
        told: list[Any] = [
            version(store.register_scorer(mine, name, json.dumps({"n": number})))
            for number, name in enumerate(["b", "a", "b", "c d/é", "b"])
        ]
        told.append(version(store.register_scorer(other, "b", MODEL)))
        told.append(list(map(version, store.list_scorers(mine))))
        told.append(list(map(version, store.list_scorers_across_experiments([other, mine]))))
        told.append(store.list_scorers_across_experiments([]))
        told += [version(store.get_scorer(mine, "b")), version(store.get_scorer(mine, "b", 1))]
        store.delete_scorer(mine, "b", 3)
        told.append(list(map(version, store.list_scorer_versions(mine, "b"))))
        told.append(version(store.register_scorer(mine, "b", "{}")))
        store.delete_scorer(mine, "b")
        told.append(list(map(version, store.list_scorers(mine))))
        told.append(version(store.register_scorer(mine, "b", "{}")))
        ids = {each.scorer_id for each in store.list_scorers(mine)}
        told.append(len(ids))
        return told

    pair.both(program)


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.get_scorer("0", "none"),
        lambda store: store.get_scorer("0", "there", 99),
        lambda store: store.list_scorer_versions("0", "none"),
        lambda store: store.delete_scorer("0", "none"),
        lambda store: store.delete_scorer("0", "there", 99),
        lambda store: store.list_scorers("12345"),
        lambda store: store.register_scorer("12345", "a", "{}"),
        lambda store: store.register_scorer("0", "", "{}"),
        lambda store: store.register_scorer("0", None, "{}"),
        lambda store: store.upsert_online_scoring_config("0", "there", 0.5),
        lambda store: store.upsert_online_scoring_config("0", "there", 2),
        lambda store: store.upsert_online_scoring_config("0", "there", "a"),
        lambda store: store.upsert_online_scoring_config("0", "there", 0, "what ?"),
        lambda store: store.upsert_online_scoring_config("0", "none", 0),
    ],
)
def test_errors_have_the_same_codes(pair: Any, call: Any) -> None:
    for store in pair:
        store.register_scorer("0", "there", "{}")
    assert pair.both(call) in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def test_what_is_set_of_scoring_traces_is_found(pair: Any) -> None:
    def program(store: Any) -> Any:
        made = store.register_scorer("0", "online", MODEL)
        store.upsert_online_scoring_config("0", "online", 0, "name = 'a'")
        store.upsert_online_scoring_config("0", "online", 0.0)
        configs = store.get_online_scoring_configs([made.scorer_id, "12345"])
        found = [(each.sample_rate, each.filter_string, each.experiment_id) for each in configs]
        assert [each.scorer_id for each in configs] == [made.scorer_id]
        return found, store.get_active_online_scorers(), store.get_online_scoring_configs([])

    assert pair.both(program)[0] == [(0.0, None, "0")]


def test_a_function_is_registered_as_a_scorer_and_scores(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS", "true")

    @scorer
    def is_short(outputs: str) -> bool:
        return len(outputs) < 5

    def program(uri: str) -> Any:
        mlflow.set_tracking_uri(uri)
        experiment = mlflow.set_experiment("functions").experiment_id
        is_short.register(experiment_id=experiment)
        is_short.register(name="another", experiment_id=experiment)
        is_short.register(experiment_id=experiment)
        found = get_scorer(name="is_short", experiment_id=experiment)
        told = [
            found(outputs="four"),
            found(outputs="more than that"),
            sorted(each.name for each in list_scorers(experiment_id=experiment)),
            [n for _, n in list_scorer_versions(name="is_short", experiment_id=experiment)],
        ]
        delete_scorer(name="is_short", experiment_id=experiment, version="all")
        told.append([each.name for each in list_scorers(experiment_id=experiment)])
        return told

    found = [program(uri) for uri in pair.uris]
    assert found[0] == found[1]


def test_versions_that_race_have_each_a_number(pair: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        register = pair.lake.register_scorer
        made = [pool.submit(register, "0", "raced", "{}") for _ in range(12)]
    assert sorted(each.result().scorer_version for each in made) == [*range(1, 13)]


def test_a_scorer_of_the_gateway_is_refused(pair: Any) -> None:
    text = json.dumps({"instructions_judge_pydantic_data": {"model": "gateway:/chat"}})
    ours = pair.each(lambda store: store.register_scorer("0", "judge", text))
    assert ours == ("RESOURCE_DOES_NOT_EXIST", "RESOURCE_DOES_NOT_EXIST")
