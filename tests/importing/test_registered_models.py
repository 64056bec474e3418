"""Models and versions of a source become few events, and what the lake has stays."""

import itertools
import time

import pytest

from lakeflow import LakeflowClient, entities
from lakeflow.exceptions import NotFoundError
from lakeflow.importing.destination.registered_models import batches, write_models
from lakeflow.importing.model_items import ModelVersionItem, RegisteredModelItem
from lakeflow.open_store import open_store

DAY = 86_400_000
BEGIN = 1_600_000_000_000


def version(number, **fields):
    made = BEGIN + number
    known = {"creation_time": made, "last_updated_time": made + DAY}
    return ModelVersionItem(number, source=f"s3://b/{number}", **known | fields)


def model(name="m", **fields):
    return RegisteredModelItem(name, BEGIN, BEGIN + DAY, **fields)


class Import:
    """Brings models into one lake, again and again."""

    def __init__(self, uri):
        self._store = open_store(uri, create=True)
        self.problems = []
        self.events = 0

    def __call__(self, *models):
        self.problems = []

        def located(versions):
            return [each.storage_location or each.source for each in versions]

        found = [*write_models(self._store, models, self.problems.append, located)]
        self.events = len(found)
        return sum(each.models for each in found), sum(each.versions for each in found)


@pytest.fixture
def uri(tmp_path):
    return str(tmp_path / "lake")


@pytest.fixture
def client(uri):
    return LakeflowClient(uri)


@pytest.fixture
def bring(client, uri):
    return Import(uri)


def test_a_version_keeps_all_that_it_had(bring, client):
    item = version(
        7,
        storage_location="s3://c/7",
        stage="Production",
        description="the best",
        user_id="ada",
        run_id="r" * 32,
        run_link="http://r",
        status="FAILED_REGISTRATION",
        status_message="broken off",
        tags={"a": "1"},
    )
    tagged = model(description="d", tags={"t": "v"}, aliases={"champion": 7})
    assert bring((tagged, [item])) == (1, 1)
    found = client.get_model_version("m", 7)
    expected = entities.model_registry.ModelVersion(
        "m", 7, BEGIN + 7, BEGIN + 7 + DAY, "the best", "ada", "Production", "s3://b/7",
        "r" * 32, "FAILED_REGISTRATION", "broken off", {"a": "1"}, "http://r", ["champion"],
    )  # fmt: skip
    assert found == expected
    assert client.get_model_version_download_uri("m", 7) == "s3://c/7"
    parent = client.get_registered_model("m")
    assert (parent.creation_timestamp, parent.last_updated_timestamp) == (BEGIN, BEGIN + DAY)
    assert (parent.description, parent.tags, parent.aliases) == (
        "d", {"t": "v"}, {"champion": 7},
    )  # fmt: skip
    assert [each.version for each in parent.latest_versions] == [7]


def test_the_history_shows_what_was_imported_as_it_was(bring, client):
    bring(
        (model(tags={"t": "v"}, aliases={"best": 2}), [version(1), version(2, user_id="ada")])
    )
    time.sleep(0.002)
    after = int(time.time() * 1000)
    time.sleep(0.002)
    client.set_registered_model_alias("m", "best", 1)
    client.set_model_version_tag("m", 2, "late", "1")
    now = [client.get_model_version("m", 2), client.get_registered_model("m")]
    as_of = [
        client.get_model_version("m", 2, as_of=after),
        client.get_registered_model("m", as_of=after),
    ]
    assert as_of[0].aliases == ["best"]
    assert as_of[0].tags == {}
    assert as_of[0].user_id == "ada"
    assert as_of[0].creation_timestamp == now[0].creation_timestamp
    assert as_of[0].last_updated_timestamp == now[0].last_updated_timestamp
    assert as_of[1].creation_timestamp == now[1].creation_timestamp


def test_thousands_of_versions_take_few_events_and_keep_their_numbers(bring, client):
    many = [version(number, tags={"n": str(number)}) for number in range(1, 1501)]
    others = [(model(f"other {number}"), [version(1)]) for number in range(200)]
    assert bring((model(aliases={"last": 1500}), iter(many)), *others) == (201, 1700)
    assert bring.events < 20
    found = client.get_model_version_by_alias("m", "last")
    assert (found.version, found.tags) == (1500, {"n": "1500"})
    assert client.create_model_version("m", "s3://new").version == 1501
    assert len(client.search_model_versions("name = 'm'", max_results=10_000)) == 1501


def test_no_part_of_an_event_is_larger_than_it_may_be():
    texts = ({"text": "x" * 90_000} for _ in range(30))
    versions = (version(number, tags=tags) for number, tags in enumerate(texts, 1))
    found = [*batches([(model(), versions)])]
    assert len(found) > 5
    numbers = [each.version for parts in found for part in parts for each in part.versions]
    assert numbers == [*range(1, 31)]


def test_imported_again_nothing_changes_and_what_is_new_is_added(bring, client):
    old = [version(1, stage="Production"), version(2)]
    assert bring((model(aliases={"a": 1}), old)) == (1, 2)
    assert bring((model(aliases={"a": 1}), old)) == (0, 0)
    assert bring.problems == []
    new = [*old, version(3, stage="Production"), version(5)]
    assert bring((model(aliases={"a": 1, "b": 5}, tags={"t": "1"}), new)) == (0, 2)
    found = client.get_registered_model("m")
    assert (found.aliases, found.tags) == ({"a": 1, "b": 5}, {"t": "1"})
    latest = {each.current_stage: each.version for each in found.latest_versions}
    assert latest == {"Production": 3, "None": 5}
    client.transition_model_version_stage("m", 3, "Archived")
    found = client.get_registered_model("m")
    latest = {each.current_stage: each.version for each in found.latest_versions}
    assert latest == {"Production": 1, "None": 5, "Archived": 3}


def test_what_was_changed_in_the_lake_stays(bring, client):
    source = (
        model(aliases={"a": 1, "gone": 2, "late": 3}, tags={"t": "1"}),
        [version(number, tags={"k": "1"}) for number in (1, 2, 3)],
    )
    bring(source)
    client.set_registered_model_alias("m", "a", 2)
    client.delete_registered_model_alias("m", "gone")
    client.set_model_version_tag("m", 1, "k", "2")
    client.delete_model_version_tag("m", 2, "k")
    client.delete_registered_model_tag("m", "t")
    client.delete_model_version("m", 3)
    assert bring(source) == (0, 0)
    found = client.get_registered_model("m")
    assert (found.aliases, found.tags) == ({"a": 2}, {})
    assert client.get_model_version("m", 1).tags == {"k": "2"}
    assert client.get_model_version("m", 2).tags == {}
    with pytest.raises(NotFoundError):
        client.get_model_version("m", 3)
    assert [each.is_loss for each in bring.problems] == [False] * 3


def test_a_number_that_another_version_has_is_reported_and_free_ones_are_taken(bring, client):
    client.create_registered_model("m")
    client.create_model_version("m", "s3://mine")
    assert bring((model(aliases={"first": 1}), [version(1), version(4)])) == (0, 1)
    where = [each.where for each in bring.problems]
    assert where == ["registered model m, version 1", "registered model m"]
    assert "'first'" in bring.problems[1].why
    assert client.get_model_version("m", 1).source == "s3://mine"
    assert client.get_model_version("m", 4).source == "s3://b/4"
    assert client.get_registered_model("m").aliases == {}


def test_an_alias_waits_where_a_model_requires_approval(bring, client, uri):
    import lakeflow

    client.create_registered_model("m")
    lakeflow.set_registry_uri(uri)
    lakeflow.registry.require_approval("m")
    bring((model(aliases={"champion": 1}), [version(1)]))
    assert client.get_registered_model("m").aliases == {}
    assert "requires approval" in bring.problems[0].why


@pytest.mark.parametrize(
    "bad",
    [
        {"stage": "Nowhere"},
        {"run_id": "\ud800"},
        {"creation_time": "soon"},
        {"status": "\udfff"},
    ],
    ids=str,
)
def test_a_bad_version_is_reported_and_the_others_arrive(bring, client, bad):
    assert bring((model(), [version(1), version(2, **bad), version(3)])) == (1, 2)
    assert [each.where for each in bring.problems] == ["registered model m, version 2"]
    found = client.search_model_versions("name = 'm'")
    assert sorted(each.version for each in found) == [1, 3]


def test_a_bad_tag_or_alias_is_reported_and_the_rest_arrives(bring, client):
    item = version(1, tags={"good": "1", "b\nd": "2"})
    bring((model(aliases={"v1": 1, "ok": 1}), [item]), (model(""), []))
    assert len(bring.problems) == 3
    assert client.get_model_version("m", 1).tags == {"good": "1"}
    assert client.get_registered_model("m").aliases == {"ok": 1}


def test_a_number_that_was_given_once_is_not_given_again(bring, client):
    bring((model(last_version=9), [version(2)]))
    assert client.create_model_version("m", "s3://new").version == 10


def test_what_comes_twice_at_once_is_there_once(client, uri):
    imports = [Import(uri) for _ in range(2)]
    source = (model(), [version(number) for number in range(1, 50)])
    written = [each(source) for each in imports]
    assert sorted(itertools.chain(*written)) == [0, 0, 1, 49]
