"""Datasets of runs are taken, refused and kept as in MLflow."""

import pytest

from lakeflow.entities import Dataset, DatasetInput, InputTag

INVALID = "INVALID_PARAMETER_VALUE"
MISSING = "RESOURCE_DOES_NOT_EXIST"
CONTEXT = InputTag("mlflow.data.context", "training")


@pytest.fixture
def run(both):
    """A run without anything."""
    return both("create_run", "0")


def use(name="n", digest="d", source_type="t", source="s", *rest, tags=()):
    return DatasetInput(Dataset(name, digest, source_type, source, *rest), list(tags))


def test_a_dataset_is_kept_with_the_tags_of_its_use(both, run):
    both("log_inputs", run, [use("n", "d", "t", "s", "schema", "profile", tags=[CONTEXT])])
    assert both("get_run", run)["inputs"] == [
        {
            "dataset": ["n", "d", "t", "s", "schema", "profile"],
            "tags": {"mlflow.data.context": "training"},
        }
    ]


def test_schema_and_profile_may_be_missing_or_empty(both, run):
    both("log_inputs", run, [use("missing")])
    both("log_inputs", run, [use("empty", "d", "t", "s", "", "")])
    both("log_inputs", run, [use("", "", "", "")])


def test_nothing_is_logged_by_an_empty_call(both, run):
    both("log_inputs", run)
    both("log_inputs", run, None)
    both("log_inputs", run, [])


@pytest.mark.parametrize("given", ["n", {"a": 1}, 5])
def test_datasets_that_are_no_list_are_a_type_error(both, run, given):
    both.refuse("TypeError", "log_inputs", run, given)


def test_the_same_dataset_again_changes_nothing(both, run):
    both("log_inputs", run, [use("n", "d", "t", "s", "schema", tags=[CONTEXT])])
    both.compact()
    both("log_inputs", run, [use("n", "d", "other", "x", tags=[InputTag("more", "1")])])
    assert both("get_run", run)["inputs"] == [
        {
            "dataset": ["n", "d", "t", "s", "schema", None],
            "tags": {"mlflow.data.context": "training"},
        }
    ]


def test_the_same_dataset_twice_in_a_call_is_kept_once(both, run):
    both("log_inputs", run, [use(), use(source="other", tags=[CONTEXT])])
    assert len(both("get_run", run)["inputs"]) == 1


def test_another_digest_is_another_dataset(both, run):
    both("log_inputs", run, [use(digest="1"), use(digest="2"), use("m", "1")])
    assert len(both("get_run", run)["inputs"]) == 3


def test_each_run_has_its_own_tags_of_a_dataset(both, run):
    other = both("create_run", "0")
    both("log_inputs", run, [use(tags=[CONTEXT])])
    both("log_inputs", other, [use(tags=[InputTag("more", "1")])])
    assert both("get_run", other)["inputs"][0]["tags"] == {"more": "1"}


@pytest.mark.parametrize(
    "longest",
    [
        use("x" * 500),
        use(digest="x" * 36),
        use(source="x" * 65_535),
        use("n", "d", "t", "s", "x" * 1_048_575),
        use(tags=[InputTag("k" * 255, "v" * 500)]),
    ],
    ids=["name", "digest", "source", "schema", "tag"],
)
def test_each_part_may_be_as_long_as_its_limit(both, run, longest):
    both("log_inputs", run, [longest])


@pytest.mark.parametrize(
    "too_long",
    [
        use("x" * 501),
        use(digest="x" * 37),
        use(source="x" * 65_536),
        use("n", "d", "t", "s", "x" * 1_048_576),
        use("n", "d", "t", "s", None, "x" * 16_777_216),
        use(tags=[InputTag("k" * 256, "v")]),
        use(tags=[InputTag("k", "v" * 501)]),
    ],
    ids=["name", "digest", "source", "schema", "profile", "tag key", "tag value"],
)
def test_each_part_has_a_limit(both, run, too_long):
    both.refuse(INVALID, "log_inputs", run, [too_long])


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (use(name=None), "Dataset name cannot be None"),
        (use(digest=None), "Dataset digest cannot be None"),
        (use(source_type=None), "Dataset source_type cannot be None"),
        (use(source=None), "Dataset source cannot be None"),
        (use(tags=[InputTag(None, "v")]), "InputTag key cannot be None"),
        (use(tags=[InputTag("k", None)]), "InputTag value cannot be None"),
        (DatasetInput(None, []), ""),
    ],
    ids=["name", "digest", "source_type", "source", "tag key", "tag value", "dataset"],
)
def test_a_missing_part_is_refused_and_nothing_is_kept(both, run, part, text):
    both.refuse(INVALID, "log_inputs", run, [use("good"), part], text=text)
    assert both("get_run", run)["inputs"] == []


def test_deleted_and_unknown_runs_take_no_dataset(both, run):
    both("delete_run", run)
    both.refuse(INVALID, "log_inputs", run, [use()], text="must be in the 'active' state")
    both.refuse(MISSING, "log_inputs", "nope", [use()])
    both.refuse(INVALID, "log_inputs", "../x", [use()])
