"""Tables are written, read and refused as by MLflow, in one frame of the same types."""

import datetime
import json

import pandas as pd
import PIL.Image
import pytest

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"


@pytest.fixture
def run(both):
    """A run without anything."""
    return both("create_run", "0")


def picture(width, height):
    return PIL.Image.frombytes("RGB", (width, height), bytes(range(width * height * 3)))


def test_a_table_is_the_same_file_with_the_same_tag(both, run):
    both("log_table", run, {"q": ["a/b", "é"], "score": [0.5, 1.25]}, "d/t.json")
    both("log_table", run, {"q": "one row", "score": None}, "d/t.json")
    both("log_table", run, pd.DataFrame({"score": [3.5], "q": ["other order"]}), "d/t.json")
    both("log_table", run, {"a": [1]}, "u.parquet")
    both("content", run, "d/t.json")
    both("load_table", "0", "d/t.json", extra_columns=["run_id", "status"])
    tags = both("get_run", run)["tags"]
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [
        {"path": "d/t.json", "type": "table"},
        {"path": "u.parquet", "type": "table"},
    ]


DICTS = [
    {},
    {"a": [], "b": []},
    {"a": [1, 2], "b": "beside each"},
    {"a": [1, 2], "b": [1]},
    {"a": {"x": 1, "y": 2}, "b": {"y": 3.5}},
    {"a": {"x": 1, "y": 2}, "b": 5},
    {"a": {"x": 1}, "b": [1]},
    {"a": [True, None], "b": [None, None], "c": ["x", None]},
    {"a": [float("nan"), float("inf"), 1.5]},
    {"a": [{"deep": [float("nan"), {"x": None}]}, [1, "x"]]},
    {"a": [1, "x", 2.5]},
    {"a": [datetime.datetime.fromisoformat("2024-01-02T03:04:05.678"), None]},
]


def test_a_dict_becomes_the_same_rows(answering):
    run = answering("create_run", "0")
    for number, data in enumerate(DICTS):
        answering("log_table", run, data, f"{number}.json")
        answering("content", run, f"{number}.json")
        answering("load_table", "0", f"{number}.json")


@pytest.mark.parametrize("path", ["t.json", "t.parquet"])
def test_what_rows_lack_is_null_in_one_frame_of_many_runs(answering, path):
    tables = [
        [{"a": [1, 2], "b": ["x", "y"]}],
        [{"a": [1.5], "b": [None]}, {"b": ["z"]}],
        [{"c": [True, False]}, {"a": [3], "c": [True]}],
        [{"a": [4], "b": ["again"]}],
        [{"c": [True]}],
    ]
    for rows in tables:
        run = answering("create_run", "0")
        for each in rows:
            answering("log_table", run, each, path)
    answering("load_table", "0", path, extra_columns=["run_id"])


def test_only_runs_that_have_the_table_are_loaded(answering, caplog):
    runs = [answering("create_run", "0") for _ in range(4)]
    for number, each in enumerate(runs[:3]):
        answering("log_table", each, {"n": number}, "t_1.json")
        answering("log_param", each, "p", number)
    answering("log_table", runs[3], {"n": 9}, "tx1.parquet")
    answering(
        "load_table", "0", "t_1.json", run_ids=[runs[2], runs[0]], extra_columns=["params.p"]
    )
    answering("load_table", "0", "t_1.json", run_ids=[runs[1], runs[3]])
    assert "are left out" in caplog.text
    answering("delete_run", runs[0])
    answering("load_table", "0", "t_1.json", extra_columns=["run_id", "run_id"])
    assert "that of the run is called" in caplog.text
    answering.refuse(MISSING, "load_table", "0", "t.json", text="No runs found")
    answering.refuse(MISSING, "load_table", "0", "t_1.json", run_ids=[runs[0]])
    answering.refuse("KeyError", "load_table", "0", "t_1.json", extra_columns=["params.other"])


def test_what_is_no_table_is_refused(answering):
    run = answering("create_run", "0")
    answering.refuse(INVALID, "log_table", run, ["a"], "t.json", text="data must be a pandas")
    for path in ["a,b.json", "a.txt", "no end", "[t].json"]:
        theirs, ours = answering.answers("log_table", run, ["a"], path)
        assert theirs["error"] == "ValueError"
        assert ours["error"] == INVALID
        assert repr(path) in ours["message"]


def test_images_become_files_beside_the_table(answering):
    run = answering("create_run", "0")
    pictures = [picture(3, 2), picture(5, 8)]
    answering("log_table", run, pd.DataFrame({"n": [1, 2], "image": pictures}), "d/t.json")
    answering("pictures", run, "table_images/d/t")
    theirs, ours = answering.answers("log_table", run, {"image": [pictures[0], "x"]}, "e.json")
    assert theirs["error"] == "ValueError"
    assert "'image' has images and other values" in ours["message"]
