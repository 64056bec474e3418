"""The functions about datasets for evaluation, and what users give as records."""

from __future__ import annotations

import pickle
from typing import Any

import pandas
import polars
import pytest

import lakeflow
from lakeflow.entities import EvaluationDataset
from lakeflow.exceptions import InvalidInputError, InvalidStateError, NotFoundError


@pytest.fixture(autouse=True)
def lake(uri: str) -> str:
    lakeflow.set_tracking_uri(uri)
    return uri


def test_a_dataset_is_linked_to_the_experiment_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEFLOW_TRACKING_USERNAME", "ann")
    experiment = lakeflow.set_experiment("mine").experiment_id
    made = lakeflow.create_dataset("qa", tags={"k": 1})
    assert made.experiment_ids == [experiment]
    assert made.tags == {"k": "1", "mlflow.user": "ann"}
    assert (made.created_by, made.last_updated_by) == ("ann", "ann")
    other = lakeflow.create_dataset("both", [experiment, "0"])
    assert other.experiment_ids == ["0", experiment]
    assert lakeflow.remove_dataset_from_experiments(
        other.dataset_id, [experiment]
    ).experiment_ids == ["0"]
    assert lakeflow.add_dataset_to_experiments(made.dataset_id, ["0"]).experiment_ids == [
        "0",
        experiment,
    ]
    with pytest.raises(NotFoundError):
        lakeflow.add_dataset_to_experiments(made.dataset_id, ["12345"])
    assert [each.name for each in lakeflow.search_datasets(experiment)] == ["qa"]
    assert [each.name for each in lakeflow.search_datasets(["0"], max_results=1)] == ["both"]


def test_a_dataset_is_found_by_a_name_that_only_it_has() -> None:
    for name in ('it\'s "so"', "twice", "twice"):
        lakeflow.create_dataset(name)
    assert lakeflow.get_dataset('it\'s "so"').name == 'it\'s "so"'
    with pytest.raises(InvalidInputError, match="Multiple"):
        lakeflow.get_dataset("twice")
    with pytest.raises(NotFoundError):
        lakeflow.get_dataset("none")
    for wrong in ({}, {"name": "a", "dataset_id": "b"}):
        with pytest.raises(InvalidInputError):
            lakeflow.get_dataset(**wrong)
    with pytest.raises(InvalidInputError):
        lakeflow.create_dataset()


def test_tags_are_set_and_removed() -> None:
    made = lakeflow.create_dataset("tags")
    lakeflow.set_dataset_tags(made.dataset_id, {"a": 1, "b": "x", "c": None})
    lakeflow.delete_dataset_tag(made.dataset_id, "a")
    lakeflow.delete_dataset_tag(made.dataset_id, "never")
    lakeflow.delete_dataset_tag("d-none", "never")
    tags = lakeflow.get_dataset(dataset_id=made.dataset_id).tags
    assert {key: tags[key] for key in tags if key != "mlflow.user"} == {"b": "x"}
    assert [each.name for each in lakeflow.search_datasets(filter_string="tags.b = 'x'")] == [
        "tags"
    ]
    lakeflow.delete_dataset(made.dataset_id)
    with pytest.raises(NotFoundError):
        lakeflow.set_dataset_tags(made.dataset_id, {"a": 1})


RECORDS = [
    {"inputs": {"q": "a"}, "expectations": {"x": 1}},
    {"inputs": {"q": "b"}},
]


@pytest.mark.parametrize(
    "given",
    [
        RECORDS,
        tuple(RECORDS),
        pandas.DataFrame(RECORDS),
        polars.DataFrame(RECORDS, strict=False),
    ],
    ids=["list", "tuple", "pandas", "polars"],
)
def test_records_are_given_as_a_list_or_a_frame(given: Any) -> None:
    made = lakeflow.create_dataset("given").merge_records(given)
    found = made.records
    assert [each.inputs["q"] for each in found] == ["a", "b"]
    assert [each.expectations for each in found] == [{"x": 1}, None]
    assert [each.source_type for each in found] == ["HUMAN", "CODE"]
    frame = made.to_df()
    assert list(frame["inputs"]) == [{"q": "a"}, {"q": "b"}]
    assert made.delete_records(frame["dataset_record_id"].tolist()[:1]) == 1
    assert len(made.to_df()) == 1
    # What is given stays as it is.
    assert [*RECORDS[0]] == ["inputs", "expectations"]


def test_traces_become_records() -> None:
    with lakeflow.start_span("ask") as span:
        span.set_inputs({"q": "why?"})
        span.set_outputs("so")
        with lakeflow.start_span("inner") as inner:
            inner.set_inputs({"other": 1})
    lakeflow.log_expectation(trace_id=span.trace_id, name="answer", value="because")
    made = lakeflow.create_dataset("traced")
    for given in (lakeflow.search_traces(return_type="list"), lakeflow.search_traces()):
        made.merge_records(given)
        (found,) = made.records
        assert (found.inputs, found.outputs) == ({"q": "why?"}, "so")
        assert found.expectations == {"answer": "because"}
        assert (found.source_type, found.source_id) == ("TRACE", span.trace_id)


@pytest.mark.parametrize(
    "given",
    [
        "text",
        7,
        ["text"],
        [{"expectations": {}}],
        [{"inputs": None}],
        [{"inputs": {"goal": "g", "q": 1}}],
        [{"inputs": {"goal": "g"}}, {"inputs": {"q": 1}}],
        [{"inputs": {"goal": "g"}}, {"inputs": {}}],
    ],
)
def test_what_is_no_record_is_refused(given: Any) -> None:
    made = lakeflow.create_dataset("refused")
    with pytest.raises(InvalidInputError):
        made.merge_records(given)
    assert made.records == []


def test_conversations_and_calls_do_not_go_together() -> None:
    made = lakeflow.create_dataset("talks")
    made.merge_records([{"inputs": {"goal": "g", "persona": "p", "context": {"a": 1}}}])
    with pytest.raises(InvalidInputError, match="granularit"):
        made.merge_records([{"inputs": {"q": 1}}])
    made.merge_records([{"inputs": {"goal": "another"}}])
    assert len(made.records) == 2


def test_a_dataset_is_shown_without_its_client_and_keeps_it_in_a_pickle(tmp_path: Any) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    made = lakeflow.create_dataset("shown").merge_records(RECORDS)
    assert "keeper" not in repr(made)
    assert "keeper" not in made.to_dictionary()
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert len(again.records) == 2
    by_hand = EvaluationDataset(**made.to_dictionary())  # type: ignore[arg-type]
    with pytest.raises(InvalidStateError):
        by_hand.records  # noqa: B018
