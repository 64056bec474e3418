"""What of a lake's log is new, in which order it is read, and whether its tables have to be."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.log.line_reader import read_lines
from lakeflow.log.positions import (
    CONTROL,
    Position,
    folded_spans,
    hot_spans,
    number_of,
    writer_of,
)
from lakeflow.syncing.bookmark import BEGINNING, Reached
from lakeflow.tables.folds import FOLDS_A_POSITION_IS_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.log.line_reader import Lines
    from lakeflow.syncing.bookmark import Bookmark
    from lakeflow.tables.folds import LogListing


_FEW_BYTES = 1024 * 1024
"""Of a writer with more its segments are read one after another."""


class Plan(NamedTuple):
    """What a sync reads.

    Attributes:
        spans: From where to where each segment.
        covered: Writers of whose log nothing is missing between these spans and what was
            brought before.
        has_stored: Whether something is in the tables alone.
    """

    spans: dict[str, tuple[int, int]]
    covered: frozenset[str]
    has_stored: bool

    @property
    def size(self) -> int:
        """Bytes of the log that are read."""
        return sum(end - start for start, end in self.spans.values())


def plan(listing: LogListing, known: Bookmark) -> Plan:
    """Return what a sync reads of a lake.

    Args:
        listing: Its newest fold, and its log.
        known: Up to where it was read before.
    """
    segments: dict[str, dict[str, int]] = defaultdict(dict)
    for path, size in listing.segments.items():
        segments[writer_of(path)][path] = size
    folded = listing.fold.positions
    spans: dict[str, tuple[int, int]] = {}
    covered = set()
    # What is in the control log is brought by name: by ``experiments`` and ``models``.
    for writer in {*segments, *folded} - {CONTROL}:
        mine, start = segments.get(writer, {}), known.reached.get(writer, BEGINNING)
        end = folded.get(writer)
        is_whole = end is None or _is_there(mine, writer, start, end)
        if is_whole:
            covered.add(writer)
        elif end is not None:
            # Some of it is deleted: what the fold holds is read out of the tables, all of it.
            start = end[:2]
        spans |= hot_spans(mine, {writer: Position(*start, 0)})
    # A position is forgotten in time, so an old bookmark does not say what was never read.
    is_old = listing.fold.number - max(known.fold, 0) > FOLDS_A_POSITION_IS_KEPT
    return Plan(spans, frozenset(covered), is_old or not {*folded} - {CONTROL} <= covered)


def in_order(
    fs: Filesystem, spans: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[str, Lines]]:
    """Yield the lines of a plan, those of each writer as they follow one another.

    So a sync that is stopped knows up to where it has read each of them.
    """
    sizes: Counter[str] = Counter()
    for path, (start, end) in spans.items():
        sizes[writer_of(path)] += end - start
    few = {path: span for path, span in spans.items() if sizes[writer_of(path)] <= _FEW_BYTES}
    # Together, since each may be a request.
    yield from read_lines(fs, few)
    for path, span in spans.items():
        if path not in few:
            yield from read_lines(fs, {path: span})


def _is_there(segments: Mapping[str, int], writer: str, start: Reached, end: Position) -> bool:
    """Return whether the log has all of a writer from one place to another."""
    if end[:2] <= start:
        return True
    # What was read of a segment that is deleted need not have been all of it.
    if not any(number_of(path) == start[0] for path in segments):
        return False
    try:
        folded_spans(segments, {writer: Position(*start, 0)}, {writer: end})
    except FileNotFoundError:
        return False
    return True


def reached(
    listing: LogListing, known: Bookmark, ends: Mapping[str, Reached]
) -> dict[str, Reached]:
    """Return up to where the log of each writer is read after a sync.

    Args:
        listing: What the sync has read.
        known: Up to where it was read before.
        ends: Up to where its segments were read, by writer.
    """
    writers = {*map(writer_of, listing.segments), *listing.fold.positions} - {CONTROL}
    found = {}
    for writer in writers:
        folded = listing.fold.positions.get(writer)
        found[writer] = max(
            known.reached.get(writer, BEGINNING),
            ends.get(writer, BEGINNING),
            BEGINNING if folded is None else folded[:2],
        )
    return found
