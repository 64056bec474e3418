"""A filter string, or a line of an order, becomes a tree of our own. Pure.

sqlglot parses; what it returns is walked against a whitelist and rebuilt, so that nothing of
a user's text but keys and values, which are bound, ever reaches the query engine. Comparing
with a key that is missing is neither true nor false, as in SQL.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError
from lakeflow.query.language.conditions import (
    Aggregate,
    Combination,
    Comparison,
    Condition,
    Field,
    Not,
    Operator,
    Ordering,
    Value,
)
from lakeflow.query.language.nodes import operands, parts_of, shown
from lakeflow.signals import let_through
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    from sqlglot import exp

    from lakeflow.kinds import Kind
    from lakeflow.kinds.catalogue import Attribute

# Room for a hundred thousand ids of runs; conditions and depth are what is costly.
MAX_CHARACTERS = 4_000_000
MAX_CONDITIONS = 500
MAX_DEPTH = 50

EXACT_BELOW = 10**28
"""Whole numbers of params and tags up to which every digit is compared."""

# sqlglot takes 0.6 s to import, so it is imported with the first filter that is parsed. Until
# then its classes are known by their names only.
_OPERATORS: dict[str, Operator] = {
    "EQ": "=",
    "NEQ": "!=",
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "Like": "LIKE",
    "ILike": "ILIKE",
    "RegexpLike": "RLIKE",
}

_AGGREGATES: dict[str, Aggregate] = {
    "Min": "min",
    "Max": "max",
    "Count": "count",
    "Last": "value",
}

_TEXT_OPERATORS = {"=", "!=", "LIKE", "ILIKE", "RLIKE", "IN"}
_WHOLE_VALUE_OPERATORS = {"=", "!=", "IN"}
_NUMBER_OPERATORS = {"=", "!=", "<", "<=", ">", ">=", "IN", "BETWEEN"}


def parse_filter(text: str | None, kind: Kind) -> Condition | None:
    """Return the tree of a filter; None where it is empty.

    Args:
        text: The filter.
        kind: What is searched.

    Raises:
        InvalidInputError: It is malformed; the message says where and what was expected.
    """
    if text is None or not str(text).strip():
        return None
    return _Parser(text, "filter", kind).condition()


def parse_order(lines: object, kind: Kind) -> list[Ordering]:
    """Return the lines of an order.

    Args:
        lines: Texts such as ``"metrics.loss DESC"``; None for none.
        kind: What is searched.

    Raises:
        InvalidInputError: One is malformed, or names what another one names.
    """
    if lines is None:
        return []
    # A repeated field of protobuf is iterable, and has no method that says so.
    if isinstance(lines, str) or not isinstance(lines, Iterable):
        raise InvalidInputError(f"order_by is {lines!r}, not a list of texts")
    found = [_Parser(line, "order_by", kind).ordering() for line in lines]
    if len({each.field for each in found}) < len(found):
        raise InvalidInputError(f"`order_by` contains duplicate fields: {lines!r}")
    return found


def field_of(attribute: Attribute, kind: Kind) -> Field:
    """Return what an attribute of a kind compares or sorts by."""
    table = kind.row if attribute.table is None else attribute.table
    return Field(
        table.name,
        attribute.column,
        attribute.is_number,
        values=attribute.values,
        by=attribute.by,
        also=attribute.also and field_of(attribute.also, kind),
        at_least=attribute.at_least and field_of(attribute.at_least, kind),
    )


class _Parser:
    """One text, and where in it something is."""

    def __init__(self, text: object, noun: str, kind: Kind) -> None:
        if not isinstance(text, str):
            raise InvalidInputError(f"a {noun} is {text!r}, not a text")
        if len(text) > MAX_CHARACTERS:
            raise InvalidInputError(
                f"the {noun} has {len(text):,} characters; there may be {MAX_CHARACTERS:,}"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"the {noun} is no Unicode text: {error.reason}: {text[:160]!r}"
            ) from None
        self._text = text
        self._noun = noun
        assert kind.catalogue is not None
        self._kind, self._catalogue = kind, kind.catalogue
        self._conditions = 0

    def condition(self) -> Condition:
        return self._condition(self._parse(None), 0)

    def ordering(self) -> Ordering:
        from sqlglot import exp

        node = self._parse(exp.Ordered)
        # By the text: in the tree sqlglot says where nulls are, also where nobody has said so.
        if " ".join(self._text.upper().split()).endswith(("NULLS FIRST", "NULLS LAST")):
            raise self._wrong(node, "what is missing is always last")
        field = self._field(node.this)
        if field.by and not (field.rows and self._catalogue.rows[field.rows].last):
            raise self._wrong(
                node,
                f"{shown(node.this)} does not sort: there may be several",
                f"{', '.join(sorted(self._catalogue.keyed))} or attributes",
            )
        return Ordering(field, bool(node.args.get("desc")))

    def _parse(self, into: type[exp.Expression] | None) -> Any:
        with loading("what reads filters"):
            import sqlglot
            from sqlglot.errors import SqlglotError

        # The dialect of SQLite alone takes backticks and double quotes as names, and knows no
        # escapes by backslash.
        self._check_tokens()
        try:
            if into is None:
                trees = sqlglot.parse(self._text, read="sqlite")
            else:
                trees = [sqlglot.parse_one(self._text, read="sqlite", into=into)]
        # What the parser says of its own insides would be a hundred lines of a traceback.
        except SqlglotError as error:
            let_through(error)
            details = getattr(error, "errors", None) or [{}]
            raise self._error(
                "it does not parse", self._offset(details[0].get("line"), details[0].get("col"))
            ) from None
        except RecursionError:
            raise self._error("it is nested too deeply") from None
        if len(trees) != 1 or trees[0] is None:
            raise self._error(f"one {self._noun} is expected, not {len(trees)} statements")
        return trees[0]

    def _check_tokens(self) -> None:
        """Refuse what is never right, before it is parsed."""
        # The parser drops comments, and calls itself for each parenthesis, so these two have
        # to be found before.
        from sqlglot import TokenType, tokenize
        from sqlglot.errors import SqlglotError

        try:
            tokens = tokenize(self._text, read="sqlite")
        except SqlglotError as error:
            let_through(error)
            raise self._error("a quotation is not closed, or a character is unknown") from None
        depth = 0
        for token in tokens:
            if token.comments:
                raise self._error("comments are not known", token.start)
            if token.token_type == TokenType.SEMICOLON:
                raise self._error(f"one {self._noun} is expected, not several", token.start)
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
            if depth > MAX_DEPTH:
                raise self._error(f"it is nested deeper than {MAX_DEPTH}", token.start)

    def _condition(self, node: Any, depth: int) -> Condition:
        from sqlglot import exp

        # Parentheses were counted before it was parsed; NOT nests without any.
        if depth > 2 * MAX_DEPTH:
            raise self._wrong(node, f"it is nested deeper than {MAX_DEPTH}")
        if isinstance(node, exp.Paren):
            return self._condition(node.this, depth + 1)
        if isinstance(node, exp.Not):
            return Not(self._condition(node.this, depth + 1))
        if isinstance(node, exp.And | exp.Or):
            parts = tuple(self._condition(part, depth + 1) for part in operands(node))
            return Combination("AND" if isinstance(node, exp.And) else "OR", parts)
        return self._comparison(node)

    def _comparison(self, node: Any) -> Condition:
        from sqlglot import exp

        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise self._wrong(node, f"there may be {MAX_CONDITIONS} conditions")
        name = type(node).__name__
        if name in _OPERATORS:
            found = self._compare(node, _OPERATORS[name], [node.expression])
        elif isinstance(node, exp.In) and node.expressions:
            found = self._compare(node, "IN", node.expressions)
        elif isinstance(node, exp.Between):
            found = self._compare(node, "BETWEEN", [node.args["low"], node.args["high"]])
        elif isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            found = Comparison(self._field(node.this), "IS NULL")
        else:
            raise self._wrong(
                node,
                f"Invalid clause(s) in filter string: {shown(node)} is no comparison",
                "<field> <comparator> <value>, joined by AND, OR and NOT",
            )
        # sqlglot marks NOT LIKE on the node, and puts a Not around all others.
        return Not(found) if node.args.get("negate") else found

    def _compare(self, node: Any, operator: Operator, right: list[Any]) -> Comparison:
        field = self._field(node.this)
        values = tuple(self._value(each, field) for each in right)
        if field.is_number:
            wanted, kind, allowed = (int, float), "a number", _NUMBER_OPERATORS
        elif all(not isinstance(value, str) for value in values) and field.key is not None:
            # A param or a tag that is compared as the number that it spells.
            wanted, kind, allowed = (int, float), "numbers only", _NUMBER_OPERATORS
        else:
            wanted, kind, allowed = (str,), "text in quotes", _TEXT_OPERATORS  # type: ignore[assignment]
        for value in values:
            if not isinstance(value, wanted):
                raise self._wrong(
                    node, f"Expected {kind} to compare {_name(field)} with, found {value!r}"
                )
        if operator not in allowed:
            raise self._wrong(
                node,
                f"Invalid comparator '{operator}' for {_name(field)} and {kind}",
                ", ".join(sorted(allowed)),
            )
        if field.values and operator in _WHOLE_VALUE_OPERATORS:
            self._check_possible(node, field, values)
        return Comparison(field, operator, values)

    def _check_possible(self, node: Any, field: Field, values: tuple[Value, ...]) -> None:
        """Refuse a misspelt value: nothing is ever equal to it, everything always unlike."""
        for value in values:
            if value not in field.values:
                near = difflib.get_close_matches(str(value).upper(), field.values, 1)
                question = f"; did you mean {near[0]!r}?" if near else ""
                raise self._wrong(
                    node,
                    f"no {self._kind.name} ever has the {field.column} {value!r}{question}",
                    ", ".join(map(repr, field.values)),
                )

    def _value(self, node: Any, field: Field) -> Value:
        from sqlglot import exp

        if isinstance(node, exp.Literal):
            if node.is_string:
                return str(node.this)
            return self._number(node, node.this, field)
        if isinstance(node, exp.Neg) and node.this.is_number:
            return -self._number(node, node.this.this, field)
        if isinstance(node, exp.Column) and len(node.parts) == 1 and node.this.quoted:
            return str(node.name)  # MLflow takes "text" for a text as well
        raise self._wrong(
            node,
            f"Expected a value to compare {_name(field)} with, found {shown(node)}",
            "a number, or text in quotes",
        )

    def _number(self, node: Any, text: str, field: Field) -> int | float:
        """Return a whole number with all its digits; where it has too many, as a float."""
        try:
            number, exact = float(text), Decimal(text)
            if isinf(number):
                raise OverflowError
        except (ValueError, OverflowError, InvalidOperation):
            problem = f"{text!r} is not a number that can be compared with"
            raise self._wrong(node, problem) from None
        # DuckDB's BIGINT ends there. What a param spells is compared as a DECIMAL.
        most = 2**63 if field.is_number else EXACT_BELOW
        if abs(number) >= most or exact % 1:
            return number
        return int(exact)

    def _field(self, node: Any) -> Field:
        from sqlglot import exp

        function = type(node).__name__
        if function in _AGGREGATES and not node.expressions:
            field = self._field(node.this)
            if field.by or field.key is None or not field.is_number or field.column != "value":
                raise self._wrong(
                    node, "min, max, count and last are of a metric", "min(metrics.loss)"
                )
            return Field(field.table, _AGGREGATES[function], True, field.key)
        # An unquoted key such as val/loss parses as a division, so the hint says how to quote.
        if isinstance(node, exp.Sub | exp.Div | exp.Mul | exp.Add | exp.Mod):
            raise self._wrong(
                node,
                f"{shown(node)} is no field",
                "a key with other characters than letters, digits, _ and . in backticks: "
                "metrics.`val/loss`",
            )
        parts = parts_of(node) if isinstance(node, exp.Column | exp.Dot) else []
        if not parts or not all(isinstance(part, exp.Identifier) for part in parts):
            raise self._wrong(
                node, f"{shown(node)} is no field", "metrics.loss, params.lr, status"
            )
        return self._named(node, [part.name for part in parts])

    def _named(self, node: Any, parts: list[str]) -> Field:
        catalogue = self._catalogue
        prefix, key = (parts[0], ".".join(parts[1:])) if len(parts) > 1 else ("", parts[0])
        if prefix in catalogue.keyed:
            table = catalogue.keyed[prefix]
            _, value = self._kind.pair(table)
            return Field(table.name, "value", value.type == "double", key)
        if prefix in catalogue.rows:
            return self._of_rows(node, prefix, key)
        if prefix and prefix not in catalogue.words:
            raise self._wrong(
                node, f"Invalid entity type '{prefix}'", ", ".join(catalogue.prefixes)
            )
        attribute = catalogue.attributes.get(key)
        if attribute is None:
            raise self._wrong(
                node,
                f"Invalid attribute key '{key}' specified",
                ", ".join(sorted(catalogue.names)),
            )
        return field_of(attribute, self._kind)

    def _of_rows(self, node: Any, prefix: str, key: str) -> Field:
        rows = self._catalogue.rows[prefix]
        table = rows.table.name
        if rows.key:
            return Field(table, rows.value, rows.is_number, key, by=rows.by, rows=prefix)
        attribute = rows.columns.get(key)
        if attribute is not None:
            column, is_number, values, *_ = attribute
            return Field(table, column, is_number, values=values, by=rows.by, rows=prefix)
        word, _, within = key.partition(".")
        if word not in rows.objects or not within:
            expected = [*rows.columns, *(f"{each}.<key>" for each in rows.objects)]
            raise self._wrong(
                node, f"Invalid {rows.noun} key '{key}' specified", ", ".join(sorted(expected))
            )
        return Field(table, rows.objects[word], False, within, by=rows.by, rows=prefix)

    def _wrong(self, node: Any, problem: str, expected: str | None = None) -> InvalidInputError:
        from sqlglot import exp

        starts = [
            identifier.meta["start"]
            for identifier in node.find_all(exp.Identifier)
            if "start" in identifier.meta
        ]
        return self._error(problem, min(starts, default=None), expected)

    def _offset(self, line: int | None, column: int | None) -> int | None:
        if line is None or column is None:
            return None
        before = sum(len(each) + 1 for each in self._text.split("\n")[: line - 1])
        return min(before + column - 1, len(self._text))

    def _error(
        self, problem: str, offset: int | None = None, expected: str | None = None
    ) -> InvalidInputError:
        place = "" if offset is None else f" at character {offset + 1}"
        start = max(0, (offset or 0) - 60)
        shown = self._text[start : start + 160]
        return InvalidInputError(
            f"Invalid {self._noun}{place}: {problem}: {shown!r}",
            hint=expected and f"expected: {expected}",
        )


def _name(field: Field) -> str:
    if field.rows:
        return f"this of a {field.rows}"
    if field.key is None:
        return field.column
    return f"{field.table.removeprefix('latest_').removeprefix('experiment_')}.{field.key}"
