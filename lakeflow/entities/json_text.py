"""Any value as JSON that keeps its type: what attributes, inputs and outputs are stored as."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import math
import sys
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from lakeflow.entities._base import Entity
from lakeflow.printable import readable

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 100
"""Levels of nesting that are kept: DuckDB and protobuf read no more than about as many."""

_LONGEST_BITS = 14_000
"""Bits of a whole number that Python writes and reads in decimal: up to 4,300 digits."""


def json_text(value: Any) -> str:
    r"""Return a value as JSON; there is none that it fails for.

    A whole number stays one and a float keeps its point. Bytes become
    ``{"$bytes":"<base64>"}``, NaN and the infinities ``{"$double":"NaN"}``, data classes and
    models of pydantic objects; a range, what JSON has no form for and what fails to be read its
    ``str``. A whole number of more than 4,200 digits is a hexadecimal text. What
    contains itself, or nests deeper than 100 levels, is cut with ``"..."``. A lone surrogate,
    which no file can hold, becomes U+FFFD.

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
    # NaN, a circle, a key that is no text, or whatever a stranger's class raises: rare, so that
    # only then each value is looked at.
    except Exception:  # noqa: BLE001
        text = _encode(_plain(value, _DEEPEST))
    return text if text.isascii() else readable(text)


def flat_text(values: dict[str, Any]) -> str:
    """Return what ``json_text`` does, of an object that is most often flat.

    Where orjson is installed, it takes an eighth of the time for an object of texts, numbers
    and booleans, and lists of these.

    Examples:
        >>> flat_text({"k": 4, "model": "gpt", "temperature": 0.5, "stop": ["a"]})
        '{"k":4,"model":"gpt","temperature":0.5,"stop":["a"]}'
    """
    quick = quick_json()
    if quick is None:
        return json_text(values)
    try:
        text = quick(values).decode()
    # A whole number of more than 64 bits, half of a surrogate pair, a key that is no text, a
    # value of any other type.
    except TypeError:
        return json_text(values)
    # It makes null of NaN. (To look into a text takes a third of looking into bytes.)
    return json_text(values) if "null" in text else text


@functools.cache
def quick_json() -> Callable[[Any], bytes] | None:
    """Return what writes JSON in a fraction of the time, where orjson is installed.

    It makes null of NaN, and raises TypeError for types that JSON has not and where a text has
    half of a surrogate pair.
    """
    try:
        import orjson
    except ImportError:
        return None
    # What orjson would write in a way of its own, such as a date, is left to ``json_text``.
    plain = (
        orjson.OPT_PASSTHROUGH_DATACLASS
        | orjson.OPT_PASSTHROUGH_DATETIME
        | orjson.OPT_PASSTHROUGH_SUBCLASS
    )
    return functools.partial(orjson.dumps, option=plain)


def quick_value() -> Callable[[bytes], Any]:
    """Return what reads JSON: in a fraction of the time where orjson was loaded, to write it.

    To load it takes ten milliseconds, which a job that makes an experiment need not spend.
    Beyond 64 bits it may make another number of one than Python's parser, and it raises
    ValueError for NaN and the infinities: it is for what was written here.
    """
    # Another thread may be loading it.
    found: Callable[[bytes], Any] = getattr(sys.modules.get("orjson"), "loads", json.loads)
    return found


def decoded(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decoded_if_json(value: Any) -> Any:
    """Return the value of a JSON text; what is none as it is.

    Examples:
        >>> decoded_if_json('{"a": 1}'), decoded_if_json("{a"), decoded_if_json(None)
        ({'a': 1}, '{a', None)
        >>> decoded_if_json('"a b"'), decoded_if_json('"'), decoded_if_json('""')
        ('a b', '"', '')
    """
    if type(value) is not str:
        return value
    # Most are plain texts, of which nothing but the quotes has to go.
    # With a control character between them it is no JSON.
    if value[:1] == '"' == value[-1:] and value.isprintable():
        inner = value[1:-1]
        if len(value) > 1 and '"' not in inner and "\\" not in inner:
            return inner
    try:
        return decoded(value)
    except ValueError:
        return value


def typed(text: str) -> Any:
    r"""Return the value of a JSON text with bytes, NaN and the infinities.

    What is no JSON at all is the text itself: a lake's files are made by anybody.

    Examples:
        >>> typed('{"a": [{"$double": "-Infinity"}, {"$bytes": "AAE="}, 1]}')
        {'a': [-inf, b'\x00\x01', 1]}
    """
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        return text


def _typed(found: dict[str, Any]) -> Any:
    if len(found) != 1:
        return found
    value = found.get("$double")
    if value is not None:
        return float(value) if value in _DOUBLES.values() else found
    value = found.get("$bytes")
    if not isinstance(value, str):
        return found
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return found


# ``json.loads`` would make one for each text.
_decode = json.JSONDecoder(object_hook=_typed).decode


def _other(value: Any) -> Any:
    # Where nobody has imported them no value is a data class, or a model of pydantic.
    dataclasses, pydantic = map(sys.modules.get, ("dataclasses", "pydantic"))
    try:
        # First: to Python they are sequences too, and a range may be too long for the memory.
        if isinstance(value, bytes | bytearray | memoryview):
            return {"$bytes": base64.b64encode(value).decode()}
        if isinstance(value, range):
            return str(value)
        if isinstance(value, Mapping | Entity):
            return dict(value)
        if isinstance(value, Sequence | Set):
            return list(value)
        if pydantic is not None and isinstance(value, pydantic.BaseModel):
            return value.model_dump()
        if dataclasses is not None and hasattr(type(value), "__dataclass_fields__"):
            return dataclasses.asdict(value)
    # The class is a stranger's, and may raise anything.
    except Exception:  # noqa: BLE001
        return _said(value)
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
    # Not isinstance: a stranger's proxy may raise where it is asked for its class.
    kind = type(value)
    if issubclass(kind, float):
        # repr() of numpy's float, which is one of Python's, has a name around the number.
        number = float(value)
        return number if math.isfinite(number) else {"$double": _DOUBLES[repr(number)]}
    if issubclass(kind, int):
        return value if value.bit_length() <= _LONGEST_BITS else hex(value)
    if value is None or issubclass(kind, str):
        return value
    if levels == 0:
        return "..."
    found = value if kind in (dict, list, tuple) else _other(value)
    if isinstance(found, dict):
        # A copy, which takes one step: another thread may change the dictionary meanwhile.
        return {_said(key): _plain(each, levels - 1) for key, each in list(found.items())}
    if isinstance(found, list | tuple):
        return [_plain(each, levels - 1) for each in list(found)]
    return found if isinstance(found, str) else _plain(found, levels - 1)


_DOUBLES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
