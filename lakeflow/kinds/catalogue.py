"""What filters and orders may name in the search of a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lakeflow.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.schema import TableSpec


ATTRIBUTE_PREFIXES = frozenset({"attribute", "attributes", "attr", "run"})

_ABOUT_EACH = {"=", "!=", "IN", "BETWEEN"}
"""Operators that the least and the largest of some values do not decide."""


class Attribute(NamedTuple):
    """A column that is searched.

    Attributes:
        column: Its name, or an expression over the columns of its table.
        is_number: Whether it is a number rather than text.
        values: Every text that it can be; empty where there is no closed set.
        table: The table that it is in, where that is not the one with the things' rows: that
            of their owners, or with ``by`` one that may have several rows for a thing.
        by: The columns of both tables by which such rows are found. A condition holds if it
            holds for any of them, and they do not sort.
        also: What is equal to a value as well if this one is; None for nothing.
        at_least: A number of the owner's that stands in the place of a smaller one; None for
            nothing.
    """

    column: str
    is_number: bool = False
    values: tuple[str, ...] = ()
    table: TableSpec | None = None
    by: tuple[str, ...] = ()
    also: Attribute | None = None
    at_least: Attribute | None = None


@frozen
class Rows:
    """Rows of a table beside a thing, about which conditions ask; a thing may have several.

    Attributes:
        noun: What one of them is called.
        table: The table.
        by: The columns of both tables by which they are found.
        columns: What may be asked of a row, by the word after the prefix.
        objects: Columns with JSON objects by that word; a key in such an object follows.
        key: Column with the name of a row. Then the word after the prefix is a name, and what
            is asked for is the value of the row.
        value: The expression of that value.
        where: What must hold of a row besides; empty for nothing.
        is_one: Whether conditions that AND connects are all about one row, and not about any
            of them each.
        is_number: Whether that value is a number rather than text.
        beside: Columns with other values of the row: a condition holds if it does for one.
        each: Table with every record that such a row sums up, where ``beside`` has the least
            and the largest value: conditions that these two do not decide are about it.
        last: Columns by which one of several rows is the last, whose value is what sorts;
            empty where they do not sort.
    """

    noun: str
    table: TableSpec
    by: tuple[str, ...]
    columns: Mapping[str, Attribute] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    value: str = ""
    where: str = ""
    is_one: bool = False
    is_number: bool = False
    beside: tuple[str, ...] = ()
    each: TableSpec | None = None
    last: tuple[str, ...] = ()

    def asked(self, operator: str) -> TableSpec:
        """Return the table whose rows tell whether a condition with an operator holds."""
        return self.each if self.each is not None and operator in _ABOUT_EACH else self.table


@frozen
class Catalogue:
    """Everything that can be named in the search of one kind of thing.

    Attributes:
        attributes: Columns by every name they go by.
        keyed: Tables of keys and values by every prefix they go by.
        order: Attributes that sort what is equal otherwise, and whether they descend.
        first: The order where none is given.
        rows: Rows beside the things, by every prefix they go by.
        words: Words that may stand before the dot of an attribute.
        most: Most things of one page, as in MLflow.
    """

    attributes: Mapping[str, Attribute]
    keyed: Mapping[str, TableSpec]
    order: tuple[tuple[str, bool], ...]
    first: tuple[tuple[str, bool], ...] = ()
    rows: Mapping[str, Rows] = field(default_factory=dict)
    words: frozenset[str] = ATTRIBUTE_PREFIXES
    most: int = 50_000

    @property
    def names(self) -> set[str]:
        """One name of each attribute: the first where it has several."""
        first: dict[Attribute, str] = {}
        for name, attribute in self.attributes.items():
            first.setdefault(attribute, name)
        return {*first.values()}

    @property
    def prefixes(self) -> list[str]:
        """Every word that may stand before the first dot."""
        return sorted({*self.keyed, *self.words, *self.rows})
