"""Experiments are made, found, renamed, deleted and restored as in MLflow."""

import pytest

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
TAKEN = "RESOURCE_ALREADY_EXISTS"


def test_an_empty_store_has_the_default_experiment_alone(both):
    assert both("get_experiment", "0")["name"] == "Default"
    assert both("get_experiment_by_name", "Default")["experiment_id"] == "0"
    both.refuse(MISSING, "get_experiment", "1", text="No Experiment with id=1 exists")


def test_ids_count_up_and_a_failed_creation_takes_none(both):
    assert both("create_experiment", "a") == "1"
    both.refuse(TAKEN, "create_experiment", "a")
    both.refuse(INVALID, "create_experiment", "")
    assert both("create_experiment", "b") == "2"
    both("delete_experiment", "2")
    assert both("create_experiment", "c") == "3"


def test_tags_given_at_creation_become_text(both):
    both("create_experiment", "a", tags={"text": "x", "number": 1, "half": 0.5, "empty": ""})
    assert both("get_experiment", "1")["tags"] == {
        "text": "x",
        "number": "1",
        "half": "0.5",
        "empty": "",
    }
    both("create_experiment", "b", tags={})
    both("create_experiment", "c", tags=None)


@pytest.mark.parametrize(
    "name", [" ", "a\nb", "a/b", "..", "é日本", "default", "a" * 500, "a\x00b", "'; --"]
)
def test_any_text_up_to_500_characters_is_a_name(both, name):
    both("create_experiment", name)
    assert both("get_experiment_by_name", name)["name"] == name


@pytest.mark.parametrize("name", ["", None, 1, 1.5, True, ["a"], "a" * 501])
def test_what_is_no_text_or_too_long_is_no_name(both, name):
    both.refuse(INVALID, "create_experiment", name)


def test_names_are_found_by_upper_and_lower_case(both):
    both("create_experiment", "Name")
    assert both("get_experiment_by_name", "name") is None
    assert both("get_experiment_by_name", "Name")["experiment_id"] == "1"
    assert both("get_experiment_by_name", "") is None


def test_a_name_stays_taken_after_deletion_and_is_still_found(both):
    both("create_experiment", "a")
    both("delete_experiment", "1")
    both.refuse(TAKEN, "create_experiment", "a", text="Experiment(name=a) already exists")
    assert both("get_experiment_by_name", "a")["stage"] == "deleted"


@pytest.mark.parametrize(
    "location",
    [
        "folder",
        "runs",
        "/folder",
        "s3://bucket/path",
        "s3://bucket/path/",
        "s3://bucket",
        "s3://bucket/path?x=y",
        "s3://bucket/path?x=y#f",
        "file:///folder",
        "http://host/path?q=1",
        "dbfs:/path",
        "#a?",
        "",
        None,
    ],
)
def test_runs_keep_artifacts_below_the_location_of_their_experiment(both, location):
    both("create_experiment", "a", artifact_location=location)
    both("create_run", "1")


@pytest.mark.parametrize("location", ["runs:/x", "runs:"])
def test_a_run_is_no_place_for_artifacts_of_an_experiment(both, location):
    both.refuse(INVALID, "create_experiment", "a", location)


@pytest.mark.parametrize("name", ["b", "a", "é", " ", "a" * 500])
def test_an_experiment_gets_a_new_name(both, name):
    both("create_experiment", "a")
    both("rename_experiment", "1", name)
    assert both("get_experiment_by_name", name)["experiment_id"] == "1"


def test_a_name_is_free_after_a_renaming(both):
    both("create_experiment", "a")
    both("rename_experiment", "1", "b")
    both("create_experiment", "a")


def test_a_deleted_experiment_is_not_renamed(both):
    both("create_experiment", "a")
    both("delete_experiment", "1")
    both.refuse("INVALID_STATE", "rename_experiment", "1", "b", text="non-active")
    both("restore_experiment", "1")
    both("rename_experiment", "1", "b")


def test_experiment_tags_become_text_and_keep_the_last_value(both):
    both("create_experiment", "a", tags={"k": "old"})
    for value in ("new", "", "a\nb", 1, 0.5, None, True, {"a": [1]}, "x" * 5000):
        both("set_experiment_tag", "1", "k", value)
        assert both("get_experiment", "1")["tags"] == {"k": str(value)}
    both("set_experiment_tag", "0", "other", "v")


@pytest.mark.parametrize(
    "key", ["a//b", "../a", "/a", ".", "..", "a/", "a?", "", None, "a" * 251]
)
def test_a_bad_name_is_no_experiment_tag(both, key):
    both.refuse(INVALID, "set_experiment_tag", "0", key, "v")


def test_a_deleted_experiment_takes_no_tag_and_no_run(both):
    both("create_experiment", "a")
    both("delete_experiment", "1")
    both.refuse(
        INVALID, "set_experiment_tag", "1", "k", "v", text="must be in the 'active' state"
    )
    both.refuse(INVALID, "create_run", "1", text="must be in the 'active' state")
    both("restore_experiment", "1")
    both("set_experiment_tag", "1", "k", "v")
    both("create_run", "1")


def test_deletion_and_restoring_reach_every_run(both):
    both("create_experiment", "a")
    first, second = both("create_run", "1"), both("create_run", "1")
    elsewhere = both("create_run", "0")
    both("log_metric", first, "m", 1, timestamp=1, step=1)
    both("delete_run", second)
    both("delete_experiment", "1")
    assert both("get_run", first)["stage"] == "deleted"
    assert both("get_run", elsewhere)["stage"] == "active"
    both.refuse(INVALID, "log_metric", first, "m", 2, text="must be in the 'active' state")
    both.compact()
    both("restore_experiment", "1")
    assert both("get_run", first)["stage"] == "active"
    assert both("get_run", second)["stage"] == "active"
    both("log_metric", first, "m", 2, timestamp=2, step=2)


def test_a_run_of_a_deleted_experiment_is_restored_alone(both):
    both("create_experiment", "a")
    run = both("create_run", "1")
    both("delete_experiment", "1")
    both("restore_run", run)
    both("set_tag", run, "k", "v")


def test_an_experiment_is_deleted_once_and_restored_once(both):
    both("create_experiment", "a")
    both.refuse(MISSING, "restore_experiment", "1")
    both("delete_experiment", "1")
    both.refuse(MISSING, "delete_experiment", "1")
    both("restore_experiment", "1")
    both.refuse(MISSING, "restore_experiment", "1")


def test_the_default_experiment_can_be_deleted(both):
    both("delete_experiment", "0")
    both.refuse(INVALID, "create_run", "0")
    both("restore_experiment", "0")
    both("create_run", "0")


def test_an_experiment_id_may_be_a_number(both):
    both("create_experiment", "a")
    both("get_experiment", 1)
    both("set_experiment_tag", 1, "k", "v")
    both("create_run", 1)
    both("rename_experiment", 1, "b")
    both("delete_experiment", 1)
    both("restore_experiment", 1)


@pytest.mark.parametrize("unknown", ["1", "nope", "99999999999", 7])
def test_an_unknown_experiment_does_not_exist(both, unknown):
    both.refuse(MISSING, "get_experiment", unknown)
    both.refuse(MISSING, "delete_experiment", unknown)
    both.refuse(MISSING, "restore_experiment", unknown)
    both.refuse(MISSING, "rename_experiment", unknown, "name")
    both.refuse(MISSING, "set_experiment_tag", unknown, "k", "v")
    both.refuse(MISSING, "create_run", unknown)
