"""Values of spans as JSON that keeps their types.

JSON has no NaN, no infinities and no bytes. As texts of a column of type JSON they are
``{"$double": "NaN"}`` and ``{"$bytes": "<base64>"}``.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import sys
from typing import Any

_DOUBLES = ("NaN", "Infinity", "-Infinity")

# Where a value goes deeper than this, what is below is text: engines refuse deep JSON.
_MOST_DEPTH = 200


class Encoded(str):
    """A text that is JSON already, and was made of a value that may have changed since."""

    __slots__ = ()


def dumps(value: Any) -> Encoded:
    r"""Return a value as JSON with types; whatever it is.

    Models of pydantic and data classes become objects, and what else is no JSON its text.

    Examples:
        >>> dumps({"a": (1, 2.0, float("inf")), "b": b"\x00"})
        '{"a":[1,2.0,{"$double":"Infinity"}],"b":{"$bytes":"AA=="}}'
        >>> circle = []
        >>> circle.append(circle)
        >>> dumps(circle)
        '["[[...]]"]'
    """
    try:
        return Encoded(_encode(value))
    except (ValueError, TypeError, RecursionError):
        # A number that JSON has not, a circle, a key that is no text.
        return Encoded(_encode(_plain(value, ())))


def loads(text: str) -> Any:
    r"""Return the value of a JSON text with types.

    What is no JSON at all is the text itself: a lake's files are made by anybody.

    Examples:
        >>> loads('{"a": [{"$double": "-Infinity"}, {"$bytes": "AAE="}, 1]}')
        {'a': [-inf, b'\x00\x01', 1]}
    """
    try:
        return json.loads(text, object_hook=_typed)
    except (ValueError, RecursionError):
        return text


def _typed(found: dict[str, Any]) -> Any:
    if len(found) != 1:
        return found
    value = found.get("$double")
    if value is not None:
        return float(value) if value in _DOUBLES else found
    value = found.get("$bytes")
    if not isinstance(value, str):
        return found
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return found


def _substitute(value: Any) -> Any:
    """Return what stands for a value that JSON has not."""
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    # Where nobody has imported pydantic no value is a model of it.
    pydantic = sys.modules.get("pydantic")
    try:
        if pydantic is not None and isinstance(value, pydantic.BaseModel):
            return value.model_dump()
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return dataclasses.asdict(value)
    except Exception:  # noqa: BLE001 - whatever a class of the user's does
        return _text_of(value)
    return _text_of(value)


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001
        return f"<{type(value).__name__} whose text cannot be had>"


_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_substitute
).encode


def _plain(value: Any, around: tuple[int, ...]) -> Any:
    """Return a value of dictionaries with texts as keys, lists and scalars, without circles.

    Args:
        value: The value.
        around: What it is in, by identity.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return {"$double": "NaN" if value != value else _DOUBLES[1 if value > 0 else 2]}
    if id(value) in around or len(around) > _MOST_DEPTH:
        return _text_of(value)
    inside = (*around, id(value))
    if isinstance(value, dict):
        return {_key_of(key): _plain(each, inside) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, inside) for each in value]
    return _plain(_substitute(value), inside)


def _key_of(key: Any) -> str:
    if isinstance(key, str):
        return key
    # As JSON writes those that it takes: true, null, 1.
    is_known = key is None or isinstance(key, bool | int)
    return json.dumps(key) if is_known else _text_of(key)
