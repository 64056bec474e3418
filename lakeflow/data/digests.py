"""Fingerprints of content: eight hexadecimal digits of an MD5, of its first 10,000 rows.

Those of pandas and numpy are MLflow's, to the bit; of a frame with negative zeros that depends
on the version of pandas, as it does in MLflow. Every digest has the full size in it, so that
data that grows has another one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException
from lakeflow.formats import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy
    import pandas
    import polars

MOST_ROWS = 10_000
"""What is looked at: rows of a frame, elements of an array."""


def _digest(parts: Iterable[bytes]) -> str:
    # Else a machine on which only approved hashes may be used refuses it.
    whole = hashlib.md5(usedforsecurity=False)
    for part in parts:
        whole.update(part)
    return whole.hexdigest()[:8]


def _size(number: int) -> bytes:
    return number.to_bytes(8, "little", signed=True)


def of_pandas(frame: pandas.DataFrame) -> str:
    """Return the digest of the columns that hold numbers or only texts, and of all names."""
    import numpy
    import pandas

    head = frame.head(MOST_ROWS)
    texts = frame.columns[[_is_text(frame.iloc[:, n]) for n in range(frame.shape[1])]]
    # As in MLflow: a union puts the names in order.
    columns = texts.union(head.select_dtypes(include=[numpy.number]).columns)
    rows = pandas.util.hash_pandas_object(head[columns]).to_numpy()
    names = (str(name).encode() for name in frame.columns)
    return _digest((rows.tobytes(), _size(len(frame)), *names))


def _is_text(column: pandas.Series[Any]) -> bool:
    import pandas

    # All rows count, and most columns can tell without a look at each value of theirs in
    # Python; without rows any column is one of texts.
    if not len(column) or column.dtype.kind != "O":
        return not len(column)
    if isinstance(column.dtype, pandas.StringDtype):
        return not column.hasnans
    if column.dtype == object:
        found: str = pandas.api.types.infer_dtype(column, skipna=False)
        return found == "string"
    return all(type(value) is str for value in column)


def of_numpy(*arrays: numpy.ndarray[Any, Any]) -> str:
    """Return the digest of arrays, of their elements and shapes."""
    import numpy

    return _digest(
        part
        for array in arrays
        for part in (
            # Not a copy of all of it, as where it is flattened first.
            _elements(numpy.asarray(array).flat[:MOST_ROWS]),
            *map(_size, array.shape),
        )
    )


def _elements(flat: numpy.ndarray[Any, Any]) -> bytes:
    import numpy

    if flat.dtype.type in (numpy.longdouble, numpy.clongdouble):
        # For which pandas, and so MLflow, has no hash.
        flat = flat.astype(numpy.complex128 if flat.dtype.kind == "c" else numpy.float64)
    if flat.dtype == numpy.complex128:
        # The factor is pandas'.
        both: bytes = (_mixed(flat.real) + 23 * _mixed(flat.imag)).tobytes()
        return both
    if flat.dtype.kind in "biufcmM" and flat.dtype.itemsize <= 8:
        return _mixed(flat).tobytes()
    # Texts and objects: their hashes are pandas' own.
    try:
        pandas = require("pandas", "lakeflow[pandas]")
    except LakeflowException as error:
        raise LakeflowException(
            f"the digest of an array of {flat.dtype} needs pandas",
            "FEATURE_DISABLED",
            hint="pip install 'lakeflow[pandas]', or give digest=",
        ) from error
    try:
        hashes: bytes = pandas.util.hash_array(flat).tobytes()
    except TypeError:
        # As in MLflow: of objects that have no hash, such as lists, there is only their number.
        return _size(flat.size)
    return hashes


def _mixed(numbers: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Return a hash for each number: the mixing steps of splitmix64, as pandas has them."""
    import numpy

    own = numpy.ascontiguousarray(numbers).view(f"u{numbers.dtype.itemsize}")
    bits: numpy.ndarray[Any, Any] = own.astype("u8")
    bits ^= bits >> numpy.uint64(30)
    bits *= numpy.uint64(0xBF58476D1CE4E5B9)
    bits ^= bits >> numpy.uint64(27)
    bits *= numpy.uint64(0x94D049BB133111EB)
    bits ^= bits >> numpy.uint64(31)
    return bits


def of_polars(frame: polars.DataFrame) -> str:
    """Return the digest of names, number of rows, and values as Python writes them.

    Polars' own hashes change with its version. This one does not, and is the same for columns
    of other types with equal values of Python.
    """
    head = frame.head(MOST_ROWS)
    columns = (repr(column.to_list()).encode() for column in head)
    names = (repr(name).encode() for name in frame.columns)
    return _digest((_size(frame.height), *names, *columns))
