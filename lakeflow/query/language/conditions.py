"""The tree that a filter becomes, and the lines of an order: values without behaviour."""

from __future__ import annotations

from typing import Literal

from lakeflow.values import frozen

Aggregate = Literal["value", "min", "max", "count"]

Value = str | int | float

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "RLIKE", "IN", "BETWEEN", "IS NULL"
]


@frozen
class Field:
    """One thing that a filter compares or an order sorts by.

    Attributes:
        table: Name of the table that it is in.
        column: Its column there.
        is_number: Whether it is a number rather than text.
        key: The key whose value it is, for a table of keys; else None.
        values: Every text that it can be; empty where there is no closed set.
        by: Columns that find its rows, where there may be several for what is searched.
        rows: The prefix of such rows in the catalogue; empty for an attribute.
        also: What is equal to a value as well if this one is; None for nothing.
        at_least: A number that stands in the place of a smaller one; None for nothing.
        only: Which of such rows count: each of these names columns with the values that a row
            has which meets it, and one of them is met; empty for all rows.
    """

    table: str
    column: str
    is_number: bool
    key: str | None = None
    values: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    rows: str = ""
    also: Field | None = None
    at_least: Field | None = None
    only: tuple[tuple[tuple[str, str], ...], ...] = ()


@frozen
class Comparison:
    """A field against values.

    Attributes:
        field: What is compared.
        operator: How.
        values: With what: one, two for BETWEEN, any number for IN, none for IS NULL.
    """

    field: Field
    operator: Operator
    values: tuple[Value, ...] = ()


@frozen
class Not:
    """The opposite of a condition."""

    part: Condition


@frozen
class Combination:
    """Conditions of which all or any hold.

    Attributes:
        operator: ``"AND"`` or ``"OR"``.
        parts: The conditions.
    """

    operator: Literal["AND", "OR"]
    parts: tuple[Condition, ...]


Condition = Comparison | Not | Combination


@frozen
class Ordering:
    """One line of an order.

    Attributes:
        field: What is sorted by.
        descends: Whether from large to small.
    """

    field: Field
    descends: bool
