"""TensorBoard's event files as events, as far as they can be read."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import temporary
from lakeflow.exceptions import InvalidInputError, StorageError
from lakeflow.importing.sources.spilling import spilling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.importing.sources.tabular.files import InputFile

_HEAD = struct.Struct("<QI")
_TAIL_BYTES = 4
"""A record is its length, a checksum of that, the event, and a checksum of it."""

_COPIED_AT_ONCE = 8 * 1024 * 1024


class Located(NamedTuple):
    """An event, and where it is.

    Attributes:
        event: TensorBoard's message.
        offset: Where its record begins in the file.
    """

    event: Any
    offset: int


def is_event_file(name: str) -> bool:
    """Return whether TensorBoard takes a file for one of events."""
    return "tfevents" in name


def events(file: InputFile, complain: Callable[[str], None]) -> Iterator[Located]:
    """Yield the events of a file up to the first that is broken.

    Raises:
        StorageError: The store of the file fails, or the disk of temporary files.
    """
    from tensorboard.compat import tf

    if "://" not in file.location:
        try:
            yield from _events(file.location, file.size, complain)
        except (OSError, tf.errors.OpError) as error:
            complain(f"cannot be read: {error}")
        return
    # TensorBoard's own ways to read from stores take other options and packages than a lake's.
    with temporary.folder("events") as folder:
        copy = os.path.join(folder, "tfevents")
        with file.opened() as stream, spilling(copy), open(copy, "wb") as target:
            while part := stream.read(_COPIED_AT_ONCE):
                target.write(part)
        yield from _events(copy, file.size, complain)


def begun(file: InputFile) -> float:
    """Return when the first event of a file was, in seconds; 0 where that cannot be read."""
    from google.protobuf.message import DecodeError

    try:
        return float(event_at(file, 0).wall_time)
    # An OSError too, and no fault of this file.
    except StorageError:
        raise
    except (DecodeError, struct.error, OSError):
        return 0.0


def event_at(file: InputFile, offset: int) -> Any:
    """Return the event that begins at an offset which ``events`` gave."""
    from tensorboard.compat.proto import event_pb2

    with file.opened() as stream:
        stream.seek(offset)
        length, _ = _HEAD.unpack(stream.read(_HEAD.size))
        # The length of a damaged record may be any number.
        return event_pb2.Event.FromString(stream.read(min(length, file.size)))


def require_tensorboard() -> None:
    """Check that what reads event files is installed.

    Raises:
        InvalidInputError: It is not.
    """
    try:
        import tensorboard.backend.event_processing.event_file_loader  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            f"TensorBoard reads event files, and {error.name} is not installed",
            hint="pip install 'lakeflow[tensorboard]'",
        ) from error


def _events(path: str, size: int, complain: Callable[[str], None]) -> Iterator[Located]:
    from google.protobuf.message import DecodeError
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto import event_pb2

    offset = 0
    # Raw, since the length of each record says where the next one begins.
    for record in RawEventFileLoader(path).Load():
        try:
            yield Located(event_pb2.Event.FromString(record), offset)
        except DecodeError as error:
            complain(f"has an event at byte {offset:,} that cannot be read: {error}")
        offset += _HEAD.size + len(record) + _TAIL_BYTES
    # Its loader ends at a broken record as it does at the end of the file.
    if offset < size:
        complain(_broken(path, offset, size))


def _broken(path: str, offset: int, size: int) -> str:
    with open(path, "rb") as file:
        file.seek(offset)
        head = file.read(_HEAD.size)
    rest = f"what is before arrives, {size - offset:,} bytes do not"
    whole = _HEAD.size + _TAIL_BYTES
    if len(head) < _HEAD.size or _HEAD.unpack(head)[0] + whole > size - offset:
        return f"is cut, or damaged, at byte {offset:,}: {rest}"
    return f"has a wrong checksum at byte {offset:,}: {rest}"
