"""Lines of the log: from values to text. See ``parsed_records`` for the way back.

A line is one call, with everything that it logs: a JSON object.

- ``seq`` is its number among those of its writer (the folder's name), ``clock`` microseconds
  that never run backwards within a writer: the order of the records of all writers. They stand
  at the end.
- A field named after a table has rows of it by column, since that is shortest and fastest to
  parse. What the rows are about they say in columns of their own, or where a kind's lines are
  about one thing, the line says it at its top.
- ``removed`` names things that are gone, by ``kind`` and ``id``.
- A copy has number and clock of its record, and says at its beginning what is not that of the
  record: ``copied_at``, the clock at which it entered this log, and ``copied_from``, the writer
  of the record. Where it has a part of the rows, ``copied_place`` is the place of the first.
"""

from __future__ import annotations

import contextlib
import json
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from lakeflow.entities.json_text import quick_json
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeflow.entities.dataset import DatasetInput
    from lakeflow.entities.validation import Point, Points

R = TypeVar("R")

# NaN and Infinity are written as such: DuckDB and Python read them, other values of JSON
# would make NaN a text or a null.
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

MAX_CHARACTERS = 3 * 1024 * 1024
"""Size above which a call is written as several lines.

A single value has at most 1 MiB, which escapes may make six, so that one value more than this
always fits.
"""

LONGEST_LINE_BYTES = 16 * 1024 * 1024
"""What the parser of a fold takes; a longer line is no record."""

# The rest is room for what a line has besides its only row.
_LONGEST_ROW_BYTES = 15 * 1024 * 1024

REMOVED = "removed"
"""The field with things that are removed."""

COPIED_AT = "copied_at"
"""The field of a copy with the clock at which it entered the log."""

COPIED_FROM = "copied_from"
"""The field of a copy with the writer of the record."""

COPIED_PLACE = "copied_place"
"""The field of a copy with the place of its first row among those of the record, if not 0."""

_COPY = f'"{COPIED_FROM}":'


class Origin(NamedTuple):
    """Which record a copy is of.

    Attributes:
        writer: Its writer; empty where it is not known any more, of a record without rows that
            all stay.
        seq: Its number among those of the writer.
        clock: Its clock.
        place: Place of the first row of the copy among those of the record.
    """

    writer: str
    seq: int
    clock: int
    place: int = 0


Pieces = list[str]
"""A field of a record as text; several where its rows would make too long a line."""


def about(experiment_id: str, run_id: str) -> str:
    """Return the fields that say which run a record is about."""
    return f'"experiment_id":{_dump(experiment_id)},"run_id":{_dump(run_id)}'


def bodies(about: str, *fields: Pieces) -> list[str]:
    """Return the records that hold these fields: one, or as few as fit the bound.

    Args:
        about: What they are about, as text; empty where the rows say it.
        *fields: The fields.
    """
    if len(fields) == 1 and len(fields[0]) == 1:
        return [f"{about},{fields[0][0]}" if about else fields[0][0]]
    begun = [about] if about else []
    packed = []
    current, size = [*begun], 0
    for pieces in fields:
        for number, piece in enumerate(pieces):
            # A record cannot have the same field twice, so a second piece begins another one.
            if number > 0 or (size and size + len(piece) > MAX_CHARACTERS):
                packed.append(",".join(current))
                current, size = [*begun], 0
            current.append(piece)
            size += len(piece)
    packed.append(",".join(current))
    return packed


def copied(origin: Origin, body: str) -> str:
    """Return a record as the copy of one that may be there already, or come again.

    Rows that all stay, such as points, count once by the writer, the number and the place that
    they have there. Of others the clock says which is the first or the last.

    Args:
        origin: Which record it is.
        body: Its fields.
    """
    writer, seq, clock, place = origin
    placed = f',"{COPIED_PLACE}":{place}' if place else ""
    return f'{_COPY}{_dump(writer)}{placed},{body},"seq":{seq},"clock":{clock}'


def is_copy(body: str) -> bool:
    """Return whether the fields of a record are those of a copy."""
    return body.startswith(_COPY)


def line(body: str, seq: int, clock: int) -> str:
    """Return the line of a record as it enters a log.

    Args:
        body: Its fields.
        seq: Its number, unless it is a copy: that has the one of its record.
        clock: When it enters.
    """
    if body.startswith(_COPY):
        return f'{{"{COPIED_AT}":{clock},{body}}}\n'
    return f'{{{body},"seq":{seq},"clock":{clock}}}\n'


def removed(things: Sequence[tuple[str, str]]) -> str:
    """Return the field that removes things, each by its kind and its id."""
    kinds, ids = zip(*things, strict=True)
    return f'"{REMOVED}":{_dump({"kind": kinds, "id": ids})}'


def run(fields: Mapping[str, object]) -> Pieces:
    """Return the field that makes a run, or sets some of its fields."""
    return table("runs", [fields])


def table(name: str, rows: Sequence[Mapping[str, object]]) -> Pieces:
    """Return the field with rows of a table, which name the same columns each."""
    names = tuple(rows[0]) if rows else ()
    return tuples(name, names, [tuple([row[each] for each in names]) for row in rows])


def tables(rows: Mapping[str, Sequence[Mapping[str, object]]]) -> list[str]:
    """Return the records with rows of tables: one, or as few as fit the bound.

    Args:
        rows: Rows by table, some of each, which name the same columns: texts and whole numbers.
    """
    by_column = {
        name: {column: [row[column] for row in some] for column in some[0]}
        for name, some in rows.items()
    }
    # All in one go, which takes half as long as one after another.
    text = _quick(by_column)[1:-1]
    if len(text) <= MAX_CHARACTERS:
        return [text]
    return bodies("", *(table(*each) for each in rows.items()))


def columns(name: str, columns: Mapping[str, Sequence[object]]) -> Pieces:
    """Return the field with rows of a table that are given by column.

    Args:
        name: The table.
        columns: Texts and whole numbers.
    """

    def text_of(some: Sequence[int]) -> str:
        first, last = some[0], some[-1] + 1
        rows = {each: values[first:last] for each, values in columns.items()}
        return f'"{name}":{_quick(rows)}'

    count = len(next(iter(columns.values())))
    return _halved(range(count), text_of)


def _quick(values: object) -> str:
    """Return texts and whole numbers as JSON, by what is quickest."""
    quick = quick_json()
    if quick is not None:
        # What it refuses is looked at by the other one.
        with contextlib.suppress(TypeError):
            return quick(values).decode()
    return _dump(values)


def texts(values: Sequence[object]) -> list[str]:
    """Return the values of a column as texts of JSON: all numbers, or all texts."""
    if any(type(each) is str for each in values):
        known = {each: _dump(each) for each in {*values}}
        return [known[each] for each in values]
    return _dump(values)[1:-1].split(",")  # no number has a comma in it


def metric(point: Point) -> str:
    """Return the field with one point; the shortest way, since training loops take it.

    A key has nothing in it that JSON would escape: see ``validation.key``.
    """
    # Without an encoder of JSON, which takes longer to be set up than all of this.
    key, value, timestamp, step = point
    number = repr(value)
    # Only inf and nan have an n; JSON writes them Infinity and NaN.
    if "n" in number:
        number = _dump(value)
    return (
        f'"metrics":{{"key":["{key}"],"value":[{number}],'
        f'"timestamp":[{timestamp}],"step":[{step}]}}'
    )


def metrics(points: Points) -> Pieces:
    """Return the field with points of any metrics, their keys as above."""
    keys, values, timestamps, steps = points
    names, numbers = '","'.join(keys), ",".join(map(repr, values))
    if "n" in numbers:
        numbers = _dump(values)[1:-1]
    text = (
        f'"metrics":{{"key":["{names}"],"value":[{numbers}],'
        f'"timestamp":[{_whole_numbers(timestamps)}],"step":[{_whole_numbers(steps)}]}}'
    )
    if len(text) <= MAX_CHARACTERS:
        return [text]
    middle = len(keys) // 2
    first = keys[:middle], values[:middle], timestamps[:middle], steps[:middle]
    second = keys[middle:], values[middle:], timestamps[middle:], steps[middle:]
    return metrics(first) + metrics(second)


def _whole_numbers(numbers: Sequence[int]) -> str:
    """Return numbers with commas; most often all are one, which is turned into text once."""
    first = numbers[0]
    if numbers.count(first) == len(numbers):
        return (f"{first}," * len(numbers))[:-1]
    return ",".join(map(str, numbers))


def params(pairs: Iterable[tuple[str, str]]) -> Pieces:
    """Return the field with params."""
    return tuples("params", ("key", "value"), list(pairs))


def tags(pairs: Iterable[tuple[str, str | None]]) -> Pieces:
    """Return the field with tags; None removes a tag."""
    return tuples("tags", ("key", "value"), list(pairs))


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
    return tuples("inputs", _INPUT, rows)


def tuples(name: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Pieces:
    """Return the field with rows of a table, given by the columns that each has."""

    def text_of(some: Sequence[Sequence[object]]) -> str:
        if len(some) == 1:
            cells = [
                f'"{each}":[{_cell(cell)}]' for each, cell in zip(names, some[0], strict=True)
            ]
            return f'"{name}":{{{",".join(cells)}}}'
        return f'"{name}":{_dump(dict(zip(names, zip(*some, strict=True), strict=True)))}'

    return _halved(rows, text_of)


def _cell(value: object) -> str:
    """Return a value as JSON. To set up an encoder takes longer than a row of these does."""
    if type(value) is str:
        return encode_basestring(value)
    if value is None:
        return "null"
    return repr(value) if type(value) is int else _dump(value)


def _halved(rows: Sequence[R], text_of: Callable[[Sequence[R]], str]) -> Pieces:
    """Return rows as text, in halves as often as it takes until each fits a line.

    Raises:
        InvalidInputError: One row alone fits none.
    """
    if not rows:
        return []
    text = text_of(rows)
    if len(text) <= MAX_CHARACTERS:
        return [text]
    if len(rows) == 1:
        size = len(text.encode())
        if size > _LONGEST_ROW_BYTES:
            raise InvalidInputError(
                f"{text[:40]}... takes {size:,} bytes in the log, and one row may take "
                f"{_LONGEST_ROW_BYTES:,}",
                hint="give it fewer tags, or shorter values",
            )
        return [text]
    middle = len(rows) // 2
    return _halved(rows[:middle], text_of) + _halved(rows[middle:], text_of)


def written(record: Mapping[str, Any], names: Iterable[str]) -> bytes:
    """Return the line of a record with those of its fields that are named.

    All parsers read it alike, also where the record was written in a way that they do not.
    """
    kept = {name: record[name] for name in names if record.get(name) is not None}
    return f"{_dump(kept)}\n".encode()
