"""The rows of a run as ``neptune-exporter`` writes them: a value of an attribute each."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow

POINTS, TEXTS, HISTOGRAMS = "float_series", "string_series", "histogram_series"
FILES = frozenset({"file", "file_series", "file_set", "artifact"})

_VALUES = {
    "float": "float_value",
    "int": "int_value",
    "string": "string_value",
    "bool": "bool_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
    POINTS: "float_value",
    TEXTS: "string_value",
    HISTOGRAMS: "histogram_value",
    **dict.fromkeys(FILES, "file_value"),
}
"""The column of each type's value."""

PARAMETERS = frozenset({"float", "int", "string", "bool", "datetime", "string_set"})

_WHERE = ("attribute_path", "attribute_type", "step", "timestamp")
_ROWS_AT_ONCE = 10_000


class Row(NamedTuple):
    """A value.

    Attributes:
        path: The attribute.
        type: Its type.
        step: Its step; None for what has none.
        timestamp: Its time in milliseconds since the Unix epoch; None for what has none.
        value: The value, None where it is missing.
    """

    path: str
    type: str
    step: float | None
    timestamp: int | None
    value: Any


def rows(path: str, types: Sequence[str], complain: Callable[[str], None]) -> Iterator[Row]:
    """Yield the rows of a file whose types are among some, or all of no types.

    Args:
        path: The file.
        types: Types of attributes; empty for all.
        complain: Is told of a file that cannot be read.
    """
    import pyarrow
    import pyarrow.parquet

    wanted = types or list(_VALUES)
    columns = [*_WHERE, *sorted({_VALUES[each] for each in wanted})]
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            # Older versions have no column of histograms.
            present = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=present):
                yield from _rows(batch, wanted, complain)
    except (pyarrow.ArrowException, OSError) as error:
        complain(f"it cannot be read: {error}")


def identity(path: str) -> tuple[str, str]:
    """Return the project and the id of the run that a file is of.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no file of ``neptune-exporter``, or was cut.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            if not {"project_id", "run_id", *_WHERE} <= set(file.schema_arrow.names):
                raise ValueError("it is no file of neptune-exporter")
            for batch in file.iter_batches(1, columns=["project_id", "run_id"]):
                row = batch.to_pylist()[0]
                return str(row["project_id"]), str(row["run_id"])
    except pyarrow.ArrowException as error:
        raise ValueError(f"it cannot be read: {error}") from error
    raise ValueError("it has no rows")


def _rows(
    batch: pyarrow.RecordBatch, wanted: Sequence[str], complain: Callable[[str], None]
) -> Iterator[Row]:
    import pyarrow
    import pyarrow.compute

    kinds = batch.column("attribute_type")
    batch = batch.filter(pyarrow.compute.is_in(kinds, pyarrow.array(wanted, kinds.type)))
    if batch.num_rows == 0:
        return
    held = {name: batch.column(name) for name in batch.schema.names}
    numbers = held["step"].cast(pyarrow.float64())
    # A missing step may have become NaN on its way, as missing values do.
    known = pyarrow.compute.is_finite(numbers)
    steps = pyarrow.compute.if_else(known, numbers, None).to_pylist()
    # A safe cast refuses times with parts of a millisecond.
    moments = held["timestamp"].cast(pyarrow.timestamp("ms", "UTC"), safe=False)
    times = moments.cast(pyarrow.int64()).to_pylist()
    values = {name: held[name].to_pylist() for name in set(_VALUES.values()) if name in held}
    paths, types = held["attribute_path"].to_pylist(), held["attribute_type"].to_pylist()
    for at, (path, kind) in enumerate(zip(paths, types, strict=True)):
        found = values.get(_VALUES[kind])
        yield Row(path, kind, steps[at], times[at], found[at] if found else None)


def milliseconds(moment: Any) -> int | None:
    """Return a time of Arrow's in milliseconds since the Unix epoch."""
    if isinstance(moment, datetime.datetime):
        return int(moment.timestamp() * 1000)
    return None
