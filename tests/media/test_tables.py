"""Values of users as tables, and tables as bytes: nothing is lost, nothing is guessed."""

from __future__ import annotations

import datetime
import decimal
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow.exceptions import InvalidInputError
from lakeflow.media import json_tables, parquet_tables
from lakeflow.media.tables import Table, table_of


def said(*values: Any) -> list[Any]:
    return [row[0] for row in json.loads(b"[" + json_tables.rows([list(values)]) + b"]")]


def test_every_library_gives_the_same_table() -> None:
    wanted = {"n": [1, 2], "f": [0.5, None], "s": ["x", None]}
    for data in (
        wanted,
        {"n": np.array([1, 2]), "f": (0.5, None), "s": pl.Series(["x", None])},
        {"n": pd.array([1, 2]), "f": [0.5, None], "s": pd.array(["x", None], "str")},
        {"n": pd.Series([1, 2]), "f": pd.Series([0.5, None]), "s": ["x", None]},
        pd.DataFrame(wanted),
        pl.DataFrame(wanted),
        pl.LazyFrame(wanted),
        pa.table(wanted),
        pa.RecordBatch.from_pydict(wanted),
    ):
        table = table_of(data)
        assert dict(zip(table.names, table.values(), strict=True)) == wanted
        assert parquet_tables.read(parquet_tables.saved(None, table)).to_pydict() == wanted


def test_what_json_lacks_is_said_as_pandas_says_it_but_whole() -> None:
    utc = datetime.timezone(datetime.timedelta(hours=2))
    assert said(
        datetime.datetime.fromisoformat("2024-01-02"),
        datetime.datetime.fromisoformat("2024-01-02T03:04:05.123456"),
        datetime.datetime(2024, 1, 2, tzinfo=utc),
        pd.Timestamp("2024-01-02 00:00:00.000000001"),
        np.datetime64("2024-01-02T00:00:00.000000000"),
        datetime.date(2024, 1, 2),
        datetime.time(3, 4),
        datetime.timedelta(days=1, seconds=3.5),
        datetime.timedelta(seconds=-1),
        pd.Timedelta(1_005, "ns"),
    ) == [
        "2024-01-02T00:00:00.000",
        "2024-01-02T03:04:05.123456",
        "2024-01-01T22:00:00.000Z",
        "2024-01-02T00:00:00.000000001",
        "2024-01-02T00:00:00.000",
        "2024-01-02T00:00:00.000",
        "03:04:00",
        "P1DT0H0M3.500S",
        "P-1DT23H59M59S",
        "P0DT0H0M0.000001005S",
    ]
    assert said(decimal.Decimal("1.5"), b"ab", {1}, np.arange(2), np.float32(0.5)) == [
        1.5, "ab", [1], [0, 1], 0.5,
    ]  # fmt: skip
    missing = (float("nan"), float("-inf"), pd.NA, pd.NaT, np.datetime64("NaT"), None)
    assert said(*missing, {"x": [float("nan")], (1, 2): np.nan}) == [
        *[None] * 6,
        {"x": [None], "(1, 2)": None},
    ]
    assert said("\U0001f600", "\\ud800") == ["\U0001f600", "\\ud800"]
    assert said(1e-15, 1 / 3, 2**70) == [1e-15, 1 / 3, 2**70]


def test_what_has_no_end_or_no_text_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    last = datetime.datetime.max.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-1)))
    for value in (circle, b"\xff", "\ud800", {"\udc00": 1}, last):
        with pytest.raises(InvalidInputError, match="not JSON serializable"):
            said(value)


CELLS = st.none() | st.integers() | st.text() | st.lists(st.text(), max_size=2)
TABLES = st.lists(
    st.lists(st.tuples(CELLS, CELLS), max_size=4).map(
        lambda rows: Table(["a]", '],"data":['], [[r[0] for r in rows], [r[1] for r in rows]])
    ),
    min_size=1,
    max_size=4,
)


@given(TABLES)
def test_rows_that_are_added_are_those_that_were_given(tables: list[Table]) -> None:
    content = None
    for table in tables:
        content = json_tables.saved(content, table)
    assert content is not None
    assert json_tables.split(content) is not None
    rows = [list(row) for table in tables for row in zip(*table.columns, strict=True)]
    assert json.loads(content) == {"columns": tables[0].names, "data": rows}


@pytest.mark.parametrize(
    "text",
    [
        '{"columns":["a"],"index":[0],"data":[[1]]}',
        '{"columns":["a"],"data":[[1]],"index":[0]}',
        '{"columns": ["a"], "data": [[1]]}',
        '{"columns":["a"],"data":[[1]]}\n',
        '{"data":[[1]],"columns":["a"]}',
    ],
)
def test_a_file_in_another_spelling_is_read_and_written_anew(text: str) -> None:
    assert json_tables.split(text.encode()) is None
    found = json_tables.saved(text.encode(), Table(["a"], [[2]]))
    assert found == b'{"columns":["a"],"data":[[1],[2]]}'


def test_columns_find_one_another_by_name_and_new_ones_are_null_above() -> None:
    content = json_tables.saved(None, Table(["a", "b"], [[1], [2]]))
    content = json_tables.saved(content, Table(["b"], [[3]]))
    content = json_tables.saved(content, Table(["c", "a"], [[4], [5]]))
    assert content == b'{"columns":["a","b","c"],"data":[[1,2,null],[null,3,null],[5,null,4]]}'
    twice = json_tables.saved(None, Table(["a", "a"], [[1], [2]]))
    assert json_tables.saved(twice, Table(["a", "a"], [[3], [4]])).endswith(b"[[1,2],[3,4]]}")
    with pytest.raises(InvalidInputError, match="one name"):
        json_tables.saved(twice, Table(["a", "b"], [[3], [4]]))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"columns":["a"],"data":[[1,2]]}', "{"])
def test_a_file_that_is_no_table_is_told_from_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_tables.parsed(text.encode())


def test_a_type_of_pandas_comes_back_from_parquet() -> None:
    frame = pd.DataFrame({"i": pd.array([1, None], "Int64"), "c": pd.Categorical(["x", "y"])})
    content = parquet_tables.saved(None, table_of(frame))
    content = parquet_tables.saved(content, table_of(frame))
    found = parquet_tables.read(content).to_pandas()
    assert found["i"].dtype == "Int64"
    assert found["c"].tolist() == ["x", "y", "x", "y"]
    with pytest.raises(InvalidInputError, match="of one type"):
        parquet_tables.saved(content, table_of({"i": ["text"]}))
    with pytest.raises(InvalidInputError, match="of one type"):
        parquet_tables.saved(None, table_of({"i": [1, "text"]}))


@pytest.mark.parametrize(
    ("above", "below"),
    [
        (pd.Categorical([1, 2]), pd.Categorical([3])),
        (pd.Categorical(["a", "b"]), pd.Series(["c"])),
        (pd.Series(["a", "b"]), pd.Categorical(["c"])),
        (pd.Categorical(["a", "b"]), pl.Series(["c"], dtype=pl.Categorical)),
    ],
)
def test_categories_go_below_values_and_values_below_categories(above: Any, below: Any) -> None:
    content = parquet_tables.saved(None, table_of(pd.DataFrame({"c": above})))
    content = parquet_tables.saved(content, table_of({"c": below}))
    assert parquet_tables.read(content).to_pandas()["c"].tolist() == [*above, *below]


def test_what_parquet_has_no_type_for_is_refused_and_not_written_as_an_address() -> None:
    objects = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(InvalidInputError, match="of one type"):
        parquet_tables.saved(None, table_of(objects))


def test_what_is_missing_in_a_list_is_null_in_parquet() -> None:
    content = parquet_tables.saved(None, table_of({"n": [1, pd.NA], "t": [pd.NaT, None]}))
    assert parquet_tables.read(content).to_pydict() == {"n": [1, None], "t": [None, None]}


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({"n": [0.5]}, {"n": [1.0, math.nan]}),
        ({"n": [0.5]}, pl.DataFrame({"n": [math.nan, None]})),
        ({"n": [[0.5]]}, pa.table({"n": [[math.nan], [], None]})),
        ({"n": [0.5]}, {"n": [1, 2]}),
        ({"n": [1]}, {"n": np.array([2], np.uint64)}),
        ({"m": ["x"]}, {"n": [math.nan]}),
        ({"n": ["x"]}, pd.DataFrame({"n": pd.Categorical(["x", "y"])})),
    ],
)
def test_rows_that_were_written_are_known_again(above: Any, below: Any) -> None:
    first = parquet_tables.saved(None, table_of(above))
    second = parquet_tables.saved(first, table_of(below))
    assert parquet_tables.is_saved(second, len(first), table_of(below))
    assert not parquet_tables.is_saved(second, len(first), table_of(above))
    assert not parquet_tables.is_saved(second, None, table_of(below))
    alone = parquet_tables.saved(None, table_of(below))
    assert parquet_tables.is_saved(alone, None, table_of(below))


@pytest.mark.parametrize("numpy_type", ["int64", "int32", "uint8", ">i4", "float32", "bool"])
@pytest.mark.parametrize("values", [[], [0, 1]])
def test_numbers_of_an_array_keep_their_type_in_parquet(
    numpy_type: str, values: list[int]
) -> None:
    array = np.array(values, numpy_type)
    content = parquet_tables.saved(None, table_of({"n": array}))
    found = parquet_tables.read(content).to_pandas()["n"]
    assert found.dtype == array.dtype.newbyteorder("=")
    assert found.tolist() == array.tolist()


def test_numbers_keep_their_type_in_a_table_without_rows() -> None:
    for frame in (
        pd.DataFrame({"n": pd.Series([], dtype="int64"), "m": pd.Series([], dtype="Int64")}),
        pl.DataFrame(schema={"n": pl.Int64, "m": pl.Int64}),
        pa.table({"n": pa.array([], pa.int64()), "m": pa.array([], pa.int64())}),
    ):
        content = parquet_tables.saved(None, table_of(frame))
        assert parquet_tables.read(content).schema.types == [pa.int64(), pa.int64()]
        assert str(parquet_tables.read(content).to_pandas()["n"].dtype) == "int64"


@pytest.mark.parametrize(
    "repeated",
    [
        pa.table([[1], [2], [3]], names=["a", "b", "b"]),
        pd.DataFrame([[1, 2, 3]], columns=["a", "b", "b"]),
        {"a": [1], 1: [2], "1": [3]},
    ],
)
def test_a_name_of_two_columns_is_named_in_parquet(repeated: Any) -> None:
    table = table_of(repeated)
    name = str(table.names[-1])
    with pytest.raises(InvalidInputError, match=f"more than one column '{name}'"):
        parquet_tables.saved(None, table)
    assert json_tables.saved(None, table)


def test_a_file_with_a_name_of_two_columns_takes_no_rows() -> None:
    written = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table([[1], [2]], names=["b", "b"]), written)
    with pytest.raises(InvalidInputError, match="more than one column 'b'"):
        parquet_tables.saved(written.getvalue().to_pybytes(), table_of({"b": [1]}))
