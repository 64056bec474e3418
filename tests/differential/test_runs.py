"""Runs are made, named, ended, deleted and restored as in MLflow."""

import pytest

from lakeflow.entities import Metric, RunTag

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
NAME = "mlflow.runName"
PARENT = "mlflow.parentRunId"


def test_a_new_run_is_running_from_now_on(both):
    run = both("create_run", "0")
    found = both("get_run", run)
    assert (found["status"], found["start"], found["end"]) == ("RUNNING", "<now>", None)
    assert (found["stage"], found["user"]) == ("active", "unknown")
    assert found["artifacts"] == f"<root>/0/{run}/artifacts"


@pytest.mark.parametrize(
    ("given", "start"), [(1000, 1000), (-5, -5), (0, "<now>"), (None, "<now>"), (2**47, 2**47)]
)
def test_a_run_starts_when_it_is_said_to_and_zero_is_now(both, given, start):
    run = both("create_run", "0", start_time=given)
    assert both("get_run", run)["start"] == start


@pytest.mark.parametrize("name", ["n", " ", "a\nb", "é/ü", "x" * 250, "brave-bee-7"])
def test_the_name_of_a_run_is_a_tag_too(both, name):
    by_argument = both("create_run", "0", run_name=name)
    by_tag = both("create_run", "0", tags={NAME: name})
    by_both = both("create_run", "0", tags={NAME: name}, run_name=name)
    for run in (by_argument, by_tag, by_both):
        found = both("get_run", run)
        assert found["name"] == found["tags"][NAME]


@pytest.mark.parametrize("name", ["", None])
def test_a_run_without_a_name_gets_one(both, name):
    found = both("get_run", both("create_run", "0", run_name=name))
    assert found["name"] == found["tags"][NAME] == "<generated>"
    assert both("get_run", both("create_run", "0", None, {NAME: "t"}, name))["name"] == "t"


def test_two_different_names_are_refused(both):
    both.refuse(
        INVALID,
        "create_run",
        "0",
        tags={NAME: "b"},
        run_name="a",
        text="(run_name='a', mlflow.runName='b')",
    )


@pytest.mark.parametrize("user", ["u", "", "a b"])
def test_the_user_is_that_of_the_tag_at_creation(both, user):
    run = both("create_run", "0", tags={"mlflow.user": user})
    assert both("get_run", run)["user"] == user
    both("set_tag", run, "mlflow.user", "other")
    assert both("get_run", run)["user"] == user


def test_a_parent_is_found_by_the_tag_of_its_child(both):
    parent, child, other = (both("create_run", "0") for _ in range(3))
    by_creation = both("create_run", "0", tags={PARENT: parent})
    both("set_tag", child, PARENT, parent)
    assert both("get_parent_run", child) == both("get_run", parent)
    assert both("get_parent_run", by_creation) == both("get_run", parent)
    assert both("get_parent_run", other) is None
    both("delete_run", parent)
    assert both("get_parent_run", child)["stage"] == "deleted"
    both("delete_tag", child, PARENT)
    assert both("get_parent_run", child) is None


def test_a_parent_that_is_not_there_is_an_error(both):
    both.refuse(MISSING, "get_parent_run", both("create_run", "0", tags={PARENT: "nope"}))
    both.refuse(INVALID, "get_parent_run", both("create_run", "0", tags={PARENT: ""}))
    both.refuse(INVALID, "get_parent_run", both("create_run", "0", tags={PARENT: "../x"}))
    both.refuse(MISSING, "get_parent_run", "nope")


@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"])
def test_every_status_can_be_set(both, status):
    run = both("create_run", "0")
    both("update_run", run, status)
    assert both("get_run", run)["status"] == status
    assert both("get_run", run)["end"] is None
    both("set_terminated", run, status, 77)
    assert both("get_run", run)["end"] == 77
    both("set_terminated", run, status)
    assert both("get_run", run)["end"] == "<now>"


@pytest.mark.parametrize(("given", "end"), [(1, 1), (-1, -1), (0, "<now>"), (None, "<now>")])
def test_a_run_ends_finished_and_when_it_is_said_to(both, given, end):
    run = both("create_run", "0")
    assert both("set_terminated", run, end_time=given) is None
    found = both("get_run", run)
    assert (found["status"], found["end"]) == ("FINISHED", end)


def test_an_update_keeps_what_it_does_not_name(both):
    run = both("create_run", "0", run_name="a")
    both("set_terminated", run, "FAILED", 77)
    assert both("update_run", run, name="b") is None
    found = both("get_run", run)
    assert (found["name"], found["status"], found["end"]) == ("b", "FAILED", 77)
    both("update_run", run, "RUNNING")
    found = both("get_run", run)
    assert (found["name"], found["status"], found["end"]) == ("b", "RUNNING", 77)
    both("update_run", run, "KILLED", "c")
    both("update_run", run, name="")
    both("update_run", run)
    assert both("get_run", run)["name"] == "c"


def test_an_update_of_nothing_looks_for_no_run(both):
    both("update_run", "nope")
    both("update_run", "../x")


def test_name_and_tag_stay_in_step(both):
    run = both("create_run", "0", run_name="a")

    def names():
        found = both("get_run", run)
        return found["name"], found["tags"].get(NAME)

    both("update_run", run, name="b")
    assert names() == ("b", "b")
    both("set_tag", run, NAME, "c")
    assert names() == ("c", "c")
    both("log_batch", run, [], [], [RunTag(NAME, "d"), RunTag(NAME, "e")])
    assert names() == ("e", "e")
    both("set_tag", run, NAME, 5)
    assert names() == ("5", "5")
    both.compact()
    both("delete_tag", run, NAME)
    assert names() == ("5", None)
    both("update_run", run, "KILLED")
    both("update_run", run, name="f")
    assert names() == ("f", "f")


def test_an_ended_run_takes_everything(both):
    run = both("create_run", "0")
    both("set_terminated", run)
    both("log_metric", run, "m", 1, timestamp=1, step=1)
    both("log_param", run, "p", 1)
    both("set_tag", run, "t", 1)
    both("delete_tag", run, "t")
    both("update_run", run, "FAILED", "name")


def test_a_deleted_run_can_be_read_and_not_written(both):
    run = both("create_run", "0")
    both("log_metric", run, "m", 1, timestamp=1, step=1)
    both("log_param", run, "p", 1)
    both("set_tag", run, "t", 1)
    both("delete_run", run)
    both.compact()
    assert both("get_run", run)["params"] == {"p": "1"}
    writes = [
        ("log_metric", run, "m", 2),
        ("log_param", run, "p", 1),
        ("log_param", run, "new", 1),
        ("set_tag", run, "t", 2),
        ("delete_tag", run, "t"),
        ("delete_tag", run, "nope"),
        ("log_batch", run, [Metric("m", 2.0, 2, 2)]),
        ("update_run", run, "FAILED"),
        ("update_run", run, "RUNNING"),
        ("update_run", run, None, "name"),
        ("set_terminated", run),
    ]
    for write in writes:
        both.refuse(INVALID, *write, text="must be in the 'active' state")
    both("log_batch", run)
    both("update_run", run)
    both("restore_run", run)
    both("log_metric", run, "m", 2, timestamp=2, step=2)


def test_deleting_and_restoring_twice_is_fine(both):
    run = both("create_run", "0")
    both("restore_run", run)
    for method in ("delete_run", "delete_run", "restore_run", "restore_run", "delete_run"):
        both(method, run)
        both("get_run", run)


@pytest.mark.parametrize("unknown", ["nope", "0", "a" * 32, "a" * 256, "tr-1", "a-b_c"])
def test_an_unknown_run_does_not_exist(both, unknown):
    calls = [
        ("get_run",),
        ("get_parent_run",),
        ("update_run", "FINISHED"),
        ("update_run", None, "name"),
        ("set_terminated",),
        ("delete_run",),
        ("restore_run",),
        ("log_metric", "m", 1),
        ("log_param", "p", 1),
        ("set_tag", "t", 1),
        ("delete_tag", "t"),
        ("log_batch", [Metric("m", 1.0, 1, 1)]),
        ("log_batch", [], [], [RunTag("t", "1")]),
    ]
    for method, *args in calls:
        both.refuse(MISSING, method, unknown, *args)


@pytest.mark.parametrize("text", ["", "../x", "a b", "é", "-a", "a" * 257])
def test_what_cannot_be_a_run_id_is_invalid(both, text):
    both.refuse(INVALID, "get_run", text)
    both.refuse(INVALID, "get_parent_run", text)
    both.refuse(INVALID, "update_run", text, "FINISHED")
    both.refuse(INVALID, "log_batch", text, [Metric("m", 1.0, 1, 1)])
