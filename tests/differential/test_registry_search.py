"""Random searches of the registry find the same in both stores, in the same order."""

import os
import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "25"))

NAMES = ["a", "A b", "ab", "it's", "ünï", "p/q"]
KEYS = ["team", "the key", "x-y"]
WORDS = ["cnn", "CNN", "100%", "a_b", ""]
RUNS = ["run1", "run2", "RUN2"]
SOURCES = ["s3://bucket/a", "s3://Bucket/a", "/folder/b"]

words = st.sampled_from(WORDS)
tags = st.dictionaries(st.sampled_from(KEYS), words)
models = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(
        tags,
        st.lists(
            st.tuples(
                st.sampled_from(SOURCES),
                st.none() | st.sampled_from(RUNS),
                tags,
                st.sampled_from([None, "described", "Production", "deleted"]),
            ),
            max_size=3,
        ),
    ),
    min_size=2,
    max_size=5,
)


def quoted(key):
    return st.sampled_from([f"`{key}`", f'"{key}"'] + [key] * key.isalnum())


def text(word):
    return f"'{word}'"


def clauses(fields, comparators, values):
    return st.builds("{} {} {}".format, fields, st.sampled_from(comparators), values)


exactly = ["=", "!="]
likewise = ["LIKE", "ILIKE", "like", "ilike"]
patterns = st.sampled_from(["c%", "%N%", "_nn", "%2", "%", "a_b", "s3://b%", "A%"]).map(text)
name_fields = st.sampled_from(["name", "attribute.name"])
name_texts = st.sampled_from([*NAMES, "none"]).filter(lambda name: "'" not in name).map(text)
by_name = clauses(name_fields, exactly, name_texts) | clauses(name_fields, likewise, patterns)
tag_fields = st.builds(
    "{}.{}".format, st.sampled_from(["tags", "tag"]), st.sampled_from(KEYS).flatmap(quoted)
)
by_tag = clauses(tag_fields, exactly, words.map(text)) | clauses(tag_fields, likewise, patterns)
by_version = (
    clauses(st.just("run_id"), exactly, st.sampled_from(RUNS).map(text))
    | clauses(st.sampled_from(["run_id", "source_path"]), likewise, patterns)
    | clauses(st.just("source_path"), exactly, st.sampled_from(SOURCES).map(text))
    | clauses(
        st.sampled_from(["version_number", "attribute.version_number"]),
        ["=", "!=", "<", "<=", ">", ">="],
        st.sampled_from(["0", "1", "2", "-1", "99"]),
    )
    | clauses(
        st.just("run_id"),
        ["IN", "in"],
        st.lists(st.sampled_from(["run1", "run2", "run9"]).map(text), min_size=1).map(
            lambda ids: f"({', '.join(ids)})"
        ),
    )
)
model_filters = st.none() | st.lists(by_name | by_tag, max_size=3).map(" AND ".join)
version_filters = st.lists(by_name | by_tag | by_version | by_version, max_size=3).map(
    " and ".join
)


def orders(fields):
    return st.none() | st.lists(
        st.builds(
            "{}{}".format,
            st.sampled_from(fields),
            st.sampled_from(["", " ASC", " DESC", " desc", "\tAsc", "  dESC", "\n asc"]),
        ),
        max_size=2,
        unique_by=lambda line: re.sub("last_updated_|attribute.|`", "", line).split()[0],
    )


model_orders = orders(["name", "timestamp", "last_updated_timestamp"])
version_orders = orders(
    [
        "name",
        "version_number",
        "creation_timestamp",
        "last_updated_timestamp",
        "attribute.name",
        "`name`",
    ]
)
sizes = st.integers(1, 4)
searches = st.lists(
    st.tuples(st.just("search_registered_models"), model_filters, model_orders, sizes)
    | st.tuples(st.just("search_model_versions"), version_filters, version_orders, sizes),
    min_size=5,
    max_size=12,
)


def fill(both, models):
    for number, (name, (model_tags, versions)) in enumerate(models.items()):
        both("create_registered_model", name, model_tags)
        for place, (source, run_id, version_tags, fate) in enumerate(versions, 1):
            both("create_model_version", name, source, run_id, version_tags)
            if fate == "described":
                both("update_model_version", name, place, "text")
            elif fate == "deleted":
                both("delete_model_version", name, place)
            elif fate is not None:
                both.same("transition_model_version_stage", name, place, fate, True)
        if number == 1:
            both.compact()
    both.same("update_registered_model", NAMES[0], "the newest")


@pytest.mark.filterwarnings("ignore:.*stage:FutureWarning")
@settings(
    max_examples=EXAMPLES // 3 + 1,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(models=models, asked=searches)
def test_random_searches_of_the_registry_find_the_same(new_stores, models, asked):
    both = new_stores()
    fill(both, models)
    for method, filter_string, order_by, size in asked:
        question = {"filter_string": filter_string, "order_by": order_by}
        both("walk", method, size, question)
        both(method, **question)
