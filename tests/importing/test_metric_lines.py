"""Lines of points are read alike, thousands at once and one by one, and bad ones are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakeflow.importing.sources.mlflow.metric_lines import curve_of, points_of

if TYPE_CHECKING:
    from lakeflow.importing.items import Problem

points = st.tuples(
    st.integers(-(2**63), 2**63), st.floats(allow_nan=False), st.integers(-(2**63), 2**63)
)


@settings(max_examples=50)
@given(st.lists(points, min_size=1))
def test_both_ways_read_what_mlflow_writes(logged: list[tuple[int, float, int]]) -> None:
    lines = "".join(f"{time} {value} {step}\n" for time, value, step in logged).encode()
    times, values, steps = map(list, zip(*logged, strict=True))
    assert curve_of(lines) == (values, times, steps)
    problems: list[Problem] = []
    assert points_of(lines, "path", 1, problems.append) == (values, times, steps)
    assert not problems


fields = st.lists(st.sampled_from([b"1", b"0.5", b"x"]), max_size=6).map(b" ".join)


@settings(max_examples=50)
@given(st.lists(st.one_of(fields, st.binary(max_size=12))))
@example([b"1 2", b"3 4 5 6"])
@example([b"1 2 ", b"3 4 5\t6"])
def test_what_is_read_at_once_is_read_one_by_one(found: list[bytes]) -> None:
    lines = b"".join(each.replace(b"\n", b"") + b"\n" for each in found)
    problems: list[Problem] = []
    one_by_one = points_of(lines, "path", 1, problems.append)
    at_once = curve_of(lines)
    assert len(one_by_one[0]) + len(problems) == lines.count(b"\n")
    if at_once is not None:
        assert repr(at_once) == repr(one_by_one)
