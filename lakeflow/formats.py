"""Arrow tables in the formats that users ask for: the one place with polars and pandas."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Literal, get_args

from lakeflow.exceptions import InvalidInputError, LakeflowException, OutOfMemoryError
from lakeflow.system_errors import loading

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars
    import pyarrow

POLARS = "lakeflow[polars]"
"""What pip installs for polars."""

PANDAS = "lakeflow[pandas]"
"""What pip installs for pandas."""

Format = Literal["arrow", "polars", "pandas", "list"]
"""The word for what a table comes back as. Arrow is the default: every frame library takes it,
and it needs no extra."""

_FORMATS = get_args(Format)


def check(output_format: object) -> None:
    """Check the name of a format, before any work is done for it.

    Raises:
        InvalidInputError: There is no such format.
    """
    if output_format not in _FORMATS:
        names = ", ".join(map(repr, _FORMATS[:-1]))
        raise InvalidInputError(
            f"output_format is {output_format!r}; there are {names} and {_FORMATS[-1]!r}"
        )


def convert(table: pyarrow.Table, output_format: Format) -> Any:
    """Return a table in a format.

    Args:
        table: The table.
        output_format: ``"arrow"`` for the table itself, ``"polars"`` or ``"pandas"`` for a
            frame, ``"list"`` for a dict a row. Where values are objects of Python, a map is a
            dict.

    Raises:
        InvalidInputError: A value has no place in the format, such as a year past 9999.
        OutOfMemoryError: RESOURCE_EXHAUSTED, there is no memory for it.
        LakeflowException: FEATURE_DISABLED, polars or pandas is not installed.
    """
    try:
        return _converted(table, output_format)
    # InvalidInputError is a ValueError too, and says more than what is made below.
    except LakeflowException:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"there is no memory for {table.num_rows} rows") from error
    # Arrow's errors are of these, too: what it has not implemented is a RuntimeError.
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise _misfit(output_format, error) from error


def _converted(table: pyarrow.Table, output_format: Format) -> Any:
    if output_format == "polars":
        return to_polars(table)
    if output_format == "pandas":
        return to_pandas(table)
    return table if output_format == "arrow" else _with_dicts(table.to_pylist)


def _with_dicts(convert: Callable[..., Any]) -> Any:
    """Return what a conversion of Arrow's makes, with dicts for maps where that can be."""
    try:
        return convert(maps_as_pydicts="strict")
    except TypeError:
        # A key that is a list itself is the key of no dict: then maps are lists of pairs.
        return convert()


def _misfit(output_format: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"a value has no place in output_format={output_format!r}: {error}",
        hint="cast it to a text, or take output_format='arrow'",
    )


def require(module: str, install: str) -> Any:
    """Return an optional module.

    Args:
        module: Its name.
        install: What pip is to install where it is missing.

    Raises:
        LakeflowException: FEATURE_DISABLED, it is not installed.
    """
    try:
        with loading(module):
            return importlib.import_module(module)
    except ImportError as error:
        raise LakeflowException(
            f"this needs {module}", "FEATURE_DISABLED", hint=f"pip install '{install}'"
        ) from error


def to_polars(table: pyarrow.Table) -> polars.DataFrame:
    """Return a table as a polars frame; numbers are not copied."""
    library = require("polars", POLARS)
    try:
        frame: polars.DataFrame = library.from_arrow(table)
    except library.exceptions.PolarsError as error:
        raise _misfit("polars", error) from error
    return frame


def to_pandas(table: pyarrow.Table) -> Any:
    """Return a table as a pandas frame; what is missing becomes NaN, NaT or None."""
    import pyarrow

    pandas = require("pandas", PANDAS)
    # pandas 2 counts nanoseconds where pandas 3 counts microseconds.
    time_type = pandas.Series([pandas.to_datetime(0, unit="ms", utc=True)]).dtype
    times = [
        field.name
        for field in table.schema
        if pyarrow.types.is_timestamp(field.type) and field.type.tz is not None
    ]
    return _with_dicts(table.to_pandas).astype(dict.fromkeys(times, time_type))
