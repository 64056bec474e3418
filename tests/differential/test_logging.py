"""Metrics, params and tags are taken, refused and kept as in MLflow."""

import math

import numpy as np
import pytest

from lakeflow.entities import Metric, Param, RunTag

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"

GOOD_KEYS = ["a", "a/b", "a b", "a:b", "a-b.c_d", "é", "日本", " ", ".a", "a" * 250]
BAD_KEYS = ["a//b", "../a", "..a", "/a", ".", "..", "a/..", "a/", "./a", "a/./b"]
BAD_KEYS += ["a\tb", "a?", "a%b", "a*", "a\x00b", "", None, "a" * 251]


@pytest.fixture
def run(both):
    """A run without anything."""
    return both("create_run", "0")


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_relative_path_of_plain_characters_is_a_name(both, run, key):
    both("log_metric", run, key, 1, timestamp=1, step=1)
    both("log_param", run, key, "v")
    both("set_tag", run, key, "v")
    both("log_batch", run, [Metric(key, 2.0, 2, 2)], [Param(key, "v")], [RunTag(key, "w")])
    both("delete_tag", run, key)


@pytest.mark.parametrize("key", BAD_KEYS)
def test_anything_else_is_no_name(both, run, key):
    both.refuse(INVALID, "log_metric", run, key, 1)
    both.refuse(INVALID, "log_param", run, key, "v")
    both.refuse(INVALID, "set_tag", run, key, "v")
    both.refuse(INVALID, "log_batch", run, [Metric(key, 1.0, 1, 1)])
    both.refuse(INVALID, "log_batch", run, [], [Param(key, "v")])
    both.refuse(INVALID, "log_batch", run, [], [], [RunTag(key, "v")])
    both.refuse(MISSING, "delete_tag", run, key)


# Metrics


@pytest.mark.parametrize(
    "value",
    [
        1,
        1.5,
        True,
        False,
        "1",
        "1.5",
        " 2 ",
        "1e5",
        "1_000",
        "nan",
        2**63,
        1e308,
        5e-324,
        math.nan,
        np.float64(2.5),
        np.float32(1.1),
        np.float16(0.1),
        np.int64(3),
        np.bool_(True),
        np.array([4.5]),
        np.array(5.5),
        np.array([[6]]),
        np.array(["7"]),
    ],
    ids=repr,
)
def test_what_float_takes_is_a_value(both, run, value):
    both("log_metric", run, "single", value, timestamp=1, step=1)
    both("log_batch", run, [Metric("batch", value, 1, 1)])
    found = both("get_run", run)["metrics"]
    assert found["single"] == found["batch"]


@pytest.mark.parametrize(
    "value", [None, "", "abc", "0x1", np.array([1, 2]), np.array([])], ids=repr
)
def test_what_float_does_not_take_is_no_value(both, run, value):
    both.refuse(INVALID, "log_metric", run, "m", value)
    both.refuse(INVALID, "log_batch", run, [Metric("m", value, 1, 1)])


def test_time_is_now_and_step_is_zero_unless_given(both, run):
    both("log_metric", run, "m", 1)
    both("log_metric", run, "zero", 1, timestamp=0, step=0)
    assert both("get_metric_history", run, "m") == [{"point": ["m", 1.0, "<now>", 0]}]
    assert both("get_metric_history", run, "zero") == [{"point": ["zero", 1.0, 0, 0]}]


@pytest.mark.parametrize("step", [-1, 2**62, -(2**63), 2**63 - 1, True, 2.0], ids=repr)
def test_a_step_is_any_whole_number(both, run, step):
    both("log_metric", run, "m", 1, timestamp=1, step=step)
    both("log_batch", run, [Metric("n", 1.0, 1, step)])


@pytest.mark.parametrize("timestamp", [-1, -(2**63), "1", "abc", [1]], ids=repr)
def test_a_time_before_the_epoch_or_no_number_is_refused(both, run, timestamp):
    both.refuse(INVALID, "log_metric", run, "m", 1, timestamp=timestamp)
    both.refuse(
        INVALID, "log_batch", run, [Metric("m", 1.0, timestamp, 0)], text="[0].timestamp"
    )


@pytest.mark.parametrize("step", ["1", "abc", [1], {"a": 1}], ids=repr)
def test_a_step_that_is_no_number_is_refused(both, run, step):
    both.refuse(INVALID, "log_metric", run, "m", 1, step=step)
    both.refuse(INVALID, "log_batch", run, [Metric("m", 1.0, 1, step)], text="metrics[0].step")


def test_time_and_step_of_a_batch_have_to_be_given(both, run):
    both.refuse(INVALID, "log_batch", run, [Metric("m", 1.0, None, 0)])
    both.refuse(INVALID, "log_batch", run, [Metric("m", 1.0, 1, None)])


def test_the_latest_metric_is_that_of_step_then_time(both, run):
    points = [(5, 10, 1), (4, 11, 1), (9, 10, 1), (1, 0, 2), (7, 99, 0), (2, 0, 2), (8, 5, -3)]
    for value, timestamp, step in points:
        both("log_metric", run, "m", value, timestamp=timestamp, step=step)
        both("get_run", run)
    assert both("get_run", run)["metrics"] == {"m": 2.0}
    both.compact()
    both("log_metric", run, "m", 3, timestamp=0, step=1)
    assert both("get_run", run)["metrics"] == {"m": 2.0}
    both("log_batch", run, [Metric("m", 6.0, 1, 2), Metric("m", 5.5, 0, 2)])
    assert both("get_run", run)["metrics"] == {"m": 6.0}


def test_negative_steps_come_before_step_zero(both, run):
    both("log_metric", run, "m", 1, timestamp=9, step=-2)
    both("log_metric", run, "m", 2, timestamp=1, step=-1)
    assert both("get_run", run)["metrics"] == {"m": 2.0}
    both("log_metric", run, "m", 3, timestamp=0, step=0)
    assert both("get_run", run)["metrics"] == {"m": 3.0}


def test_not_a_number_is_a_value_and_can_be_the_latest(both, run):
    both("log_metric", run, "m", 1, timestamp=1, step=1)
    both("log_metric", run, "m", math.nan, timestamp=1, step=2)
    assert both("get_run", run)["metrics"] == {"m": "<nan>"}
    both("log_metric", run, "m", 2, timestamp=1, step=3)
    assert both("get_run", run)["metrics"] == {"m": 2.0}
    assert len(both("get_metric_history", run, "m")) == 3


def test_the_history_of_an_unknown_metric_is_empty(both, run):
    assert both("get_metric_history", run, "nope") == []
    assert both("get_metric_history", run, "a//b") == []


def test_metrics_of_different_case_are_different(both, run):
    both("log_metric", run, "loss", 1, timestamp=1, step=1)
    both("log_metric", run, "Loss", 2, timestamp=1, step=1)
    assert both("get_run", run)["metrics"] == {"loss": 1.0, "Loss": 2.0}


# Params


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "", "é日本", "a\nb", "a\x00b", {"a": [1]}, "x" * 6000],
    ids=ascii,
)
def test_the_value_of_a_param_becomes_text_and_is_returned_as_given(both, run, value):
    assert both("log_param", run, "p", value) == value
    assert both("get_run", run)["params"] == {"p": str(value)}
    both("log_param", run, "p", value)
    both("log_batch", run, [], [Param("p", str(value))])


def test_a_param_keeps_its_first_value(both, run):
    both("log_param", run, "p", 1)
    both("log_param", run, "p", "1")
    for other in ("2", 1.0, "", None):
        both.refuse(INVALID, "log_param", run, "p", other, text="Changing param values is not")
    both.compact()
    both("log_param", run, "p", 1)
    both.refuse(INVALID, "log_param", run, "p", 2, text="Changing param values is not allowed")
    both("log_param", run, "empty", "")
    both.refuse(INVALID, "log_param", run, "empty", "x", text="Changing param values")


def test_params_of_a_batch_become_text(both, run):
    params = [Param("n", 1), Param("half", 0.5), Param("yes", True), Param("list", [1])]
    both("log_batch", run, [], params)
    both("log_batch", run, [], params)


# Tags


@pytest.mark.parametrize(
    "value",
    [1, 1.5, True, None, "", "é日本", "a\nb", "a\x00b", {"a": [1]}, "x" * 8000],
    ids=ascii,
)
def test_the_value_of_a_tag_becomes_text(both, run, value):
    assert both("set_tag", run, "t", value) is None
    assert both("get_run", run)["tags"]["t"] == str(value)


def test_a_tag_keeps_its_last_value(both, run):
    both("set_tag", run, "t", 1)
    both("set_tag", run, "t", 2)
    both("log_batch", run, [], [], [RunTag("t", "3"), RunTag("t", "4"), RunTag("u", "")])
    assert both("get_run", run)["tags"]["t"] == "4"
    both.compact()
    both("set_tag", run, "t", 5)
    assert both("get_run", run)["tags"]["t"] == "5"


def test_a_removed_tag_is_gone_until_it_is_set_again(both, run):
    both("set_tag", run, "t", 1)
    assert both("delete_tag", run, "t") is None
    both.refuse(MISSING, "delete_tag", run, "t", text="No tag with name: t")
    both("set_tag", run, "t", 2)
    both.compact()
    both("delete_tag", run, "t")
    both.refuse(MISSING, "delete_tag", run, "t")
    assert "t" not in both("get_run", run)["tags"]
    both("set_tag", run, "t", 3)


# Batches


def test_an_empty_batch_looks_for_no_run(both):
    assert both("log_batch", "nope") is None
    assert both("log_batch", "../x", [], [], []) is None


def test_a_batch_logs_everything(both, run):
    metrics = [Metric("m", float(i), i, -i) for i in range(5)]
    both("log_batch", run, metrics, [Param("p", "1")], [RunTag("t", "1")])
    both("log_batch", run, metrics=[Metric("m", float(i), i, i) for i in range(5, 9)])
    both("log_batch", run, params=[Param("p", "1"), Param("q", "2")])
    both("log_batch", run, tags=[RunTag("t", "2")])


def test_a_batch_may_be_larger_than_one_request(both, run):
    metrics = [Metric("big", i / 7, i, i) for i in range(2500)]
    params = [Param(f"p{i}", str(i)) for i in range(250)]
    tags = [RunTag(f"t{i}", str(i)) for i in range(150)]
    both("log_batch", run, metrics, params, tags)
    assert len(both("get_run", run)["params"]) == 250


@pytest.mark.parametrize("values", [("1", "1"), ("1", "2")])
def test_a_param_twice_in_a_batch_is_refused(both, run, values):
    params = [Param("fine", "1"), *(Param("twice", value) for value in values)]
    text = "Duplicate parameter keys have been submitted"
    both.refuse(INVALID, "log_batch", run, [Metric("m", 1.0, 1, 1)], params, text=text)
    found = both("get_run", run)
    assert (found["metrics"], found["params"]) == ({}, {})


def test_a_batch_that_changes_a_param_leaves_nothing(both, run):
    both("log_param", run, "p", "1")
    good = [Metric("m", 1.0, 1, 1)], [Param("new", "1"), Param("p", "2")], [RunTag("t", "1")]
    both.refuse(INVALID, "log_batch", run, *good, text="Changing param values is not allowed")
    found = both("get_run", run)
    assert (found["metrics"], found["params"]) == ({}, {"p": "1"})
    assert "t" not in found["tags"]


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"metrics": [Metric("m", 1.0, 1, 1), Metric("a//b", 1.0, 1, 1)]}, "metrics[1].name"),
        ({"metrics": [Metric("m", 1.0, 1, 1), Metric("n", None, 1, 1)]}, "metrics[1].value"),
        (
            {"metrics": [Metric("m", 1.0, 1, 1), Metric("n", 1.0, -1, 1)]},
            "metrics[1].timestamp",
        ),
        ({"params": [Param("p", "1"), Param("a//b", "1")]}, "params[1].key"),
        ({"tags": [RunTag("t", "1"), RunTag("a//b", "1")]}, "tags[1].key"),
        ({"tags": [RunTag("t", "1"), RunTag("a" * 251, "1")]}, "tags[1].key"),
    ],
    ids=["metric name", "metric value", "timestamp", "param", "tag", "long tag"],
)
def test_a_batch_with_one_bad_element_leaves_nothing(both, run, bad, text):
    good = {
        "metrics": [Metric("first", 1.0, 1, 1)],
        "params": [Param("first", "1")],
        "tags": [RunTag("first", "1")],
    }
    both.refuse(INVALID, "log_batch", run, **(good | bad), text=text)
    found = both("get_run", run)
    assert (found["metrics"], found["params"]) == ({}, {})
    assert "first" not in found["tags"]


def test_a_bad_name_is_found_before_an_unknown_run(both):
    both.refuse(INVALID, "log_metric", "nope", "a//b", 1)
    both.refuse(INVALID, "log_param", "nope", "a//b", 1)
    both.refuse(INVALID, "set_tag", "nope", "a//b", 1)
    both.refuse(INVALID, "log_batch", "nope", [Metric("a//b", 1.0, 1, 1)])
    both.refuse(MISSING, "delete_tag", "nope", "a//b")
