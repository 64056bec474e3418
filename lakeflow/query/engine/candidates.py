"""What a search may find at most, where a tag or a param leaves few things. Pure.

A search over tables joins a key with every row, and so decodes the ids of all of them. Few
things are sooner read one by one, as those of a page are anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.query.engine.statement import Statement
from lakeflow.query.language.conditions import Combination, Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeflow.query.engine.compile import Search
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
    """Return what a search may find; None where nothing says what a tag or a param must be.

    Args:
        search: The search.
        size: Of the page: so many documents are read for it anyway.
    """
    kind, ids = search.kind, search.experiment_ids
    held = {spec.name: spec for spec in kind.held_tables}
    for each in _required(search.condition):
        named = each.field
        # What a number is compared with may be spelt in many ways.
        are_texts = all(isinstance(value, str) for value in each.values)
        is_narrow = each.operator in {"=", "IN"} and len(each.values) + len(ids) <= _MOST_BOUND
        if named.key is None or named.table not in held or not (are_texts and is_narrow):
            continue
        key, value = kind.pair(held[named.table])
        values: dict[str, Any] = {}
        conditions = [
            _among(key.name, [named.key], values),
            _among(value.name, each.values, values),
        ]
        if ids and kind.owner is not None:
            conditions.append(_among(kind.owner.id, ids, values))
        most = min(size, _MOST_READ)
        statement = Statement(
            f"SELECT {', '.join(kind.scope)} FROM {named.table} "  # noqa: S608 - names of ours
            f"WHERE {' AND '.join(conditions)} LIMIT {most + 1:d}",
            values,
            (named.table,),
            named={named.table: (key.name, [named.key])},
        )
        return Candidates(statement, most)
    return None


def _required(condition: Condition | None) -> Iterator[Comparison]:
    """Yield comparisons of which each must hold."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Combination) and condition.operator == "AND":
        for part in condition.parts:
            yield from _required(part)


def _among(column: str, wanted: Sequence[object], values: dict[str, Any]) -> str:
    names = [f"c{len(values) + place}" for place in range(len(wanted))]
    values |= zip(names, wanted, strict=True)
    return f'"{column}" IN ({", ".join(f"${name}" for name in names)})'
