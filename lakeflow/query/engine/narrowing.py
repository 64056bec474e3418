"""Which rows of its views a user's statement can see, as far as its WHERE compares. Pure.

The engine rules out row groups by their bounds, but looks at each of them, in every file. A
lake knows which files may hold a trace, a run or a day, and leaves the others out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakeflow.query.engine import permitted
from lakeflow.query.engine.comparisons import among

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakeflow.query.engine.comparisons import Bind
    from lakeflow.schema import TableSpec

Range = tuple[int, int]

_ANY: Range = (-(2**63), 2**63 - 1)

_JOINS = {"INNER", "LEFT", "RIGHT", "FULL"}
"""Of a row that a WHERE refuses these make none that it takes."""

_FLIPPED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What must hold of the rows of a table that a statement sees.

    Attributes:
        texts: For a column, texts of which a row has one.
        ranges: For a column of whole numbers, ranges of which a row is in one.
    """

    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ranges: Mapping[str, Sequence[Range]] = field(default_factory=dict)

    def where(self, bind: Bind) -> str:
        """Return it as the WHERE of a statement; empty where any row will do."""
        found = [among(f'"{name}"', values, bind) for name, values in self.texts.items()]
        for name, ranges in self.ranges.items():
            # One range: the engine compares it with the bounds of row groups.
            least, most = min(first for first, _ in ranges), max(last for _, last in ranges)
            found.append(f'"{name}" BETWEEN {bind(least)} AND {bind(most)}')
        return f"WHERE {' AND '.join(found)}" if found else ""

    def either(self, other: Narrowing) -> Narrowing:
        """Return what holds where this or another one does."""
        return Narrowing(
            {
                name: [*values, *other.texts[name]]
                for name, values in self.texts.items()
                if name in other.texts
            },
            {
                name: [*values, *other.ranges[name]]
                for name, values in self.ranges.items()
                if name in other.ranges
            },
        )


EVERYTHING = Narrowing()
"""Any row."""


def narrowed(
    tree: dict[str, Any],
    views: Mapping[str, Sequence[TableSpec]],
    columns: Mapping[str, Sequence[str]],
    params: object,
) -> dict[str, Narrowing]:
    """Return what must hold of the rows of each table that a statement reads.

    Args:
        tree: The statement, found to read only.
        views: The tables that each view reads.
        columns: For views whose rows are each one of their only table, columns that both have.
        params: Values by position or by name.
    """
    # By the identity of its node: one table may stand there twice, each with its own WHERE.
    asked = dict(_asked(tree, params))
    made = permitted.made(tree)
    found: dict[str, Narrowing] = {}
    for node, _ in permitted.nodes(tree):
        name = str(node.get("table_name", "")).lower()
        if node.get("type") != "BASE_TABLE" or name not in views:
            continue
        wanted = asked.get(id(node), []) if name not in made else []
        for spec in views[name]:
            narrowing = _narrowing(spec, columns.get(name, ()), wanted)
            known = found.get(spec.name)
            # All places read one relation, which has to have what any of them sees.
            found[spec.name] = narrowing if known is None else known.either(narrowing)
    return found


def _narrowing(
    spec: TableSpec, columns: Sequence[str], wanted: Iterable[tuple[str, Sequence[Any]]]
) -> Narrowing:
    """Return what comparisons of columns with values or with a range say of a table."""
    types = {column.name: column.type for column in spec.columns if column.name in columns}
    texts: dict[str, Sequence[str]] = {}
    ranges: dict[str, Sequence[Range]] = {}
    for name, values in wanted:
        if types.get(name) == "string" and all(isinstance(each, str) for each in values):
            # Of several the first: all of them must hold, so that any one narrows.
            texts.setdefault(name, values)
        elif types.get(name) == "long" and all(type(each) is int for each in values):
            ((first, last),) = ranges.get(name, [_ANY])
            ranges[name] = [(max(first, min(values)), min(last, max(values)))]
    return Narrowing(texts, ranges)


def _asked(
    tree: dict[str, Any], params: object
) -> Iterator[tuple[int, list[tuple[str, Sequence[Any]]]]]:
    """Yield for tables of a tree, by the identity of their node, what must hold of columns."""
    for node, _ in permitted.nodes(tree):
        # A sample is one of all rows: with fewer files it would be another one.
        if node.get("type") != "SELECT_NODE" or node["sample"] or not node["where_clause"]:
            continue
        conditions = list(_conditions(node["where_clause"], params))
        for table in _tables(node["from_table"]):
            named = ((table["alias"] or table["table_name"]).lower(),)
            # Among several tables a column without a name may be that of another one.
            names = {named, ()} if table is node["from_table"] else {named}
            yield (
                id(table),
                [(path[-1], values) for path, values in conditions if path[:-1] in names],
            )


def _tables(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the tables that are joined so that a condition may come before the join."""
    if node["type"] == "BASE_TABLE":
        # With names of its own for the columns, as in AS s(a, b), a condition is about others.
        if not (node["sample"] or node["column_name_alias"] or node["at_clause"]):
            yield node
    elif (
        node["type"] == "JOIN"
        and node["join_type"] in _JOINS
        and node["ref_type"] in {"REGULAR", "CROSS"}
        and not node["sample"]
    ):
        yield from _tables(node["left"])
        yield from _tables(node["right"])


def _conditions(
    node: dict[str, Any], params: object
) -> Iterator[tuple[tuple[str, ...], Sequence[Any]]]:
    """Yield columns that a condition compares, and values of which they must have one.

    Of a range of whole numbers these are its ends.
    """
    kind = node["type"]
    if kind == "CONJUNCTION_AND":
        for part in node["children"]:
            yield from _conditions(part, params)
        return
    column, kind, beside = _compared(node)
    values = [_value(each, params) for each in beside]
    if column.get("type") != "COLUMN_REF" or None in values:
        return
    if kind not in {"COMPARE_EQUAL", "COMPARE_IN"}:
        if not all(type(each) is int for each in values):
            return
        # The end itself may stay: more rows than the statement sees do no harm.
        if kind != "COMPARE_BETWEEN":
            # The range is open to its other side.
            values.append(_ANY["GREATER" in kind])
    yield tuple(name.lower() for name in column["column_names"]), values


def _compared(node: dict[str, Any]) -> tuple[dict[str, Any], str, Sequence[dict[str, Any]]]:
    """Return what a condition compares, how, and with what; nothing if it is none of these."""
    kind = node["type"]
    if kind == "COMPARE_IN":
        return node["children"][0], kind, node["children"][1:]
    if kind == "COMPARE_BETWEEN":
        return node["input"], kind, (node["lower"], node["upper"])
    if kind not in _FLIPPED:
        return {}, kind, ()
    if node["left"]["type"] == "COLUMN_REF":
        return node["left"], kind, (node["right"],)
    return node["right"], _FLIPPED[kind], (node["left"],)


def _value(node: dict[str, Any], params: object) -> Any:
    """Return the value of a constant or of a parameter; None if it is neither of them."""
    if node["type"] == "VALUE_PARAMETER":
        name = node["identifier"]
        if isinstance(params, Mapping):
            return params.get(name)
        if isinstance(params, Sequence) and name.isdecimal() and 0 < int(name) <= len(params):
            return params[int(name) - 1]
        return None
    literal = node.get("literal", {})
    if literal.get("kind") == "STRING":
        return literal["text"]
    is_number = literal.get("kind") == "INTEGER" and literal["text"].isdecimal()
    return int(literal["text"]) if is_number else None
