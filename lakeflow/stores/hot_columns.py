"""Rows of a part as the columns that came, where they are too many for an object each. Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from lakeflow.kinds.kind import CLOCK

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from lakeflow.schema import TableSpec
    from lakeflow.stores.things import Order


class HotColumns:
    """What the log says of the rows of one table, in the order in which it was read.

    A key may be there several times: of rows with one key the last one by ``order`` counts.

    Args:
        spec: The table.
        identity: Column with the ids of the things that rows are about.

    Attributes:
        columns: The values by column.
        orders: Clock, writer, number and place of the record of each row, a list each.
    """

    def __init__(self, spec: TableSpec, identity: str) -> None:
        self.columns: dict[str, list[Any]] = {
            # The clocks are those of the orders.
            name: []
            for name in spec.column_names
            if name != CLOCK
        }
        # Numbers are packed; of a writer's name all rows of a record share the text.
        self.orders: tuple[Any, ...] = array("q"), [], array("q"), array("i")
        self._identity = identity
        self._rows_of: dict[str, array[int]] = {}

    def __len__(self) -> int:
        return len(self.orders[0])

    def add(self, rows: Mapping[str, Sequence[Any]], order: Order) -> None:
        """Add the rows of a record, a list for each column."""
        clock, writer, seq = order
        first, ids = len(self), rows[self._identity]
        count = len(ids)
        for name, column in self.columns.items():
            column.extend(rows[name])
        of_record = [clock] * count, [writer] * count, [seq] * count, range(count)
        for kept, values in zip(self.orders, of_record, strict=True):
            kept.extend(values)
        rows_of = self._rows_of
        for number, identity in enumerate(ids, first):
            known = rows_of.get(identity)
            if known is None:
                known = rows_of[identity] = array("q")
            known.append(number)

    def forget(self, identity: str) -> None:
        """Take the rows of a thing for gone."""
        # The rows stay: whoever has read up to some row goes on by its number.
        self._rows_of.pop(identity, None)

    def has(self, identity: str) -> bool:
        """Return whether there are rows of a thing."""
        return identity in self._rows_of

    def since(self, first: int, things: Container[str]) -> tuple[list[list[Any]], list[Any]]:
        """Return the rows from one on that are about certain things: columns, and orders."""
        ids = self.columns[self._identity]
        rows = [
            row
            for row in range(first, len(self))
            if ids[row] in things and ids[row] in self._rows_of
        ]
        every: list[Any] = [*self.columns.values(), *self.orders]
        # As a rule all rows are wanted, and whole stretches are copied at once.
        if len(rows) == len(self) - first:
            picked = [list(values[first:]) for values in every]
        else:
            picked = [[values[row] for row in rows] for values in every]
        return picked[: len(self.columns)], picked[len(self.columns) :]
