"""Rows as text are exact: every value can be read back."""

from __future__ import annotations

import json
import math
import random
import struct
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow
import pytest

from lakeflow.query.engine.text import cells, json_objects

if TYPE_CHECKING:
    from collections.abc import Callable


def rows(query: str) -> pyarrow.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql(query).to_arrow_table()


@pytest.mark.parametrize(
    ("value", "text", "in_json"),
    [
        ("170141183460469231731687303715884105727::HUGEINT", "1" + "70141183460469231731687303715884105727", None),
        ("12345678901234567.1234567890::DECIMAL(38, 10)", "12345678901234567.1234567890", None),
        ("18446744073709551615::UBIGINT", "18446744073709551615", None),
        ("'nan'::DOUBLE", "nan", '"NaN"'),
        ("'-inf'::DOUBLE", "-inf", '"-Infinity"'),
        ("1.0::DOUBLE", "1.0", None),
        ("true", "true", None),
        ("NULL", None, "null"),
        ("''", "", '""'),
        ("'it''s \"quoted\"'", 'it\'s "quoted"', r'"it' + "'" + r's \"quoted\""'),
        ("chr(27) || chr(10)", "\x1b\n", r'"\u001B\n"'),
        (
            "TIMESTAMPTZ '2023-11-14 23:13:20.123456+01'",
            "2023-11-14 22:13:20.123456+00",
            '"2023-11-14 22:13:20.123456+00"',
        ),
        ("DATE '2023-11-14'", "2023-11-14", '"2023-11-14"'),
        ("INTERVAL 3 DAY", "3 days", '"3 days"'),
        ("MAP {'k': 'nan'::DOUBLE}", '{"k":"NaN"}', None),
        (
            "{'a\"NaN': ['-inf'::FLOAT, 1.5], 'b': '\\\", NaN'}",
            r'{"a\"NaN":["-Infinity",1.5],"b":"\\\", NaN"}',
            None,
        ),
        ("[{'a': 1, 'b': NULL}]", '[{"a":1,"b":null}]', None),
        ("NULL::MAP(VARCHAR, DOUBLE)", None, "null"),
    ],
)  # fmt: skip
def test_each_kind_of_value_is_exact(value: str, text: str | None, in_json: str | None) -> None:
    found = rows(f"SELECT {value} AS v")
    assert list(cells(found)) == [(text,)]
    assert list(json_objects(found)) == [f'{{"v":{in_json or text}}}']


def bits(number: float) -> bytes:
    return b"nan" if math.isnan(number) else struct.pack("d", number)


def test_any_float_is_read_back_as_it_was() -> None:
    made = random.Random(7)
    numbers = [struct.unpack("d", made.randbytes(8))[0] for _ in range(20_000)]
    numbers += [0.0, -0.0, 5e-324, 1e15, 1e16, 1e17, math.inf, -math.inf, math.nan]
    found = pyarrow.table({"v": numbers})
    wanted = list(map(bits, numbers))
    assert [bits(float(text or "")) for (text,) in cells(found)] == wanted
    assert [
        bits(float(json.loads(text, parse_constant=pytest.fail)["v"]))
        for text in json_objects(found)
    ] == wanted


@pytest.mark.parametrize("write", [cells, json_objects])
def test_long_answers_keep_their_order(write: Callable[[pyarrow.Table], Any]) -> None:
    found = rows("SELECT range AS n FROM range(300000)")
    first = next(iter(write(found)))
    assert str(first).strip("{}(),'") in {'"n":0', "0"}
    numbers = [int("".join(filter(str.isdigit, str(row)))) for row in write(found)]
    assert numbers == list(range(300_000))


def test_names_of_columns_are_only_names() -> None:
    found = rows("""SELECT 1 AS "rows", 2 AS "a.b", 3 AS "a""b", 4 AS "x", 5 AS "X" """)
    assert list(cells(found)) == [("1", "2", "3", "4", "5")]
    assert list(json_objects(found)) == [r'{"rows":1,"a.b":2,"a\"b":3,"x":4,"X_1":5}']


def test_two_columns_of_one_name_are_both_there() -> None:
    found = rows("SELECT 1 AS a, 2 AS a")
    assert list(cells(found)) == [("1", "2")]
    assert list(json_objects(found)) == ['{"a":1,"a_1":2}']
