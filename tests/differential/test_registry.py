"""Random calls on the registry, with compactions in between, are answered alike."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "25"))

# That those of lakeflow warn too is looked at elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore:.*stage:FutureWarning")

HOSTILE = ["it's", 'say "b"', "ünï", "p/q:r%20", "*[a]", "x" * 300, " "]
BAD_NAMES = ["", None]
SOURCES = [
    "models:/a/1",
    "models:/b/2",
    "models:/a/99",
    "models:/a",
    "models:/",
    "models:/a/1/2",
]
KEYS = ["k", "a b", "ünï", "a/b"]

few_names = st.sampled_from(["a", "a", "a", "b"])
# Most steps succeed: what does not makes nothing for others to work on.
names = st.sampled_from(["a"] * 12 + ["b"] * 8 + HOSTILE + BAD_NAMES)
new_names = st.sampled_from(["a", "b", "c", *HOSTILE])
numbers = st.sampled_from([1] * 6 + [2] * 4 + [3, 4, 0, -1, 99, 2**40])
versions = numbers | numbers | st.sampled_from(["1", "2", "7", "1.0", "x", ""])
stages = st.sampled_from(["Staging", "production", "PRODUCTION", "archived", "None", "none"])
any_stages = stages | stages | stages | st.sampled_from(["Active", "", " "])
aliases = st.sampled_from(["champion", "Champion", "beta-1"] * 3 + ["é", "a_1"])
bad_aliases = st.sampled_from(
    ["", None, "latest", "LATEST", "v1", "V22", "a b", "a.b", "x" * 256]
)
any_aliases = aliases | aliases | aliases | bad_aliases
keys = st.sampled_from(KEYS * 4 + ["", None, "a//b"])
new_keys = keys | keys | st.just("x" * 251)
values = st.sampled_from(["v", "w", "", None, 5, 1.5, "x" * 5000]) | st.text("aé'%", max_size=3)
texts = st.none() | st.sampled_from(["", "text", "it's"])
tags = st.none() | st.dictionaries(st.sampled_from(KEYS), values, max_size=2)
some_tags = tags | tags | tags | st.dictionaries(new_keys, values, max_size=2)
sources = st.sampled_from(
    ["s3://bucket/model", "/folder", "file:///folder", "runs:/abc/model", "", *SOURCES]
)
run_ids = st.sampled_from([None, "run1", "run2"])
copied = st.sampled_from(
    ["models:/a/1"] * 4
    + ["models:/a/2", "models:/b/1", "models:/a@champion", "models:/b@beta-1", "models:/a/99"]
    + ["models:/a/latest", "models:/a/Production", "models:/a/sTAGING", "models:/ünï/1"]
    + ["models:/a", "models:/a@", "models:/", "models:a/1", "models:/a/1/2", "models:/c/latest"]
    + ["models:/a/x", "models:///a/1", "runs:/abc/model", "/folder", ""]
)


def call(method, *args):
    return st.tuples(st.just(method), *args)


making = (
    call("create_registered_model", names, some_tags, texts)
    | call("create_model_version", names, sources, run_ids, some_tags, texts, texts)
    | call("create_model_version", few_names, sources, run_ids, some_tags, texts, texts)
    | call("create_model_version", few_names, sources, run_ids, tags, texts, texts)
    | call("copy_model_version", copied, names)
)
changing = (
    call("rename_registered_model", few_names | names, new_names)
    | call("update_registered_model", names, texts)
    | call("update_model_version", names, versions, texts)
    | call("transition_model_version_stage", few_names, numbers, stages, st.booleans())
    | call("transition_model_version_stage", names, versions, any_stages, st.booleans())
    | call("set_registered_model_alias", few_names, aliases, numbers)
    | call("set_registered_model_alias", names, any_aliases, versions)
)
tagging = (
    call("set_registered_model_tag", names, new_keys, values)
    | call("delete_registered_model_tag", names, keys)
    | call("set_model_version_tag", names, versions, new_keys, values)
    | call("delete_model_version_tag", names, versions, keys)
    | call("set_model_version_tag", names, st.none(), keys, values, any_stages)
    | call("delete_model_version_tag", names, st.none(), keys, any_stages)
    | call("set_model_version_tag", names, versions, keys, values, any_stages)
)
removing = (
    call("delete_registered_model", names)
    # A text would leave aliases behind in MLflow.
    | call("delete_model_version", few_names | names, numbers)
    | call("delete_registered_model_alias", names, any_aliases)
)
reading = (
    call("get_registered_model", names)
    | call("get_model_version", names, versions)
    | call("get_model_version_download_uri", few_names, versions)
    | call("get_model_version_by_alias", names, any_aliases)
    | call("get_latest_versions", names, st.none() | st.lists(any_stages, max_size=2))
    | call("get_model_version_stages", names, versions)
    | call("search_registered_models")
    | call("search_model_versions")
)
steps = making | making | changing | changing | tagging | removing | reading

scripts = st.lists(steps, min_size=8, max_size=30)

NEWEST = ["last_updated_timestamp DESC"]


def run(both, script):
    for method, *args in script:
        if method == "search_model_versions":
            both(method, order_by=["version_number DESC"])
        else:
            both.same(method, *args)


def compare(both):
    """Read everything that is registered on both sides."""
    both("search_registered_models", order_by=NEWEST)
    both("search_model_versions", order_by=["name"])
    for name in ["a", "b", "c", *HOSTILE]:
        both.same("get_registered_model", name)
        for version in (1, 2, 3):
            both.same("get_model_version", name, version)
            both.same("get_model_version_download_uri", name, version)


@settings(
    max_examples=EXAMPLES // 3 + 1,
    # Who asks for more gets others, each time and with each --hypothesis-seed.
    derandomize="LAKEFLOW_TEST_EXAMPLES" not in os.environ,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(before=scripts, after=scripts)
def test_random_calls_are_answered_alike(new_stores, before, after):
    # A copy makes a model and a version at two times in MLflow.
    both = new_stores(ignored=frozenset({"changed"}))
    both("create_registered_model", "a")
    both("create_model_version", "a", "s3://bucket/first")
    run(both, before)
    both.compact()
    run(both, after)
    compare(both)
