"""Lines of the log: from values to text, and from text to values.

A line is one call, with everything that it logs: a JSON object.

- ``seq`` is its number among those of its writer (the folder's name), ``clock`` microseconds
  that never run backwards within a writer: the order of the records of all writers.
- A field named after a table has rows of it by column, since that is shortest and fastest to
  parse. What the rows are about they say in columns of their own, or where a kind's lines are
  about one thing, the line says it at its top.
- ``removed`` names things that are gone, by ``kind`` and ``id``.
- ``origin`` says of a copy which record it is: writer, number and clock of the first one, and
  where the copy is of a part of its rows, the place of the first of them.
"""

from __future__ import annotations

import contextlib
import json
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

_LONGEST_ROW_BYTES = 15 * 1024 * 1024

REMOVED = "removed"
"""The field with things that are removed."""

ORIGIN = "origin"
"""The field of a copy that says which record it is."""


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
    named = f"[{_dump(writer)},{seq},{clock}{f',{place}' if place else ''}]"
    return f'"{ORIGIN}":{named},{body}'


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
    return _rows(name, names, [tuple([row[each] for each in names]) for row in rows])


def columns(name: str, columns: Mapping[str, Sequence[object]]) -> Pieces:
    """Return the field with rows of a table that are given by column.

    Args:
        name: The table.
        columns: Texts and whole numbers.
    """
    quick = quick_json()

    def text_of(some: Sequence[int]) -> str:
        first, last = some[0], some[-1] + 1
        rows = {each: values[first:last] for each, values in columns.items()}
        if quick is not None:
            # What it refuses is looked at by the other one.
            with contextlib.suppress(TypeError):
                return f'"{name}":{quick(rows).decode()}'
        return f'"{name}":{_dump(rows)}'

    count = len(next(iter(columns.values())))
    return _halved(range(count), text_of)


def metric(point: Point) -> str:
    """Return the field with one point; the shortest way, since training loops take it.

    A key has nothing in it that JSON would escape: see ``validation.key``.
    """
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
    def text_of(rows: Sequence[Sequence[object]]) -> str:
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        return f'"{field}":{_dump(columns)}'

    return _halved(rows, text_of)


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


class MisfitError(ValueError):
    """A line that is no record."""


def parse(line: bytes) -> dict[str, Any]:
    """Return the record of a line.

    Raises:
        MisfitError: It is none.
    """
    record = parse_object(line)
    if not (_is_long(record.get("seq")) and _is_long(record.get("clock"))):
        raise MisfitError
    return record


def parse_object(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a text.

    Raises:
        MisfitError: It is none, or one that not every parser takes.
    """
    if len(text) > LONGEST_LINE_BYTES:
        raise MisfitError
    try:
        # Not the bytes: the parser would guess their encoding, and let halves of pairs pass.
        found = json.loads(text.decode())
        # Nor is half of a surrogate pair a character where it is written as an escape.
        if b"\\u" in text and (b"\\ud" in text or b"\\uD" in text):
            json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise MisfitError from None
    if type(found) is not dict or _is_deep(found):
        raise MisfitError
    return found


_DEEPEST = 100
"""Lists and objects within one another. How many Python's parser takes depends on who calls."""


def _is_deep(found: object) -> bool:
    """Return whether there is too much within one another in a value of JSON."""
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        inner: list[Any] = []
        for each in level:
            values = each.values() if type(each) is dict else each
            # Most are long lists of texts and numbers, of which no one is looked at by itself.
            if not {dict, list}.isdisjoint(map(type, values)):
                inner += [value for value in values if type(value) in {dict, list}]
        if not inner:
            return False
        level = inner
    return True


def origin_of(value: Any) -> Origin:
    """Return which record a copy is of.

    Raises:
        MisfitError: It names none.
    """
    if type(value) is not list or len(value) not in {3, 4} or type(value[0]) is not str:
        raise MisfitError
    if not all(map(_is_long, value[1:])) or (len(value) == 4 and not 0 <= value[3] < 2**31):
        raise MisfitError
    return Origin(*value)


def _is_long(value: object) -> bool:
    # Not isinstance: True is an int for Python. The tables have columns of 64 bits.
    return type(value) is int and -(2**63) <= value < 2**63


def clock(line: bytes, latest: int) -> int | None:
    """Return the clock of a line, at most the latest one; None if it is no record."""
    try:
        found: int = parse(line)["clock"]
    except MisfitError:
        return None
    return min(found, latest)


def written(record: Mapping[str, Any], names: Iterable[str]) -> bytes:
    """Return the line of a record with those of its fields that are named.

    All parsers read it alike, also where the record was written in a way that they do not.
    """
    kept = {name: record[name] for name in names if record.get(name) is not None}
    return f"{_dump(kept)}\n".encode()


def rejected(segment: str, offset: int, line: bytes) -> str:
    """Return what is kept of a line that is no record: where it was, and its bytes."""
    # The bytes that are no UTF-8 can be read as escapes, and none is lost.
    text = line.rstrip(b"\n").decode("utf-8", "backslashreplace")
    return _dump({"segment": segment, "offset": offset, "line": text})


def event(number: int, clock: int, event_id: str, user: str, bodies: Sequence[str]) -> bytes:
    """Return an event of the control log: a line a record, the event itself in the first.

    Args:
        number: Its place in the total order.
        clock: Its clock; the lines share it, so that a fold takes all of them or none.
        event_id: Its id.
        user: Who makes it.
        bodies: The fields of each record.
    """
    row = {
        "number": event_number(number),
        "event_id": event_id,
        "time": clock // 1000,
        "user_id": user,
        "changes": f"[{','.join(f'{{{body}}}' for body in bodies)}]",
    }
    first, *others = bodies
    lines = [f"{table('control_events', [row])[0]},{first}", *others]
    return "".join(
        f'{{"seq":{(number << _PLACE_BITS) + place},"clock":{clock},{line}}}\n'
        for place, line in enumerate(lines)
    ).encode()


def event_lines(data: bytes) -> list[bytes]:
    """Return the lines of an event."""
    return data.split(b"\n")[:-1]


def is_whole_event(data: bytes) -> bool:
    """Return whether an event has all of its lines: an answer may be cut short at any byte."""
    lines = event_lines(data)
    try:
        first = json.loads(lines[0])
    except (ValueError, LookupError, RecursionError):
        return False
    # What says no number of lines, or has more of them, is whole, and void.
    said = changes_of(first)
    return data.endswith(b"\n") and (said is None or len(lines) >= said)


def changes_of(record: Any) -> int | None:
    """Return of how many lines an event is by its first record; None if it does not say."""
    try:
        (changes,) = record["control_events"]["changes"]
        found = json.loads(changes)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return len(found) if type(found) is list else None


# A line takes its place in the low 20 bits of its ``seq``, the event its number above them. So
# the lines of all events have one order, with room for a million lines each.
_PLACE_BITS = 20


def event_number(number: int) -> str:
    """Return the number of an event as text that sorts like numbers."""
    return f"{number:010d}"
