"""Datasets for evaluation: what is merged into them is there, whoever merges and folds."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow.entities import DatasetRecordSource
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from lakeflow.stores.evaluation.datasets import EvaluationDatasetStore


@pytest.fixture
def datasets(uri: str) -> EvaluationDatasetStore:
    return open_store(uri, create=True).evaluation_datasets


def said(datasets: EvaluationDatasetStore, dataset_id: str) -> list[tuple[Any, ...]]:
    return [
        (each.inputs, each.outputs, each.expectations, each.tags, each.source_type)
        for each in datasets.load(dataset_id)
    ]


def test_what_was_folded_and_what_was_not_is_one_record(
    uri: str, datasets: EvaluationDatasetStore
) -> None:
    made = datasets.create("qa").dataset_id
    source = DatasetRecordSource("human", {"source_id": "me"})
    steps: list[list[dict[str, Any]]] = [
        [{"inputs": {"q": 1}, "expectations": {"a": 1}, "source": source}, {"inputs": {"q": 2}}],
        [{"inputs": {"q": 1}, "expectations": {"b": {"c": 2}}, "outputs": [1], "tags": {"t": "1"}}],
        [{"inputs": {"q": 1}, "expectations": {"a": None}, "source": {"source_type": "CODE"}}],
    ]  # fmt: skip
    for step in steps:
        datasets.upsert(made, step)
        lakeflow.compact(uri)
        whole = {"a": None, "b": {"c": 2}} if step is steps[2] else None
        expected = whole or ({"a": 1, "b": {"c": 2}} if step is steps[1] else {"a": 1})
        first, second = said(datasets, made)
        assert first[2] == expected
        assert second == ({"q": 2}, {}, None, {}, None)
    (found, _) = datasets.load(made)
    assert (found.outputs, found.tags, found.source) == ([1], {"t": "1"}, source)
    assert found.source_id == "me"
    assert found.last_update_time >= found.created_time


def test_a_deleted_record_stays_deleted_until_it_is_merged_again(
    uri: str, datasets: EvaluationDatasetStore
) -> None:
    made = datasets.create("qa").dataset_id
    datasets.upsert(made, [{"inputs": {"q": n}, "expectations": {"a": n}} for n in range(4)])
    lakeflow.compact(uri)
    datasets.upsert(made, [{"inputs": {"q": 1}, "expectations": {"b": 1}}])
    ids = [each.dataset_record_id for each in datasets.load(made)]
    assert datasets.delete_records(made, [ids[1], ids[2], "dr-none", ids[1]]) == 2
    for _ in range(2):
        assert [inputs["q"] for inputs, *_ in said(datasets, made)] == [0, 3]
        assert datasets.get(made).profile == '{"num_records": 2}'
        assert datasets.delete_records(made, [ids[1]]) == 0
        lakeflow.compact(uri)
    assert datasets.upsert(made, [{"inputs": {"q": 1}}]) == {"inserted": 1, "updated": 0}
    # With the id that it had, and nothing of what was said of it before.
    assert datasets.load(made)[-1].dataset_record_id == ids[1]
    assert said(datasets, made)[-1] == ({"q": 1}, {}, None, {}, None)


def test_a_deleted_dataset_is_gone_with_its_records(
    uri: str, datasets: EvaluationDatasetStore
) -> None:
    ids = [datasets.create(name, {"k": "v"}, ["0"]).dataset_id for name in "ab"]
    for each in ids:
        datasets.upsert(each, [{"inputs": {"q": 1}}])
    lakeflow.compact(uri)
    datasets.delete(ids[0])
    datasets.delete(ids[0])
    for _ in range(2):
        assert [each.name for each in datasets.search()] == ["b"]
        with pytest.raises(NotFoundError):
            datasets.load(ids[0])
        for view in ("evaluation_datasets", "evaluation_dataset_records"):
            found = lakeflow.sql(f"FROM {view}", tracking_uri=uri, output_format="list")
            assert [each["dataset_id"] for each in found] == [ids[1]]
        lakeflow.compact(uri)


def test_writers_that_merge_into_one_record_take_nothing_from_one_another(
    tmp_path: Path,
) -> None:
    datasets = open_store(tmp_path, create=True).evaluation_datasets
    made = datasets.create("raced").dataset_id
    program = """
        import sys
        from lakeflow.open_store import open_store
        place, dataset_id, name = sys.argv[1:]
        datasets = open_store(place, create=False).evaluation_datasets
        for step in range(5):
            given = [{"inputs": {"q": n}, "expectations": {f"{name}{step}": n}} for n in range(3)]
            datasets.upsert(dataset_id, given)
    """
    lines = "\n".join(line[8:] for line in program.splitlines())
    command = [sys.executable, "-c", lines, str(tmp_path), made]
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(subprocess.run, [*command, name], check=True) for name in "abc"]
        lakeflow.compact(tmp_path)
        for each in done:
            each.result()
    for _ in range(2):
        found = datasets.load(made)
        assert len(found) == 3
        for record in found:
            names = {f"{name}{step}" for name in "abc" for step in range(5)}
            assert record.expectations == dict.fromkeys(names, record.inputs["q"])
        lakeflow.compact(tmp_path)


def test_threads_that_link_and_tag_lose_nothing(datasets: EvaluationDatasetStore) -> None:
    made = datasets.create("linked").dataset_id
    with ThreadPoolExecutor(4) as pool:
        for number in range(8):
            pool.submit(datasets.set_tags, made, {f"t{number}": number})
            pool.submit(datasets.add_experiments, made, ["0"])
    found = datasets.get(made)
    assert found.tags == {f"t{number}": str(number) for number in range(8)}
    assert found.experiment_ids == ["0"]


def test_pages_hold_every_record_once_in_the_order_of_merging(
    uri: str, datasets: EvaluationDatasetStore
) -> None:
    made = datasets.create("pages").dataset_id
    for first in range(0, 30, 10):
        datasets.upsert(made, [{"inputs": {"n": n}} for n in range(first, first + 10)])
        if first == 10:
            lakeflow.compact(uri)
    datasets.upsert(made, [{"inputs": {"n": 5}, "expectations": {"late": 1}}])
    found, token, pages = [], None, 0
    while True:
        page = datasets.load(made, 7, token)
        found += page
        token, pages = page.token, pages + 1
        if token is None:
            break
    assert [each.inputs["n"] for each in found] == [*range(30)]
    assert found[5].expectations == {"late": 1}
    assert pages == 5
    assert datasets.load(made, 30).token is None


@pytest.mark.parametrize(
    "token", ["what", "OTk", "Og==", "LTE6LTE6eA", "\N{SNOWMAN}", "a" * 999]
)
def test_a_token_that_is_none_is_refused(datasets: EvaluationDatasetStore, token: str) -> None:
    made = datasets.create("tokens").dataset_id
    datasets.upsert(made, [{"inputs": {"n": 1}}])
    with pytest.raises(InvalidInputError):
        datasets.load(made, 1, token)


@pytest.mark.parametrize(
    "given",
    [
        {"inputs": {"a": {1, 2}}},
        {"inputs": {"a": object()}},
        {"inputs": {"a": 1}, "expectations": ["list"]},
        {"inputs": {"a": 1}, "tags": "text"},
        {"inputs": {"a": 1}, "source": 7},
        {"inputs": {"a": 1}, "source": {"source_type": "NOWHERE"}},
        {"inputs": {"a": "x" * 16_000_000}},
    ],
    ids=["set", "object", "list", "text", "number", "type", "long"],
)
def test_a_record_that_cannot_be_stored_changes_nothing(
    datasets: EvaluationDatasetStore, given: dict[str, Any]
) -> None:
    made = datasets.create("bad").dataset_id
    before = datasets.get(made)
    with pytest.raises(InvalidInputError):
        datasets.upsert(made, [{"inputs": {"fine": 1}}, given])
    assert datasets.get(made) == before
    assert datasets.load(made) == []


def test_values_come_back_as_they_were(uri: str, datasets: EvaluationDatasetStore) -> None:
    made = datasets.create("values").dataset_id
    values: list[Any] = [
        None,
        True,
        1,
        2**80,
        0.1,
        "",
        "\N{SNOWMAN}\n\"';--",
        [],
        {"": {"": []}},
    ]
    given = [{"inputs": {"v": each}, "outputs": each, "expectations": {"": each}} for each in values]  # fmt: skip
    datasets.upsert(made, given)
    for _ in range(2):
        found = datasets.load(made)
        assert [each.inputs["v"] for each in found] == values
        assert [each.outputs for each in found] == values
        assert [each.expectations for each in found] == [{"": each} for each in values]
        lakeflow.compact(uri)


def test_schema_profile_and_digest_follow_the_records(datasets: EvaluationDatasetStore) -> None:
    made = datasets.create("schema")
    assert (made.schema, made.profile) == (None, None)
    datasets.upsert(made.dataset_id, [{"inputs": {"a": 1, "b": None}, "outputs": 0.5}])
    first = datasets.get(made.dataset_id)
    assert json.loads(first.schema or "") == {
        "inputs": {"a": "integer", "b": "null"},
        "outputs": "float",
        "expectations": {},
        "version": "1.0",
    }
    datasets.set_tags(made.dataset_id, {"k": "v"})
    assert datasets.get(made.dataset_id).digest == first.digest
    later = {
        "inputs": {"a": "text", "c": []},
        "outputs": {"o": True},
        "expectations": {"e": {}},
    }
    datasets.upsert(made.dataset_id, [later])
    second = datasets.get(made.dataset_id)
    assert second.digest != first.digest
    assert json.loads(second.schema or "") == {
        "inputs": {"a": "integer", "b": "null", "c": "array"},
        "outputs": {"o": "boolean"},
        "expectations": {"e": "object"},
        "version": "1.0",
    }
    assert second.profile == '{"num_records": 2}'


def test_what_tables_held_then_is_read_as_of_then(
    uri: str, datasets: EvaluationDatasetStore
) -> None:
    made = datasets.create("past").dataset_id
    between = None
    for answer in (1, 2):
        datasets.upsert(made, [{"inputs": {"q": 1}, "expectations": {"a": answer}}])
        lakeflow.compact(uri)
        between = between or datetime.datetime.now(datetime.UTC)
    query = "SELECT expectations['a'] AS a FROM evaluation_dataset_records"
    for as_of, answer in ((between, "1"), (None, "2")):
        found = lakeflow.sql(query, tracking_uri=uri, output_format="list", as_of=as_of)
        assert found == [{"a": answer}]
        frame = lakeflow.scan_evaluation_dataset_records(uri, as_of).collect()
        assert len(frame) == int(answer)
    assert lakeflow.scan_evaluation_datasets(uri).collect()["name"].to_list() == ["past"]
