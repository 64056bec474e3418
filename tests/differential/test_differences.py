"""Where lakeflow answers otherwise than MLflow, and why: the whole list."""

import math

import pytest

from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
MIB = 1024 * 1024
HIGHEST = 1.7976931348623157e308
RUN = "<run 1>"

KEPT_WHOLE = "what was logged is kept as it is"
TOO_LARGE = "more than 1 MiB belongs into an artifact"
LEAK = "MLflow lets an error of Python or of its database through"
CHECKED_ALWAYS = "a name is checked wherever it is given, not in some calls alone"
NO_ID = "what cannot be an id is told apart from an id that is not there"


def metrics(answer):
    return answer["value"]["metrics"]


def param_length(answer):
    return len(answer["value"]["params"]["p"])


def tag_length(answer):
    return len(answer["value"]["tags"]["t"])


def tag(answer):
    return answer["value"]["tags"]["t"]


def latest(answer):
    return answer["value"]["latest"][0]["point"]


def outcome(answer):
    return answer.get("error", "fine")


def metric(value, timestamp=1, step=1):
    return ("log_metric", RUN, "m", value, timestamp, step)


def inputs(*dataset, tags=()):
    return ("log_inputs", RUN, [DatasetInput(Dataset(*dataset), list(tags))])


GET = ("get_run", RUN)

# Fact: reason, calls, what to look at in the last answer, MLflow's, lakeflow's.
DIFFERENCES = {
    # Values
    "infinity stays infinite": (KEPT_WHOLE, [metric(math.inf), GET], metrics, {"m": HIGHEST}, {"m": "<inf>"}),
    "minus infinity too": (KEPT_WHOLE, [metric(-math.inf), GET], metrics, {"m": -HIGHEST}, {"m": "<-inf>"}),
    "a long param is whole": (KEPT_WHOLE, [("log_param", RUN, "p", "x" * 7000), GET], param_length, 6000, 7000),
    "a long param of a batch is whole": (KEPT_WHOLE, [("log_batch", RUN, [], [Param("p", "x" * 7000)]), GET], param_length, 6000, 7000),
    "a long tag is whole": (KEPT_WHOLE, [("set_tag", RUN, "t", "x" * 9000), GET], tag_length, 8000, 9000),
    "a long experiment tag is taken": (KEPT_WHOLE, [("set_experiment_tag", "0", "k", "x" * 5001)], outcome, INVALID, "fine"),
    "a param over 1 MiB is refused": (TOO_LARGE, [("log_param", RUN, "p", "x" * (MIB + 1))], outcome, "fine", INVALID),
    "a tag over 1 MiB is refused": (TOO_LARGE, [("set_tag", RUN, "t", "x" * (MIB + 1))], outcome, "fine", INVALID),
    "a profile over 1 MiB is refused": (TOO_LARGE, [inputs("n", "d", "t", "s", None, "x" * (MIB + 1))], outcome, "fine", INVALID),
    "a new run says its tags as text": ("as they are stored", [("create_run", "0", None, {"t": 1})], tag, 1, "1"),
    "a tag of a batch becomes text": ("as with set_tag", [("log_batch", RUN, [], [], [RunTag("t", 5)])], outcome, "TypeError", "fine"),
    "no tag of a batch is null": ("as with set_tag", [("log_batch", RUN, [], [], [RunTag("t", None)]), GET], tag, None, "None"),
    "a run name of no characters is none": (LEAK, [("create_run", "0", None, {"mlflow.runName": ""})], outcome, "BAD_REQUEST", "fine"),
    "text that is no Unicode is refused": (LEAK, [("log_param", RUN, "p", "\udc80")], outcome, "INTERNAL_ERROR", INVALID),
    # Metrics
    "not a number is least of its moment": ("one order for all stores", [metric(math.nan), metric(-1), GET], metrics, {"m": "<nan>"}, {"m": -1.0}),
    "not a number is logged twice": (LEAK, [metric(math.nan), metric(math.nan)], outcome, "BAD_REQUEST", "fine"),
    "a step is whole": ("its column is", [metric(1, 1, 1.5), GET], latest, ["m", 1.0, 1, 1.5], ["m", 1.0, 1, 1]),
    "a timestamp is whole": ("its column is", [metric(1, 1.5, 1), GET], latest, ["m", 1.0, 1.5, 1], ["m", 1.0, 1, 1]),
    "a step has 64 bits": (LEAK, [metric(1, 1, 2**63)], outcome, "INTERNAL_ERROR", INVALID),
    "a timestamp has 64 bits": (LEAK, [metric(1, 2**63, 1)], outcome, "INTERNAL_ERROR", INVALID),
    "a step is a number": (LEAK, [metric(1, 1, math.nan)], outcome, "BAD_REQUEST", INVALID),
    "a list is no value": (LEAK, [metric([1])], outcome, "TypeError", INVALID),
    "a value fits a float": (LEAK, [metric(10**400)], outcome, "OverflowError", INVALID),
    "the history of an unknown run is an error": ("a wrong id is no empty run", [("get_metric_history", "nope", "m")], outcome, "fine", MISSING),
    # Names
    "a name ends in no line break": (CHECKED_ALWAYS, [("log_param", RUN, "p\n", 1)], outcome, "fine", INVALID),
    "a metric's name is text": (LEAK, [("log_metric", RUN, 1, 1)], outcome, "TypeError", INVALID),
    "a param's name is text": (LEAK, [("log_param", RUN, 1, 1)], outcome, "TypeError", INVALID),
    "a tag's name is text": (LEAK, [("set_tag", RUN, 1, 1)], outcome, "INTERNAL_ERROR", INVALID),
    "a tag of a new run has a name": (CHECKED_ALWAYS, [("create_run", "0", None, {"a//b": "v"})], outcome, "fine", INVALID),
    "a tag of a new experiment has a name": (CHECKED_ALWAYS, [("create_experiment", "a", None, {"a//b": "v"})], outcome, "fine", INVALID),
    "no experiment is renamed to nothing": (CHECKED_ALWAYS, [("rename_experiment", "0", "")], outcome, "fine", INVALID),
    "no experiment is renamed to None": (LEAK, [("rename_experiment", "0", None)], outcome, "BAD_REQUEST", INVALID),
    "a new experiment name is text": (CHECKED_ALWAYS, [("rename_experiment", "0", 1)], outcome, "fine", INVALID),
    "a new experiment name has 500 characters": (CHECKED_ALWAYS, [("rename_experiment", "0", "a" * 501)], outcome, "fine", INVALID),
    "a taken experiment name is taken": (LEAK, [("create_experiment", "a"), ("rename_experiment", "1", "Default")], outcome, "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS"),
    "a location is text": (LEAK, [("create_experiment", "a", 5)], outcome, "AttributeError", INVALID),
    # Ids, states and times
    "a bad run id is invalid to log_metric": (NO_ID, [("log_metric", "../x", "m", 1)], outcome, MISSING, INVALID),
    "a bad run id is invalid to set_tag": (NO_ID, [("set_tag", "../x", "t", 1)], outcome, MISSING, INVALID),
    "a bad run id is invalid to delete_run": (NO_ID, [("delete_run", "../x")], outcome, MISSING, INVALID),
    "a bad run id is invalid to set_terminated": (NO_ID, [("set_terminated", "../x")], outcome, MISSING, INVALID),
    "a bad run id is invalid to get_metric_history": (NO_ID, [("get_metric_history", "../x", "m")], outcome, "fine", INVALID),
    "None is no run id": (LEAK, [("get_run", None)], outcome, "TypeError", INVALID),
    "a bad experiment id is invalid": (NO_ID, [("get_experiment", "../x")], outcome, MISSING, INVALID),
    "an empty experiment id is not that of Default": (NO_ID, [("get_experiment", "")], outcome, "fine", INVALID),
    "None is not the id of Default": (NO_ID, [("create_run", None)], outcome, "fine", INVALID),
    "00 is not the id of Default": (NO_ID, [("get_experiment", "00")], outcome, "fine", MISSING),
    "an unknown status is invalid to update_run": (LEAK, [("update_run", RUN, "finished")], outcome, "Exception", INVALID),
    "an unknown status is invalid to set_terminated": (LEAK, [("set_terminated", RUN, "X")], outcome, "Exception", INVALID),
    "a start time is a number": ("its column is", [("create_run", "0", "abc")], outcome, "fine", INVALID),
    "an end time is a number": ("its column is", [("set_terminated", RUN, None, "abc")], outcome, "fine", INVALID),
    # Datasets
    "a source type has 36 characters": ("MLflow's other databases refuse it too", [inputs("n", "d", "x" * 37, "s")], outcome, "fine", INVALID),
    "a tag twice on a dataset keeps its last value": (LEAK, [inputs("n", "d", "t", "s", tags=[InputTag("k", "1"), InputTag("k", "2")])], outcome, "BAD_REQUEST", "fine"),
    "a dataset's name is text": (LEAK, [inputs(5, "d", "t", "s")], outcome, "TypeError", INVALID),
    "None is no dataset": (LEAK, [("log_inputs", RUN, [None])], outcome, "AttributeError", INVALID),
}  # fmt: skip


@pytest.mark.parametrize("fact", DIFFERENCES)
def test_the_stores_differ_on_purpose(answering, fact):
    reason, calls, part, theirs, ours = DIFFERENCES[fact]
    assert reason
    answering("create_run", "0")
    answers = [answering.answers(*call) for call in calls][-1]
    assert [part(answer) for answer in answers] == [theirs, ours]


@pytest.mark.parametrize(
    "value", ["x" * (MIB + 1), "é" * (MIB // 2 + 1)], ids=["ascii", "utf-8"]
)
def test_nothing_is_left_of_a_value_over_one_mebibyte(answering, value):
    run = answering("create_run", "0")
    for call in (
        ("log_param", run, "p", value),
        ("set_tag", run, "t", value),
        ("log_batch", run, [Metric("m", 1.0, 1, 1)], [Param("p", value)]),
        ("set_experiment_tag", "0", "k", value),
    ):
        _, ours = answering.answers(*call)
        assert ours["error"] == INVALID
        assert "bytes" in ours["message"]
    found = answering.answers("get_run", run)[1]["value"]
    assert (found["metrics"], found["params"]) == ({}, {})


def test_what_differs_stays_through_a_compaction(answering):
    run = answering("create_run", "0")
    for value in (math.inf, -math.inf, math.nan, -1.0):
        answering.answers("log_metric", run, "m", value, timestamp=1, step=1)
    answering.answers("log_metric", run, "n", math.nan, timestamp=1, step=1)
    answering.answers("log_param", run, "p", "x" * MIB)
    answering.answers("set_tag", run, "t", "é" * (MIB // 2))
    questions = [("get_run", run), ("get_metric_history", run, "m")]
    before = [answering.answers(*question)[1] for question in questions]
    answering.compact()
    assert [answering.answers(*question)[1] for question in questions] == before
