"""Where in the log something is: segments, positions in them, and what lies between. Pure.

The segments of a writer are numbered from 1 on, and one is begun when the one before is
complete. So a position in one says that everything in those before it is past too, and a number
that is missing tells of a listing with gaps.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from lakeflow.filesystem.names import is_plain
from lakeflow.log.event_files import LARGEST_EVENT_BYTES, damage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.filesystem.interface import Filesystem

T = TypeVar("T")

LOG = "log"
"""Folder of the log within a lake."""

CONTROL = "control"
"""The writer that all processes share: each segment is one event, in a total order."""


# Only as it is written here: 1.jsonl and 00000001.jsonl would be the same number.
_SEGMENT = re.compile(rf"{LOG}/([^/]+)/(?:[0-9]{{8}}|[1-9][0-9]{{8,240}})\.jsonl")


class Position(NamedTuple):
    """Up to where the log of one writer is folded.

    Attributes:
        segment: Number of a segment; those before it are folded whole.
        offset: Bytes of that segment that are folded.
        fold: The fold that brought it there.
    """

    segment: int
    offset: int
    fold: int


# Always segment 1, and not the first one listed: an incomplete listing would hide segments.
_BEGINNING = Position(1, 0, 0)


def event_path(number: int) -> str:
    """Return the path of an event of the control log."""
    return f"{LOG}/{CONTROL}/{number:08d}.jsonl"


def is_complete(segment: str) -> bool:
    """Return whether a segment was complete when it was made: an event never grows."""
    return writer_of(segment) == CONTROL


def events_apart(segments: Mapping[str, T]) -> tuple[dict[str, T], dict[str, T]]:
    """Return events of the control log, and all other segments, each with what it had."""
    events = {path: each for path, each in segments.items() if is_complete(path)}
    return events, {path: each for path, each in segments.items() if path not in events}


def list_segments(fs: Filesystem) -> dict[str, int]:
    """Return the size of every segment by its path; what is named otherwise is none.

    Raises:
        DamagedLakeError: An event is larger than any can be: each is read whole.
    """
    sizes = {path: size for path, size in fs.sizes(LOG).items() if _is_segment(path)}
    for path, size in sizes.items():
        if size > LARGEST_EVENT_BYTES and is_complete(path):
            raise damage(fs, path, f"it has more than {LARGEST_EVENT_BYTES:,} bytes")
    return sizes


def _is_segment(path: str) -> bool:
    found = _SEGMENT.fullmatch(path)
    return found is not None and is_plain(found[1])


def writer_of(segment: str) -> str:
    """Return the id of the writer of a segment."""
    return segment.split("/")[1]


def number_of(segment: str) -> int:
    """Return the number that a segment has among those of its writer."""
    return int(segment.rsplit("/", 1)[1].removesuffix(".jsonl"))


def hot_spans(
    sizes: Mapping[str, int], folded: Mapping[str, Position]
) -> dict[str, tuple[int, int]]:
    """Return from where to where each segment is not folded yet. Pure.

    Of each writer this ends at the first number that is missing. A listing may be incomplete;
    what comes later is read once a listing has all of it.

    Args:
        sizes: Size of every segment.
        folded: Position by writer.
    """
    spans = {}
    for writer, segments in _by_writer(sizes).items():
        position = folded.get(writer, _BEGINNING)
        number, offset = position.segment, position.offset
        # The segment of an idle writer may be deleted once it is folded to its end.
        if offset and number not in segments:
            number, offset = number + 1, 0
        while number in segments:
            path, size = segments[number]
            # An event is complete when it is made, so an empty one is not there yet.
            if is_complete(path) and not size:
                break
            if size > offset:
                spans[path] = offset, size
            number, offset = number + 1, 0
    return spans


def folded_spans(
    sizes: Mapping[str, int], before: Mapping[str, Position], after: Mapping[str, Position]
) -> dict[str, tuple[int, int]]:
    """Return what lies between two positions of each writer. Pure.

    Args:
        sizes: Size of every segment.
        before: Position by writer from which on.
        after: Position by writer up to which.

    Raises:
        FileNotFoundError: A segment of it is not there.
    """
    spans = {}
    found = _by_writer(sizes)
    for writer, end in after.items():
        segments = found.get(writer, {})
        start = before.get(writer, _BEGINNING)
        for number in range(start.segment, end.segment + 1):
            first = start.offset if number == start.segment else 0
            if number == end.segment and first >= end.offset:
                continue
            if number not in segments:
                if first and number < end.segment:
                    continue  # deleted with nothing in it that was not folded
                raise FileNotFoundError(f"{LOG}/{writer}/{number:08d}.jsonl")
            path, size = segments[number]
            last = end.offset if number == end.segment else size
            if last > first:
                spans[path] = first, last
    return spans


def beyond_its_end(sizes: Mapping[str, int], folded: Mapping[str, Position]) -> str | None:
    """Return a segment that is shorter than a fold says it has folded of it; None if none is.

    Args:
        sizes: Size of every segment, as listed after the fold.
        folded: Position by writer.
    """
    for writer, position in folded.items():
        path = f"{LOG}/{writer}/{position.segment:08d}.jsonl"
        if position.offset > sizes.get(path, position.offset):
            return path
    return None


def _by_writer(sizes: Mapping[str, int]) -> dict[str, dict[int, tuple[str, int]]]:
    found: dict[str, dict[int, tuple[str, int]]] = defaultdict(dict)
    for path, size in sizes.items():
        found[writer_of(path)][number_of(path)] = path, size
    return found


def complete_lines(data: bytes) -> bytes:
    """Return what is before the last newline, with it."""
    return data[: data.rfind(b"\n") + 1]
