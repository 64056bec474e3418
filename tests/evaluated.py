"""A dataset and a scorer with something in every table and view of evaluation."""

from __future__ import annotations

from lakeflow.open_store import open_store


def evaluate(uri: str, name: str) -> str:
    """Make a dataset with two records, one merged twice, and a scorer with two versions."""
    store = open_store(uri, create=False)
    dataset_id = store.evaluation_datasets.create(name, {"k": "v"}, ["0"]).dataset_id
    for number in (1, 2):
        given = [{"inputs": {"q": each}, "expectations": {"a": each}} for each in range(number)]
        store.evaluation_datasets.upsert(dataset_id, given)
        store.scorers.register("0", name, "{}")
    return dataset_id
