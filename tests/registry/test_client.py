"""The registry through the client: MLflow's documented examples, codes, order of checks."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import lakeflow
from lakeflow import LakeflowClient, MlflowException
from lakeflow.exceptions import NotFoundError
from lakeflow.registry_client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INVALID, MISSING = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
TAKEN, INTERNAL = "RESOURCE_ALREADY_EXISTS", "INTERNAL_ERROR"


@pytest.fixture
def model(client: LakeflowClient) -> LakeflowClient:
    """Return a client of a lake with a model ``m`` that has versions 1 and 2."""
    client.create_registered_model("m", {"nlp.framework": "Spark NLP"}, "Tells the tone.")
    for number in (1, 2):
        client.create_model_version("m", f"s3://models/{number}", "a" * 32, {"n": number})
    return client


def code_of(call: Callable[..., object], *arguments: object) -> tuple[str, str]:
    with pytest.raises(MlflowException) as caught:
        call(*arguments)
    return caught.value.error_code, str(caught.value)


def test_a_model_keeps_what_it_is_made_with_until_that_is_changed(
    model: LakeflowClient,
) -> None:
    found = model.get_registered_model("m")
    assert (found.name, found.tags) == ("m", {"nlp.framework": "Spark NLP"})
    assert found.description == "Tells the tone."
    assert model.update_registered_model("m", "Happy, sad, angry.").description == (
        "Happy, sad, angry."
    )
    model.set_registered_model_tag("m", "none", None)
    model.delete_registered_model_tag("m", "nlp.framework")
    model.delete_registered_model_tag("m", "absent")
    assert model.get_registered_model("m").tags == {"none": "None"}
    model.delete_registered_model("m")
    assert model.search_registered_models() == []
    assert model.search_model_versions() == []
    model.create_registered_model("m")
    assert model.create_model_version("m", "s").version == 1


def test_a_new_name_takes_versions_tags_and_aliases_along(model: LakeflowClient) -> None:
    before = model.get_registered_model("m")
    model.set_registered_model_alias("m", "champion", "2")
    # As in MLflow, whose documentation says something else.
    assert model.rename_registered_model("m", "n") is None
    after = model.get_registered_model("n")
    assert (after.tags, after.aliases) == (before.tags, {"champion": 2})
    assert model.get_model_version_by_alias("n", "champion").tags == {"n": "2"}
    assert code_of(lambda: model.get_registered_model("m"))[0] == MISSING
    model.create_registered_model("m")


def test_a_version_is_ready_as_soon_as_it_is_made(model: LakeflowClient) -> None:
    made = model.create_model_version(
        "m", "s3://models/3", "b" * 32, {"t": 1}, "http://run", "third", await_creation_for=0
    )
    assert (made.name, made.version, made.status) == ("m", 3, "READY")
    assert (made.current_stage, made.source) == ("None", "s3://models/3")
    assert (made.run_id, made.run_link, made.description) == ("b" * 32, "http://run", "third")
    assert made.tags == {"t": "1"}
    for version in (3, "3"):
        assert model.get_model_version("m", version) == made
    model.delete_model_version("m", "3")
    assert model.create_model_version("m", "s").version == 4
    assert model.update_model_version("m", 4, "").description == ""


def test_an_alias_points_at_one_version(model: LakeflowClient) -> None:
    model.set_registered_model_alias("m", "champion", 1)
    model.set_registered_model_alias("m", "champion", "2")
    model.set_registered_model_alias("m", "best", 2)
    assert model.get_registered_model("m").aliases == {"best": 2, "champion": 2}
    assert model.get_model_version("m", 2).aliases == ["best", "champion"]
    assert model.get_model_version("m", 1).aliases == []
    model.delete_registered_model_alias("m", "absent")
    model.delete_model_version("m", 2)
    assert model.get_registered_model("m").aliases == {}


def test_a_copy_of_a_copy_has_the_files_of_the_original(model: LakeflowClient) -> None:
    model.set_registered_model_alias("m", "champion", 2)
    first = model.copy_model_version("models:/m@champion", "copy")
    second = model.copy_model_version("models:/copy/latest", "copy of a copy")
    assert (first.version, first.source, first.aliases) == (1, "models:/m/2", [])
    assert (second.source, second.tags, second.run_id) == (
        "models:/copy/1",
        {"n": "2"},
        "a" * 32,
    )
    assert model.copy_model_version("models:/m/1", "copy").version == 2
    uri = model.get_model_version_download_uri("copy of a copy", 1)
    assert uri == model.get_model_version_download_uri("m", 2) == "s3://models/2"


def test_searches_filter_order_and_page(model: LakeflowClient) -> None:
    for name in ("Boston", "Bologna"):
        model.create_registered_model(name, {"team": "sky"})
    page = model.search_registered_models("tags.team = 'sky'", max_results=1)
    assert [each.name for each in page] == ["Bologna"]
    page = model.search_registered_models("tags.team = 'sky'", 1, page_token=page.token)
    assert [each.name for each in page] == ["Boston"]
    assert not page.token
    found = model.search_registered_models(order_by=["name DESC"])
    assert [each.name for each in found] == ["m", "Boston", "Bologna"]
    model.set_registered_model_alias("m", "champion", 1)
    for wanted in ("aliases = 'champion'", "run_id = '{}' AND version_number < 2"):
        versions = model.search_model_versions(wanted.format("a" * 32))
        assert [each.version for each in versions] == [1], wanted
    assert model.search_model_versions()[0].version == 2


def test_a_copy_is_of_the_version_that_was_named_whatever_happens_meanwhile(
    model: LakeflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = model._registry
    change = store.models.change

    def meanwhile(*others: tuple[str, ...]) -> None:
        def first_others(decide: Any) -> Any:
            monkeypatch.undo()
            for name, *arguments in others:
                getattr(model, name)(*arguments)
            return change(decide)

        monkeypatch.setattr(store.models, "change", first_others)

    meanwhile(("rename_registered_model", "m", "o"))
    assert model.copy_model_version("models:/m/1", "copy").source == "models:/o/1"
    # Another model has the name and a version 1, of other files.
    meanwhile(
        ("delete_registered_model", "o"),
        ("create_registered_model", "o"),
        ("create_model_version", "o", "s3://others"),
    )
    code, text = code_of(model.copy_model_version, "models:/o/1", "copy")
    assert (code, "deleted while it was copied" in text) == (MISSING, True)
    assert len(model.search_model_versions("name = 'copy'")) == 1


def test_the_longest_values_are_kept_replaced_and_removed() -> None:
    uri = "memory://longest-values"
    client = LakeflowClient(uri)
    client.create_registered_model("m")
    longest = ["x" * 2**20, "\N{GRINNING FACE}" * 2**18, 'a "quoted"\nline ' * 2**15]
    for value in longest:
        client.set_registered_model_tag("m", "k", value)
        client.update_registered_model("m", value)
        assert client.get_registered_model("m").tags["k"] == value
    lakeflow.compact(uri)
    assert client.get_registered_model("m").description == longest[-1]
    code, _ = code_of(client.set_registered_model_tag, "m", "k", "x" * (2**20 + 1))
    assert code == INVALID
    # Each of them alone may be as long; all of them together are more than one change takes.
    code, text = code_of(
        client.create_registered_model, "n", dict.fromkeys("abcdef", longest[0])
    )
    assert (code, "bytes of the log" in text) == (INVALID, True)
    client.delete_registered_model("m")
    assert client.search_registered_models() == []


LONE = "a\ud800"
"""No Unicode text: half of a pair."""


def test_what_is_no_unicode_is_refused_in_every_call(model: LakeflowClient, uri: str) -> None:
    client = model
    token = client.search_model_versions(max_results=1).token
    calls: list[Callable[[], object]] = [
        lambda: client.create_registered_model(LONE),
        lambda: client.create_registered_model("n", {"k": LONE}),
        lambda: client.create_registered_model("n", {LONE: "v"}),
        lambda: client.create_registered_model("n", description=LONE),
        lambda: client.rename_registered_model("m", LONE),
        lambda: client.get_registered_model(LONE),
        lambda: client.create_model_version("m", LONE),
        lambda: client.create_model_version("m", "s", LONE),
        lambda: client.create_model_version("m", "s", run_link=LONE),
        lambda: client.set_model_version_tag("m", 1, "k", LONE),
        lambda: client.set_registered_model_alias("m", LONE, 1),
        lambda: client.get_model_version("m", LONE),
        lambda: client.search_registered_models(f"name = '{LONE}'"),
        lambda: client.search_model_versions(f"tags.`{LONE}` = 'v'"),
        lambda: client.search_model_versions(order_by=[f"tags.`{LONE}`"]),
        lambda: client.search_model_versions(page_token=LONE),
        lambda: client.search_model_versions(page_token=f"{token}\udcff"),
        lambda: client.search_model_versions(page_token="\xff\xfe"),
        lambda: client.search_model_versions(page_token="gIGC"),
        lambda: lakeflow.approve_model_version("m", 1, note=LONE),
        lambda: lakeflow.registry.history(LONE, registry_uri=uri),
    ]
    for place, call in enumerate(calls):
        code, text = code_of(call)
        assert code == INVALID, f"{place}: {text}"
        text.encode()
    with pytest.raises(MlflowException):
        client.copy_model_version(f"models:/m/{LONE}", "n")


REFUSED: list[tuple[str, list[Any], str, str]] = [
    ("create_registered_model", ["m"], TAKEN, "Registered Model (name=m) already exists"),
    ("create_registered_model", [""], INVALID, "cannot be empty"),
    ("create_registered_model", [None], INVALID, "cannot be empty"),
    ("create_registered_model", ["n", ["a"]], INVALID, "not a dictionary"),
    ("rename_registered_model", ["m", " "], INTERNAL, "must not be an empty string"),
    ("rename_registered_model", ["x", "y"], MISSING, "name=x not found"),
    ("update_registered_model", ["x"], INTERNAL, "no new field values"),
    ("update_registered_model", ["x", "d"], MISSING, "name=x not found"),
    ("delete_registered_model", ["x"], MISSING, "name=x not found"),
    ("get_registered_model", ["x"], MISSING, "name=x not found"),
    ("set_registered_model_tag", ["x", None, 1], INVALID, "required parameter 'key'"),
    ("set_registered_model_tag", ["x", "k", 1], MISSING, "name=x not found"),
    ("search_registered_models", ["foo = 'a'"], INVALID, "foo"),
    ("search_registered_models", [None, 1001], INVALID, "max_results"),
    ("search_model_versions", [None, 200_001], INVALID, "max_results"),
    ("create_model_version", ["x", "s"], MISSING, "name=x not found"),
    ("create_model_version", ["", None], INVALID, "cannot be empty"),
    ("create_model_version", ["m", None], INVALID, "source is None"),
    ("create_model_version", ["m", b"s3://b"], INVALID, "source is b's3://b'"),
    ("create_model_version", ["m", "models:/x/1"], INTERNAL, "Unable to fetch model"),
    ("create_model_version", ["m", "models:/m"], INTERNAL, "models:/ URI"),
    ("update_model_version", ["x", "a"], INTERNAL, "no new field values"),
    ("update_model_version", ["m", "a", "d"], INVALID, "must be an integer, got 'a'"),
    ("update_model_version", ["m", 3, "d"], MISSING, "(name=m, version=3) not found"),
    ("delete_model_version", ["m", 3], MISSING, "(name=m, version=3) not found"),
    ("get_model_version", ["m", 1.5], INVALID, "must be an integer"),
    ("get_model_version", ["m", 0], MISSING, "version=0"),
    ("get_model_version_download_uri", ["m", 3], MISSING, "version=3"),
    ("copy_model_version", ["runs:/a/b", "n"], INTERNAL, "Unsupported source model URI"),
    ("copy_model_version", ["models:/x/1", "n"], INTERNAL, "Failed to fetch model version"),
    ("copy_model_version", ["models:/m@x", "n"], INTERNAL, "Failed to fetch model version"),
    ("copy_model_version", ["models:/m", "n"], INTERNAL, "Failed to fetch model version"),
    (
        "copy_model_version",
        [f"models:/m/{'9' * 5_000}", "n"],
        INTERNAL,
        "Not a proper models:/",
    ),
    ("get_model_version", ["m", "9" * 5_000], INVALID, "must be an integer"),
    # The order of the checks: name, alias, version, then what is there.
    ("set_registered_model_alias", ["", "latest", "a"], INVALID, "name cannot be empty"),
    ("set_registered_model_alias", ["x", "LATEST", "a"], INVALID, "is reserved"),
    ("set_registered_model_alias", ["x", "v1", "a"], INVALID, "is reserved"),
    ("set_registered_model_alias", ["x", "a b", "a"], INVALID, "alias name"),
    ("set_registered_model_alias", ["x", "c" * 256, "a"], INVALID, "255"),
    ("set_registered_model_alias", ["x", "c", "a"], INVALID, "must be an integer"),
    ("set_registered_model_alias", ["m", "c", 3], MISSING, "version=3"),
    ("delete_registered_model_alias", ["x", "v1"], INVALID, "is reserved"),
    ("delete_registered_model_alias", ["x", "c"], MISSING, "name=x not found"),
    ("get_model_version_by_alias", ["", "v1"], INVALID, "name cannot be empty"),
    ("get_model_version_by_alias", ["m", "v1"], INVALID, "is reserved"),
    ("get_model_version_by_alias", ["x", "c"], INVALID, "c not found"),
    # Both or neither of version and stage; name, version, key, then what is there.
    ("set_model_version_tag", ["m"], INVALID, "version or stage must be set"),
    ("set_model_version_tag", ["m", 0, "k", 1], INVALID, "version or stage must be set"),
    ("set_model_version_tag", ["m", 1, "k", 1, "None"], INVALID, "set together"),
    ("delete_model_version_tag", ["m", 1, "k", "None"], INVALID, "set together"),
    ("set_model_version_tag", ["", "a", None], INVALID, "name cannot be empty"),
    ("set_model_version_tag", ["m", "a", None], INVALID, "must be an integer"),
    ("set_model_version_tag", ["m", 3, None], INVALID, "required parameter 'key'"),
    ("set_model_version_tag", ["m", 3, "k", 1], MISSING, "version=3"),
    ("delete_model_version_tag", ["m", "a", None], INVALID, "must be an integer"),
    ("delete_model_version_tag", ["m", 3, "k"], MISSING, "version=3"),
]


def test_what_is_refused_says_why_and_changes_nothing(model: LakeflowClient) -> None:
    before = model.search_model_versions(), model.search_registered_models()
    for method, arguments, code, words in REFUSED:
        found, text = code_of(getattr(model, method), *arguments)
        assert (found, words in text) == (code, True), f"{method}{arguments}: {text}"
    assert (model.search_model_versions(), model.search_registered_models()) == before


def test_stages_warn_at_the_line_of_the_caller(model: LakeflowClient) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "get_latest_versions": lambda: model.get_latest_versions("m"),
        "transition_model_version_stage": lambda: model.transition_model_version_stage(
            "m", 1, "pRODUCTION"
        ),
        "get_model_version_stages": lambda: model.get_model_version_stages("m", 1),
        "set_model_version_tag": lambda: model.set_model_version_tag(
            "m", key="k", value=None, stage="production"
        ),
        "delete_model_version_tag": lambda: model.delete_model_version_tag(
            "m", key="n", stage="Production"
        ),
    }
    results = {}
    for name, call in calls.items():
        with pytest.warns(FutureWarning, match=rf"\b{name}\b.* since 2\.9\.0") as warned:
            results[name] = call()
        assert [each.filename for each in warned] == [__file__], name
    assert [each.version for each in results["get_latest_versions"]] == [2]
    assert results["transition_model_version_stage"].current_stage == "Production"
    stages = ["None", "Staging", "Production", "Archived"]
    assert results["get_model_version_stages"] == stages
    assert model.get_model_version("m", 1).tags == {"k": "None"}


def test_stages_are_refused_as_in_mlflow(model: LakeflowClient) -> None:
    move, tag = model.transition_model_version_stage, model.set_model_version_tag
    assert code_of(lambda: move("m", 1, " "))[0] == INTERNAL
    assert code_of(lambda: move("m", 1, "gone"))[0] == INVALID
    assert code_of(lambda: move("m", 1, None))[0] == INVALID  # type: ignore[arg-type]
    assert code_of(lambda: move("m", 3, "Staging"))[0] == MISSING
    code, text = code_of(lambda: move("m", 1, "Archived", True))
    assert (code, "is not an Active stage" in text) == (INTERNAL, True)
    assert code_of(lambda: model.get_latest_versions("m", ["gone"]))[0] == INVALID
    assert code_of(lambda: model.get_latest_versions("x", ["gone"]))[0] == MISSING
    # The version is looked for before the key is looked at.
    code, text = code_of(lambda: tag("m", key=None, stage="Staging"))
    assert (code, "Could not find any model version" in text) == (INTERNAL, True)
    assert code_of(lambda: tag("m", key="k", stage="gone"))[0] == INVALID
    assert code_of(lambda: tag("x", key="k", stage="Staging"))[0] == MISSING
    move("m", 1, "Staging")
    assert code_of(lambda: tag("m", key=None, stage="Staging"))[0] == INVALID


def test_models_may_be_in_a_lake_of_their_own(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "runs", tmp_path / "models")
    client.create_run("0")
    client.create_registered_model("m")
    client.create_model_version("m", "s")
    assert LakeflowClient(tmp_path / "runs").search_registered_models() == []
    assert [each.name for each in LakeflowClient(tmp_path / "models").search_model_versions()]
    for twin in (copy.deepcopy(client), pickle.loads(pickle.dumps(client))):
        assert twin.get_model_version("m", 1).source == "s"
    lakeflow.set_tracking_uri(tmp_path / "runs")
    lakeflow.set_registry_uri(tmp_path / "models")
    assert [each.name for each in lakeflow.search_registered_models()] == ["m"]


def test_what_makes_or_searches_makes_the_lake_and_what_is_about_one_model_does_not(
    tmp_path: Path,
) -> None:
    make = {"create_registered_model", "search_registered_models", "search_model_versions"}
    for method in sorted(set(vars(RegistryClient)) - {"get_model_version_stages"}):
        if method.startswith("_"):
            continue
        models = tmp_path / method
        call = getattr(LakeflowClient(tmp_path / "runs", models), method)
        wanted = inspect.signature(call).parameters.values()
        arguments = [each.name for each in wanted if each.default is each.empty]
        if method in make:
            call(*arguments)
        else:
            with pytest.raises(NotFoundError, match=str(models)):
                call(*arguments)
        assert models.exists() == (method in make), method
    assert not (tmp_path / "runs").exists()
