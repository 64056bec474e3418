"""Experiments by the fluent functions: which one is meant, and what happens to it."""

from __future__ import annotations

import pytest

import lakeflow
from lakeflow.exceptions import InvalidInputError, NotFoundError


@pytest.fixture(autouse=True)
def lake(uri: str) -> str:
    lakeflow.set_tracking_uri(uri)
    return uri


def test_an_experiment_is_found_by_name_and_by_id() -> None:
    made = lakeflow.create_experiment("digits")
    assert lakeflow.get_experiment(made) == lakeflow.get_experiment_by_name("digits")
    assert lakeflow.get_experiment_by_name("Digits") is None
    with pytest.raises(NotFoundError, match="99"):
        lakeflow.get_experiment("99")


def test_a_deleted_experiment_is_still_found() -> None:
    made = lakeflow.create_experiment("digits")
    lakeflow.delete_experiment(made)
    assert lakeflow.get_experiment_by_name("digits").lifecycle_stage == "deleted"


def test_tags_go_to_the_experiment_of_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    lakeflow.set_experiment_tag("of", "the default")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "named")
    lakeflow.set_experiment_tag("of", "the environment")
    chosen = lakeflow.set_experiment("chosen")
    lakeflow.set_experiment_tags({"of": "the choice", "n": 1})
    lakeflow.set_experiment_tags({})
    lakeflow.set_experiment_tag("not", "for long")
    lakeflow.delete_experiment_tag("not")
    assert lakeflow.get_experiment("0").tags == {"of": "the default"}
    assert lakeflow.get_experiment_by_name("named").tags == {"of": "the environment"}
    assert lakeflow.get_experiment(chosen.experiment_id).tags == {"of": "the choice", "n": "1"}


def test_tags_with_a_bad_one_among_them_are_not_set() -> None:
    with pytest.raises(InvalidInputError, match="periods"):
        lakeflow.set_experiment_tags({"good": 1, "b@d": 2})
    assert lakeflow.get_experiment("0").tags == {}
