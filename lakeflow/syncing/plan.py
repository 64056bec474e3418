"""What of a lake's log is new, and whether its tables have to be read for more. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.log.positions import CONTROL, Position, folded_spans, hot_spans, writer_of
from lakeflow.syncing.bookmark import BEGINNING, Reached
from lakeflow.tables.folds import FOLDS_A_POSITION_IS_KEPT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.syncing.bookmark import Bookmark
    from lakeflow.tables.folds import LogListing


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
    for writer in {*segments, *folded} - {CONTROL}:
        mine, start = segments.get(writer, {}), known.reached.get(writer, BEGINNING)
        end = folded.get(writer)
        is_whole = end is None or _is_there(mine, writer, start, end)
        if is_whole:
            covered.add(writer)
        elif end is not None:
            start = end[:2]
        spans |= hot_spans(mine, {writer: Position(*start, 0)})
    # A position is forgotten in time, so an old bookmark does not say what was never read.
    is_old = listing.fold.number - max(known.fold, 0) > FOLDS_A_POSITION_IS_KEPT
    return Plan(spans, frozenset(covered), is_old or not {*folded} - {CONTROL} <= covered)


def _is_there(segments: Mapping[str, int], writer: str, start: Reached, end: Position) -> bool:
    """Return whether the log has all of a writer from one place to another."""
    if end[:2] <= start:
        return True
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
