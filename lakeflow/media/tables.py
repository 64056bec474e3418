"""Tables of users, whatever library they come from, as columns. Pure.

No library is loaded for it: a frame of pandas can only come from a program that has loaded it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence


# As pandas names what is missing.
_MISSING = {"NAType", "NaTType"}

_MICROSECONDS = {"M": "datetime64[us]", "m": "timedelta64[us]"}


class Table(NamedTuple):
    """A table.

    Attributes:
        names: Its columns' names, in order.
        columns: Their values, of one length: lists, or columns of the library that they are of.
        frame: The frame of pandas that they are of, if they are.
    """

    names: list[Any]
    columns: list[Any]
    frame: Any = None

    def values(self) -> list[list[Any]]:
        """Return each column as a list; None for what is missing."""
        return [_listed(column) for column in self.columns]

    def with_column(self, index: int, values: list[Any]) -> Table:
        """Return the table with other values in a column."""
        columns = [*self.columns[:index], values, *self.columns[index + 1 :]]
        return self._replace(columns=columns)


def table_of(data: Any) -> Table:
    """Return what a user calls a table; nothing in it is changed by anybody.

    Args:
        data: A frame of pandas or polars, a table of Arrow, or a dict. In a dict each value is
            a column, or is in every row; where none is a column, or they do not fit one
            another, it is one row.

    Raises:
        InvalidInputError: It is nothing of these.
    """
    if isinstance(data, Mapping):
        return _of_dict(data)
    if _is_a(data, "pandas", "DataFrame"):
        # By their places, since several may have one name.
        columns = [data.iloc[:, index] for index in range(data.shape[1])]
        return Table(list(data.columns), columns, data)
    if _is_a(data, "polars", "LazyFrame"):
        data = data.collect()
    if _is_a(data, "polars", "DataFrame"):
        return Table(list(data.columns), data.get_columns())
    if _is_a(data, "pyarrow", "RecordBatch"):
        return Table(list(data.schema.names), list(data.columns))
    if _is_a(data, "pyarrow", "Table"):
        return Table(list(data.column_names), list(data.columns))
    raise InvalidInputError(
        "data must be a pandas DataFrame, a dictionary, or a table of polars or Arrow; it is "
        f"a {type(data).__name__}"
    )


def _of_dict(data: Mapping[Any, Any]) -> Table:
    if any(map(_is_of_pandas, data.values())):
        return table_of(_frame_of(data))
    columns = {name: _column(value) for name, value in data.items()}
    found = [column for column in columns.values() if column is not None]
    keyed = [value for value in data.values() if isinstance(value, Mapping)]
    names = list(data)
    if keyed and not found:
        keys = dict.fromkeys(key for each in keyed for key in each)
        # A frame as a dict: for each column its values by row.
        rows = [_by_key(value, keys) for value in data.values()]
        return Table(names, rows)
    # What pandas does not take for columns is one row of values, as in MLflow.
    if keyed or len({len(column) for column in found}) != 1 or _is_misfit(data):
        return Table(names, [[value] for value in data.values()])
    count = len(found[0])
    return Table(
        names,
        [
            [data[name]] * count if column is None else column
            for name, column in columns.items()
        ],
    )


def _is_of_pandas(value: Any) -> bool:
    # The values of a column of texts are such an array too.
    return _is_a(value, "pandas", "Series", "Index") or _is_a(
        value, "pandas.api.extensions", "ExtensionArray"
    )


def _frame_of(data: Mapping[Any, Any]) -> Any:
    pandas = sys.modules["pandas"]
    # Which puts rows of one index beside one another.
    try:
        return pandas.DataFrame(dict(data))
    except ValueError:
        return pandas.DataFrame([dict(data)])


def _by_key(value: Any, keys: Mapping[Any, None]) -> list[Any]:
    is_keyed = isinstance(value, Mapping)
    return [value.get(key) if is_keyed else value for key in keys]


def _column(value: Any) -> Any:
    """Return a value of a dict as a column; None where it is none."""
    if isinstance(value, list | tuple | range):
        return list(value)
    if _is_a(value, "polars", "Series") or _is_a(value, "pyarrow", "Array", "ChunkedArray"):
        return value
    return value if is_array(value) and value.ndim == 1 else None


def _is_misfit(data: Mapping[Any, Any]) -> bool:
    """Return whether there is an array that is no column."""
    return any(is_array(value) and value.ndim > 1 for value in data.values())


def _listed(column: Any) -> Any:
    if isinstance(column, list):
        return column
    if hasattr(column, "to_pylist"):
        return column.to_pylist()
    if hasattr(column, "notna"):
        # Each missing value of pandas, of which there are four.
        return column.astype(object).where(column.notna(), None).to_list()
    return column.to_list() if hasattr(column, "to_list") else unpacked(column)


def may_hold_objects(column: Any) -> bool:
    """Return whether the cells of a column may be of any class of Python's."""
    return isinstance(column, list) or str(getattr(column, "dtype", "")).lower() == "object"


def is_array(value: Any) -> bool:
    """Return whether a value is an array of numpy."""
    return _is_a(value, "numpy", "ndarray")


def is_missing(value: Any) -> bool:
    """Return whether a value is one that pandas has for none."""
    return type(value).__name__ in _MISSING


def unpacked(array: Any) -> Any:
    """Return what an array or a scalar of numpy holds; times as ``datetime`` has them."""
    kind = _MICROSECONDS.get(getattr(getattr(array, "dtype", None), "kind", ""))
    # Nanoseconds would come out as whole numbers.
    return (array.astype(kind) if kind else array).tolist()


def _is_a(value: Any, module: str, *names: str) -> bool:
    """Return whether a value is of a class of a library, without loading that."""
    found: Sequence[Any] = [getattr(sys.modules.get(module), name, None) for name in names]
    return any(isinstance(value, each) for each in found if each is not None)
