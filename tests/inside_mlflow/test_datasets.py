"""Datasets for evaluation: MLflow's programs over SQLite and over a lake say the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mlflow
import pandas
import pytest
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets

if TYPE_CHECKING:
    from collections.abc import Callable


def record(found: Any) -> dict[str, Any]:
    """Return a record without what no two stores have in common."""
    fields = found.to_dict()
    for name in ("dataset_record_id", "dataset_id", "created_time", "last_update_time"):
        fields.pop(name)
    return fields


def dataset(found: Any) -> dict[str, Any]:
    """Return a dataset without what no two stores have in common."""
    return {
        "name": found.name,
        "tags": found.tags,
        "schema": found.schema and json.loads(found.schema),
        "profile": found.profile and json.loads(found.profile),
        "experiment_ids": sorted(found.experiment_ids),
        "created_by": found.created_by,
        "last_updated_by": found.last_updated_by,
        "digest": len(found.digest),
        "id": found.dataset_id[:2], "id_length": len(found.dataset_id),
    }  # fmt: skip


def by_inputs(records: Any) -> list[dict[str, Any]]:
    return sorted(map(record, records), key=repr)


@pytest.fixture
def same(pair: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Any]:
    """Return what runs a program over both, and returns what it returns if that is the same."""

    def run(program: Callable[[], Any]) -> Any:
        found = []
        for uri in pair.uris:
            mlflow.set_tracking_uri(uri)
            found.append(program())
        assert found[0] == found[1]
        return found[0]

    return run


def error_of(call: Callable[[], Any]) -> str:
    with pytest.raises(MlflowException) as info:
        call()
    return info.value.error_code


def test_a_dataset_is_made_found_tagged_linked_and_deleted(same: Any) -> None:
    def program() -> Any:
        experiment = mlflow.create_experiment("of datasets")
        made = datasets.create_dataset("life", experiment, {"team": "a", "n": 1})
        seen = [dataset(made)]
        datasets.set_dataset_tags(made.dataset_id, {"team": "b", "new": 2, "none": None})
        datasets.delete_dataset_tag(made.dataset_id, "n")
        datasets.delete_dataset_tag(made.dataset_id, "never there")
        datasets.add_dataset_to_experiments(made.dataset_id, ["0", experiment])
        seen.append(dataset(datasets.get_dataset(dataset_id=made.dataset_id)))
        datasets.remove_dataset_from_experiments(made.dataset_id, [experiment, "7"])
        seen.append(dataset(datasets.get_dataset(name="life")))
        datasets.delete_dataset(dataset_id=made.dataset_id)
        datasets.delete_dataset(dataset_id=made.dataset_id)
        missing = [
            lambda: datasets.get_dataset(dataset_id=made.dataset_id),
            lambda: datasets.get_dataset(name="life"),
            lambda: datasets.set_dataset_tags(made.dataset_id, {"a": "b"}),
            lambda: datasets.add_dataset_to_experiments(made.dataset_id, ["0"]),
            lambda: datasets.remove_dataset_from_experiments(made.dataset_id, ["0"]),
            lambda: made.merge_records([{"inputs": {"a": 1}}]),
        ]
        return seen, list(map(error_of, missing))

    seen, errors = same(program)
    assert [sorted(each["experiment_ids"]) for each in seen] == [["1"], ["0", "1"], ["0"]]
    assert set(errors) == {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}


def test_records_are_merged_by_their_inputs(same: Any) -> None:
    steps: list[list[dict[str, Any]]] = [
        [
            {"inputs": {"q": 1, "r": [1, {"a": None}]}, "expectations": {"answer": "one"}},
            {"inputs": {"q": 2}},
            {"inputs": {"q": "\N{SNOWMAN} \"quoted\""}, "outputs": {"said": 1.5}, "tags": {"k": "v"}},
            {"inputs": {}, "outputs": None},
            {"inputs": {"q": 2.5}, "expectations": {}, "outputs": "a text"},
        ],
        [
            # The order of the names tells nothing.
            {"inputs": {"r": [1, {"a": None}], "q": 1}, "expectations": {"more": [2]}, "outputs": 7},
            {"inputs": {"q": 2}, "tags": {"a": "b"}, "expectations": {"x": True}},
            {"inputs": {"q": 2}, "expectations": {"x": False, "y": None}, "tags": {"c": "d"}},
            {"inputs": {"q": 3}, "source": {"source_type": "document", "source_data": {"source_id": "d1"}}},
        ],
        [
            {"inputs": {"q": 1, "r": [1, {"a": None}]}, "source": {"source_type": "CODE"}, "outputs": None},
            {"inputs": {"q": 3}, "expectations": {"answer": 1}},
        ],
    ]  # fmt: skip

    def program() -> Any:
        made = datasets.create_dataset("records", "0")
        seen = []
        for step in json.loads(json.dumps(steps)):
            made.merge_records(step)
            found = datasets.get_dataset(dataset_id=made.dataset_id)
            seen.append((dataset(found), by_inputs(found._mlflow_dataset.records)))
        return seen

    seen = same(program)
    assert [len(records) for _, records in seen] == [5, 6, 6]


def test_how_many_records_are_new_is_told(pair: Any) -> None:
    def program(store: Any) -> Any:
        made = store.create_dataset("counted", {"mlflow.user": "me"}, ["0"])
        given = [{"inputs": {"a": 1}}, {"inputs": {"a": 2}}, {"inputs": {"a": 1}}]
        told = [store.upsert_dataset_records(made.dataset_id, given)]
        told.append(
            store.upsert_dataset_records(made.dataset_id, [*given, {"inputs": {"b": 0}}])
        )
        records, token = store._load_dataset_records(made.dataset_id)
        told += [len(records), token]
        told.append(
            store.delete_dataset_records(made.dataset_id, [records[0].dataset_record_id])
        )
        told.append(store.delete_dataset_records(made.dataset_id, ["dr-unknown"]))
        told.append(store.upsert_dataset_records(made.dataset_id, given))
        told.append(store.get_dataset(made.dataset_id).profile)
        told.append(store.get_dataset_experiment_ids("d-unknown"))
        told.append(store._load_dataset_records("d-unknown"))
        return told

    told = pair.both(program)
    assert told[:2] == [{"inserted": 2, "updated": 1}, {"inserted": 1, "updated": 3}]


def test_records_come_in_pages(pair: Any) -> None:
    def program(store: Any) -> Any:
        made = store.create_dataset("pages")
        for batch in range(3):
            some = [{"inputs": {"n": 3 * batch + number}} for number in range(3)]
            store.upsert_dataset_records(made.dataset_id, some)
        sizes, found, token = [], [], None
        while True:
            records, token = store._load_dataset_records(made.dataset_id, 4, token)
            sizes.append(len(records))
            found += [each.inputs["n"] // 3 for each in records]
            if token is None:
                return sizes, found

    assert pair.both(program) == ([4, 4, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2])


def test_a_frame_is_merged_and_comes_back_as_one(same: Any) -> None:
    frame = pandas.DataFrame(
        [
            {"inputs": {"q": "a"}, "expectations": {"x": 1}},
            {"inputs": {"q": "b"}, "expectations": {"x": 2}},
        ]
    )

    def program() -> Any:
        made = datasets.create_dataset("frames", "0").merge_records(frame.copy())
        back = made.to_df()
        removed = made.delete_records(back["dataset_record_id"].tolist()[:1])
        left = len(made.to_df())
        kept = back.drop(columns=["dataset_record_id", "created_time"])
        rows = [
            str(each) for each in kept.sort_values("inputs", key=lambda c: c.map(str)).values
        ]
        return list(back.columns), rows, removed, left

    same(program)


def test_traces_become_records(same: Any) -> None:
    def program() -> Any:
        experiment = mlflow.set_experiment("of traces").experiment_id
        for number in range(2):
            with mlflow.start_span("ask") as span:
                span.set_inputs({"q": number})
                span.set_outputs({"a": str(number)})
                mlflow.update_current_trace(metadata={"mlflow.trace.session": "s"})
            mlflow.log_expectation(trace_id=span.trace_id, name="right", value=number)
        seen = []
        for return_type in ("list", "pandas"):
            made = datasets.create_dataset(f"from {return_type}", experiment)
            made.merge_records(mlflow.search_traces(return_type=return_type))
            for each in made._mlflow_dataset.records:
                assert each.source_id == each.source.source_data["trace_id"]
                rest = each.source.source_data["session_id"], each.source_type
                seen.append((each.inputs, each.outputs, each.expectations, *rest))
        return sorted(seen, key=str)

    assert len(same(program)) == 4


def test_what_is_evaluated_is_the_same(same: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_MAX_WORKERS", "1")

    @mlflow.genai.scorer
    def is_right(outputs: str, expectations: dict[str, Any]) -> bool:
        return bool(outputs == expectations["answer"])

    def program() -> Any:
        mlflow.set_experiment("evaluated")
        made = datasets.create_dataset("sums")
        given = [{"inputs": {"n": n}, "expectations": {"answer": str(n)}} for n in range(3)]
        made.merge_records(given)
        result = mlflow.genai.evaluate(
            data=made, predict_fn=lambda n: str(n) if n else "none", scorers=[is_right]
        )
        (used,) = mlflow.get_run(result.run_id).inputs.dataset_inputs
        rows = result.result_df
        values = sorted(map(str, zip(rows["request"], rows["is_right/value"], strict=True)))
        return result.metrics, used.dataset.name, used.dataset.source_type, values

    metrics, name, _, values = same(program)
    assert (metrics, name, len(values)) == ({"is_right/mean": 2 / 3}, "sums", 3)


@pytest.mark.parametrize(
    "records",
    [
        ["no dictionary"],
        [{"expectations": {"a": 1}}],
        [{"inputs": {"goal": "g", "other": 1}}],
        [{"inputs": {"goal": "g"}}, {"inputs": {"q": 1}}],
        [{"inputs": {"q": 1}, "source": {"source_type": "NOWHERE"}}],
    ],
    ids=["text", "no inputs", "mixed", "both", "source"],
)
def test_what_is_no_record_is_refused(same: Any, records: list[Any]) -> None:
    def program() -> Any:
        made = datasets.create_dataset("refusals", "0")
        return error_of(lambda: made.merge_records(json.loads(json.dumps(records))))

    assert same(program) == "INVALID_PARAMETER_VALUE"


def test_datasets_are_searched(pair: Any) -> None:
    def fill(store: Any) -> list[str]:
        names = []
        for number, name in enumerate(["Alpha", "alpha", "beta_1", 'it\'s "so"', "ü"]):
            tags = {"even": str(number % 2 == 0), "mlflow.user": f"u{number % 2}"}
            store.create_dataset(f"s/{name}", tags, [str(number % 3)])
            names.append(name)
        return names

    pair.both(fill)
    filters: list[Any] = [
        "name LIKE 's/%'",
        "name = 's/alpha'",
        "name ILIKE 's/ALPHA'",
        "name != 's/alpha' AND name LIKE 's/%'",
        "name IN ('s/Alpha', 's/beta_1', 'nothing')",
        "tags.even = 'True' AND name LIKE 's/%'",
        "tags.even != 'True'",
        "tags.even LIKE 'T%' AND created_by = 'u0'",
        "last_updated_by LIKE 'u%' AND created_time > 0",
        "created_time < 5",
        "last_update_time >= 0 AND name LIKE 's/a%'",
        'name = "s/it\'s"',
        "name LIKE",
        "nothing = 'a'",
        "name > 'a' OR",
        "created_time = 'a'",
    ]
    orders: list[Any] = [["name ASC"], ["name DESC"], ["name ASC", "created_time"], ["nothing"]]
    for text in filters:
        found = pair.both(lambda store, t=text: names(store.search_datasets(None, t)))
        assert found is not None
    for order in orders:
        pair.both(
            lambda store, o=order: names(
                store.search_datasets(None, filters[0], order_by=o), keep=True
            )
        )
    for ids in (["0"], ["1", "2"], ["99"], []):
        pair.both(lambda store, i=ids: names(store.search_datasets(i, filters[0])))
    for size in (0, -1, 60_000):
        pair.both(lambda store, s=size: names(store.search_datasets(max_results=s)))


def names(page: Any, keep: bool = False) -> Any:
    found = [each.name for each in page]
    return found if keep else sorted(found)


def test_pages_of_datasets_follow_one_another(pair: Any) -> None:
    def program(store: Any) -> Any:
        for number in range(5):
            store.create_dataset(f"page {number}")
        found, token, tokens = [], None, 0
        while True:
            page = store.search_datasets(
                None, "name LIKE 'page %'", 2, ["name ASC"], page_token=token
            )
            found += [each.name for each in page]
            token = page.token
            if token is None:
                return found, tokens
            tokens += 1

    assert pair.both(program)[1] == 2
