"""Experiments of another place keep what they are, and take nothing from those that are here."""

from __future__ import annotations

import pytest

from lakeflow.config import Settings
from lakeflow.entities import Experiment, ViewType
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store


@pytest.fixture
def store(uri: str) -> Store:
    """Return an empty lake."""
    return Store(Lake.on(open_filesystem(uri), Settings(auto_compact=False)))


def brought(identity: str, name: str, stage: str = "active", **tags: str) -> Experiment:
    """Return an experiment of another place."""
    return Experiment(identity, name, "s3://there/1", stage, tags, 5, 6)


def test_each_keeps_its_id_if_that_is_free(store: Store) -> None:
    assert store.experiments.create("ours") == "1"
    wanted = [
        brought("1", "a"), brought("7", "b"), brought("7", "c"), brought("", "d"),
        brought("999999999999999999", "e"), brought("text", "f"), brought("0", "Default"),
    ]  # fmt: skip
    assert store.experiments.bring(wanted) == ["2", "7", "8", "9", "10", "text", "0"]
    found = store.experiments.get("7")
    assert (found.creation_time, found.last_update_time) == (5, 6)
    assert found.artifact_location.endswith("artifacts/7")
    assert store.experiments.create("next") == "11"


def test_an_id_that_was_removed_is_not_given_again(store: Store) -> None:
    for is_folded in (False, True):
        gone = store.experiments.create(f"gone {is_folded}")
        store.delete_experiment(gone)
        store.removals.experiment(gone)
        if is_folded:
            compact_lake(store.lake)
        (identity,) = store.experiments.bring([brought(gone, f"new {is_folded}")])
        assert identity != gone
        assert store.experiments.get(identity).name == f"new {is_folded}"


def test_one_that_is_here_gets_what_it_lacks(store: Store) -> None:
    identity = store.experiments.create("same", tags={"a": "ours"})
    other = brought("5", "same", "deleted", a="theirs", b="theirs")
    assert store.experiments.bring([other]) == [identity]
    found = store.experiments.get(identity)
    assert (found.tags, found.lifecycle_stage) == ({"a": "ours", "b": "theirs"}, "active")


def test_runs_of_a_deleted_one_are_deleted(store: Store) -> None:
    (identity,) = store.experiments.bring([brought("3", "gone", "deleted")])
    assert [each.name for each in store.experiments.search(ViewType.DELETED_ONLY)] == ["gone"]
    store.restore_experiment(identity)
    assert store.experiments.get(identity).lifecycle_stage == "active"
