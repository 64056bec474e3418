"""Lines of the log: from values to text, and from text to values.

The form of a line is described at ``lakeflow.tables.RECORD``.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.entities.dataset import DatasetInput
    from lakeflow.entities.validation import Point

# NaN and Infinity are written as such: DuckDB and Python read them, other values of JSON
# would make NaN a text or a null.
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

MAX_CHARACTERS = 3 * 1024 * 1024
"""Size above which a call is written as several lines.

The fold parses lines of up to 16 MiB. A single value has at most 1 MiB, which escapes may make
six, so that one value more than this always fits.
"""

Pieces = list[str]
"""A field of a record as text; several where its rows would make too long a line."""


def about(experiment_id: str, run_id: str) -> str:
    """Return the fields that say which run a record is about."""
    return f'"experiment_id":{_dump(experiment_id)},"run_id":{_dump(run_id)}'


def bodies(about: str, *fields: Pieces) -> list[str]:
    """Return the records that hold these fields: one, or as few as fit the bound."""
    packed = []
    current, size = [about], 0
    for pieces in fields:
        for number, piece in enumerate(pieces):
            if number > 0 or (size and size + len(piece) > MAX_CHARACTERS):
                packed.append(",".join(current))
                current, size = [about], 0
            current.append(piece)
            size += len(piece)
    packed.append(",".join(current))
    return packed


def run(fields: Mapping[str, object]) -> Pieces:
    """Return the field that makes a run, or sets some of its fields."""
    return [f'"run":{_dump(fields)}']


def metric(point: Point) -> str:
    """Return the field with one point; the shortest way, since training loops take it."""
    key, value, timestamp, step = point
    number = repr(value) if isfinite(value) else _dump(value)
    return (
        f'"metrics":{{"key":[{_dump(key)}],"value":[{number}],'
        f'"timestamp":[{timestamp}],"step":[{step}]}}'
    )


def metrics(points: Sequence[Point]) -> Pieces:
    """Return the field with points of any metrics."""
    return _rows("metrics", ("key", "value", "timestamp", "step"), points)


def params(pairs: Iterable[tuple[str, str]]) -> Pieces:
    """Return the field with params."""
    return _rows("params", ("key", "value"), list(pairs))


def tags(pairs: Iterable[tuple[str, str | None]]) -> Pieces:
    """Return the field with tags; None removes a tag."""
    return _rows("tags", ("key", "value"), list(pairs))


_INPUT = ("name", "digest", "source_type", "source", "schema", "profile", "tags")


def inputs(datasets: Sequence[DatasetInput]) -> Pieces:
    """Return the field with datasets; the tags of each become one JSON object."""
    rows = [
        (
            *(getattr(each.dataset, name) for name in _INPUT[:-1]),
            _dump({tag.key: tag.value for tag in each.tags or ()}),
        )
        for each in datasets
    ]
    return _rows("inputs", _INPUT, rows)


def _rows(field: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Pieces:
    if not rows:
        return []
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    text = f'"{field}":{_dump(columns)}'
    if len(text) <= MAX_CHARACTERS or len(rows) == 1:
        return [text]
    middle = len(rows) // 2
    return _rows(field, names, rows[:middle]) + _rows(field, names, rows[middle:])


def input_rows(field: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield the datasets of a record as rows in the order of the table's columns."""
    return zip(*(field[name] for name in _INPUT), strict=True)


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, or None if it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if type(record) is dict and isinstance(record.get("seq"), int):
        return record
    return None


def clock(line: bytes) -> int | None:
    """Return the clock of a line, or None if it is no record."""
    record = parse(line)
    value = record.get("clock") if record else None
    return value if isinstance(value, int) else None


def rejected(segment: str, offset: int, line: bytes) -> str:
    """Return what is kept of a line that is no record: where it was, and its bytes."""
    text = line.decode("utf-8", "backslashreplace")
    return _dump({"segment": segment, "offset": offset, "line": text})
