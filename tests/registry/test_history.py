"""What was done to registered models: all of it, in order, whatever became of them."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import polars
import pytest

import lakeflow
from lakeflow import cli
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from lakeflow import LakeflowClient
    from lakeflow.stores.store import Store

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def store(client: LakeflowClient, uri: str) -> Store:
    """Return the store of a lake, which is the one of the process."""
    lakeflow.set_tracking_uri(uri)
    return open_store(uri, create=False)


def told(name: str, **options: Any) -> list[dict[str, Any]]:
    return lakeflow.registry.history(name, output_format="list", **options)


def actions(name: str) -> list[tuple[str, str, int | None, str | None]]:
    return [
        tuple(row[each] for each in ("action", "name", "version", "key")) for row in told(name)
    ]


def test_a_model_has_its_history_under_each_of_its_names(store: Store, uri: str) -> None:
    store.models.create("old", {"team": "a"}, "a model")
    store.model_versions.create("old", "s3://bucket/model")
    store.models.set_alias("old", "champion", 1)
    lakeflow.compact(uri)
    store.models.rename("old", "new")
    store.models.delete_tag("new", "team")
    store.model_versions.delete("new", 1)
    store.models.delete("new")
    assert (
        actions("old")
        == actions("new")
        == [
            ("create_registered_model", "old", None, None),
            ("create_model_version", "old", 1, None),
            ("set_registered_model_alias", "old", 1, "champion"),
            ("rename_registered_model", "new", None, None),
            ("delete_registered_model_tag", "new", None, "team"),
            ("delete_registered_model_alias", "new", 1, "champion"),
            ("delete_model_version", "new", 1, None),
            ("delete_registered_model", "new", None, None),
        ]
    )
    before = actions("old")
    lakeflow.compact(uri)
    assert actions("old") == before


def test_a_name_that_two_models_had_has_both(store: Store) -> None:
    store.models.create("a")
    store.models.rename("a", "b")
    store.models.create("a")
    store.models.create("c")
    assert [(row["name"], row["model_id"]) for row in told("a")] == [
        ("a", "0"),
        ("b", "0"),
        ("a", "1"),
    ]
    assert {row["model_id"] for row in told("b")} == {"0"}


def test_a_change_says_what_was_there(store: Store) -> None:
    store.models.create("a", description="first")
    store.models.update("a", "second")
    *_, last = told("a")
    assert json.loads(last["before"]) == {"description": "first"}
    assert json.loads(last["after"]) == {"description": "second"}
    made = store.models.get("a").last_updated_timestamp
    assert last["time"] == datetime.datetime.fromtimestamp(made / 1000, datetime.UTC)


def test_what_changes_nothing_is_not_told(store: Store) -> None:
    store.models.create("a")
    store.models.delete_tag("a", "t")
    store.models.delete_alias("a", "champion")
    store.models.require_approval("a", False)
    assert len(told("a")) == 1


def test_a_history_ends_where_it_is_asked_to(store: Store) -> None:
    store.models.create("a")
    first = told("a")[0]["time"]
    with pytest.raises(NotFoundError, match="'a' as of"):
        told("a", as_of=first - datetime.timedelta(milliseconds=1))
    assert len(told("a", as_of=first)) == 1
    assert len(told("a", as_of=int(first.timestamp() * 1000))) == 1


def test_a_history_of_nothing_is_an_error(store: Store) -> None:
    with pytest.raises(NotFoundError, match="had the name 'a'"):
        told("a")
    with pytest.raises(InvalidInputError):
        told("")
    with pytest.raises(InvalidInputError, match="neither a datetime nor a number"):
        told("a", as_of="yesterday")
    with pytest.raises(InvalidInputError, match="output_format"):
        lakeflow.registry.history("a", output_format="excel")  # type: ignore[call-overload]


def test_a_history_comes_in_every_format(store: Store) -> None:
    store.models.create("a")
    rows = told("a")
    assert lakeflow.registry.history("a").to_pylist() == rows
    assert lakeflow.registry.history("a", output_format="polars").to_dicts() == rows
    assert list(lakeflow.registry.history("a", output_format="pandas")["name"]) == ["a"]


def test_events_and_models_are_frames(store: Store, uri: str) -> None:
    store.models.create("a")
    store.model_versions.create("a", "s3://bucket/model")
    store.models.create("b")
    lakeflow.compact(uri)
    store.models.update("a", "text")
    store.models.delete("b")
    names = lakeflow.scan_registered_models().select("name", "description").collect()
    assert names.rows() == [("a", "text")]
    versions = lakeflow.scan_model_versions().select("version", "source").collect()
    assert versions.rows() == [(1, "s3://bucket/model")]
    events = lakeflow.scan_registry_events().filter(polars.col("name") == "b").sort("event_id")
    assert events.select("action").collect()["action"].to_list() == [
        "create_registered_model",
        "delete_registered_model",
    ]


def test_the_command_prints_a_history(store: Store, uri: str, capsys: Captured) -> None:
    store.models.create("a", description="\x1b[31mred")
    store.models.set_tag("a", "t", "1")
    assert cli.main(["registry", "history", "a", "--uri", uri, "--format", "jsonl"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["key"] for each in found] == [None, "t"]
    assert cli.main(["registry", "history", "a", "--uri", uri]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert shown.endswith("(2 rows)\n")
    assert cli.main(["registry", "history", "b", "--uri", uri]) == 1
    assert "RESOURCE_DOES_NOT_EXIST" in capsys.readouterr().err
    past = ["registry", "history", "a", "--uri", uri, "--as-of", "2020-01-01T00:00"]
    assert cli.main(past) == 1
    with pytest.raises(SystemExit):
        cli.main(["registry", "history", "a", "--as-of", "yesterday"])
