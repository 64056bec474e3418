"""What a terminal is shown: nothing wider than it, and nothing that it would act on."""

from __future__ import annotations

import duckdb
import pyarrow
import pytest

from lakeflow.cli.terminal import format_table
from lakeflow.printable import printable


def lines(rows: pyarrow.Table, width: int | None = None, limit: int | None = None) -> list[str]:
    return "".join(format_table(rows, width, limit)).splitlines()


def test_a_table_shows_null_and_says_how_many_rows_there_are() -> None:
    rows = pyarrow.table(
        {
            "text": ["a" * 100, None, "two\nlines"],
            "map": pyarrow.array([[("k", 1.5)], [], None], pyarrow.map_("string", "double")),
        }
    )
    found = lines(rows, limit=2)
    assert found[2] == "a" * 100 + '  {"k":1.5}'
    assert found[3].split() == ["NULL", "{}"]
    assert found[4] == "(3 rows, the first 2 shown)"
    assert lines(rows.slice(0, 0))[-1] == "(0 rows)"
    assert lines(rows.slice(0, 1))[-1] == "(1 row)"


def test_without_a_width_nothing_is_cut() -> None:
    rows = pyarrow.table({"long": ["x" * 5_000] * 3, "n" * 300: [1, 2, 3]})
    text = "".join(format_table(rows))
    assert text.count("x" * 5_000) == 3
    assert "n" * 300 in text


@pytest.mark.parametrize("width", [40, 41, 60, 80, 120])
def test_a_table_is_no_wider_than_the_terminal(width: int) -> None:
    rows = pyarrow.table({"id": ["0" * 32] * 2, "name": ["a", "b" * 100], "n": [1.5, 2.5]})
    found = lines(rows, width)
    assert max(map(len, found)) <= width
    assert max(map(len, found)) > width - 3, "no room is left unused"
    assert "..." in found[3]
    if width >= 80:
        assert "0" * 32 in found[2], "the widest column is cut, and no other one"


def test_a_number_is_never_cut() -> None:
    rows = pyarrow.table({"name": ["n" * 50], "value": [1.25e-101]})
    for width in range(5, 100, 5):
        assert "1.25e-101" in "".join(format_table(rows, width))


def test_too_many_columns_become_a_line_for_each_value() -> None:
    rows = pyarrow.table({f"column {n}": ["a" * 60, "b"] for n in range(20)})
    found = lines(rows, 80)
    assert found[:2] == ["-- row 1 --", "column 0   " + "a" * 60]
    assert found[21:23] == ["-- row 2 --", "column 0   b"]
    assert found[-1] == "(2 rows)"
    assert max(map(len, lines(rows, 40))) == 40


def test_wide_characters_are_aligned_and_cut_by_what_they_take() -> None:
    rows = pyarrow.table(
        {"name": ["日本語" * 10, "ab", "e\N{COMBINING ACUTE ACCENT}"], "n": [1, 2, 3]}
    )
    found = lines(rows, 20)
    assert found[0] == "name               n"
    assert found[2] == "日本語日本語日...  1"
    assert found[3] == "ab                 2"
    assert found[4] == "e\N{COMBINING ACUTE ACCENT}                  3"


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\r", "\x7f", "\x85", "\x9b", "\u202e"])
def test_nothing_that_a_terminal_acts_on_is_in_a_table(character: str) -> None:
    text = f"before{character}after"
    rows = pyarrow.table(
        {text: [text], "map": pyarrow.array([[(text, text)]], pyarrow.map_("string", "string"))}
    )
    for width in (None, 200, 20):
        assert all(line.isprintable() for line in lines(rows, width))
    assert printable(f"{text}\n", "\n").endswith("after\n")


def test_a_plan_is_shown_as_it_is() -> None:
    rows = duckdb.sql("EXPLAIN SELECT 42").to_arrow_table()
    assert lines(rows, 20) == rows.column("explain_value")[0].as_py().splitlines()
