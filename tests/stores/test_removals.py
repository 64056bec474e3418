"""Runs and experiments that are removed for good: gone wherever one looks, and for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import ViewType
from lakeflow.exceptions import NotFoundError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from lakeflow.stores.store import Store


@pytest.fixture
def store(uri: str) -> Store:
    return open_store(uri, create=True)


def logged(client: LakeflowClient, experiment_id: str = "0") -> str:
    run_id = client.create_run(experiment_id, tags={"t": "v"}).info.run_id
    for step in range(3):
        client.log_metric(run_id, "loss", 1 / (step + 1), step=step)
    client.log_param(run_id, "depth", 3)
    return run_id


def is_gone(client: LakeflowClient, run_id: str) -> bool:
    with pytest.raises(NotFoundError):
        client.get_run(run_id)
    with pytest.raises(NotFoundError):
        client.get_metric_history(run_id, "loss")
    uri = client.tracking_uri
    store = open_store(uri, create=False)
    question = "SELECT run_id FROM {} WHERE run_id = ?"
    views = ("runs", "metrics", "latest_metrics", "params", "tags")
    rows = [
        lakeflow.sql(question.format(each), [run_id], tracking_uri=uri).num_rows
        for each in views
    ]
    every = [each.experiment_id for each in client.search_experiments(ViewType.ALL)]
    found = client.search_runs(every, run_view_type=ViewType.ALL)
    return (
        rows == [0] * len(views)
        and run_id not in {each.info.run_id for each in found}
        and store.columns.series([run_id], "loss", 10).num_rows == 0
        and store.columns.points([run_id], "loss").num_rows == 0
    )


@pytest.mark.parametrize("folded", ["never", "before", "after", "before and after"])
def test_a_removed_run_is_gone_and_no_other(
    client: LakeflowClient, uri: str, store: Store, folded: str
) -> None:
    kept, run_id = logged(client), logged(client)
    if "before" in folded:
        lakeflow.compact(uri)
    store.removals.run(run_id)
    if "after" in folded:
        lakeflow.compact(uri)
    assert is_gone(client, run_id)
    assert client.get_run(kept).data.params == {"depth": "3"}
    assert [each.step for each in client.get_metric_history(kept, "loss")] == [0, 1, 2]
    assert store.columns.points([run_id, kept], "loss").column("run").to_pylist() == [1, 1, 1]
    with pytest.raises(NotFoundError):
        client.log_metric(run_id, "loss", 1.0)
    with pytest.raises(NotFoundError):
        store.removals.run(run_id)


def test_what_is_logged_to_a_removed_run_by_who_knows_it_brings_nothing_back(
    client: LakeflowClient, uri: str, store: Store
) -> None:
    run_id = logged(client)
    head = store.runs.heads.get(run_id)
    store.removals.run(run_id)
    store.runs.heads.keep(run_id, head)
    client.log_metric(run_id, "loss", 1.0)
    assert is_gone(client, run_id)
    lakeflow.compact(uri)
    client.log_metric(run_id, "loss", 2.0)
    assert is_gone(client, run_id)


@pytest.mark.parametrize("folded", [False, True])
def test_a_removed_experiment_takes_its_runs_along_and_frees_its_name(
    client: LakeflowClient, uri: str, store: Store, folded: bool
) -> None:
    experiment = client.create_experiment("digits")
    run_id = logged(client, experiment)
    with pytest.raises(NotFoundError):
        store.removals.experiment(experiment)
    client.delete_experiment(experiment)
    if folded:
        lakeflow.compact(uri)
    store.removals.experiment(experiment)
    for _ in range(2):
        assert is_gone(client, run_id)
        assert client.get_experiment_by_name("digits") is None
        with pytest.raises(NotFoundError):
            client.get_experiment(experiment)
        with pytest.raises(NotFoundError):
            client.create_run(experiment)
        lakeflow.compact(uri)
    # Its number is not given again.
    assert client.create_experiment("digits") == str(int(experiment) + 1)


def test_runs_are_told_by_when_they_or_their_experiment_were_deleted(
    client: LakeflowClient, store: Store
) -> None:
    experiment = client.create_experiment("digits")
    own, owned, kept = logged(client), logged(client, experiment), logged(client)
    client.delete_run(own)
    between = time.time_ns() // 1_000_000
    time.sleep(0.002)
    client.delete_experiment(experiment)
    assert store.removals.deleted_runs(between) == [own]
    assert set(store.removals.deleted_runs(between + 60_000)) == {own, owned}
    assert store.removals.deleted_runs(0) == []
    client.restore_run(own)
    assert kept not in store.removals.deleted_runs(2**50)
    assert store.removals.deleted_runs(2**50) == [owned]
