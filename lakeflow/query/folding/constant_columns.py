"""Columns that have the same value in all rows: they need not be sorted with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.query.engine.statement import quoted

if TYPE_CHECKING:
    from lakeflow.query.folding.stored_files import Run
    from lakeflow.schema import TableSpec

FEWEST = 100
"""Rows of which there are such columns; the first of them say which these may be."""

_LONGEST = 1_024
"""Characters of the text of such a column."""


def constant_columns(run: Run, spec: TableSpec, rows: str) -> dict[str, str | int | None]:
    """Return the values of columns that have the same one in all rows, null among them.

    Sorting moves each row column by column, and of spans more than half are the same in all.
    None where the rows are few, or nothing would be left to sort by.

    Args:
        run: Returns the rows of a statement.
        spec: The table.
        rows: The query for its rows.
    """
    # Long texts are looked at no further than it takes to see that they are.
    looks = ", ".join(
        f'left("{each.name}", {_LONGEST + 1})' if each.type == "string" else quoted([each.name])
        for each in spec.columns
    )
    first = run(f"SELECT {looks} FROM ({rows}) LIMIT {FEWEST}")  # noqa: S608 - constants
    if len(first) < FEWEST:
        return {}
    # Reals but for nulls are left out: NaN is not what it is, and 0 is what -0 is.
    candidates = {
        column.name: values[0]
        for column, values in zip(spec.columns, zip(*first, strict=True), strict=True)
        if values.count(values[0]) == FEWEST
        and (values[0] is None or column.type != "double")
        and (type(values[0]) is not str or len(values[0]) <= _LONGEST)
    }
    if not candidates:
        return {}
    given = {f"value_{name}": value for name, value in candidates.items() if value is not None}
    others = ", ".join(
        f'count("{name}")'
        if value is None
        else f'count_if("{name}" IS DISTINCT FROM $value_{name})'
        for name, value in candidates.items()
    )
    (counts,) = run(f"SELECT {others} FROM ({rows})", **given)  # noqa: S608 - constants
    found = {
        name: value
        for (name, value), count in zip(candidates.items(), counts, strict=True)
        if count == 0
    }
    return {} if {*spec.sort} <= {*found} else found
