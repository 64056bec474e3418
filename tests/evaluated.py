"""Something in every table and view of evaluation and of reviews."""

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
    schema = store.label_schemas.create("0", name, "feedback", ("text", {"max_length": 9}))
    queue = store.review_queues.create("0", name, "custom", "me", ["me"], [schema.schema_id])
    store.review_queues.items.add(queue.queue_id, ["tr-1", "tr-2"])
    store.review_queues.items.set_status(queue.queue_id, "tr-1", "complete", "me")
    store.issues.create("0", name, "text", severity="low", root_causes=["a"])
    return dataset_id
