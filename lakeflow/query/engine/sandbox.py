"""Users' SQL: one statement that reads, in a locked DuckDB that holds nothing else.

DuckDB's own lock keeps its files and settings out of reach, with two gaps: what it may read
it may also write, by ``COPY`` inside ``WITH`` or ``EXPLAIN ANALYZE``, and table functions
change its state. So a statement is parsed first, and every part of it must be known to read
(``permitted``). What it may take is bounded (``bounds``).
"""

from __future__ import annotations

import contextlib
import itertools
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError, LakeflowException, OutOfMemoryError
from lakeflow.query.engine import permitted
from lakeflow.query.engine.bounds import MACROS, TOO_LONG, Bounds
from lakeflow.query.engine.connection import Cursor, Engine, engine_errors, literally
from lakeflow.query.engine.interrupts import imported
from lakeflow.query.engine.narrowing import EVERYTHING, narrowed
from lakeflow.query.engine.overlay import hot as hot_table
from lakeflow.query.engine.views import NARROWED, VIEWS, Views, literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import duckdb
    import pyarrow

    from lakeflow.query.engine.narrowing import Narrowing

_EXPLAIN = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(explain\s+(?:analyze\s+)?)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Question:
    """A user's statement that was found to read only.

    Attributes:
        sql: The text.
        views: The views that it names.
        tables: The tables whose rows it needs.
        is_closed: Whether it reads nothing that tells of all views.
        narrowings: Which rows of these tables it sees at most.
    """

    sql: str
    views: frozenset[str]
    tables: tuple[str, ...]
    is_closed: bool
    narrowings: Mapping[str, Narrowing] = field(default_factory=dict)


class Sandbox(Engine):
    """A locked DuckDB; threads share it, each statement has a database of its own.

    Args:
        filesystem: fsspec filesystem behind the paths it is given; None for local files.
        folder: The one folder whose files it may open.
        views: The views that there are.
        memory_bytes: What it may hold before it spills to disk; None for DuckDB's default.
    """

    def __init__(
        self,
        filesystem: Any,
        folder: str,
        views: Views = VIEWS,
        memory_bytes: int | None = None,
    ) -> None:
        super().__init__(filesystem, memory_bytes, is_one_of_many=True)
        self._views = views
        self._folder = folder
        self._numbers = itertools.count()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = super()._connect()
        connection.execute(MACROS)
        # For all cursors, as in ``Engine._connect``.
        connection.execute(f"SET GLOBAL max_expression_depth = {permitted.MAX_DEPTH}")
        # Else the machine's zone would decide what a time looks like, and on which day it is.
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        # Else a name that is no table is looked up among the variables of Python's frames.
        connection.execute("SET GLOBAL python_enable_replacements = false")
        # DuckDB asks for the pattern that it is given, and for each file that it finds by it.
        folders = {f"{each}/" for each in (self._folder, *literally([self._folder]))}
        # In this order: without external access folders cannot be set, with the lock nothing.
        connection.execute(f"SET allowed_directories = [{', '.join(map(literal, folders))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        return connection

    def question(
        self,
        query: str,
        given: Collection[str] = (),
        params: Sequence[Any] | Mapping[str, Any] | None = None,
    ) -> Question:
        """Return a user's statement with what it reads.

        Args:
            query: The statement.
            given: Names of tables that it may read besides, in small letters.
            params: Values by position or by name.

        Raises:
            InvalidInputError: It does not parse, is not one statement, or may do something
                else than read the views.
        """
        _check_length(query)
        with contextlib.closing(self.cursor()) as cursor:
            kind, explain, body, answer = cursor.call(lambda found: _parsed(found, query))
        tree = permitted.parsed(answer)
        # A PIVOT without IN is several statements to DuckDB, which first looks for the columns.
        if len(tree.get("statements", ())) != 1:
            raise InvalidInputError(
                "the lake is read through SQL and written through the client: this is no "
                f"SELECT but {kind}",
                hint="name the columns: PIVOT ... ON key IN ('loss', 'accuracy') ..."
                if kind == "MULTI"
                else permitted.ONLY_READS,
            )
        names = permitted.names(tree, [*self._views.reads, *given]).difference(given)
        views = names & self._views.reads.keys()
        tables = dict.fromkeys(
            spec.name for name in sorted(views) for spec in self._views.reads[name]
        )
        return Question(
            f"{explain}{body}",
            frozenset(views),
            tuple(tables),
            names == views,
            narrowed(tree, self._views.reads, NARROWED, params),
        )

    def answer(
        self,
        question: Question,
        files: Mapping[str, Sequence[str]],
        hot: Mapping[str, pyarrow.Table],
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        bounds: Bounds = Bounds(),  # noqa: B008 - frozen
        given: Mapping[str, pyarrow.Table] = MappingProxyType({}),
    ) -> pyarrow.Table:
        """Return the rows of a user's statement; no two of its columns have one name.

        Args:
            question: The statement.
            files: The files of each table that it needs.
            hot: Tables of the schema ``hot``, to lay over the files; ``views.relation`` says
                how.
            params: Values by position or by name.
            bounds: What it may take.
            given: Tables that it may read besides, by name.

        Raises:
            InvalidInputError: DuckDB refuses the statement, or a value in the data.
            LakeflowException: RESOURCE_EXHAUSTED or DEADLINE_EXCEEDED, it takes too much.
            FileNotFoundError: A file is gone.
        """

        def work(cursor: duckdb.DuckDBPyConnection) -> pyarrow.Table:
            with bounds.in_time(cursor), self._database(cursor):
                _define(cursor, self._views, question, files, hot)
                with _user_errors():
                    for name, table in given.items():
                        _copy(cursor, name, table)
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                try:
                    with _user_errors(itertools.chain(*files.values())):
                        return bounds.table(cursor.sql(question.sql, params=params))
                finally:
                    _surely(cursor, "ROLLBACK")

        with contextlib.closing(self.cursor()) as cursor:
            return cursor.call(work)

    @contextlib.contextmanager
    def opened(
        self, files: Mapping[str, Sequence[str]], hot: Mapping[str, pyarrow.Table]
    ) -> Iterator[Cursor]:
        """Give a cursor to whose statements all views are there, and what is under them.

        They are statements of ours: nothing looks at what they do, and nothing bounds them but
        the memory.

        Args:
            files: The files of each table.
            hot: As for ``answer``.
        """
        everything = Question("", frozenset(), (), is_closed=False)
        with (
            self.held(),
            contextlib.closing(self.cursor()) as cursor,
            contextlib.ExitStack() as stack,
        ):
            cursor.call(lambda found: stack.enter_context(self._database(found)))
            cursor.call(lambda found: _define(found, self._views, everything, files, hot))
            # First of all: the database goes by a statement.
            stack.callback(cursor.stop)
            yield cursor

    @contextlib.contextmanager
    def _database(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        # Of its own: statements of several threads have views of one name over other files.
        name = f"call_{next(self._numbers)}"
        try:
            cursor.execute(f"ATTACH ':memory:' AS {name}")
            # Behind its own tables are the bounded functions.
            cursor.execute(f"SET search_path = '{name}.main,memory.main'")
            cursor.execute("CREATE SCHEMA lakeflow; CREATE SCHEMA hot")
            yield
        finally:
            _surely(cursor, "USE memory")
            _surely(cursor, f"DETACH DATABASE IF EXISTS {name}")


def _check_length(query: str) -> None:
    """Refuse what would take long to parse, since nothing stops that.

    Raises:
        InvalidInputError: The statement is too long.
    """
    most = permitted.MAX_CHARACTERS
    if len(query) > most or len(_tokens(query)[1]) > permitted.MAX_TOKENS:
        raise InvalidInputError(
            f"the statement has more than {most} characters or {permitted.MAX_TOKENS} words "
            "and signs",
            hint="bind long lists: WHERE run_id IN (SELECT unnest(?))",
        )


def ended(text: str) -> list[str] | None:
    """Return the statements of a text; None where the last one has no semicolon yet.

    A semicolon inside a text, a quoted name or a comment is none.
    """
    data, tokens = _tokens(text)
    if not tokens or not tokens[-1][1]:
        return None
    ends = [0, *(place + 1 for place, is_end in tokens if is_end)]
    parts = [data[start:end].decode() for start, end in itertools.pairwise(ends)]
    return [part for part in parts if part.strip("; \t\r\n")]


def _without_end(text: str) -> str:
    """Return a statement without the semicolon at its end and what comes after."""
    data, tokens = _tokens(text)
    end = len(data)
    for place, is_end in reversed(tokens):
        if not is_end:
            break
        end = place
    return data[:end].decode()


def _tokens(text: str) -> tuple[bytes, list[tuple[int, bool]]]:
    """Return a text's bytes, and the places of what is no comment: is it a semicolon?"""
    duckdb = imported("duckdb")
    # Places count bytes. What is typed may hold bytes that are no text.
    data = text.encode(errors="replace")
    return data, [
        (place, kind is duckdb.token_type.operator and data[place : place + 1] == b";")
        for place, kind in duckdb.tokenize(data.decode())
        if kind is not duckdb.token_type.comment
    ]


def _define(
    cursor: duckdb.DuckDBPyConnection,
    views: Views,
    question: Question,
    files: Mapping[str, Sequence[str]],
    hot: Mapping[str, pyarrow.Table],
) -> None:
    """Make the views that a statement names; the others without rows, should it look."""
    for name, table in hot.items():
        _copy(cursor, f"hot.{name}", table)
    for name in question.views if question.is_closed else views.reads:
        for spec in views.reads[name]:
            is_hot = hot if hot_table(spec) in hot else ()
            narrowing = question.narrowings.get(spec.name, EVERYTHING)
            cursor.execute(views.relation(spec, files.get(spec.name, ()), is_hot, narrowing))
        cursor.execute(views.view(name))


def _copy(cursor: duckdb.DuckDBPyConnection, name: str, table: pyarrow.Table) -> None:
    cursor.register("new_rows", table)
    cursor.execute(f"CREATE TABLE {name} AS FROM new_rows")
    cursor.unregister("new_rows")


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
        text = _without_end(statements[0].query)
        # ``json_serialize_sql`` takes a SELECT and nothing before it, so EXPLAIN is cut off.
        explain = _EXPLAIN.match(text)
        body = text[explain.end() :] if explain else text
        (answer,) = cursor.execute("SELECT json_serialize_sql($q)", {"q": body}).fetchall()
    return statements[0].type.name, explain[1] if explain else "", body, answer[0]


@contextlib.contextmanager
def _user_errors(files: Iterable[str] = ()) -> Iterator[None]:
    """Turn DuckDB's errors about a user's statement into ours; others are about the files."""
    import duckdb

    with engine_errors():
        try:
            yield
        except (
            LakeflowException,
            duckdb.InterruptException,
            duckdb.OutOfMemoryException,
            duckdb.IOException,
            duckdb.InternalException,
        ):
            raise
        except duckdb.Error as error:
            # What is wrong with a file is of the same class as what is wrong with a value, but
            # it names the file. What is of no class is said by the library that reads Parquet.
            named = [file for file in files if file in str(error)]
            if named or type(error) is duckdb.Error:
                raise
            if TOO_LONG in str(error):
                raise OutOfMemoryError(
                    f"a function makes a value that is {TOO_LONG}"
                ) from error
            # Not as its cause: a traceback would print the same once more, and unescaped.
            raise InvalidInputError(str(error)) from None
        except MemoryError as error:
            raise OutOfMemoryError("a value of the statement needs too much memory") from error
        # Values that DuckDB cannot take from Python, or Arrow not from DuckDB.
        except (TypeError, ValueError, ArithmeticError, RuntimeError) as error:
            raise InvalidInputError(f"the statement cannot be answered: {error}") from error
