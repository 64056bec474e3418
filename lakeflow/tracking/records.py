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

MAX_RECORD_CHARACTERS = 4 * 1024 * 1024
"""Size above which a batch is written as several lines; the fold's parser needs a bound."""


def about(experiment_id: str, run_id: str) -> str:
    """Return the fields that say which run a record is about."""
    return f'"experiment_id":{_dump(experiment_id)},"run_id":{_dump(run_id)}'


def run(fields: Mapping[str, object]) -> str:
    """Return the field that makes a run, or sets some of its fields."""
    return f'"run":{_dump(fields)}'


def metric(point: Point) -> str:
    """Return the field with one point; the shortest way, since training loops take it."""
    key, value, timestamp, step = point
    number = repr(value) if isfinite(value) else _dump(value)
    return (
        f'"metrics":{{"key":[{_dump(key)}],"value":[{number}],'
        f'"timestamp":[{timestamp}],"step":[{step}]}}'
    )


def metrics(points: Sequence[Point]) -> str:
    """Return the field with points of any metrics."""
    columns = ("key", "value", "timestamp", "step")
    return f'"metrics":{_dump(_by_column(columns, points))}'


def params(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the field with params."""
    return f'"params":{_dump(_by_column(("key", "value"), list(pairs)))}'


def tags(pairs: Iterable[tuple[str, str | None]]) -> str:
    """Return the field with tags; None removes a tag."""
    return f'"tags":{_dump(_by_column(("key", "value"), list(pairs)))}'


_INPUT = ("name", "digest", "source_type", "source", "schema", "profile", "tags")


def inputs(datasets: Sequence[DatasetInput]) -> str:
    """Return the field with datasets; the tags of each become one JSON object."""
    rows = [
        (
            *(getattr(each.dataset, name) for name in _INPUT[:-1]),
            _dump({tag.key: tag.value for tag in each.tags or ()}),
        )
        for each in datasets
    ]
    return f'"inputs":{_dump(_by_column(_INPUT, rows))}'


def _by_column(names: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def input_rows(field: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield the datasets of a record as rows in the order of the table's columns."""
    return zip(*(field[name] for name in _INPUT), strict=True)


def split(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    """Yield points in pieces that fit a record each."""
    size = MAX_RECORD_CHARACTERS // 64
    for start in range(0, len(points), size):
        yield points[start : start + size]


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, or None if it is none."""
    try:
        record = json.loads(line)
    except ValueError:
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
