"""What a search may find at most, where a tag, a param or an owner leaves little. Pure.

A search over tables joins a key with every row, and so decodes the ids of all of them. Few
things are sooner read one by one, as those of a page are anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.query.engine.comparisons import among, binding
from lakeflow.query.engine.statement import Statement
from lakeflow.query.language.conditions import Combination, Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.query.engine.search import Search
    from lakeflow.query.language.conditions import Condition

_MOST_READ = 1_000
"""Things that are read one by one at most: what is kept of them for the page."""

_MOST_BOUND = 100
"""Values that are bound; a search for more of them is not likely to find little."""


class Candidates(NamedTuple):
    """What a search may find.

    Attributes:
        statement: Its rows are the scopes of all of it.
        most: How many are worth being read one by one.
    """

    statement: Statement
    most: int


def candidates(search: Search, size: int) -> Candidates | None:
    """Return what a search may find; None where nothing says that it is little.

    Args:
        search: The search.
        size: Of the page: so many documents are read for it anyway.
    """
    most = min(size, _MOST_READ)
    for each in required(search.condition):
        # What a number is compared with may be spelt in many ways.
        are_texts = all(isinstance(value, str) for value in each.values)
        bound = len(each.values) + len(search.experiment_ids)
        if each.operator in {"=", "IN"} and are_texts and bound <= _MOST_BOUND:
            statement = _with_key(search, each, most) or _with_owner(search, each, most)
            if statement is not None:
                return Candidates(statement, most)
    return None


def _with_key(search: Search, comparison: Comparison, most: int) -> Statement | None:
    """Return those that have a tag or a param with some value; None if it is about none."""
    kind, named = search.kind, comparison.field
    table = next((spec for spec in kind.held_tables if spec.name == named.table), None)
    if table is None or named.key is None:
        return None
    key, value = kind.pair(table)
    values: dict[str, Any] = {}
    bind = binding(values)
    conditions = [
        among(f'"{key.name}"', [named.key], bind),
        among(f'"{value.name}"', comparison.values, bind),
    ]
    if search.experiment_ids and kind.owner is not None:
        conditions.append(among(kind.owner.id, search.experiment_ids, bind))
    # One more than are wanted tells that there are too many.
    return Statement(
        f"SELECT {', '.join(kind.scope)} FROM {table.name} "  # noqa: S608 - names of ours
        f"WHERE {' AND '.join(conditions)} LIMIT {most + 1:d}",
        values,
        (table.name,),
        named={table.name: (key.name, [named.key])},
    )


def _with_owner(search: Search, comparison: Comparison, most: int) -> Statement | None:
    """Return those of an owner that no other is called like; None if it is about none."""
    kind, named = search.kind, comparison.field
    owner = kind.owner
    if owner is None or named.table != owner.row.name or named.column not in owner.unique:
        return None
    values: dict[str, Any] = {}
    where = among(named.column, comparison.values, binding(values))
    return Statement(
        f"SELECT {', '.join(kind.scope)} FROM {kind.row.name} WHERE {owner.id} IN "  # noqa: S608
        f"(SELECT {owner.id} FROM {owner.row.name} WHERE {where}) LIMIT {most + 1:d}",
        values,
        (owner.row.name, kind.row.name),
    )


def required(condition: Condition | None) -> Iterator[Comparison]:
    """Yield comparisons of which each must hold."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Combination) and condition.operator == "AND":
        for part in condition.parts:
            yield from required(part)
