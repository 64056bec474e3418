"""Nodes of sqlglot's trees, taken apart. Pure."""

from __future__ import annotations

from typing import Any


def operands(node: Any) -> list[Any]:
    """Return what a chain of one connector connects, however long it is."""
    # sqlglot nests a AND b AND c to the left, so 500 conditions would be 500 calls deep.
    kind, rest = type(node), [node]
    found: list[Any] = []
    while rest:
        each = rest.pop()
        if type(each) is kind:
            rest += [each.left, each.right]
        else:
            found.append(each)
    return found[::-1]


def parts_of(node: Any) -> list[Any]:
    """Return the identifiers between the dots of a name."""
    from sqlglot import exp

    # sqlglot takes up to four parts for one column, and makes Dots of the others.
    after: list[Any] = []
    while isinstance(node, exp.Dot):
        after.append(node.expression)
        node = node.this
    before = node.parts if isinstance(node, exp.Column) else [node]
    return [*before, *reversed(after)]


def shown(node: Any) -> str:
    """Return a node as its text, which may be shortened."""
    text = str(node.sql(dialect="sqlite"))
    return repr(text if len(text) <= 80 else f"{text[:80]}...")
