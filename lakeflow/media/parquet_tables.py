"""Tables in Parquet, through Arrow. Pure."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError
from lakeflow.media.tables import is_array, is_missing, may_hold_objects, unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow

    from lakeflow.media.tables import Table


def saved(content: bytes | None, table: Table) -> bytes:
    """Return the content of a file with the rows of a table below its own.

    Args:
        content: The file, which is read and written anew; None where there is none.
        table: The table. What one of the two lacks becomes null.

    Raises:
        InvalidInputError: A column has values of several types, or of none that Parquet has.
        ValueError: The file is no table.
    """
    found = arrow(table)
    return _written(found if content is None else _joined(read(content), found))


def is_saved(content: bytes, size: int | None, table: Table) -> bool:
    """Return whether a file that has changed has the rows of a table at its end.

    Args:
        content: The file.
        size: What its size was; None where there was none, and it has no other rows.
        table: The table.
    """
    try:
        found, rows = read(content), arrow(table)
        above = found.num_rows - rows.num_rows
        if above < 0 or (above and size is None):
            return False
        # In the columns of the file the rows have its types, and nulls for what they lack.
        again = read(_written(_joined(found.slice(0, above), rows)))
    except ValueError:
        return False
    return _values(found.slice(above)) == _values(again.slice(above))


def read(content: bytes) -> pyarrow.Table:
    """Return what is in a Parquet file.

    Raises:
        ValueError: It is none.
    """
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content)).read()
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error


def arrow(table: Table) -> pyarrow.Table:
    """Return a table of Arrow.

    Raises:
        InvalidInputError: A column has values of several types, or of none that Arrow has.
    """
    import pyarrow

    _refuse_repeated([str(name) for name in table.names])
    with _refusals():
        if table.frame is None:
            columns = [_array(column) for column in table.columns]
            return pyarrow.table(columns, names=[str(name) for name in table.names])
        # A frame that shares its columns with the user's, and may get others.
        frame = table.frame.copy(deep=False)
        for index, column in enumerate(table.columns):
            if isinstance(column, list):
                # A new column: ``iloc`` would write into the user's one before pandas 3.
                frame.isetitem(index, column)
        return pyarrow.Table.from_pandas(frame, preserve_index=False)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(
            f"the table does not fit into columns of one type each: {error}",
            hint="a table in JSON takes values of any type",
        ) from error


def _refuse_repeated(names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidInputError(
            f"the table has more than one column {repeated[0]!r}",
            hint="in Parquet columns are told by their names; rename all but one of them",
        )


def _written(table: pyarrow.Table, **options: Any) -> bytes:
    import pyarrow.parquet

    written = io.BytesIO()
    with _refusals():
        pyarrow.parquet.write_table(table, written, **options)
    return written.getvalue()


def _values(table: pyarrow.Table) -> bytes:
    """Return what tables with the same values share: in bytes a NaN is like itself."""
    # Categories that are the same may be numbered in other ways.
    plain = table.replace_schema_metadata(None).combine_chunks()
    return _written(plain, use_dictionary=False, store_schema=False)


def _joined(first: pyarrow.Table, second: pyarrow.Table) -> pyarrow.Table:
    import pyarrow

    _refuse_repeated(first.column_names)
    first, second = _with_values(first, second), _with_values(second, first)
    # What pandas has noted of its columns holds for these alone.
    noted = [(each.schema.metadata or {}).get(b"pandas") for each in (first, second)]
    if noted[0] != noted[1]:
        first, second = (each.replace_schema_metadata(None) for each in (first, second))
    with _refusals():
        # By default whole numbers could not go on with fractions.
        return pyarrow.concat_tables([first, second], promote_options="permissive")


def _with_values(table: pyarrow.Table, other: pyarrow.Table) -> pyarrow.Table:
    """Return a table with values in place of categories, where the other has values."""
    from pyarrow.types import is_dictionary

    for index, field in enumerate(table.schema):
        # Parquet has categories of texts only, and gives back the values of others.
        there = other.schema.get_all_field_indices(field.name)
        has_values = any(not is_dictionary(other.schema.field(each).type) for each in there)
        if is_dictionary(field.type) and has_values:
            values = table.column(index).cast(field.type.value_type)
            table = table.set_column(index, field.name, values)
    return table


def _array(column: Any) -> Any:
    import pyarrow

    if is_array(column):
        # The machine's own order of bytes is the only one that Arrow knows. Texts and times
        # of numpy have widths and units that it lacks.
        is_number = column.dtype.kind in "biuf"
        native = column.dtype.newbyteorder("=")
        column = column.astype(native, copy=False) if is_number else unpacked(column)
    if not may_hold_objects(column):
        return column.to_arrow() if hasattr(column, "to_arrow") else column
    # Of objects polars would hand out where they are in memory.
    return pyarrow.array([_cell(each) for each in column])


def _cell(value: Any) -> Any:
    if is_missing(value):
        return None
    return unpacked(value) if hasattr(value, "tolist") else value
