"""Files of the control log: what they hold, read whole or refused.

A file holds its event, a record a line. Where many make changes at once, a last line repeats
the events right before it, so that whoever was late reads one file instead of many.
"""

from __future__ import annotations

import base64
import json
import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from lakeflow.exceptions import DamagedLakeError
from lakeflow.filesystem.bounded import read_at_most
from lakeflow.records import LONGEST_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakeflow.filesystem.interface import Filesystem

_ATTEMPTS = 3


_BEFORE = b'{"before":'

LARGEST_EVENT_BYTES = 16 * LONGEST_LINE_BYTES
"""What the file of an event has at most; a larger one is none of ours, and may be endless."""

_MOST_BYTES_REPEATED = 256 * 1024
"""Bytes of the events that a file repeats: a large one is read by itself."""


def written(event: bytes, before: Sequence[bytes]) -> bytes:
    """Return the content of the file of an event.

    Args:
        event: The event, with a newline at its end.
        before: The events right before it, the latest last.
    """
    sizes: list[int] = []
    repeated: list[bytes] = []
    for each in reversed(before):
        if sum(sizes) + len(each) > _MOST_BYTES_REPEATED:
            # Nor older ones: by their places they have their numbers, so none is left out.
            break
        sizes.append(len(each))
        repeated.append(each)
    if not repeated:
        return event
    # Events are much alike, and take a tenth of their bytes. As text, so that a file has lines.
    packed = base64.b64encode(zlib.compress(b"".join(repeated), 1)).decode()
    line = json.dumps({"before": packed, "sizes": sizes}, separators=(",", ":"))
    return event + line.encode() + b"\n"


def event_in(content: bytes) -> bytes:
    """Return the event in the content of its file."""
    start = content.rfind(b"\n", 0, -1) + 1
    return content[:start] if start and content.startswith(_BEFORE, start) else content


def events_before(content: bytes) -> list[bytes]:
    """Return the events that the content of a file repeats, the latest first.

    What cannot be read repeats nothing: each event has a file of its own as well.
    """
    try:
        line = json.loads(content[len(event_in(content)) :])
        packed, sizes = base64.b64decode(line["before"], validate=True), line["sizes"]
        data = zlib.decompressobj().decompress(packed, _MOST_BYTES_REPEATED)
        ends = [0, *accumulate(sizes)]
    except (ValueError, LookupError, TypeError, RecursionError, zlib.error):
        return []
    are_sizes = all(type(size) is int and size > 0 for size in sizes)
    if not are_sizes or ends[-1] != len(data):
        return []
    return [data[start:end] for start, end in pairwise(ends)]


def read_file(
    fs: Filesystem, path: str, is_whole: Callable[[bytes], bool], data: bytes | None = None
) -> bytes:
    """Return the content of the file of an event, asking again where an answer was cut short.

    Args:
        fs: The lake's filesystem.
        path: The file.
        is_whole: Returns whether an event is all of it.
        data: What has come already; None for nothing.

    Raises:
        FileNotFoundError: There is no such event.
        DamagedLakeError: It is not whole.
    """
    for _ in range(_ATTEMPTS):
        try:
            found = read_at_most(fs, path, LARGEST_EVENT_BYTES) if data is None else data
        except ValueError as error:
            raise damage(fs, path, str(error)) from error
        if found.endswith(b"\n") and is_whole(event_in(found)):
            return found
        # What came first may have been cut on its way: from here on it is asked for.
        data = None
    raise damage(fs, path, "it is not whole")


def damage(fs: Filesystem, path: str, why: str) -> DamagedLakeError:
    """Return the error of the file of an event that is not what was written."""
    return DamagedLakeError(
        f"{path} in {fs.uri} is damaged: {why}",
        hint="restore this file from a backup; nothing else of the lake was touched",
    )


def read_event(
    fs: Filesystem, path: str, is_whole: Callable[[bytes], bool], data: bytes | None = None
) -> bytes:
    """Return an event; the arguments and errors are those of ``read_file``."""
    return event_in(read_file(fs, path, is_whole, data))
