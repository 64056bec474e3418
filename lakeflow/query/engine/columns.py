"""Python values as columns of Arrow.

Not by ``pyarrow.array``: its first call imports pandas where that is installed, and that takes
longer than a search.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from lakeflow.query.engine.interrupts import imported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow

    from lakeflow.schema.spec import Type


def column(kind: Type, values: Sequence[Any]) -> pyarrow.Array:
    """Return values, None among them, as a column of text, integers or floats."""
    pyarrow = imported("pyarrow")

    present = None
    if None in values:
        # Arrow wants a bit for each value, the first one lowest: 1 where there is a value.
        # A number read from a text of digits has them without a step in Python for each bit.
        bits = "".join("0" if value is None else "1" for value in reversed(values))
        present = pyarrow.py_buffer(int(bits, 2).to_bytes((len(bits) + 7) // 8, "little"))
    if kind == "string":
        # Offsets of four bytes: a column of text has less than 2 GiB.
        texts = [b"" if value is None else value.encode() for value in values]
        ends = array("i", accumulate(map(len, texts), initial=0))
        parts, arrow = [ends, b"".join(texts)], pyarrow.string()
    else:
        code, arrow = ("q", pyarrow.int64()) if kind == "long" else ("d", pyarrow.float64())
        parts = [array(code, (0 if value is None else value for value in values))]
    buffers = [present, *map(pyarrow.py_buffer, parts)]
    return pyarrow.Array.from_buffers(arrow, len(values), buffers)


def column_of(numbers: array[Any]) -> pyarrow.Array:
    """Return packed numbers, integers or floats of eight bytes, as a column."""
    pyarrow = imported("pyarrow")

    kind = pyarrow.int64() if numbers.typecode in "ql" else pyarrow.float64()
    buffer = pyarrow.py_buffer(numbers.tobytes())
    return pyarrow.Array.from_buffers(kind, len(numbers), [None, buffer])


def table(columns: Mapping[str, pyarrow.Array]) -> pyarrow.Table:
    """Return columns of one length as a table."""
    pyarrow = imported("pyarrow")

    return pyarrow.Table.from_arrays(list(columns.values()), names=list(columns))
