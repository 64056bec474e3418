"""Python values as columns of Arrow: what pyarrow itself would make of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow
import pytest

from lakeflow.query.engine.columns import column, table

if TYPE_CHECKING:
    from lakeflow.schema.spec import Type

KINDS = {"string": pyarrow.string(), "long": pyarrow.int64(), "double": pyarrow.float64()}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("string", ["", "a", None, "ü\0", *["x"] * 20, None]),
        ("string", []),
        ("string", [None]),
        ("long", [0, None, -(2**63), 2**63 - 1]),
        ("long", range(9)),
        ("double", [0.5, None, math.inf, 1, *[None] * 9]),
    ],
)
def test_a_column_is_what_pyarrow_makes(kind: Type, values: Any) -> None:
    found = column(kind, values)
    found.validate(full=True)
    assert found.equals(pyarrow.array(values, KINDS[kind]))


def test_columns_make_a_table() -> None:
    found = table({"b": column("long", [1]), "a": column("string", ["x"])})
    assert found.to_pydict() == {"b": [1], "a": ["x"]}
    assert found.column_names == ["b", "a"]
