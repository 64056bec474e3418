"""Arrow tables in the formats that users ask for: the one place with polars and pandas."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError, LakeflowException

if TYPE_CHECKING:
    import polars
    import pyarrow

POLARS = "lakeflow[polars]"
"""What pip installs for polars."""


def check(output_format: object, *known: str) -> None:
    """Check the name of a format.

    Raises:
        InvalidInputError: It is none of the known ones.
    """
    if output_format not in known:
        names = ", ".join(map(repr, known[:-1]))
        raise InvalidInputError(
            f"output_format is {output_format!r}; there are {names} and {known[-1]!r}"
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
        return importlib.import_module(module)
    except ImportError as error:
        raise LakeflowException(
            f"this needs {module}", "FEATURE_DISABLED", hint=f"pip install '{install}'"
        ) from error


def to_polars(table: pyarrow.Table) -> polars.DataFrame:
    """Return a table as a polars frame; numbers are not copied."""
    frame: polars.DataFrame = require("polars", POLARS).from_arrow(table)
    return frame


def to_pandas(table: pyarrow.Table) -> Any:
    """Return a table as a pandas frame; what is missing becomes NaN, NaT or None."""
    import pyarrow

    pandas = require("pandas", "lakeflow[pandas]")
    # pandas 2 counts nanoseconds where pandas 3 counts microseconds.
    moment = pandas.Series([pandas.to_datetime(0, unit="ms", utc=True)]).dtype
    moments = [field.name for field in table.schema if pyarrow.types.is_timestamp(field.type)]
    return table.to_pandas().astype(dict.fromkeys(moments, moment))
