"""The view of lineage: from the dataset to the alias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lakeflow
from lakeflow.entities import Dataset, DatasetInput

if TYPE_CHECKING:
    from lakeflow import LakeflowClient


def lineage() -> list[tuple[Any, ...]]:
    rows = lakeflow.sql(
        "SELECT dataset_name, run_name, model_name, version, aliases FROM model_lineage "
        "ORDER BY ALL",
        output_format="list",
    )
    return [tuple(row.values()) for row in rows]


def test_a_dataset_leads_to_the_aliases_of_its_models(client: LakeflowClient, uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    run_id = client.create_run("0", run_name="made").info.run_id
    for name in ("digits", "letters"):
        client.log_inputs(run_id, [DatasetInput(Dataset(name, "1a", "local", "{}"), [])])
    client.create_registered_model("a")
    client.create_model_version("a", "s3://bucket/model", run_id)
    client.create_model_version("a", "s3://bucket/model", "0" * 32)
    client.create_model_version("a", "s3://bucket/model")
    for alias in ("champion", "best"):
        client.set_registered_model_alias("a", alias, 1)
    wanted = [
        ("digits", "made", "a", 1, ["best", "champion"]),
        ("letters", "made", "a", 1, ["best", "champion"]),
        (None, None, "a", 2, []),
        (None, None, "a", 3, []),
    ]
    assert lineage() == wanted
    lakeflow.compact(uri)
    assert lineage() == wanted
    client.delete_registered_model_alias("a", "best")
    client.rename_registered_model("a", "b")
    moved = [(*row[:2], "b", row[3], row[4][1:]) for row in wanted]
    assert lineage() == moved
    events = "SELECT time_at, action FROM registry_events ORDER BY event_id"
    hot = lakeflow.sql(events).to_pylist()
    assert [row["action"] for row in hot[-2:]] == [
        "delete_registered_model_alias",
        "rename_registered_model",
    ]
    lakeflow.compact(uri)
    assert lineage() == moved
    assert lakeflow.sql(events).to_pylist() == hot
