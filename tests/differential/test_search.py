"""Random searches over random lakes find the same in both stores, in the same order."""

import itertools
import math
import os
import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "25"))

NUMBERS = [-1.5, 0.0, 0.5, 1.0, 2.0, 1e300]
WORDS = ["cnn", "CNN", "rnn 2", "it's", "100%", "a_b", ""]
METRICS = ["loss", "val/acc", "a b"]
KEYS = ["model", "mlflow.source", "the key", "x-y"]

values = st.sampled_from(NUMBERS)
words = st.sampled_from(WORDS)


@st.composite
def lake_runs(draw):
    return {
        "experiment": draw(st.sampled_from(["0", "1", "1"])),
        "status": draw(st.sampled_from([None, "FINISHED", "FAILED"])),
        "is_deleted": draw(st.integers(0, 5)) == 0,
        "name": draw(st.sampled_from(["first", "Second", "third one"])),
        "metrics": draw(st.dictionaries(st.sampled_from(METRICS), values)),
        # Filters leave it alone: MLflow compares NaN as if it were 0.
        "odd": draw(st.sampled_from([None, math.nan, math.inf, -math.inf, 0.0, 3.0])),
        "params": draw(st.dictionaries(st.sampled_from(KEYS), words.filter(bool))),
        "tags": draw(st.dictionaries(st.sampled_from(KEYS), words)),
        "datasets": draw(
            st.lists(
                st.tuples(st.sampled_from(["mnist", "Digits"]), st.sampled_from(["1", "2"])),
                max_size=2,
                unique=True,
            )
        ),
        "context": draw(st.sampled_from([None, "train", "test"])),
    }


def quoted(key):
    return st.sampled_from([f"`{key}`", f'"{key}"'] + [key] * key.replace(".", "").isalnum())


def text(word):
    return "'" + word.replace("'", "''") + "'" if "'" in word else f"'{word}'"


plain_words = words.filter(lambda word: "'" not in word)
text_comparators = st.sampled_from(["=", "!="])
patterns = st.sampled_from(["c%", "%N%", "_nn", "%2", "%", "a_b", "FIN%", "%ir%"])
metric_clauses = st.builds(
    "metrics.{} {} {}".format,
    st.sampled_from(METRICS).flatmap(quoted),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    st.sampled_from(["0", "-1.5", "0.5", "1", "1.25"]),
)
pair_clauses = st.builds(
    "{}.{} {} {}".format,
    st.sampled_from(["params", "param", "parameter", "tags", "tag"]),
    st.sampled_from(KEYS).flatmap(quoted),
    text_comparators,
    plain_words.map(text),
) | st.builds(
    "{}.{} {} {}".format,
    st.sampled_from(["params", "tags"]),
    st.sampled_from(KEYS).flatmap(quoted),
    st.sampled_from(["LIKE", "ILIKE", "like"]),
    patterns.map(text),
)
attribute_clauses = (
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["attribute.run_name", "run_name"]),
        text_comparators,
        st.sampled_from(["FINISHED", "first", "Second"]).map(text),
    )
    # Others than these are refused; see test_differences.
    | st.builds(
        "{} {} {}".format,
        st.sampled_from(["status", "attributes.status"]),
        text_comparators,
        st.sampled_from(["FINISHED", "RUNNING"]).map(text),
    )
    | st.builds(
        "{} {} {}".format,
        st.sampled_from(["run_name", "attributes.`run name`", "status", "user_id"]),
        st.sampled_from(["LIKE", "ILIKE"]),
        patterns.map(text),
    )
    | st.builds(
        "{} {} {}".format,
        st.sampled_from(["start_time", "attributes.created", "end_time"]),
        st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
        st.sampled_from(["1000", "1003", "5000", "0"]),
    )
    | st.builds(
        "{} {} ({})".format,
        st.sampled_from(["run_id", "attributes.run_id"]),
        st.sampled_from(["IN", "NOT IN", "in"]),
        st.lists(st.sampled_from(["<run 1>", "<run 2>", "<run 9>"]).map(text), min_size=1).map(
            ", ".join
        ),
    )
)
dataset_clauses = st.builds(
    "{} {} {}".format,
    st.sampled_from(["dataset.name", "datasets.digest", "dataset.context"]),
    st.sampled_from(["=", "LIKE", "ILIKE"]),
    st.sampled_from(["mnist", "digits", "1", "train", "%t%"]).map(text),
)
# MLflow cannot join a dataset with anything else.
filters = dataset_clauses | st.lists(
    metric_clauses | pair_clauses | attribute_clauses, max_size=3
).map(" and ".join)
order_fields = (
    st.sampled_from([*METRICS, "odd"]).flatmap(quoted).map("metrics.{}".format)
    | st.builds(
        "{}.{}".format,
        st.sampled_from(["params", "tags"]),
        st.sampled_from(KEYS).flatmap(quoted),
    )
    | st.sampled_from(["start_time", "attributes.status", "run_name", "end_time", "user_id"])
)
orders = st.lists(
    st.builds("{}{}".format, order_fields, st.sampled_from(["", " ASC", " DESC", " desc"])),
    max_size=2,
    unique_by=lambda line: re.sub(r"[`\"]| (asc|desc)$", "", line.lower()),
)
searches = st.lists(
    st.tuples(filters, orders, st.sampled_from([1, 2, 3]), st.integers(1, 4)),
    min_size=5,
    max_size=12,
)


def fill(both, runs):
    both("create_experiment", "first")
    for number, run in enumerate(runs):
        made = both("create_run", run["experiment"], 1000 + number, {}, run["name"])
        points = [Metric(key, value, 1, 1) for key, value in run["metrics"].items()]
        if run["odd"] is not None:
            points.append(Metric("odd", run["odd"], 1, 1))
        both(
            "log_batch",
            made,
            points,
            [Param(*pair) for pair in run["params"].items()],
            [RunTag(*pair) for pair in run["tags"].items()],
        )
        use = [InputTag("mlflow.data.context", run["context"])] if run["context"] else []
        datasets = [
            DatasetInput(Dataset(name, digest, "local", "here"), use)
            for name, digest in run["datasets"]
        ]
        both("log_inputs", made, datasets)
        if run["status"] is not None:
            both("set_terminated", made, run["status"], 5000 + number)
        if run["is_deleted"]:
            both("delete_run", made)
        if number == 3:
            both.compact()


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(runs=st.lists(lake_runs(), min_size=2, max_size=8), asked=searches)
def test_random_searches_find_the_same(new_stores, runs, asked):
    both = new_stores()
    fill(both, runs)
    for filter_string, lines, view, size in asked:
        # Nor one that it sorts by.
        order_by = [] if "dataset" in filter_string else lines
        both(
            "walk",
            "search_runs",
            size,
            {
                "experiment_ids": ["0", "1"],
                "filter_string": filter_string,
                "run_view_type": view,
                "order_by": order_by,
            },
        )


@pytest.mark.parametrize(
    "order", [None, *itertools.product(["name", "creation_time"], ["", " DESC"])]
)
@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "name = 'ab'",
        "name LIKE 'a%'",
        "name ILIKE 'A%'",
        "attribute.`name` != 'a'",
        "tags.team = 'vision'",
        "tag.`the key` != 'v'",
        "creation_time > 0 and tags.team ILIKE 'V%'",
    ],
)
def test_experiments_are_found_alike(both, wanted, order):
    for name, tags in (
        ("a", {}),
        ("ab", {"team": "vision"}),
        ("Abc", {"team": "NLP", "the key": "w"}),
    ):
        both("create_experiment", name, None, tags)
    both("delete_experiment", "1")
    for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
        both(
            "walk",
            "search_experiments",
            2,
            {
                "filter_string": wanted,
                "view_type": view,
                "order_by": order and ["".join(order)],
            },
        )


REFUSED = [
    {"filter_string": "metrics.loss > 'a'"},
    {"filter_string": "metrics.loss LIKE 'a'"},
    {"filter_string": "params.x > 'a'"},
    {"filter_string": "nothing.x = 'a'"},
    {"filter_string": "attributes.experiment_id = '1'"},
    {"filter_string": "lifecycle_stage = 'active'"},
    {"filter_string": "start_time = 'a'"},
    {"filter_string": "status"},
    {"filter_string": "metrics.loss >"},
    {"filter_string": "params.x = abc"},
    {"filter_string": "run_id IN ()"},
    {"order_by": ["nothing.x"]},
    {"order_by": ["metrics.loss sideways"]},
    {"max_results": 0},
    {"max_results": 50_001},
    {"page_token": "evilhax"},
]


@pytest.mark.parametrize("given_", REFUSED, ids=repr)
def test_what_is_malformed_is_refused_alike(both, given_):
    both("create_run", "0")
    both.refuse("INVALID_PARAMETER_VALUE", "search_runs", ["0"], **given_)
