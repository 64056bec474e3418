"""Any value as JSON that keeps its type: what attributes, inputs and outputs are stored as."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from lakeflow.config import readable

_DEEPEST = 100
"""Levels of nesting that are kept: DuckDB and protobuf read no more than about as many."""


def json_text(value: Any) -> str:
    r"""Return a value as JSON; there is none that it fails for.

    A whole number stays one and a float keeps its point. Bytes become
    ``{"$bytes":"<base64>"}``, NaN and the infinities ``{"$double":"NaN"}``, what JSON has no
    form for its ``str``. What contains itself, or nests deeper than 100 levels, is cut with
    ``"..."``. A lone surrogate, which no file can hold, becomes U+FFFD.

    Args:
        value: Anything.

    Examples:
        >>> json_text({"k": 4, "temperature": 1.0, "raw": b"\x00\x01"})
        '{"k":4,"temperature":1.0,"raw":{"$bytes":"AAE="}}'
        >>> json_text([float("nan"), None])
        '[{"$double":"NaN"},null]'
    """
    try:
        text = _encode(value)
    # NaN, a circle or a key that is no text: rare, so that only then each value is looked at.
    except (ValueError, TypeError, RecursionError):
        text = _encode(_plain(value, _DEEPEST))
    return text if text.isascii() else readable(text)


def decoded(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _other(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence | Set):
        return list(value)
    return _said(value)


_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_other
).encode


def _said(value: Any) -> str:
    try:
        return str(value)
    # The class is a stranger's, and may raise anything.
    except Exception:  # noqa: BLE001
        return f"<{type(value).__name__}>"


def _plain(value: Any, levels: int) -> Any:
    """Return a value made of what JSON has, and of nothing else."""
    if isinstance(value, float):
        return value if value - value == 0.0 else {"$double": _DOUBLES[repr(float(value))]}
    if value is None or isinstance(value, str | int):
        return value
    if levels == 0:
        return "..."
    if isinstance(value, Mapping):
        return {_said(key): _plain(each, levels - 1) for key, each in list(value.items())}
    if isinstance(value, Sequence | Set) and not isinstance(
        value, bytes | bytearray | memoryview
    ):
        return [_plain(each, levels - 1) for each in list(value)]
    found = _other(value)
    return found if isinstance(found, str) else _plain(found, levels - 1)


_DOUBLES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
