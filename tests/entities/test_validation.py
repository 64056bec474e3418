"""Names, lengths and limits: what is taken, what is refused, and with which words."""

from __future__ import annotations

import decimal
import fractions
import json
import math
from enum import Enum
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow import records
from lakeflow.entities import Dataset, DatasetInput, InputTag, validation
from lakeflow.exceptions import InvalidInputError

GOOD_KEYS = ["loss", "val/loss", "a.b-c_d e:f", "ünï", "a" * 250, "1", "mlflow.runName"]
BAD_KEYS = [
    None,
    3,
    "",
    ".",
    "..",
    "../a",
    "/a",
    "a//b",
    "a/",
    "./a",
    "a/../b",
    "a\n",
    "a;b",
    "a'b",
    "a" * 251,
    "☃",
    "\ud800",
]


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_good_key_is_taken_as_it_is(key: str) -> None:
    assert validation.key(key) == key


@pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
def test_a_bad_key_is_refused_naming_its_place(key: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"metrics\[1\]\.name") as caught:
        validation.key(key, "metrics[1].name")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (1, 1.0),
        ("1.5", 1.5),
        (True, 1.0),
        (numpy.float32(0.5), 0.5),
        (numpy.array([2]), 2.0),
        (numpy.int64(3), 3.0),
        (decimal.Decimal("0.25"), 0.25),
        (math.inf, math.inf),
        ("-inf", -math.inf),
    ],
)
def test_what_is_a_number_becomes_a_float(given: Any, stored: float) -> None:
    point = validation.metric("m", given, 0, 0)
    assert point == ("m", stored, 0, 0)
    assert type(point[1]) is float


@pytest.mark.parametrize(
    "value", [None, "abc", [1], numpy.array([1, 2]), {}, 1j, 10**400], ids=repr
)
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="value"):
        validation.metric("m", value, 0, 0)


@pytest.mark.parametrize("timestamp", [-1, "1", None, math.nan, 2**63, math.inf])
def test_a_bad_time_is_refused(timestamp: Any) -> None:
    with pytest.raises(InvalidInputError, match="timestamp"):
        validation.metric("m", 1.0, timestamp, 0)
    with pytest.raises(InvalidInputError, match="timestamp"):
        validation.metrics({"m": 1.0}, timestamp, 0)


@pytest.mark.parametrize("given", [1_700_000_000_000_000_000, -62_135_596_800_001])
def test_what_is_no_date_is_no_time(given: int) -> None:
    with pytest.raises(InvalidInputError, match="milliseconds since the Unix epoch") as caught:
        validation.milliseconds(given, "start_time")
    assert "start_time" in str(caught.value)


@pytest.mark.parametrize("step", ["1", None, math.nan, 2**63, -(2**63) - 1])
def test_a_bad_step_is_refused(step: Any) -> None:
    with pytest.raises(InvalidInputError, match="step"):
        validation.metric("m", 1.0, 0, step)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (2.0, 2),
        (True, 1),
        (2.0**47, 2**47),
        (numpy.int32(3), 3),
        (numpy.uint8(255), 255),
        (numpy.float32(4), 4),
        (numpy.float64(5.0), 5),
        (decimal.Decimal("6.00"), 6),
        (fractions.Fraction(14, 2), 7),
    ],
    ids=repr,
)
def test_whole_numbers_of_any_kind_are_times_and_steps(given: Any, stored: int) -> None:
    point = validation.metric("m", 1.0, given, given)
    assert point == ("m", 1.0, stored, stored)
    assert {type(point[2]), type(point[3])} == {int}
    assert validation.milliseconds(given, "end_time") == stored


def test_a_date_reaches_to_year_9999_and_the_numbers_of_a_point_have_64_bits() -> None:
    assert validation.metric("m", 1.0, 2**63 - 1, -(2**63))[2:] == (2**63 - 1, -(2**63))
    last = 253_402_300_799_999
    assert validation.milliseconds(last, "end_time") == last


FRACTIONS = [
    1.5,
    numpy.float64(0.5),
    numpy.float32(1e-3),
    decimal.Decimal("1.5"),
    fractions.Fraction(1, 3),
]
NO_NUMBERS = [decimal.Decimal("NaN"), 1j, numpy.bool_(True), numpy.array([1, 2]), "2"]


@pytest.mark.parametrize("given", FRACTIONS + NO_NUMBERS, ids=repr)
def test_what_is_not_whole_is_no_time_and_no_step(given: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"metrics\[1\]\.step is .*not a whole number"):
        validation.metric("m", 1.0, 0, given, 1)
    with pytest.raises(InvalidInputError, match=r"timestamp is (.|\n)*milliseconds"):
        validation.metric("m", 1.0, given, 0)
    with pytest.raises(InvalidInputError, match=r"end_time is (.|\n)*milliseconds"):
        validation.milliseconds(given, "end_time")


def test_a_value_is_kept_whole_up_to_a_mebibyte() -> None:
    assert validation.text("x" * 1024 * 1024) == "x" * 1024 * 1024
    with pytest.raises(InvalidInputError, match="1,048,577 bytes"):
        validation.text("x" * (1024 * 1024 + 1))
    with pytest.raises(InvalidInputError, match="bytes"):
        validation.text("ü" * 600_000)
    assert validation.text(None) == "None"


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="not Unicode"):
        validation.text("a\ud800b")


@given(st.text(max_size=30))
def test_whatever_passes_can_be_encoded_and_is_its_own_path(name: str) -> None:
    try:
        key = validation.key(name)
    except InvalidInputError:
        return
    assert key == name == key.encode().decode()
    assert ".." not in key.split("/")
    assert not key.startswith("/")


@pytest.mark.parametrize(
    "run_id", ["", "../x", "a/b", "a b", None, 3, "-a", "a" * 257, "a\n", "ü"]
)
def test_a_bad_run_id_is_refused(run_id: Any) -> None:
    with pytest.raises(InvalidInputError, match="run id"):
        validation.run_id(run_id)


@pytest.mark.parametrize("name", ["", None, 3, "x" * 501])
def test_a_bad_experiment_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInputError):
        validation.experiment_name(name)


def test_artifacts_are_not_kept_inside_a_run() -> None:
    with pytest.raises(InvalidInputError, match="inside a run"):
        validation.artifact_location("runs:/x/y")


@pytest.mark.parametrize(
    ("part", "limit"),
    [("name", 500), ("digest", 36), ("source", 65_535), ("schema", 1_048_575)],
)
def test_a_part_of_a_dataset_is_taken_up_to_its_limit(part: str, limit: int) -> None:
    fields = {"name": "n", "digest": "d", "source_type": "t", "source": "s"}
    validation.dataset_input(
        DatasetInput(Dataset(**fields | {part: "x" * limit})), "datasets[0]"
    )
    with pytest.raises(InvalidInputError, match=rf"datasets\[0\]\.dataset\.{part}"):
        validation.dataset_input(
            DatasetInput(Dataset(**fields | {part: "x" * (limit + 1)})), "datasets[0]"
        )


def test_a_missing_part_of_a_dataset_is_named() -> None:
    with pytest.raises(InvalidInputError, match="source_type cannot be None"):
        validation.dataset_input(DatasetInput(Dataset("n", "d", None, "s")), "datasets[0]")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="InputTag key cannot be None"):
        validation.dataset_input(
            DatasetInput(Dataset("n", "d", "t", "s"), [InputTag(None, "v")]),  # type: ignore[arg-type]
            "datasets[0]",
        )
    with pytest.raises(InvalidInputError, match="no dataset"):
        validation.dataset_input(None, "datasets[0]")  # type: ignore[arg-type]


def test_the_key_of_an_enum_is_its_text() -> None:
    class Metrics(str, Enum):  # noqa: UP042 - a StrEnum says its own text
        LOSS = "loss"

    assert type(validation.key(Metrics.LOSS)) is str
    assert validation.metric(Metrics.LOSS, 1.0, 0, 0) == ("loss", 1.0, 0, 0)
    found = validation.metrics({Metrics.LOSS: -0.0, "größe": 2}, 5, 6)
    assert [*map(list, found)] == [["loss", "größe"], [0.0, 2.0], [5, 5], [6, 6]]
    assert str(found[1][0]) == "0.0"


numbers = st.floats() | st.sampled_from([0.0, -0.0, -0.05, 1e300])
keys = st.text(st.sampled_from("aä_ -.:/"), min_size=1, max_size=5)


@given(
    st.dictionaries(keys, numbers, min_size=1), st.integers(0, 2**63 - 1), st.integers(-3, 3)
)
def test_metrics_together_are_what_they_are_one_by_one(
    values: dict[str, float], timestamp: int, step: int
) -> None:
    try:
        alone = [validation.metric(*each, timestamp, step) for each in values.items()]
    except InvalidInputError:
        with pytest.raises(InvalidInputError):
            validation.metrics(values, timestamp, step)
        return
    together = validation.metrics(values, timestamp, step)
    (text,) = records.metrics(together)
    columns = ("key", "value", "timestamp", "step")
    told = {"metrics": dict(zip(columns, map(list, zip(*alone, strict=True)), strict=True))}
    encoded = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    assert f"{{{text}}}" == encoded
    for point in alone:
        (line,) = records.metrics(validation.by_column([point]))
        assert line == records.metric(point)
