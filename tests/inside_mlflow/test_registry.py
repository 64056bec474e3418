"""MLflow's calls about registered models: the same program over a database and over a lake."""

from __future__ import annotations

import shutil
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

import lakeflow
from lakeflow.mlflow.locations import lake_uri

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def database(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """MLflow's own store; each test has names of its own in it."""
    path = shutil.copy(migrated, tmp_path_factory.mktemp("sqlite"))
    return MlflowClient(f"sqlite:///{path}", f"sqlite:///{path}")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """The same over a lake, which stays open."""
    uri = lake_uri(str(tmp_path_factory.mktemp("lake") / "lake"))
    client = MlflowClient(uri, uri)
    client.search_registered_models()
    return client


class Program:
    """Calls of a client, and what it answers; times are told by their order alone."""

    def __init__(self, client: MlflowClient, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self.answers: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                found = getattr(self.client, name)(*args, **kwargs)
            except MlflowException as error:
                self.answers.append((name, args, error.error_code))
                return None
            told = _told(found)
            # Each MLflow has an order of its own for these.
            self.answers.append((name, args, sorted(told[0]) if "latest" in name else told))
            return found

        return call


def _told(found: Any) -> Any:
    if isinstance(found, list):
        return [_told(each) for each in found], bool(getattr(found, "token", None))
    kind = type(found).__name__
    if kind == "RegisteredModel":
        latest = sorted((each.current_stage, each.version) for each in found.latest_versions)
        return kind, found.name, found.description, found.tags, found.aliases, latest
    if kind == "ModelVersion":
        fields = "name version description current_stage source run_id status run_link tags"
        values = [getattr(found, each) for each in fields.split()]
        return kind, *values, _is_int(found.version)
    return found


def _is_int(version: Any) -> bool:
    return isinstance(version, int)


def _both(database: MlflowClient, lake: MlflowClient, program: Any, name: str) -> None:
    answers = []
    for client in (database, lake):
        told = Program(client, name)
        program(told, name)
        answers.append(told.answers)
    expected, found = answers
    for one, other in zip(expected, found, strict=True):
        assert other == one


def _life(p: Any, m: str) -> None:
    p.create_registered_model(m, {"team": "a", "n": 1}, "text")
    p.create_registered_model(m)
    p.create_registered_model(f"{m}-other")
    p.get_registered_model(m)
    p.get_registered_model(f"{m}-none")
    for number in range(4):
        p.create_model_version(m, f"s3://b/{number}", "a" * 32, {"k": str(number)}, "link", "d")
    p.create_model_version(f"{m}-none", "s3://b/1")
    p.get_model_version(m, 2)
    p.get_model_version(m, "2")
    p.get_model_version(m, 99)
    p.get_model_version(m, "x")
    p.get_model_version_download_uri(m, 2)
    p.update_model_version(m, 2, "new text")
    p.update_registered_model(m, "new text")
    p.transition_model_version_stage(m, 1, "staging")
    p.transition_model_version_stage(m, 2, "Production")
    p.transition_model_version_stage(m, 3, "PRODUCTION", archive_existing_versions=True)
    p.transition_model_version_stage(m, 3, "nowhere")
    p.transition_model_version_stage(m, 3, "Archived", archive_existing_versions=True)
    p.transition_model_version_stage(m, 99, "Staging")
    p.get_latest_versions(m, ["Production", "archived"])
    p.get_latest_versions(m, ["nowhere"])
    p.set_registered_model_alias(m, "best", 3)
    p.set_registered_model_alias(m, "best", 2)
    p.set_registered_model_alias(m, "worst", "1")
    p.set_registered_model_alias(m, "none", 99)
    p.set_registered_model_alias(m, "v1", 1)
    p.set_registered_model_alias(m, "a b", 1)
    p.get_model_version_by_alias(m, "best")
    p.get_model_version_by_alias(m, "nothing")


def _changes(p: Any, m: str) -> None:
    p.create_registered_model(m, {"n": "1"}, "text")
    p.create_registered_model(f"{m}-other")
    for number in range(3):
        p.create_model_version(m, f"s3://b/{number}", "a" * 32, {"k": str(number)}, "link", "d")
    p.transition_model_version_stage(m, 2, "Production")
    p.transition_model_version_stage(m, 3, "Staging")
    p.set_registered_model_alias(m, "best", 2)
    p.set_registered_model_tag(m, "k", "v")
    p.delete_registered_model_tag(m, "k")
    p.delete_registered_model_tag(m, "k")
    p.set_model_version_tag(m, 2, "k", "v")
    p.delete_model_version_tag(m, 2, "k")
    p.delete_model_version_tag(m, 2, "k")
    p.delete_model_version_tag(m, 99, "k")
    p.get_registered_model(m)
    p.copy_model_version(f"models:/{m}/2", f"{m}-copy")
    p.copy_model_version(f"models:/{m}-copy/1", f"{m}-copy")
    p.get_model_version_download_uri(f"{m}-copy", 2)
    p.copy_model_version(f"models:/{m}/99", f"{m}-copy")
    p.delete_model_version(m, 3)
    p.delete_model_version(m, 3)
    p.delete_model_version(m, 2)
    p.get_model_version_by_alias(m, "best")
    p.create_model_version(m, "s3://b/next")
    p.get_latest_versions(m)
    p.get_registered_model(m)
    p.rename_registered_model(m, f"{m}-other")
    p.rename_registered_model(m, f"{m}-new")
    p.rename_registered_model(m, f"{m}-newer")
    p.get_registered_model(f"{m}-new")
    p.get_model_version(f"{m}-new", 1)
    p.delete_registered_model(f"{m}-new")
    p.delete_registered_model(f"{m}-new")
    p.create_registered_model(f"{m}-new")
    p.create_model_version(f"{m}-new", "s3://b/first")


def _searches(p: Any, m: str) -> None:
    for number, name in enumerate(("CordobaWeather", "Boston", "BostonWeather", "Bologna")):
        p.create_registered_model(m + name, {"team": "sky" if number % 2 else "sea"})
        for version in range(3):
            run_id = "abcd"[version] * 32
            p.create_model_version(m + name, f"A/{version}", run_id, {"n": str(version)})
    for filter_string in (
        f"name LIKE '{m}Bo%'",
        f"name ILIKE '{m}bo%' AND tags.team = 'sky'",
        f"name LIKE '{m}%' AND tag.team != 'sky'",
        f"name = '{m}Boston'",
        f"name != '{m}Boston' AND name LIKE '{m}%'",
        "name LIKE",
        "nothing = 'x'",
        "name = 5",
    ):
        for order_by in (None, ["name DESC"], ["timestamp\tASC", "name\nDESC"], ["what ASC"]):
            p.search_registered_models(filter_string, order_by=order_by)
    page = p.search_registered_models(f"name LIKE '{m}%'", max_results=3)
    p.search_registered_models(f"name LIKE '{m}%'", max_results=3, page_token=page.token)
    p.search_registered_models(f"name LIKE '{m}%'", page_token="evilhax")
    p.search_registered_models(max_results=10**15)
    ids = "('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'dddddddddddddddddddddddddddddddd')"
    by = ["name", "version_number DESC"]
    for filter_string in (
        f"name LIKE '{m}%' AND version_number > 1",
        f"name LIKE '{m}%' AND version_number <= 1",
        f"name LIKE '{m}%' AND run_id IN {ids}",
        f"name LIKE '{m}%' AND run_id IN {ids.upper()}",
        f"name LIKE '{m}%' AND source_path = 'A/1'",
        f"name ILIKE '{m}bos%' AND tags.n = '2'",
        "run_id IN ()",
        "run_id IN (",
        "name > 'x'",
    ):
        p.search_model_versions(filter_string, order_by=by)
    p.search_model_versions(f"name = '{m}Boston'", order_by=["last_updated_timestamp DESC"])
    page = p.search_model_versions(f"name LIKE '{m}%'", max_results=5, order_by=by)
    p.search_model_versions(
        f"name LIKE '{m}%'", max_results=50, order_by=by, page_token=page.token
    )
    p.search_model_versions(max_results=10**15)
    p.search_model_versions(max_results=0)


@pytest.mark.parametrize("program", [_life, _changes, _searches])
def test_a_program_is_answered_as_by_the_store_of_mlflow(
    program: Any, database: MlflowClient, lake: MlflowClient
) -> None:
    _both(database, lake, program, program.__name__.strip("_"))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (("get_registered_model", "none"), "Registered Model with name=none not found"),
        (("get_model_version", "none", 1), r"Model Version \(name=none, version=1\) not found"),
        (("rename_registered_model", "f", None), "Missing value for required parameter 'new_"),
        (("rename_registered_model", "f", ""), "Missing value for required parameter 'new_"),
        (("rename_registered_model", "f", "g"), r"Registered Model \(name=g\) already exists"),
        (
            ("transition_model_version_stage", "f", 1, "x", False),
            "Invalid Model Version stage: x. Value must be one of None, Staging, Production, Ar",
        ),
        (
            ("transition_model_version_stage", "f", 1, "None", True),
            "Model version transition cannot archive existing model versions because .* is not",
        ),
        (("get_model_version_by_alias", "f", "x"), "Registered model alias x not found."),
        (
            ("search_registered_models", None, 10**15),
            "Invalid value for request parameter max_results",
        ),
        (("search_model_versions", None, 0), "Invalid value for max_results."),
    ],
)
def test_the_words_of_an_error_are_those_that_programs_look_for(
    call: tuple[Any, ...], says: str, lake: MlflowClient
) -> None:
    store = lake._get_registry_client().store
    for name in {"f", "g"} - {each.name for each in store.search_registered_models()}:
        store.create_registered_model(name)
        store.create_model_version(name, "s3://b/x")
    with pytest.raises(MlflowException, match=says):
        getattr(store, call[0])(*call[1:])


def test_archived_and_promoted_versions_share_their_time(lake: MlflowClient) -> None:
    lake.create_registered_model("times")
    for _ in range(3):
        lake.create_model_version("times", "s3://b/x")
    lake.transition_model_version_stage("times", 1, "Staging")
    lake.transition_model_version_stage("times", 2, "Staging")
    moved = lake.transition_model_version_stage("times", 3, "Staging", True)
    found = [lake.get_model_version("times", number) for number in (1, 2)]
    assert {each.last_updated_timestamp for each in found} == {moved.last_updated_timestamp}
    assert {each.current_stage for each in found} == {"Archived"}
    assert (
        moved.last_updated_timestamp
        == lake.get_registered_model("times").last_updated_timestamp
    )


def test_stages_warn_once_in_the_words_of_mlflow(lake: MlflowClient) -> None:
    lake.create_registered_model("warned")
    lake.create_model_version("warned", "s3://b/x")
    store = lake._get_registry_client().store
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.transition_model_version_stage("warned", 1, "Staging", False)
        store.get_latest_versions("warned", ["Staging"])


def test_the_alias_latest_is_the_largest_version_in_any_stage(lake: MlflowClient) -> None:
    lake.create_registered_model("newest")
    store = lake._get_registry_client().store
    with pytest.raises(MlflowException, match="Latest version not found") as raised:
        store.get_model_version_by_alias("newest", "latest")
    assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    for _ in range(11):
        lake.create_model_version("newest", "s3://b/x")
    lake.transition_model_version_stage("newest", 11, "Archived")
    assert store.get_model_version_by_alias("newest", "LATEST").version == 11


def test_tags_may_be_as_long_as_a_prompt_is(lake: MlflowClient) -> None:
    lake.create_registered_model("long")
    lake.create_model_version("long", "s3://b/x", tags={"k": "x" * 100_000})
    assert len(lake.get_model_version("long", 1).tags["k"]) == 100_000


def test_both_clients_see_one_registry(lake: MlflowClient) -> None:
    ours = lakeflow.LakeflowClient(lake.tracking_uri)
    ours.create_registered_model("shared", {"k": "v"}, "text")
    ours.create_model_version("shared", "s3://b/x", description="first")
    lake.set_registered_model_alias("shared", "best", 1)
    assert lake.get_model_version("shared", 1).description == "first"
    assert ours.get_model_version_by_alias("shared", "best").version == 1
    assert lake.get_registered_model("shared").tags == {"k": "v"}


def test_the_registry_may_be_in_another_lake(tmp_path: Path) -> None:
    runs, models = lake_uri(str(tmp_path / "runs")), lake_uri(str(tmp_path / "models"))
    client = MlflowClient(runs, models)
    run = client.create_run("0")
    client.log_text(run.info.run_id, "content", "model/MLmodel")
    client.create_registered_model("m")
    made = client.create_model_version("m", f"{run.info.artifact_uri}/model", run.info.run_id)
    assert made.run_id == run.info.run_id
    assert [each.name for each in client.search_registered_models()] == ["m"]
    assert MlflowClient(runs, runs).search_registered_models() == []
    report = lakeflow.registry.verify_model_version(
        "m", 1, registry_uri=str(tmp_path / "models")
    )
    assert report.is_good
    assert report.files == 1


def test_a_version_stays_with_its_files_where_the_lake_is_moved(tmp_path: Path) -> None:
    uri = lake_uri(str(tmp_path / "my lake"))
    client = MlflowClient(uri, uri)
    run = client.create_run("0")
    client.log_text(run.info.run_id, "content", "model/MLmodel")
    client.create_registered_model("m")
    source = f"{run.info.artifact_uri}/model"
    made = client.create_model_version("m", source, run.info.run_id)
    assert made.source == source
    assert client.get_model_version_download_uri("m", 1) == source
    shutil.copytree(tmp_path / "my lake", tmp_path / "moved")
    moved = lake_uri(str(tmp_path / "moved"))
    found = MlflowClient(moved, moved).get_model_version_download_uri("m", 1)
    assert found == source.replace("my%20lake", "moved")


def test_what_only_begins_as_a_logged_model_is_none(tmp_path: Path) -> None:
    uri = lake_uri(str(tmp_path / "lake"))
    store = MlflowClient(uri, uri)._get_registry_client().store
    store.create_registered_model("m")
    with pytest.raises(MlflowException, match="Not a proper models:/ URI"):
        store.create_model_version("m", "models:/m-1")
