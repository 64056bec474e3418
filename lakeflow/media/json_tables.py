"""Tables in JSON, as pandas writes them by ``orient="split"``. Pure.

``{"columns":["a","b"],"data":[[1,"x"],[2,"y"]]}``: the head goes up to the first row. So rows
are added, and files of the same columns become one, with no look at the rows that are there.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError
from lakeflow.media.tables import is_missing, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.media.tables import Table

TAIL = b"]}"

_BEGIN, _MIDDLE = b'{"columns":', b',"data":['


class Document(NamedTuple):
    """A table in JSON without its tail.

    Attributes:
        head: What is before the rows.
        rows: The rows, with commas in between.
    """

    head: bytes
    rows: bytes


def document(names: Sequence[Any], columns: Sequence[Sequence[Any]]) -> Document:
    """Return a table in JSON; see ``rows``."""
    return Document(_BEGIN + _text(list(names)).encode() + _MIDDLE, rows(columns))


def rows(columns: Sequence[Sequence[Any]]) -> bytes:
    """Return the rows of a table.

    What JSON cannot say becomes what pandas makes of it: NaN, infinities and what is missing
    null, times ISO 8601 in UTC. Numbers keep all their digits. Anything else becomes its text.

    Args:
        columns: The values of each column.

    Raises:
        InvalidInputError: A value contains itself, or bytes that are no text.
    """
    return _text(list(zip(*columns, strict=True)))[1:-1].encode()


def split(content: bytes) -> Document | None:
    """Return a file as head and rows; None where it is not exactly of the form above."""
    # No text in JSON has a quote without a backslash before it.
    head = content[: content.find(_MIDDLE) + len(_MIDDLE)]
    found = content[len(head) : -len(TAIL)]
    # What only begins like a table, or ends otherwise, is left to be parsed as a whole.
    is_whole = content.endswith((b"]" + TAIL, _MIDDLE + TAIL)) and found[:1] in {b"", b"["}
    try:
        return Document(head, found) if is_whole and _names(head) is not None else None
    except ValueError:
        return None


def parsed(content: bytes) -> Document:
    """Return a file in any spelling as head and rows.

    Raises:
        ValueError: It is no table.
    """
    names, data = _parsed(content)
    return document(names, _columns(names, data))


def more(head: bytes, names: Sequence[Any], columns: Sequence[list[Any]]) -> bytes | None:
    """Return rows as they are put below others; None where they have further columns.

    Args:
        head: What is before the others.
        names: The names of the columns.
        columns: Their values. Where one is lacking it becomes null.

    Raises:
        InvalidInputError: Several columns have one name, and it is not clear which is which.
    """
    known, given = _hashable(_names(head) or ()), _hashable(names)
    if known == given:
        return rows(columns)
    _require_unique(known)
    _require_unique(given)
    found = dict(zip(given, columns, strict=True))
    if not found.keys() <= set(known):
        return None
    missing = [None] * (len(columns[0]) if columns else 0)
    return rows([found.get(name, missing) for name in known])


def saved(content: bytes | None, table: Table) -> bytes:
    """Return the content of a file with the rows of a table below its own.

    The file is parsed only where the rows have further columns, or it is in another spelling.

    Args:
        content: The file; None where there is none.
        table: The table. What one of the two lacks becomes null.

    Raises:
        InvalidInputError: As for ``rows`` and ``more``.
        ValueError: The file is no table.
    """
    names, columns = table.names, table.values()
    if content is None:
        return b"".join([*document(names, columns), TAIL])
    found = split(content) or parsed(content)
    added = more(found.head, names, columns)
    if added is None:
        return b"".join([*_widened(content, names, columns), TAIL])
    return b"".join([found.head, b",".join(filter(None, [found.rows, added])), TAIL])


def is_saved(content: bytes, size: int | None, table: Table) -> bool:
    """Return whether a file is what it was and has the rows of a table already.

    Args:
        content: The file.
        size: What its size was; None where there was none.
        table: The table.
    """
    # ``Filesystem.extend`` has put the new rows in the place of the tail.
    before = None if size is None else content[: size - len(TAIL)] + TAIL
    try:
        return saved(before, table) == content
    except ValueError:
        return False


def _widened(content: bytes, names: Sequence[Any], columns: Sequence[list[Any]]) -> Document:
    """Put rows that have further columns below those of a file."""
    known, data = _parsed(content)
    places = set(_hashable(known))
    new = [name for name, key in zip(names, _hashable(names), strict=True) if key not in places]
    above = [*_columns(known, data), *([None] * len(data) for _ in new)]
    given = dict(zip(_hashable(names), columns, strict=True))
    missing = [None] * len(columns[0])
    below = [given.get(key, missing) for key in _hashable([*known, *new])]
    return document([*known, *new], [[*a, *b] for a, b in zip(above, below, strict=True)])


def values(text: bytes) -> Any:
    """Return what JSON says.

    Raises:
        ValueError: It is none, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _names(head: bytes) -> list[Any] | None:
    names = values(head[len(_BEGIN) : -len(_MIDDLE)])
    return names if head.startswith(_BEGIN) and isinstance(names, list) else None


def _parsed(content: bytes) -> tuple[list[Any], list[list[Any]]]:
    found = values(content)
    if not isinstance(found, dict) or not isinstance(found.get("columns"), list):
        raise ValueError("it is no JSON with columns and data, as orient='split' makes it")
    names, data = found["columns"], found.get("data")
    if isinstance(data, list) and all(
        isinstance(row, list) and len(row) == len(names) for row in data
    ):
        return names, data
    raise ValueError("its data are no rows as long as there are columns")


def _columns(names: Sequence[Any], data: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [[row[index] for row in data] for index in range(len(names))]


def _require_unique(names: Sequence[Any]) -> None:
    if len(set(names)) < len(names):
        raise InvalidInputError(
            f"several columns have one name in {list(names)}, and rows with other columns "
            "cannot be put below them"
        )


def _hashable(names: Sequence[Any]) -> list[Any]:
    # As they are in the file, where a column of several levels has a list for its name.
    return [_tupled(each) for each in json.loads(_text(list(names)))]


def _tupled(name: Any) -> Any:
    return tuple(map(_tupled, name)) if isinstance(name, list) else name


def _text(value: Any) -> str:
    try:
        try:
            text = _encode(value)
        except (TypeError, ValueError):
            # NaN somewhere, or a key that is no text.
            value = _plain(value)
            text = _encode(value)
        if "\\ud" in text:
            # Half a character, which JSON can write and hardly anybody can read.
            _encode_as_it_is(value).encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInputError(
            f"Failed to save the table as the data is not JSON serializable. Error: {error}"
        ) from error
    return text


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else str(key): _plain(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _plain(_said(value))


def _said(value: Any) -> Any:
    """Return a value as one that JSON has."""
    if is_missing(value):
        return None
    if hasattr(value, "tolist"):
        return unpacked(value)
    for kind, say in _SAYINGS:
        if isinstance(value, kind):
            return say(value)
    return str(value)


def _time_text(value: Any) -> str:
    if value.tzinfo is not None:
        return f"{_time_text(value.astimezone(datetime.UTC).replace(tzinfo=None))}Z"
    is_finer = value.microsecond % 1000 or getattr(value, "nanosecond", 0)
    return str(value.isoformat(timespec="auto" if is_finer else "milliseconds"))


def _duration_text(value: datetime.timedelta) -> str:
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    # Those of pandas go on behind microseconds.
    parts = value.microseconds, getattr(value, "nanoseconds", 0)
    digits = "{:06d}{:03d}".format(*parts).removesuffix("000").removesuffix("000")
    return f"P{value.days}DT{hours}H{minutes}M{seconds}{f'.{digits}' if any(parts) else ''}S"


_SAYINGS: list[tuple[Any, Callable[[Any], Any]]] = [
    # In this order, since a datetime is a date.
    (datetime.datetime, _time_text),
    (datetime.date, lambda value: f"{value.isoformat()}T00:00:00.000"),
    (datetime.time, lambda value: value.isoformat()),
    (datetime.timedelta, _duration_text),
    (decimal.Decimal, float),
    (bytes, bytes.decode),
    (set | frozenset, list),
    (Mapping, dict),
]

_FORM: dict[str, Any] = {"allow_nan": False, "separators": (",", ":"), "default": _said}

_encode = json.JSONEncoder(**_FORM).encode

_encode_as_it_is = json.JSONEncoder(**_FORM, ensure_ascii=False).encode
