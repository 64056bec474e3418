"""What a user's statement may consist of. Pure.

A statement that is parsed is a tree of DuckDB's. Every table and table function in it must be
known here; and it has no function that can end the process or tell of it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

ONLY_READS = "write through the client: LakeflowClient.log_metric, set_tag and so on"

MAX_CHARACTERS = 1_000_000
"""Of a statement. DuckDB needs some microseconds for each, and stops for nobody meanwhile."""

MAX_TOKENS = 20_000
"""Words and signs of a statement: with ten times as many joins DuckDB's parser overflows."""

MAX_DEPTH = 250
"""Levels of an expression: DuckDB's own limit of 1000 lets it plan for minutes."""

# All numbers here were found by trying statements of such shapes, each in a process of its own.
_MAX_NAME_PARTS = 32
_MAX_LAMBDAS = 5
_MAX_WIDTH = 999

_READS = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}

_TABLE_FUNCTIONS = {
    # The prompt completes words by it. It tells nothing of the process.
    "duckdb_keywords",
    "generate_series",
    "json_each",
    "json_tree",
    "range",
    "repeat",
    "unnest",
}

_TABLES = {("information_schema", "columns"), ("information_schema", "tables")}

# DuckDB takes a name that it does not know for that of a file, and has tables of its own.
_NO_NAME = re.compile(r"[./\\*?\[\]:]|^(duckdb|pg|pragma|sqlite)_", re.IGNORECASE)

_REFUSED = re.compile(
    # They parse what is computed, with no bound of depth, or bind it.
    r"(from_json|json_transform)(_strict)?|json_(de)?serialize_\w+|json_execute_\w+"
    r"|json_contains"
    # They take any bytes for what DuckDB keeps in memory.
    r"|variant_\w+|st_\w+|finalize|combine(_aggr)?|to_aggregate_state|__internal_\w+"
    # They tell of the process, change its state, or wait without a look at the clock.
    r"|current_(setting|query|query_id|connection_id|transaction_id)|txid_current|getenv"
    r"|getvariable|pg_\w+|inet_\w+|write_log|sleep_ms|nextval|currval|setval|setseed",
    re.IGNORECASE,
)
_REFUSED_TYPES = {"variant", "geometry", "aggregate_state"}

_FORMATS = {"format", "printf"}


def parsed(text: str) -> dict[str, Any]:
    """Return the tree of a statement out of DuckDB's JSON.

    Raises:
        InvalidInputError: It is nested too deeply.
    """
    try:
        tree: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise InvalidInputError("the statement is nested too deeply") from error
    return tree


def given(names: Collection[object], views: Collection[str]) -> None:
    """Check the names of tables that a user puts beside the views.

    Raises:
        InvalidInputError: One of them is no name, or is taken.
    """
    found: set[str] = set()
    for name in names:
        is_name = isinstance(name, str) and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII)
        if not isinstance(name, str) or not is_name or _NO_NAME.search(name):
            raise InvalidInputError(
                f"a table may not be called {name!r}", hint="letters, digits and _ make a name"
            )
        if name.lower() in found or name.lower() in views:
            raise InvalidInputError(
                f"there is a table called {name!r} already: SQL does not tell capital letters "
                "from small ones",
                hint=f"the views are {', '.join(views)}",
            )
        found.add(name.lower())


def names(tree: dict[str, Any], views: Collection[str]) -> set[str]:
    """Return which views a parsed statement reads, and the names of what tells of all of them.

    All else that it may read is its own: tables that it makes, and rows of functions.

    Args:
        tree: The statement.
        views: The views that there are, and tables beside them.

    Raises:
        InvalidInputError: A part of it is not known to read only.
    """
    found: set[str] = set()
    made_here = made(tree)
    for node, lambdas in nodes(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            found |= _table(node, made_here, views)
        elif kind == "SHOW_REF":
            found |= _shown(node, views)
        elif kind == "TABLE_FUNCTION":
            _check_table_function(node["function"]["function_name"].lower(), views)
        elif isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READS:
            raise InvalidInputError(
                "the lake is read through SQL and written through the client: there is "
                f"{kind.partition('_')[0]} in this statement",
                hint=ONLY_READS,
            )
        _check_expression(node, lambdas)
    return found


def made(tree: dict[str, Any]) -> set[str]:
    """Return the names of the tables that a statement makes, in small letters."""
    return {name.lower() for node, _ in nodes(tree) for name in _made(node)}


def _made(node: Mapping[str, Any]) -> Iterator[str]:
    """Return the name of the table that a WITH makes, if this is one."""
    value = node.get("value")
    if isinstance(value, dict) and "query_node" in value:
        name: str = node["key"]
        # Elsewhere in the statement the name would not be this table's, but that of a file.
        if _NO_NAME.search(name):
            raise InvalidInputError(f"a table of WITH may not be called {name!r}")
        yield name


def _table(node: Mapping[str, Any], made: set[str], views: Collection[str]) -> set[str]:
    """Return the name of a table, unless the statement makes it."""
    catalog, schema, name = (
        node[f"{part}_name"].lower() for part in ("catalog", "schema", "table")
    )
    is_view = schema in {"", "main"} and name in views
    # In a recursive WITH that has USING KEY, this is the schema of all rows so far.
    is_made = schema in {"", "recurring"} and name in made
    if catalog or not (is_view or is_made or (schema, name) in _TABLES):
        _refuse_table(node["table_name"], views)
    if (schema, name) in _TABLES:
        return {f"{schema}.{name}"}
    return {name} if is_view else set()


def _shown(node: Mapping[str, Any], views: Collection[str]) -> set[str]:
    """Return what is described, or the name of what lists all views."""
    shown: str = node["table_name"].strip('"').lower()
    # Of views, of what a SELECT returns, and of the tables. A SELECT names what it reads.
    if node["show_type"] in {"DESCRIBE", "SUMMARY"} and node["query"] is not None:
        return set()
    is_view = node["show_type"] == "SHOW" and shown in views
    if node["schema_name"] or not (is_view or shown == "tables"):
        _refuse_table(node["table_name"] or node["schema_name"], views)
    return {shown}


def _refuse_table(name: str, views: Collection[str]) -> None:
    raise InvalidInputError(
        f"there is no table {name!r}: SQL reads views, no files and no tables of DuckDB's own",
        hint=f"the views are {', '.join(views)}",
    )


def _check_table_function(name: str, views: Collection[str]) -> None:
    if name not in _TABLE_FUNCTIONS:
        raise InvalidInputError(
            f"there is no table function {name} here: SQL reads views only",
            hint=f"the views are {', '.join(views)}",
        )


def _check_expression(node: Mapping[str, Any], lambdas: int) -> None:
    if lambdas > _MAX_LAMBDAS:
        raise InvalidInputError(f"there are more than {_MAX_LAMBDAS} lambdas in one another")
    if len(node.get("column_names") or ()) > _MAX_NAME_PARTS:
        raise InvalidInputError(f"a name has more than {_MAX_NAME_PARTS} parts")
    type_name = str(node.get("type_name", "")).lower()
    if type_name in _REFUSED_TYPES:
        raise InvalidInputError(f"SQL over a lake has no type {type_name}")
    function = str(node.get("function_name", "")).lower()
    if function:
        _check_function(function, node)


def _check_function(name: str, node: Mapping[str, Any]) -> None:
    if _REFUSED.fullmatch(name):
        raise InvalidInputError(f"SQL over a lake has no function {name}")
    # The bounded functions of ``bounds`` hide DuckDB's, which have a schema of theirs.
    if node.get("catalog") or str(node.get("schema", "")).lower() in {"main", "system"}:
        raise InvalidInputError(
            f"{name} is a function of no schema", hint="leave the schema out"
        )
    if name in _FORMATS and not _is_narrow(node):
        raise InvalidInputError(
            f"the format of {name} is no text with widths below {_MAX_WIDTH + 1}",
            hint="give the format as a text, and widths as numbers in it",
        )


def _is_narrow(node: Mapping[str, Any]) -> bool:
    """Return whether a format is written out, and none of its widths is huge or computed."""
    if node.get("schema") or not node["arguments"]:
        return False
    literal = node["arguments"][0]["expression"].get("literal", {})
    text = literal.get("text", "")
    return literal.get("kind") == "STRING" and not re.search(r"\d{4}|\*|\{[^}]*\{", text)


def nodes(tree: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Return the parts of a statement, each with the number of lambdas around it."""
    left: list[tuple[Any, int]] = [(tree, 0)]
    while left:
        node, lambdas = left.pop()
        if isinstance(node, dict):
            yield node, lambdas
            # What is left of an arrow is around nothing: a->'b'->'c' are two in a row.
            is_lambda = node.get("type") == "LAMBDA"
            left += [
                (each, lambdas + (is_lambda and name == "expr")) for name, each in node.items()
            ]
        elif isinstance(node, list):
            left += [(each, lambdas) for each in node]
