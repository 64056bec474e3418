"""``lakeflow.sql``: a SELECT over the whole lake, what is not compacted yet included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from lakeflow import formats
from lakeflow.client import open_store
from lakeflow.exceptions import InvalidInputError
from lakeflow.query.engine.views import VIEWS

if TYPE_CHECKING:
    import datetime
    import os
    from collections.abc import Mapping, Sequence

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
) -> pyarrow.Table: ...


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["polars"],
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> polars.DataFrame: ...


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["pandas"],
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> Any: ...


@overload
def sql(
    query: str,
    params: Params = ...,
    *,
    output_format: Literal["list"],
    tracking_uri: str | os.PathLike[str] | None = ...,
    as_of: int | datetime.datetime | None = ...,
) -> list[dict[str, Any]]: ...


def sql(
    query: str,
    params: Params = None,
    *,
    output_format: formats.Format = "arrow",
    tracking_uri: str | os.PathLike[str] | None = None,
    as_of: int | datetime.datetime | None = None,
) -> Any:
    """Return the rows of one statement of DuckDB's SQL over the lake.

    There are the views ``experiments``, ``runs``, ``params``, ``tags``, ``metrics``,
    ``latest_metrics``, ``inputs`` and ``runs_wide``; the reference of SQL lists their
    columns. They hold what was logged up to this call by any process, compacted or not.

    A statement only reads, and only the views: SELECT, also as FROM, WITH, VALUES, PIVOT
    with IN, DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN. It sees no file, no variable of
    this program and no network.

    Cost: a look at the log, some milliseconds to set up the views that are named, and the
    row groups that DuckDB needs. Rows that are not compacted yet are copied once a call.

    Args:
        query: The statement.
        params: Values: a sequence for ``?`` and ``$1``, a mapping for ``$name``.
        output_format: ``"arrow"``, ``"polars"``, ``"pandas"``, or ``"list"`` for a dict a
            row; see docs/reference/frames.md.
        tracking_uri: Location of the lake; that of the process by default.
        as_of: A time, or a Delta version of the table ``runs``: what the lake held in its
            tables then.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, DuckDB cannot make sense of the
            statement or it does not only read; no such format.
        NotFoundError: RESOURCE_DOES_NOT_EXIST, there is no lake, or ``as_of`` is too far
            back.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.

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
    store = open_store(tracking_uri, create=False)
    table = store.columns.query(query, params, store.runs.reader.as_of(as_of))
    return formats.convert(table, output_format)


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
