"""Users' SQL: one statement that reads, in a locked DuckDB that holds nothing else.

DuckDB's own lock keeps its files and settings out of reach, with two gaps: what it may read
it may also write, by ``COPY`` inside ``WITH`` or ``EXPLAIN ANALYZE``, and table functions
change its state. So a statement is parsed first, and every part of it must be known to read.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError
from lakeflow.query.engine.connection import Engine, engine_errors, literally
from lakeflow.query.engine.overlay import hot as hot_table
from lakeflow.query.engine.views import VIEWS, Views, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import duckdb
    import pyarrow

_READS = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}

_FUNCTIONS = {
    "duckdb_columns",
    "duckdb_functions",
    "duckdb_keywords",
    "duckdb_types",
    "duckdb_views",
    "generate_series",
    "json_each",
    "json_tree",
    "pragma_table_info",
    "range",
    "repeat",
    "unnest",
}

_INTERNAL = {"lakeflow", "hot"}

_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(explain\s+(?:analyze\s+)?)", re.IGNORECASE | re.DOTALL
)

_ONLY_READS = "write through the client: LakeflowClient.log_metric, set_tag and so on"


@dataclass(frozen=True, slots=True)
class Question:
    """A user's statement that was found to read only.

    Attributes:
        sql: The text.
        views: The views that it names.
        tables: The tables whose rows it needs.
        is_closed: Whether it names nothing else that might lead to a view.
    """

    sql: str
    views: frozenset[str]
    tables: tuple[str, ...]
    is_closed: bool


class Sandbox(Engine):
    """A locked DuckDB; threads share it, each statement has a database of its own.

    Args:
        filesystem: fsspec filesystem behind the paths it is given; None for local files.
        folder: The one folder whose files it may open.
        views: The views that there are.
    """

    def __init__(self, filesystem: Any, folder: str, views: Views = VIEWS) -> None:
        super().__init__(filesystem, is_one_of_many=True)
        self._views = views
        self._folder = folder
        self._numbers = itertools.count()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = super()._connect()
        # Two DuckDBs in one folder would overwrite each other's spill files.
        spill = f"{tempfile.gettempdir()}/lakeflow-{os.getpid()}-sql"
        connection.execute(f"SET temp_directory = {literal(spill)}")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        # DuckDB asks for the pattern that it is given, and for each file that it finds by it.
        folders = {f"{each}/" for each in (self._folder, *literally([self._folder]))}
        connection.execute(f"SET allowed_directories = [{', '.join(map(literal, folders))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def question(self, query: str) -> Question:
        """Return a user's statement with what it reads.

        Raises:
            InvalidInputError: It does not parse, is not one statement, or may do something
                else than read the views.
        """
        with contextlib.closing(self.cursor()) as cursor:
            kind, explain, body, answer = cursor.call(lambda found: _parsed(found, query))
        tree = _tree(answer)
        if len(tree.get("statements", ())) != 1:
            raise InvalidInputError(
                "the lake is read through SQL and written through the client: this is no "
                f"SELECT but {kind}",
                hint="name the columns: PIVOT ... ON key IN ('loss', 'accuracy') ..."
                if kind == "MULTI"
                else _ONLY_READS,
            )
        names = _names(tree)
        views = names & self._views.reads.keys()
        tables = dict.fromkeys(
            spec.name for name in sorted(views) for spec in self._views.reads[name]
        )
        return Question(f"{explain}{body}", frozenset(views), tuple(tables), names == views)

    def answer(
        self,
        question: Question,
        files: Mapping[str, Sequence[str]],
        hot: Mapping[str, pyarrow.Table],
        params: Sequence[Any] | Mapping[str, Any] | None = None,
    ) -> pyarrow.Table:
        """Return the rows of a user's statement.

        Args:
            question: The statement.
            files: The files of each table that it needs.
            hot: Tables of the schema ``hot``, to lay over the files; ``views.relation`` says
                how.
            params: Values by position or by name.

        Raises:
            InvalidInputError: DuckDB refuses the statement, or a value in the data.
            FileNotFoundError: A file is gone.
        """

        def work(cursor: duckdb.DuckDBPyConnection) -> pyarrow.Table:
            with self._database(cursor):
                _define(cursor, self._views, question, files, hot)
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                try:
                    with _user_errors(itertools.chain(*files.values())):
                        return cursor.sql(question.sql, params=params).to_arrow_table()
                finally:
                    _surely(cursor, "ROLLBACK")

        with contextlib.closing(self.cursor()) as cursor:
            return cursor.call(work)

    @contextlib.contextmanager
    def _database(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        name = f"call_{next(self._numbers)}"
        try:
            cursor.execute(f"ATTACH ':memory:' AS {name}")
            cursor.execute(f"USE {name}")
            cursor.execute("CREATE SCHEMA lakeflow; CREATE SCHEMA hot")
            yield
        finally:
            _surely(cursor, "USE memory")
            _surely(cursor, f"DETACH DATABASE IF EXISTS {name}")


def ended(text: str) -> list[str] | None:
    """Return the statements of a text; None where the last one has no semicolon yet.

    A semicolon inside a text, a quoted name or a comment is none.
    """
    import duckdb

    # Places count bytes. What is typed may hold bytes that are no text.
    data = text.encode(errors="replace")
    tokens = [
        (place, kind is duckdb.token_type.operator and data[place : place + 1] == b";")
        for place, kind in duckdb.tokenize(data.decode())
        if kind is not duckdb.token_type.comment
    ]
    if not tokens or not tokens[-1][1]:
        return None
    ends = [0, *(place + 1 for place, is_end in tokens if is_end)]
    parts = [data[start:end].decode() for start, end in itertools.pairwise(ends)]
    return [part for part in parts if part.strip("; \t\r\n")]


def _define(
    cursor: duckdb.DuckDBPyConnection,
    views: Views,
    question: Question,
    files: Mapping[str, Sequence[str]],
    hot: Mapping[str, pyarrow.Table],
) -> None:
    """Make the views that a statement names; the others without rows, should it look."""
    for name, table in hot.items():
        cursor.register("new_rows", table)
        cursor.execute(f"CREATE TABLE hot.{name} AS FROM new_rows")
        cursor.unregister("new_rows")
    for name in question.views if question.is_closed else views.reads:
        for spec in views.reads[name]:
            is_hot = hot if hot_table(spec) in hot else ()
            cursor.execute(views.relation(spec, files.get(spec.name, ()), is_hot))
        cursor.execute(views.view(name))


def _surely(cursor: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Clean up, though the interrupt that is the reason may come once more."""
    import duckdb

    while True:
        with contextlib.suppress(duckdb.InterruptException):
            cursor.execute(statement)
            return


def _parsed(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[str, str, str, str]:
    """Return what a statement is, its EXPLAIN, the rest of it, and that as a tree in JSON."""
    with _user_errors():
        statements = cursor.extract_statements(query)
        if len(statements) != 1:
            raise InvalidInputError(
                f"these are {len(statements)} statements, not one", hint="ask one by one"
            )
        text = statements[0].query
        explain = _EXPLAIN.match(text)
        body = text[explain.end() :] if explain else text
        (answer,) = cursor.execute("SELECT json_serialize_sql($q)", {"q": body}).fetchall()
    return statements[0].type.name, explain[1] if explain else "", body, answer[0]


def _tree(text: str) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = json.loads(text)
    except RecursionError as error:
        raise InvalidInputError("the statement is nested too deeply") from error
    return tree


def _names(tree: dict[str, Any]) -> set[str]:
    """Return the names of what a parsed statement reads.

    Raises:
        InvalidInputError: A part of it is not known to read only.
    """
    names = set()
    for node in _nodes(tree):
        kind = node.get("type")
        if kind == "BASE_TABLE":
            names.add(_table(node["schema_name"], node["table_name"]))
        elif kind == "SHOW_REF":
            names.add(kind)
        elif kind == "TABLE_FUNCTION":
            function = node["function"]["function_name"].lower()
            if function not in _FUNCTIONS:
                raise InvalidInputError(
                    f"there is no table function {function} here: SQL reads views only",
                    hint=f"the views are {', '.join(VIEWS.reads)}",
                )
            names.add(function)
        elif isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READS:
            raise InvalidInputError(
                "the lake is read through SQL and written through the client: there is "
                f"{kind.partition('_')[0]} in this statement",
                hint=_ONLY_READS,
            )
    return names


def _table(schema: str, name: str) -> str:
    """Return the name of a table that may be a view, or be made by the statement."""
    # DuckDB would open a path.
    if "/" in name or schema.lower() in _INTERNAL:
        raise InvalidInputError(
            f"there is no table {name!r}: SQL reads views, not files",
            hint=f"the views are {', '.join(VIEWS.reads)}",
        )
    return name.lower()


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    left: list[Any] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node
            left += node.values()
        elif isinstance(node, list):
            left += node


@contextlib.contextmanager
def _user_errors(files: Iterable[str] = ()) -> Iterator[None]:
    """Turn DuckDB's errors about a user's statement into ours; others are about the files."""
    import duckdb

    with engine_errors():
        try:
            yield
        except (duckdb.OutOfMemoryException, duckdb.IOException, duckdb.InternalException):
            raise
        except duckdb.Error as error:
            # What is wrong with a file is of the same class as what is wrong with a value, but
            # it names the file. What is of no class is said by the library that reads Parquet.
            named = [file for file in files if file in str(error)]
            if named or type(error) is duckdb.Error:
                raise
            raise InvalidInputError(str(error)) from error
