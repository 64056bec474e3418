"""What a user's statement may take: time, memory, rows, and the length of a value.

DuckDB does not count a value that one function makes, and looks for an interrupt only between
functions. So those that make long ones of short ones are hidden by macros that look first.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow

_AGAIN_S = 0.05
"""DuckDB forgets an interrupt that comes before a statement has begun, so it is told again."""

_ANY = 2**62

# DuckDB works on 2,048 values at once, in each of its threads.
_MAX_LENGTH = 100_000

TOO_LONG = f"longer than {_MAX_LENGTH} characters or elements"
"""What the error of a macro says."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one statement may take; 0 is no bound.

    Attributes:
        seconds: Time until its rows are there, from 0 on.
        memory_bytes: What DuckDB may hold before it spills to disk, and fails where it cannot.
        rows: Rows that it may return.
    """

    seconds: float = 0
    memory_bytes: int = 0
    rows: int = 0

    @contextlib.contextmanager
    def in_time(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Stop what the cursor does once its time is over.

        Raises:
            LakeflowException: DEADLINE_EXCEEDED, it was.
        """
        import duckdb

        ended, late = threading.Event(), threading.Event()

        def stop() -> None:
            # No thread waits longer than for some centuries.
            if not ended.wait(min(self.seconds, threading.TIMEOUT_MAX)):
                late.set()
            while not ended.wait(_AGAIN_S):
                cursor.interrupt()

        watch = threading.Thread(target=stop, daemon=True)
        if self.seconds:
            # When the interpreter ends, none can be started.
            with contextlib.suppress(RuntimeError):
                watch.start()
        try:
            yield
        except (LakeflowException, duckdb.InterruptException) as error:
            if late.is_set() and isinstance(
                error.__cause__ or error, duckdb.InterruptException
            ):
                raise LakeflowException(
                    f"the statement took more than {self.seconds} s",
                    "DEADLINE_EXCEEDED",
                    hint="ask for less, or give max_seconds=, --max-seconds or "
                    "LAKEFLOW_SQL_SECONDS",
                ) from error
            raise
        finally:
            ended.set()
            if watch.ident is not None:
                # An interrupt that came late would end the cursor's next statement.
                watch.join()

    def table(self, relation: duckdb.DuckDBPyRelation) -> pyarrow.Table:
        """Return the rows of a statement; no two columns have one name.

        Raises:
            LakeflowException: RESOURCE_EXHAUSTED, there are more than it may return.
        """
        most = self.rows or _ANY
        # As the rows of a table, which DuckDB gives columns with names of their own.
        rows = relation.limit(most + 1).to_arrow_table()
        if rows.num_rows > most:
            raise LakeflowException(
                f"the statement has more than {self.rows} rows",
                "RESOURCE_EXHAUSTED",
                hint="add a LIMIT, or give max_rows=, --max-rows or LAKEFLOW_SQL_ROWS",
            )
        return rows


def _bounded(count: str, size: str) -> str:
    return f"CASE WHEN {size} > {_MAX_LENGTH} THEN error('{TOO_LONG}') ELSE {count} END"


# A long text may be changed all the same, as long as it does not grow much.
_REPLACED = (
    "(len(a) - len(system.main.replace(a, b, ''))) / greatest(len(b), 1) * len(c) - len(a)"
)
_REPLACED_BY_PATTERN = "len(a) * len(c) / 1000"


def _series(name: str) -> str:
    # Of dates and times nothing is known here; as numbers they are NULL, and have no bound.
    # By the names of the macro's parameters: a, b and s.
    a, b, step = (f"TRY_CAST({each}::VARCHAR AS DOUBLE)" for each in "abs")
    return (
        f"CREATE MACRO {name}(a) AS system.main.{name}({_bounded('a', 'a')}), "
        f"(a, b) AS system.main.{name}(a, {_bounded('b', 'b - a')}), "
        f"(a, b, s) AS system.main.{name}(a, {_bounded('b', f'abs(({b} - {a}) / {step})')}, s);"
    )


MACROS = "\n".join(
    [
        "CREATE MACRO repeat(a, n) AS "
        f"system.main.repeat(a, {_bounded('n', 'len(a::VARCHAR) * n')});",
        *(
            f"CREATE MACRO {name}(a, n, b) AS system.main.{name}(a, {_bounded('n', 'n')}, b);"
            for name in ("lpad", "rpad")
        ),
        *(
            f"CREATE MACRO {name}(a, n) AS system.main.{name}(a, {_bounded('n', 'n')}), "
            f"(a, n, v) AS system.main.{name}(a, {_bounded('n', 'n')}, v);"
            for name in ("list_resize", "array_resize")
        ),
        *map(_series, ("range", "generate_series")),
        "CREATE MACRO replace(a, b, c) AS "
        f"system.main.replace(a, b, {_bounded('c', _REPLACED)});",
        # Without options it replaces the first match alone, which makes no text much longer.
        "CREATE MACRO regexp_replace(a, b, c) AS system.main.regexp_replace(a, b, c), "
        "(a, b, c, o) AS "
        f"system.main.regexp_replace(a, b, {_bounded('c', _REPLACED_BY_PATTERN)}, o);",
    ]
)
"""Statements that hide functions behind bounded ones."""
