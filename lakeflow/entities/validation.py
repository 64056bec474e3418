"""Names, lengths and limits: return the value as it is stored, or raise with MLflow's code.

``path`` is the place of a value in what the caller gave, such as ``metrics[1].key``.
"""

from __future__ import annotations

import datetime
import functools
import numbers
import operator
import posixpath
import re
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeflow.entities.dataset import DatasetInput

# MLflow's limits, but for values, which may be longer here.
MAX_KEY_LENGTH = 250
MAX_EXPERIMENT_NAME_LENGTH = 500
MAX_VALUE_BYTES = 1024 * 1024

# Ids become parts of paths: no other alphabets, no dot or dash at the beginning.
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)
_EXPERIMENT_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,63}", re.ASCII)
_IDS = "an id has letters, digits, _ and -, as {} does"
_KEY = re.compile(r"[/\w.\- :]*")
_INT64 = 2**63
# No date of Python's, of Arrow's readers or of SQL lies before year 1 or after year 9999.
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
_TIMES = "milliseconds since the Unix epoch are expected: int(time.time() * 1000)"

Point = tuple[str, float, int, int]
"""Key, value, timestamp in milliseconds, step."""

Points = tuple["Sequence[str]", "Sequence[float]", "Sequence[int]", "Sequence[int]"]
"""The same of several points, by column."""


def run_id(value: object, path: str = "run_id") -> str:
    """Return a run id that is one.

    Raises:
        InvalidInputError: It holds something else than letters, digits, ``_`` and ``-``.
    """
    if isinstance(value, str) and _RUN_ID.fullmatch(value):
        return value
    raise InvalidInputError(
        f"{path} is {value!r}, which is not a run id", hint=_IDS.format("info.run_id of a run")
    )


def experiment_id(value: object, path: str = "experiment_id") -> str:
    """Return an experiment id as text; integers are taken too.

    Raises:
        InvalidInputError: It holds something else than letters, digits, ``_`` and ``-``.
    """
    # Integers of a data frame are numpy's.
    number = integer(value)
    text = value if number is None else str(number)
    if isinstance(text, str) and _EXPERIMENT_ID.fullmatch(text):
        return text
    raise InvalidInputError(
        f"{path} is {value!r}, which is not an experiment id",
        hint=_IDS.format("experiment_id of an experiment"),
    )


def experiment_ids(values: Iterable[object]) -> list[str]:
    """Return experiment ids as texts; see ``experiment_id``."""
    return [
        experiment_id(each, f"experiment_ids[{place}]") for place, each in enumerate(values)
    ]


def integer(value: Any) -> int | None:
    """Return the Python integer that a value is, of whichever type; None if it is none."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def experiment_name(value: object) -> str:
    """Return a name for an experiment.

    Raises:
        InvalidInputError: It is no text, empty, or longer than 500 characters.
    """
    if value is None or value == "":
        raise InvalidInputError(f"an experiment needs a name, not {value!r}")
    if not isinstance(value, str):
        raise InvalidInputError(f"the experiment name {value!r} is not a string")
    if len(value) > MAX_EXPERIMENT_NAME_LENGTH:
        raise InvalidInputError(
            f"'name' exceeds the maximum length of {MAX_EXPERIMENT_NAME_LENGTH} characters: "
            f"it has {len(value)}"
        )
    return _encodable(value, "name")


def run_name(value: object) -> str:
    """Return a name for a run.

    Raises:
        InvalidInputError: It is no text, or longer than 1 MiB.
    """
    if not isinstance(value, str):
        raise InvalidInputError(f"the run name {value!r} is not a string")
    return text(value, "run_name")


def artifact_location(value: str | None) -> None:
    """Check a location that the user chose for artifacts.

    Raises:
        InvalidInputError: It is no text, or points into a run.
    """
    if value is not None and not isinstance(value, str):
        raise InvalidInputError(f"the artifact location {value!r} is not a string")
    if value is not None:
        _encodable(value, "artifact_location")
    if value is not None and value.startswith("runs:"):
        raise InvalidInputError(
            f"the artifact location {value!r} is inside a run",
            hint="give a folder or a URL outside the runs",
        )


def key(name: object, path: str = "key") -> str:
    """Return the name of a metric, param or tag.

    Raises:
        InvalidInputError: It is missing, too long, or not a plain relative path of letters,
            digits, ``_``, ``-``, ``.``, ``:``, spaces and slashes.
    """
    if isinstance(name, str) and _is_key(name):
        # An enum is a text too, and says of itself another one.
        return str.__str__(name)
    if name is None:
        raise InvalidInputError(f"Missing value for required parameter '{path}': a name")
    if not isinstance(name, str):
        raise InvalidInputError(f"{path} is {name!r}, which is not a string")
    if not _KEY.fullmatch(name):
        raise InvalidInputError(
            f"{path} is {name!r}; names may hold letters, digits, underscores, dashes, "
            "periods, colons, spaces and slashes"
        )
    if len(name) > MAX_KEY_LENGTH:
        raise InvalidInputError(
            f"'{path}' exceeds the maximum length of {MAX_KEY_LENGTH} characters: "
            f"{name[:20]!r}... has {len(name)}"
        )
    raise InvalidInputError(
        f"{path} is {name!r}; as a path it would be {posixpath.normpath(name)!r}",
        hint="use a relative path without '.', '..', double or trailing slashes",
    )


@functools.lru_cache(maxsize=10_000)
def _is_key(name: str) -> bool:
    """Return whether a name is good; loops log the same few names over and over."""
    # MLflow's rule: in its store of files a key is the path of a file.
    normal = posixpath.normpath(name)
    return (
        _KEY.fullmatch(name) is not None
        and len(name) <= MAX_KEY_LENGTH
        and normal == name != "."
        and not name.startswith(("..", "/"))
    )


def text(value: object, path: str = "value") -> str:
    """Return the value of a param or tag as text.

    Raises:
        InvalidInputError: It is longer than 1 MiB or cannot be encoded.
    """
    string = _encodable(str(value), path)
    # A character takes four bytes at most: what is short is not encoded to be measured.
    if len(string) * 4 > MAX_VALUE_BYTES and len(string.encode()) > MAX_VALUE_BYTES:
        size = len(string.encode())
        raise InvalidInputError(
            f"{path} has {size:,} bytes; at most {MAX_VALUE_BYTES:,} are stored",
            hint="log it as an artifact",
        )
    return string


def _encodable(string: str, path: str) -> str:
    # Nearly all is ASCII, and Python knows that of a text without a look at it.
    if string.isascii():
        return string
    try:
        string.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"{path} is {string[:40]!r}, which is not Unicode text: {error.reason}"
        ) from None
    return string


def metric(
    name: object, value: object, timestamp: object, step: object, place: int | None = None
) -> Point:
    """Return one point of a metric with its value as a float.

    Args:
        name: Its key.
        value: A number, a one-element array or tensor, or a number as text.
        timestamp: Milliseconds since the Unix epoch, not negative.
        step: A whole number; as for the timestamp, of any type: 2.0 is 2, and 1.5 is none.
        place: Place of the metric in the list that the caller gave, if it is one of a list.

    Raises:
        InvalidInputError: One of them is none of that.
    """
    # What training loops give is let through without a call; only the rest is looked at.
    if not (type(name) is str and _is_key(name)):
        name = key(name, _path("name", place))
    if type(value) is not float:
        value = _float(value, _path("value", place))
    if type(timestamp) is not int or not 0 <= timestamp < _INT64:
        timestamp = _whole(timestamp, _path("timestamp", place), 0, _INT64 - 1, _TIMES)
    if type(step) is not int or not -_INT64 <= step < _INT64:
        step = _whole(step, _path("step", place), -_INT64, _INT64 - 1)
    # Zero has one sign: a search for 0 finds both, and so does everyone who prints it.
    return name, value + 0.0, timestamp, step


def _path(name: str, place: int | None) -> str:
    return name if place is None else f"metrics[{place}].{name}"


def metrics(values: Mapping[str, object], timestamp: object, step: object) -> Points:
    """Return points of several metrics, one at least, at one time and step; see ``metric``."""
    keys: Any = tuple(values)
    numbers: Any = [*values.values()]
    # A training loop gives floats, and the same names at every step: then one point is checked,
    # and no other costs a call.
    if {*map(type, numbers)} == {float} and _are_keys(keys):
        _, _, timestamp, step = metric(keys[0], numbers[0], timestamp, step, 0)
        # As for one point: zero has one sign.
        if 0.0 in numbers:
            numbers = [number + 0.0 for number in numbers]
        return keys, numbers, (timestamp,) * len(keys), (step,) * len(keys)
    points = [
        metric(name, value, timestamp, step, place)
        for place, (name, value) in enumerate(values.items())
    ]
    return by_column(points)


def by_column(points: Iterable[Point]) -> Points:
    """Return points, one at least, by column."""
    keys, values, timestamps, steps = zip(*points, strict=True)
    return keys, values, timestamps, steps


# Few, since each may hold many: a loop has one for training and one for what it evaluates.
@functools.lru_cache(maxsize=32)
def _are_keys(names: tuple[object, ...]) -> bool:
    return {*map(type, names)} == {str} and all(map(_is_key, names))


def _float(value: Any, path: str) -> float:
    if value is None:
        raise InvalidInputError(f"Missing value for required parameter '{path}'")
    try:
        # Arrays and tensors of one element; numpy refuses float() of them by and by.
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise InvalidInputError(
            f"{path} is {value!r}, which is not a double (64-bit floating point)"
        ) from None


def _whole(value: Any, path: str, least: int, most: int, hint: str | None = None) -> int:
    try:
        # numpy's integers too, but no text, though ``int`` would take one.
        number = int(value) if isinstance(value, numbers.Number) else None  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        number = None
    # Who logs step 1.5 counts in something else than steps, and who logs a fraction of a
    # millisecond often in seconds: to cut it off would hide that.
    if number is None or number != value or not least <= number <= most:
        raise InvalidInputError(
            f"{path} is {value!r}, which is not a whole number from {least} to {most}",
            hint=hint,
        )
    return int(number)


def milliseconds(value: object, path: str) -> int:
    """Return a time in milliseconds since the Unix epoch.

    Raises:
        InvalidInputError: It is no whole number, or lies outside of years 1 to 9999.
    """
    return _whole(value, path, FIRST_MS, LAST_MS, _TIMES)


def step(value: object, path: str = "step") -> int:
    """Return a step.

    Raises:
        InvalidInputError: It is no whole number of 64 bits.
    """
    return _whole(value, path, -_INT64, _INT64 - 1)


def moment(time: datetime.datetime) -> datetime.datetime:
    """Return a time with its zone: one without any is local, as Python has it."""
    if time.tzinfo is not None:
        return time
    try:
        # Of its parts: pandas has a subclass that takes its own times for UTC.
        return datetime.datetime.combine(time.date(), time.time()).astimezone()
    except (OverflowError, ValueError, OSError):
        # At the ends of the calendar, where a zone's hours lead out of it.
        return time.replace(tzinfo=datetime.UTC)


_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


def time_ms(value: Any, path: str) -> int:
    """Return a time in milliseconds since the Unix epoch.

    Args:
        value: A ``datetime``, local unless it has a zone, or these milliseconds.
        path: What the caller calls it.

    Raises:
        InvalidInputError: It is neither.
    """
    if isinstance(value, datetime.datetime):
        return (moment(value) - _EPOCH) // datetime.timedelta(milliseconds=1)
    number = integer(value)
    if number is None or not -(2**63) <= number < 2**63:
        raise InvalidInputError(
            f"{path} is {value!r}, which is neither a datetime nor a number of milliseconds",
            hint="such as datetime.datetime(2026, 11, 24, 12), a local time",
        )
    return number


DATASET_LIMITS = {
    "name": 500,
    "digest": 36,
    "source_type": 36,
    "source": 65_535,
    "schema": 1_048_575,
    # Less than MLflow's 16 MiB: no value of a record is longer than this.
    "profile": 1_048_576,
}
INPUT_TAG_LIMITS = {"key": 255, "value": 500}
_REQUIRED = ("name", "digest", "source_type", "source")


def dataset_input(value: DatasetInput, path: str) -> None:
    """Check one use of a dataset.

    Raises:
        InvalidInputError: A required part is missing, or one is too long.
    """
    dataset = getattr(value, "dataset", None)
    if dataset is None:
        raise InvalidInputError(f"{path} has no dataset: {value!r}")
    for name, limit in DATASET_LIMITS.items():
        part = getattr(dataset, name)
        if part is None and name in _REQUIRED:
            raise InvalidInputError(f"Dataset {name} cannot be None ({path})")
        _limited(part, limit, f"{path}.dataset.{name}")
    for index, tag in enumerate(value.tags or ()):
        for name, limit in INPUT_TAG_LIMITS.items():
            part = getattr(tag, name)
            if part is None:
                raise InvalidInputError(
                    f"InputTag {name} cannot be None ({path}.tags[{index}])"
                )
            _limited(part, limit, f"{path}.tags[{index}].{name}")


def _limited(part: object, limit: int, path: str) -> None:
    if part is None:
        return
    if not isinstance(part, str):
        raise InvalidInputError(f"{path} is {part!r}, which is not a string")
    if len(part) > limit:
        raise InvalidInputError(
            f"'{path}' exceeds the maximum length of {limit} characters: it has {len(part)}"
        )
    _encodable(part, path)
