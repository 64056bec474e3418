"""Cells of a table as numbers, steps, times and texts, a column at a time. Pure.

A cell that is empty is null in what goes in and comes out. What cannot be read is null in what
comes out, and marked.
"""

from __future__ import annotations

import bisect
import contextlib
import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy
    import pyarrow

_NOTHING = frozenset({"", "NA", "N/A", "null", "NULL", "None"})
"""How R, databases and Python write a number that is not there."""

_WORDS = {"true": 1.0, "false": 0.0}

_LIMITS, _SCALES = (1e11, 1e14, 1e17), (1e3, 1.0, 1e-3, 1e-6)
"""Below the first limit a time counts seconds: these reach to the year 5138, and as
milliseconds it would be 1973. Then come milliseconds, microseconds and nanoseconds."""


class Read(NamedTuple):
    """Cells that were read.

    Attributes:
        values: What they are; null where there is nothing, and where it cannot be read.
        unread: Places of those that cannot be read.
    """

    values: pyarrow.Array
    unread: numpy.ndarray[Any, Any]


def numbers(cells: pyarrow.Array) -> Read:
    """Return cells as floats; booleans are 1 and 0."""
    import pyarrow

    floats = pyarrow.float64()
    types = pyarrow.types
    if types.is_boolean(cells.type):
        cells = cells.cast(pyarrow.int8())
    if not types.is_string(cells.type):
        if types.is_temporal(cells.type):
            return _read(cells, pyarrow.nulls(len(cells), floats))
        # A safe cast refuses whole numbers above 2**53, of which a float has not every one.
        return _read(cells, cells.cast(floats, safe=False))
    try:
        # Nearly always all of them are plain numbers.
        return _read(cells, cells.cast(floats))
    except pyarrow.ArrowInvalid:
        return _each(cells, _number, floats)


def steps(cells: pyarrow.Array) -> Read:
    """Return cells as whole numbers; what has a fraction is rounded down, and marked."""
    import numpy
    import pyarrow
    import pyarrow.compute

    if pyarrow.types.is_integer(cells.type):
        return _read(cells, cells.cast(pyarrow.int64(), safe=False))
    found, unread = numbers(cells)
    floats = found.to_numpy(zero_copy_only=False)
    with numpy.errstate(invalid="ignore"):
        is_whole = numpy.floor(floats) == floats
        # NaN is no step: a comparison with it is false.
        is_step = numpy.abs(floats) < 2.0**63
    taken = numpy.where(is_step, numpy.floor(floats), 0).astype("int64")
    is_odd = ~numpy.asarray(found.is_null()) & ~(is_whole & is_step)
    odd = numpy.flatnonzero(is_odd)
    values = pyarrow.array(taken, mask=~is_step)
    return Read(values, numpy.union1d(unread, odd))


def times(cells: pyarrow.Array) -> Read:
    """Return cells as milliseconds since the Unix epoch.

    Numbers count seconds, milliseconds, microseconds or nanoseconds: how large they are tells.
    Texts are ISO 8601, in UTC where they name no zone.
    """
    import numpy
    import pyarrow

    if pyarrow.types.is_temporal(cells.type):
        # A safe cast refuses times with parts of a millisecond.
        whole = cells.cast(pyarrow.timestamp("ms"), safe=False).cast(pyarrow.int64())
        return _reasonable(cells, whole.cast(pyarrow.float64(), safe=False))
    if pyarrow.types.is_string(cells.type):
        try:
            cells = cells.cast(pyarrow.float64())
        except pyarrow.ArrowInvalid:
            return _reasonable(cells, _each(cells, _time, pyarrow.float64()).values)
    floats = numbers(cells).values.to_numpy(zero_copy_only=False)
    scales = numpy.array(_SCALES)[numpy.searchsorted(_LIMITS, floats, side="right")]
    return _reasonable(cells, pyarrow.array(floats * scales))


def _reasonable(cells: pyarrow.Array, milliseconds: pyarrow.Array) -> Read:
    """Return those times that a lake takes."""
    import numpy
    import pyarrow

    from lakeflow.entities.validation import LAST_MS

    floats = milliseconds.to_numpy(zero_copy_only=False)
    with numpy.errstate(invalid="ignore"):
        is_time = (floats >= 0) & (floats <= LAST_MS)
    whole = numpy.where(is_time, numpy.round(floats), 0).astype("int64")
    return _read(cells, pyarrow.array(whole, mask=~is_time))


def texts(cells: pyarrow.Array) -> pyarrow.Array:
    """Return cells as Python writes them."""
    import pyarrow

    if pyarrow.types.is_string(cells.type):
        return cells
    written = [None if each is None else str(each) for each in cells.to_pylist()]
    return pyarrow.array(written, pyarrow.string())


def _read(cells: pyarrow.Array, values: pyarrow.Array) -> Read:
    """Return what was read of cells, where all that is null in it is unread."""
    import numpy

    if values.null_count == cells.null_count:
        return Read(values, numpy.empty(0, "int64"))
    is_unread = numpy.asarray(values.is_null()) & ~numpy.asarray(cells.is_null())
    return Read(values, numpy.flatnonzero(is_unread))


def _each(
    cells: pyarrow.Array, parse: Callable[[str], float | None], kind: pyarrow.DataType
) -> Read:
    """Parse each text that there is once."""
    import numpy
    import pyarrow

    encoded = cells.dictionary_encode()
    parsed = [_parsed(each, parse) for each in encoded.dictionary.to_pylist()]
    values = pyarrow.array([value for value, _ in parsed], kind).take(encoded.indices)
    are_read = pyarrow.array([is_read for _, is_read in parsed], pyarrow.bool_())
    is_unread = are_read.take(encoded.indices).fill_null(True).to_numpy(zero_copy_only=False)
    return Read(values, numpy.flatnonzero(~is_unread))


def _parsed(text: str, parse: Callable[[str], float | None]) -> tuple[float | None, bool]:
    try:
        return parse(text.strip()), True
    except (ValueError, OverflowError):
        return None, False


def _number(text: str) -> float | None:
    if text in _NOTHING:
        return None
    word = _WORDS.get(text.lower())
    # Python's float() takes 1_000, which is a name in a table rather than a number.
    if word is None and "_" in text:
        raise ValueError(text)
    return float(text) if word is None else word


def _time(text: str) -> float | None:
    if text in _NOTHING:
        return None
    with contextlib.suppress(ValueError):
        number = float(text)
        return number * _SCALES[bisect.bisect_right(_LIMITS, number)]
    moment = datetime.datetime.fromisoformat(text)
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return zoned.timestamp() * 1000
