"""Facts about the registry, and where lakeflow answers otherwise than MLflow: the whole list."""

from typing import NamedTuple

import pytest

# That those of lakeflow warn too is looked at elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore:.*stage:FutureWarning")

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
TAKEN = "RESOURCE_ALREADY_EXISTS"
INTERNAL = "INTERNAL_ERROR"

MOVES = {
    # Whether the times of the model, and those of its version, were moved.
    "a description of the model": (True, False, "update_registered_model", "m", "text"),
    "a description of the version": (False, True, "update_model_version", "m", 1, "text"),
    "a stage": (True, True, "transition_model_version_stage", "m", 1, "Staging"),
    "the stage that it has": (True, True, "transition_model_version_stage", "m", 1, "none"),
    "a new version": (True, False, "create_model_version", "m", "s3://bucket/n"),
    "a version less": (True, False, "delete_model_version", "m", 2),
    "a tag of the model": (False, False, "set_registered_model_tag", "m", "k", "v"),
    "a tag of the version": (False, False, "set_model_version_tag", "m", 1, "k", "v"),
    "an alias": (False, False, "set_registered_model_alias", "m", "a", 1),
    "no tag": (False, False, "delete_registered_model_tag", "m", "k"),
    "no alias": (False, False, "delete_registered_model_alias", "m", "a"),
}

REFUSED = [
    (TAKEN, "create_registered_model", "m"),
    (INVALID, "create_registered_model", ""),
    (TAKEN, "rename_registered_model", "m", "n"),
    (INTERNAL, "rename_registered_model", "m", " "),
    (INTERNAL, "update_registered_model", "none"),
    (INTERNAL, "update_model_version", "none", 1),
    (MISSING, "delete_registered_model", "none"),
    (MISSING, "set_model_version_tag", "m", 99, "k", "v"),
    (INVALID, "set_model_version_tag", "m", 0, "k", "v"),
    (INVALID, "set_model_version_tag", "m", 1, None, "v"),
    (INVALID, "set_model_version_tag", "m", 1, "k", "v", "Staging"),
    (INTERNAL, "set_model_version_tag", "m", None, "k", "v", "Staging"),
    (INTERNAL, "transition_model_version_stage", "m", 1, "Archived", True),
    (INTERNAL, "transition_model_version_stage", "m", 1, " "),
    (INVALID, "transition_model_version_stage", "m", 1, "Active"),
    (INVALID, "get_latest_versions", "m", ["Active"]),
    (INVALID, "get_model_version_by_alias", "none", "a"),
    (INVALID, "get_model_version_by_alias", "m", "a"),
    (INVALID, "set_registered_model_alias", "m", "LATEST", 1),
    (INVALID, "set_registered_model_alias", "m", "v1", 1),
    (INVALID, "set_registered_model_alias", "m", "a", "1.0"),
    (MISSING, "set_registered_model_alias", "m", "a", 99),
    (INTERNAL, "copy_model_version", "runs:/abc/model", "n"),
    (INTERNAL, "copy_model_version", "models:/m/99", "n"),
    (INVALID, "search_registered_models", "version_number = 1"),
    (INVALID, "search_registered_models", None, 1_001),
    (INVALID, "search_registered_models", None, 10, ["name sideways"]),
    (INVALID, "search_registered_models", None, 10, ["name ASC junk"]),
    (INVALID, "search_model_versions", "nothing = 'x'"),
    (INVALID, "search_model_versions", "run_id IN ()"),
    (INVALID, "search_model_versions", "name > 'x'"),
    (INVALID, "search_model_versions", None, 0),
    (INVALID, "search_model_versions", None, 200_001),
    (INVALID, "search_model_versions", None, 10, None, "evilhax"),
]


class Difference(NamedTuple):
    """What the last one of some calls answers: an error's code, or ``fine``."""

    reason: str
    mlflow: str
    lakeflow: str
    calls: tuple


def differs(reason, mlflow, lakeflow, *calls):
    return Difference(reason, mlflow, lakeflow, calls)


LEAK = "MLflow lets an error of Python or of its database through"
MORE = "filters and orders of all kinds of things are the same here"
NAMES = "a name is checked in every call that gives one"
WHOLE = "what was logged is kept as it is"
ALIASES = "MLflow forgets aliases of a version that is given as a text"

DIFFERENCES = {
    "a new name is not None": differs(
        LEAK, "AttributeError", INVALID, ("rename_registered_model", "m", None)
    ),
    "a stage is not None": differs(
        LEAK,
        "AttributeError",
        INVALID,
        ("transition_model_version_stage", "m", 1, None),
    ),
    "a version is not None": differs(LEAK, INTERNAL, INVALID, ("get_model_version", "m", None)),
    "a tag to delete has a good name": differs(
        NAMES, "fine", INVALID, ("delete_registered_model_tag", "m", "x" * 251)
    ),
    "a tag is whole": differs(
        WHOLE, INVALID, "fine", ("set_registered_model_tag", "m", "k", "x" * 5001)
    ),
    "an alias goes with its version": differs(
        ALIASES,
        MISSING,
        INVALID,
        ("set_registered_model_alias", "m", "a", 1),
        ("delete_model_version", "m", "1"),
        ("get_model_version_by_alias", "m", "a"),
    ),
    "a filter has OR": differs(
        MORE, INVALID, "fine", ("search_registered_models", "name = 'm' OR name = 'n'")
    ),
    "a field of a filter is quoted": differs(
        MORE, INVALID, "fine", ("search_registered_models", "`name` = 'm'")
    ),
    "a filter knows aliases": differs(
        MORE, INVALID, "fine", ("search_model_versions", "aliases = 'a'")
    ),
    "models are ordered by their age": differs(
        MORE,
        INVALID,
        "fine",
        ("search_registered_models", None, 10, ["creation_timestamp"]),
    ),
    "an order may end in spaces": differs(
        MORE, INVALID, "fine", ("search_model_versions", None, 10, ["name  DESC "])
    ),
    "a field orders once": differs(
        "it is an error of the caller's",
        INTERNAL,
        INVALID,
        ("search_model_versions", None, 10, ["name", "name DESC"]),
    ),
    "a source may be named by an alias": differs(
        "whatever else takes a URI takes this one",
        INTERNAL,
        "fine",
        ("set_registered_model_alias", "m", "a", 1),
        ("create_model_version", "n", "models:/m@a"),
    ),
}


@pytest.fixture
def registry(answering):
    """Both stores with a model of two versions and a model of none."""
    answering("create_registered_model", "m")
    answering("create_registered_model", "n")
    for source in ("s3://bucket/1", "s3://bucket/2"):
        answering("create_model_version", "m", source)
    return answering


def test_malformed_calls_are_refused_alike(registry):
    for code, method, *args in REFUSED:
        registry.refuse(code, method, *args)


@pytest.mark.parametrize("fact", DIFFERENCES)
def test_the_registries_differ_on_purpose(registry, fact):
    difference = DIFFERENCES[fact]
    theirs, ours = [registry.answers(*call) for call in difference.calls][-1]
    assert theirs.get("error", "fine") == difference.mlflow
    assert ours.get("error", "fine") == difference.lakeflow


@pytest.mark.parametrize("fact", MOVES)
def test_times_move_alike(registry, fact):
    moves_model, moves_version, *call = MOVES[fact]
    registry("create_registered_model", "newest")
    registry(*call)
    newest = registry("search_registered_models", order_by=["last_updated_timestamp DESC"])
    assert newest["place 0"]["name"] == ("m" if moves_model else "newest")
    assert registry("get_model_version", "m", 1)["changed"] == moves_version


def test_a_rename_moves_the_times_of_the_model_and_of_its_versions(registry):
    registry("create_model_version", "n", "s3://bucket/3")
    registry("rename_registered_model", "m", "o")
    for folded in (False, True):
        newest = registry("search_registered_models", order_by=["timestamp DESC"])
        assert newest["place 0"]["name"] == "o"
        assert [registry("get_model_version", "o", at)["changed"] for at in (1, 2)] == [
            True
        ] * 2
        for order in (
            None,
            ["last_updated_timestamp", "name"],
            ["last_updated_timestamp DESC"],
        ):
            registry("walk", "search_model_versions", 1, {"order_by": order})
        if not folded:
            registry.compact()
            registry("update_model_version", "n", 1, "newer than the name")


def test_the_newest_versions_are_found_first_and_archived_ones_tie(registry):
    for version in (1, 2):
        registry("transition_model_version_stage", "m", version, "production", True)
    registry("create_model_version", "n", "models:/m/1")
    registry("update_model_version", "m", 1, "text")
    for size in (1, 2, 10):
        registry("walk", "search_model_versions", size, {})


def test_numbers_are_never_used_twice_but_after_the_model_was_deleted(registry):
    registry("delete_model_version", "m", 2)
    assert registry("create_model_version", "m", "/x")["version"] == 3
    registry("delete_registered_model", "m")
    registry("create_registered_model", "m")
    assert registry("create_model_version", "m", "/x")["version"] == 1
    assert registry("get_registered_model", "m")["aliases"] == {}


def test_a_copy_of_a_copy_is_downloaded_from_the_original(registry):
    registry("create_model_version", "m", "/x", "run", {"k": None}, "link", "text")
    registry("set_registered_model_alias", "m", "champion", 3)
    registry("transition_model_version_stage", "m", 3, "Production")
    registry("copy_model_version", "models:/m@champion", "copy")
    made = registry("copy_model_version", "models:/copy/latest", "n")
    assert (made["source"], made["stage"], made["tags"]) == (
        "models:/copy/1",
        "None",
        {"k": "None"},
    )
    assert registry("get_model_version_download_uri", "n", 1) == "/x"
