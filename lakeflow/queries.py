"""``lakeflow.sql``: a SELECT over the whole lake, what is not compacted yet included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, get_args, overload

from lakeflow import formats
from lakeflow.entities.validation import integer
from lakeflow.exceptions import InvalidInputError
from lakeflow.media.parquet_tables import arrow
from lakeflow.media.tables import table_of
from lakeflow.open_store import open_store
from lakeflow.query.engine import permitted
from lakeflow.query.engine.views import VIEWS

if TYPE_CHECKING:
    import datetime
    import os

    import polars
    import pyarrow

    Params = Sequence[Any] | Mapping[str, Any] | None


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["arrow"] = ...,
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
    max_seconds: float | None = ...,
    max_memory_bytes: int | None = ...,
    max_rows: int | None = ...,
    tables: Mapping[str, Any] | None = ...,
) -> pyarrow.Table: ...


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["polars"],
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
    max_seconds: float | None = ...,
    max_memory_bytes: int | None = ...,
    max_rows: int | None = ...,
    tables: Mapping[str, Any] | None = ...,
) -> polars.DataFrame: ...


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["pandas"],
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
    max_seconds: float | None = ...,
    max_memory_bytes: int | None = ...,
    max_rows: int | None = ...,
    tables: Mapping[str, Any] | None = ...,
) -> Any: ...


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["list"],
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
    max_seconds: float | None = ...,
    max_memory_bytes: int | None = ...,
    max_rows: int | None = ...,
    tables: Mapping[str, Any] | None = ...,
) -> list[dict[str, Any]]: ...


def sql(
    query: str,
    params: Params = None,
    *,
    output_format: formats.Format = "arrow",
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
    max_seconds: float | None = None,
    max_memory_bytes: int | None = None,
    max_rows: int | None = None,
    tables: Mapping[str, Any] | None = None,
) -> Any:
    """Return the rows of one statement of DuckDB's SQL over the lake.

    There are the views ``experiments``, ``runs``, ``params``, ``tags``, ``metrics``,
    ``latest_metrics``, ``inputs`` and ``runs_wide``; the reference of SQL lists their
    columns. They hold what was logged up to this call by any process, compacted or not.

    A statement only reads, and only the views: SELECT, also as FROM, WITH, VALUES, PIVOT
    with IN, DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN. It sees no file, no variable of
    this program and no network. Of several columns with one name the later ones get a number:
    ``a``, ``a_1``.

    Cost: a look at the log, some milliseconds to set up the views that are named, and the
    row groups that DuckDB needs; a file is not opened that a WHERE with ids, days or keys rules
    out. Rows that are not compacted yet are copied once a call.

    Args:
        query: The statement.
        params: Values: a sequence for ``?`` and ``$1``, a mapping for ``$name``.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        tracking_uri: Location of the lake; that of the process by default.
        as_of: A time, or a Delta version of the table ``runs``: what the lake held in its
            tables then.
        max_seconds: Seconds that it may take; 0 for any, by default ``LAKEFLOW_SQL_SECONDS``.
        max_memory_bytes: What DuckDB may hold before it spills to disk; 0 for most of the
            machine's memory, by default ``LAKEFLOW_SQL_MEMORY_BYTES``.
        max_rows: Rows that it may return; 0 for any, by default ``LAKEFLOW_SQL_ROWS``.
        tables: Tables to read beside the views, by name: what ``load_table`` returns, any frame
            of pandas or polars, a table of Arrow, a dict of columns. They are copied.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, DuckDB cannot make sense of the
            statement, it does not only read, or its rows have no place in the format; no
            such format.
        OutOfMemoryError: RESOURCE_EXHAUSTED, it needs more memory than it may have.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake, or ``as_of`` is too far
            back.
        LakeflowException: RESOURCE_EXHAUSTED, it has more rows than it may return;
            DEADLINE_EXCEEDED, it takes longer than it may; FEATURE_DISABLED, polars or pandas
            is not installed.

    Examples:
        >>> import lakeflow
        >>> lakeflow.set_tracking_uri("memory://doc-sql")
        >>> with lakeflow.start_run(run_name="first"):
        ...     lakeflow.log_metrics({"loss": 0.5, "accuracy": 0.9})
        >>> lakeflow.sql(
        ...     "SELECT run_name, metrics['loss'] AS loss FROM runs_wide WHERE status = ?",
        ...     ["FINISHED"],
        ...     output_format="list",
        ... )
        [{'run_name': 'first', 'loss': 0.5}]
    """
    formats.check(output_format)
    if not isinstance(query, str):
        raise InvalidInputError(f"query is {query!r}, not a text")
    try:
        query.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"query is not Unicode text: {error}") from error
    _check_params(params)
    bounds = {
        "seconds": _bound("max_seconds", max_seconds),
        "memory_bytes": _bound("max_memory_bytes", max_memory_bytes),
        "rows": _bound("max_rows", max_rows),
    }
    chosen = {name: value for name, value in bounds.items() if value is not None}
    given = _tables(tables)
    store = open_store(tracking_uri, create=False)
    as_then = store.runs.reader.as_of(as_of)
    table = store.columns.query(query, params, as_then, given, **chosen)
    return formats.convert(table, output_format)


def _check_params(params: object) -> None:
    # As in sql(query, "polars"): a format in the place of the values.
    if isinstance(params, str) and params in get_args(formats.Format):
        raise InvalidInputError(
            f"params is {params!r}, which is a format", hint=f"give output_format={params!r}"
        )
    is_sequence = isinstance(params, Sequence) and not isinstance(params, str | bytes)
    if not (params is None or is_sequence or isinstance(params, Mapping)):
        raise InvalidInputError(
            f"params is {params!r}, and neither a sequence nor a mapping",
            hint="one value is [value]",
        )


def _tables(tables: object) -> dict[str, pyarrow.Table]:
    if tables is None:
        return {}
    if not isinstance(tables, Mapping):
        raise InvalidInputError(
            f"tables is a {type(tables).__name__}, and no mapping",
            hint="give each a name: tables={'qa': frame}",
        )
    permitted.given(tables, VIEWS.reads)
    # To the engine a name is the same in capitals.
    return {name.lower(): arrow(table_of(table)) for name, table in tables.items()}


def _bound(name: str, value: object) -> float | None:
    if value is None:
        return None
    number: float | None
    try:
        number = float(value) if name == "max_seconds" and _is_real(value) else integer(value)
    # More than any float.
    except OverflowError:
        number = None
    if number is None or not 0 <= number < 2**53:
        raise InvalidInputError(
            f"{name} is {value!r}, not a number from 0 on", hint="0 is no bound"
        )
    return number


def _is_real(value: object) -> TypeGuard[Real]:
    return isinstance(value, Real) and not isinstance(value, bool)


def setup(tracking_uri: str | os.PathLike[str] | None = None) -> str:
    """Return a script that makes the views in any DuckDB, over the files of the newest fold.

    Args:
        tracking_uri: Location of the lake; that of the process by default.

    Raises:
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake.
    """
    lake = open_store(tracking_uri, create=False).lake
    fold = lake.fold()
    files = {name: (table, lake.files(name, fold)) for name, table in lake.tables.items()}
    return VIEWS.setup(
        {
            name: [lake.fs.resolve(f"{table.folder}/{file.path}") for file in found]
            for name, (table, found) in files.items()
        }
    )
