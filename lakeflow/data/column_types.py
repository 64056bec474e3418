"""Types of columns in MLflow's notation: ``{"type": "long"}``, arrays and objects nested.

What MLflow has no type for is ``{"type": "any"}``, so that the other columns are still known.
"""

from __future__ import annotations

import datetime
import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars

Type = dict[str, Any]

ANY: Type = {"type": "any"}

_OF_PYTHON = {
    bool: "boolean",
    int: "long",
    float: "double",
    str: "string",
    bytes: "binary",
    bytearray: "binary",
    datetime.datetime: "datetime",
    datetime.date: "datetime",
}

_OF_POLARS = {
    "Boolean": "boolean",
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16"), "integer"),
    **dict.fromkeys(("Int64", "UInt32"), "long"),
    "Float32": "float",
    "Float64": "double",
    **dict.fromkeys(("String", "Categorical", "Enum"), "string"),
    "Binary": "binary",
    **dict.fromkeys(("Date", "Datetime"), "datetime"),
}


def of_dtype(dtype: Any) -> Type:
    """Return the type of a dtype of numpy's, or of an extension of pandas'."""
    kind, size = dtype.kind, getattr(dtype, "itemsize", 8)
    if kind in "iu":
        # Of what is unsigned the next larger type with a sign.
        size = size if kind == "i" else 2 * size
        name = "integer" if size <= 4 else "long" if size <= 8 else "any"
    elif kind == "f":
        name = "float" if size <= 4 else "double" if size <= 8 else "any"
    else:
        names = {"b": "boolean", "U": "string", "S": "binary", "M": "datetime"}
        name = names.get(kind, "any")
    return {"type": name}


def of_values(values: Sequence[object]) -> Type:
    """Return the one type that values have; what is missing has none."""
    present = [value for value in values if not is_missing(value)]
    kinds = {type(value) for value in present}
    if not kinds:
        return ANY
    if kinds == {dict}:
        return _of_dicts(present)
    if all(issubclass(kind, list) or _is_array(kind) for kind in kinds):
        items = of_values([*itertools.chain.from_iterable(present)])  # type: ignore[arg-type]
        return {"type": "array", "items": items}
    kind = kinds.pop()
    return ANY if kinds else _of_scalar(kind)


def _of_dicts(dicts: Sequence[Any]) -> Type:
    properties = {}
    for name in sorted({str(name) for each in dicts for name in each}):
        found = [each.get(name) for each in dicts]
        required = not any(map(is_missing, found))
        properties[name] = {**of_values(found), "required": required}
    return {"type": "object", "properties": properties}


def _is_array(kind: type) -> bool:
    # By its name: whoever has no arrays need not load numpy.
    return kind.__name__ == "ndarray"


def _of_scalar(kind: type) -> Type:
    for base, name in _OF_PYTHON.items():
        # pandas' times are a subclass of Python's; numpy's float64 is one of float.
        if kind is base or (base is datetime.datetime and issubclass(kind, base)):
            return {"type": name}
    if kind.__module__ != "numpy":
        return ANY
    import numpy

    return of_dtype(numpy.dtype(kind))


def is_missing(value: object) -> bool:
    """Return whether a value stands for none: None, or a float that is NaN."""
    return value is None or (isinstance(value, float) and value != value)


def of_polars(dtype: polars.DataType) -> Type:
    """Return the type of a data type of polars'."""
    # To polars the class of a type without parameters is the type, as an instance is.
    name = type(dtype).__name__ if not isinstance(dtype, type) else dtype.__name__
    if name in {"List", "Array"}:
        return {"type": "array", "items": of_polars(dtype.inner)}  # type: ignore[attr-defined]
    if name == "Struct":
        fields = {
            field.name: {**of_polars(field.dtype), "required": True}
            for field in dtype.fields  # type: ignore[attr-defined]
        }
        return {"type": "object", "properties": fields}
    return {"type": _OF_POLARS.get(name, "any")}
