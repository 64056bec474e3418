"""Comparisons of columns with values, and what sorts them, as SQL. Pure: values are bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.query.language.conditions import Comparison, Ordering

    Bind = Callable[[object], str]

MOST_BOUND_ONE_BY_ONE = 1_000
"""Values that are bound each by itself; more of them are bound as one list."""

_FLOATS_HAVE_GAPS = 2**53
"""Whole numbers from which on not each of them is a DOUBLE."""


def binding(values: dict[str, Any], prefix: str = "p") -> Bind:
    """Return what adds a value to those that are bound, and returns its parameter."""

    def bind(value: object) -> str:
        name = f"{prefix}{len(values)}"
        values[name] = value
        return f"${name}"

    return bind


def compared(column: str, condition: Comparison, bind: Bind) -> str:
    """Return that a column compares with values as a condition says it."""
    operator, values = condition.operator, condition.values
    if operator == "IS NULL":
        return f"{column} IS NULL"
    # A param or a tag that does not spell a number compares as a missing one.
    if not condition.field.is_number and not isinstance(values[0], str):
        if any(isinstance(each, int) and abs(each) >= _FLOATS_HAVE_GAPS for each in values):
            return _spelt(column, operator, values, bind)
        column = f"TRY_CAST({column} AS DOUBLE)"
    if operator == "IN":
        return among(column, values, bind)
    if operator == "RLIKE":
        return f"regexp_matches({column}, {bind(values[0])})"
    if operator == "BETWEEN":
        low, high = map(bind, values)
        found = f"{column} BETWEEN {low} AND {high}"
    else:
        found = f"{column} {operator} {bind(values[0])}"
    # DuckDB holds NaN for the largest number; min and max leave it out.
    may_be_nan = condition.field.key is not None and condition.field.column == "value"
    if may_be_nan and operator in {">", ">=", "BETWEEN"}:
        return f"({found} AND NOT isnan({column}))"
    return found


def _spelt(column: str, operator: str, values: Sequence[object], bind: Bind) -> str:
    """Compare numbers that texts spell, digit by digit where there are not too many."""
    # DuckDB's longest: 29 digits before the point, room for all below ``EXACT_BELOW``.
    exact = f"TRY_CAST({column} AS DECIMAL(38, 9))"
    rounded = f"TRY_CAST({column} AS DOUBLE)"

    def one(operator: str, value: object) -> str:
        if not isinstance(value, int):
            return f"{rounded} {operator} {bind(value)}"
        digits = f"CAST({bind(str(value))} AS DECIMAL(38, 9))"
        # What has too many digits is as good as missing to the first of them.
        return (
            f"coalesce({exact} {operator} {digits}, {rounded} {operator} {bind(float(value))})"
        )

    if operator == "BETWEEN":
        low, high = values
        return f"({one('>=', low)} AND {one('<=', high)} AND NOT isnan({rounded}))"
    if operator == "IN":
        return f"({' OR '.join(one('=', each) for each in values)})"
    compared = one(operator, values[0])
    return f"({compared} AND NOT isnan({rounded}))" if ">" in operator else compared


def among(expression: str, values: Sequence[object], bind: Bind) -> str:
    """Return that an expression has one of some values."""
    if len(values) == 1:
        return f"{expression} = {bind(values[0])}"
    # Row groups are ruled out by values that are bound one by one, and by no list.
    if len(values) > MOST_BOUND_ONE_BY_ONE:
        return f"list_contains({bind(list(values))}, {expression})"
    return f"{expression} IN ({', '.join(map(bind, values))})"


def one_met(alternatives: Sequence[Sequence[tuple[str, str]]], bind: Bind) -> str:
    """Return that a row has every column's value of one of the alternatives."""
    met = (
        " AND ".join(f'"{name}" = {bind(value)}' for name, value in each)
        for each in alternatives
    )
    return f"({' OR '.join(f'({each})' for each in met)})"


def of_json(column: str, key: str, bind: Bind) -> str:
    """Return the text that a column's JSON object has for a key."""
    # Whatever characters are in a key: those that have a meaning in a pointer are escaped.
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    return f"TRY(json_extract_string({column}, {bind(pointer)}))"


def with_missing_last(column: str, line: Ordering) -> list[tuple[str, bool]]:
    """Return a rank (numbers, then NaN, then what is missing) and the value."""
    # Page tokens hold sort positions, and neither a null nor NaN can be compared with. So each
    # has a rank of its own, and a number that stands in its place.
    field = line.field
    # The count of a metric and every attribute are whole numbers, which are never NaN.
    if not field.is_number or field.key is None or field.column == "count":
        least = "0" if field.is_number else "''"
        return [
            (f"CASE WHEN {column} IS NULL THEN 1 ELSE 0 END", False),
            (f"coalesce({column}, {least})", line.descends),
        ]
    return [
        (
            f"CASE WHEN {column} IS NULL THEN 2 WHEN isnan({column}) THEN 1 ELSE 0 END",
            False,
        ),
        (f"CASE WHEN isnan({column}) THEN 0 ELSE coalesce({column}, 0) END", line.descends),
    ]


def comes_after(
    keys: Sequence[tuple[str, bool]], position: Sequence[object], bind: Bind
) -> str:
    """Return that a row comes after a position: by the first key that differs.

    Args:
        keys: What sorts, without nulls, and which of it descends.
        position: A value of each.
        bind: Binds a value.
    """
    # Rows such as (a, b) > (c, d) compare in one direction only, and here each key has its own.
    bound = [bind(value) for value in position]
    cases = []
    for number, (expression, descends) in enumerate(keys):
        equal = [f"{keys[n][0]} = {bound[n]}" for n in range(number)]
        further = f"{expression} {'<' if descends else '>'} {bound[number]}"
        cases.append(" AND ".join([*equal, further]))
    return f"({' OR '.join(f'({case})' for case in cases)})"


def resolved(column: str, root: str, bind: Bind) -> str:
    """Return a location as users see it; see ``Filesystem.resolve``."""
    is_absolute = f"starts_with({column}, '/') OR contains(split_part({column}, '/', 1), ':')"
    within = f"{bind(root + '/')} || {column}"
    return f"CASE WHEN {is_absolute} THEN {column} ELSE {within} END"
