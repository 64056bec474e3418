"""Where lakeflow answers otherwise than MLflow, and why: the whole list."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
TAKEN = "RESOURCE_ALREADY_EXISTS"
MIB = 1024 * 1024
HIGHEST = 1.7976931348623157e308
RUN = "<run 1>"

WHOLE = "what was logged is kept as it is"
SIZE = "more than 1 MiB belongs into an artifact"
NAMES = "a name is checked in every call that gives one"
IDS = "what cannot be an id is told apart from an id that is not there"
NUMBERS = "whole numbers of 64 bits are what the columns are for"
TEXT = "tags become text in every call that gives one"
ORDER = (
    "each call is a point, and of several at one step and time the last one logged is the last"
)
STATES = "what no run can ever be is a slip, and not a search that finds nothing"
LEAK = "MLflow lets an error of Python or of its database through"


class Difference(NamedTuple):
    """What the last one of some calls answers."""

    reason: str
    mlflow: object
    lakeflow: object
    calls: tuple
    part: object


def outcome(answer):
    return answer.get("error", "fine")


def differs(reason, mlflow, lakeflow, *calls):
    return Difference(reason, mlflow, lakeflow, calls, outcome)


def leaks(mlflow, *calls, lakeflow=INVALID):
    return Difference(LEAK, mlflow, lakeflow, calls, outcome)


def refuses(reason, *calls):
    return Difference(reason, "fine", INVALID, calls, outcome)


def shows(reason, part, mlflow, lakeflow, *calls):
    look = () if calls[-1][0] == "create_run" else (GET,)
    return Difference(reason, mlflow, lakeflow, calls + look, part)


def value_of_m(answer):
    return answer["value"]["metrics"]["m"]


def point(answer):
    return answer["value"]["latest"][0]["point"][1:]


def tag(answer):
    return answer["value"]["tags"]["t"]


def lengths(answer):
    texts = answer["value"]["params"] | answer["value"]["tags"]
    return [len(texts[key]) for key in texts if key in {"p", "t"}]


def metric(value, timestamp=1, step=1):
    return ("log_metric", RUN, "m", value, timestamp, step)


def batch(metrics=(), params=(), tags=()):
    return ("log_batch", RUN, metrics, params, tags)


def inputs(*dataset, tags=()):
    return ("log_inputs", RUN, [DatasetInput(Dataset(*dataset), list(tags))])


def found(filter_string):
    return ("search_runs", ["0"], filter_string)


GET = ("get_run", RUN)
NAN, INF = math.nan, math.inf
LONG = "x" * (MIB + 1)
TWICE = [InputTag("k", "1"), InputTag("k", "2")]

DIFFERENCES = {
    # Values
    "infinity stays": shows(WHOLE, value_of_m, HIGHEST, "<inf>", metric(INF)),
    "minus infinity stays": shows(WHOLE, value_of_m, -HIGHEST, "<-inf>", metric(-INF)),
    "a param is whole": shows(
        WHOLE, lengths, [6000], [7000], ("log_param", RUN, "p", "x" * 7000)
    ),
    "a tag is whole": shows(WHOLE, lengths, [8000], [9000], ("set_tag", RUN, "t", "x" * 9000)),
    "a batch is whole": shows(
        WHOLE,
        lengths,
        [6000, 8000],
        [7000, 9000],
        batch([], [Param("p", "x" * 7000)], [RunTag("t", "x" * 9000)]),
    ),
    "an experiment tag is whole": differs(
        WHOLE, INVALID, "fine", ("set_experiment_tag", "0", "k", "x" * 5001)
    ),
    "no param has over 1 MiB": refuses(SIZE, ("log_param", RUN, "p", LONG)),
    "no tag has over 1 MiB": refuses(SIZE, ("set_tag", RUN, "t", LONG)),
    "no profile has over 1 MiB": refuses(SIZE, inputs("n", "d", "t", "s", None, LONG)),
    "a new run has texts": shows(TEXT, tag, 1, "1", ("create_run", "0", None, {"t": 1})),
    "a number becomes a tag": differs(
        TEXT, "TypeError", "fine", batch([], [], [RunTag("t", 5)])
    ),
    "None becomes a tag": shows(TEXT, tag, None, "None", batch([], [], [RunTag("t", None)])),
    "text is Unicode": leaks("INTERNAL_ERROR", ("log_param", RUN, "p", "\udc80")),
    # Metrics
    "NaN is no last value": shows(ORDER, value_of_m, "<nan>", -1.0, metric(NAN), metric(-1)),
    "the last one logged is the last": shows(
        ORDER, value_of_m, 1.0, 0.5, metric(1), metric(0.5)
    ),
    "NaN is logged twice": leaks("BAD_REQUEST", metric(NAN), metric(NAN), lakeflow="fine"),
    # On SQLite: another database rounds it, and to a server MLflow's client cannot send it.
    "a step is whole": refuses(NUMBERS, metric(1, 1, 1.5)),
    "a time is whole": refuses(NUMBERS, metric(1, 1.5, 1)),
    "a start time is whole": refuses(NUMBERS, ("create_run", "0", 1.5)),
    "an end time is whole": refuses(NUMBERS, ("set_terminated", RUN, None, 1.5)),
    "a step of numpy is a number": shows(
        NUMBERS,
        point,
        [1.0, 1, ["bytes", r"b'\x07\x00\x00\x00\x00\x00\x00\x00'"]],
        [1.0, 1, 7],
        metric(1, 1, np.int64(7)),
    ),
    "a step has 64 bits": leaks("INTERNAL_ERROR", metric(1, 1, 2**63)),
    "a time has 64 bits": leaks("INTERNAL_ERROR", metric(1, 2**63, 1)),
    "a start time is in milliseconds": refuses(NUMBERS, ("create_run", "0", 10**18)),
    "a step is not NaN": leaks("BAD_REQUEST", metric(1, 1, NAN)),
    "a time is not NaN": leaks("BAD_REQUEST", metric(1, NAN, 1)),
    "a time of numpy is not negative": leaks("TypeError", metric(1, np.float32(-2), 1)),
    "a list is no value": leaks("TypeError", metric([1])),
    "a value fits a float": leaks("OverflowError", metric(10**400)),
    "no run, no history": differs(
        "a wrong id is no run without metrics",
        "fine",
        MISSING,
        ("get_metric_history", "nope", "m"),
    ),
    # Names
    "a name is one line": refuses(NAMES, ("log_param", RUN, "p\n", 1)),
    "a metric's name is text": leaks("TypeError", ("log_metric", RUN, 1, 1)),
    "a param's name is text": leaks("TypeError", ("log_param", RUN, 1, 1)),
    "a tag's name is text": leaks("INTERNAL_ERROR", ("set_tag", RUN, 1, 1)),
    "a new run has good names": refuses(NAMES, ("create_run", "0", None, {"a//b": "v"})),
    "a new experiment too": refuses(NAMES, ("create_experiment", "a", None, {"a//b": "v"})),
    "a run may have an empty name": leaks(
        "BAD_REQUEST", ("create_run", "0", None, {"mlflow.runName": ""}), lakeflow="fine"
    ),
    "a new name is not empty": refuses(NAMES, ("rename_experiment", "0", "")),
    "a new name is not None": leaks("BAD_REQUEST", ("rename_experiment", "0", None)),
    "a new name is text": refuses(NAMES, ("rename_experiment", "0", 1)),
    "a new name is not long": refuses(NAMES, ("rename_experiment", "0", "a" * 501)),
    "a new name is not taken": leaks(
        "BAD_REQUEST",
        ("create_experiment", "a"),
        ("rename_experiment", "1", "Default"),
        lakeflow=TAKEN,
    ),
    "a location is text": leaks("AttributeError", ("create_experiment", "a", 5)),
    # Ids, states and times
    "log_metric knows bad ids": differs(IDS, MISSING, INVALID, ("log_metric", "../x", "m", 1)),
    "log_param knows bad ids": differs(IDS, MISSING, INVALID, ("log_param", "../x", "p", 1)),
    "set_tag knows bad ids": differs(IDS, MISSING, INVALID, ("set_tag", "../x", "t", 1)),
    "delete_tag knows bad ids": differs(IDS, MISSING, INVALID, ("delete_tag", "../x", "t")),
    "delete_run knows bad ids": differs(IDS, MISSING, INVALID, ("delete_run", "../x")),
    "restore_run knows bad ids": differs(IDS, MISSING, INVALID, ("restore_run", "../x")),
    "set_terminated knows bad ids": differs(IDS, MISSING, INVALID, ("set_terminated", "../x")),
    "a history knows bad ids": refuses(IDS, ("get_metric_history", "../x", "m")),
    "an experiment knows bad ids": differs(IDS, MISSING, INVALID, ("get_experiment", "../x")),
    "None is no run id": leaks("TypeError", ("get_run", None)),
    "an empty id is not that of Default": refuses(IDS, ("get_experiment", "")),
    "None is not the id of Default": refuses(IDS, ("create_run", None)),
    "00 is not the id of Default": differs(IDS, "fine", MISSING, ("get_experiment", "00")),
    "update_run knows the statuses": leaks("Exception", ("update_run", RUN, "finished")),
    "set_terminated knows the statuses": leaks("Exception", ("set_terminated", RUN, "X")),
    "a start time is a number": refuses(NUMBERS, ("create_run", "0", "abc")),
    "an end time is a number": refuses(NUMBERS, ("set_terminated", RUN, None, "abc")),
    # Filters
    "a filter knows the statuses": refuses(STATES, found("status = 'FINSHED'")),
    "a filter knows the statuses' case": refuses(
        STATES, found("attributes.status != 'failed'")
    ),
    # Datasets
    "a source type has 36 characters": refuses(
        "MLflow's other databases refuse it too", inputs("n", "d", "x" * 37, "s")
    ),
    "the last tag of a use stays": leaks(
        "BAD_REQUEST", inputs("n", "d", "t", "s", tags=TWICE), lakeflow="fine"
    ),
    "a dataset's name is text": leaks("TypeError", inputs(5, "d", "t", "s")),
    "None is no dataset": leaks("AttributeError", ("log_inputs", RUN, [None])),
}


@pytest.mark.parametrize("fact", DIFFERENCES)
def test_the_stores_differ_on_purpose(answering, fact):
    difference = DIFFERENCES[fact]
    answering("create_run", "0")
    theirs, ours = [answering.answers(*call) for call in difference.calls][-1]
    assert difference.part(theirs) == difference.mlflow
    assert difference.part(ours) == difference.lakeflow


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
