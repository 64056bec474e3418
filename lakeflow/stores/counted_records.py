"""Which rows that all stay were taken in, by the record that they are of: each counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class CountedRecords:
    """What was taken in: of records themselves, and of copies of them, in any order."""

    def __init__(self) -> None:
        self._records: dict[str, tuple[int, int]] = {}
        # As ranges: to look each point of a copy up among the others took the square of them.
        self._copies: dict[tuple[str, str], dict[int, range | set[int]]] = {}

    def record(self, writer: str, seq: int) -> None:
        """Take note of a record itself: those of a writer come one after another."""
        known = self._records.get(writer)
        self._records[writer] = (seq if known is None else known[0], seq)

    def rest(
        self, table: str, writer: str, seq: int, places: range, *, is_copy: bool
    ) -> Iterable[int]:
        """Return which rows of a record were not taken in yet; from now on they are.

        Args:
            table: Table of the rows.
            writer: Writer of the record.
            seq: Its number among those of the writer.
            places: Places of the rows in the record.
            is_copy: Whether a copy of it has them, which may be of a part of its rows.
        """
        copies = self._copies.get((table, writer))
        # Nearly all rows come this way, of writers of which nothing was copied.
        if not is_copy and copies is None:
            return places
        first, last = self._records.get(writer, (0, -1))
        # The record itself was read, and taken in as a whole.
        if is_copy and first <= seq <= last:
            return ()
        known = copies.get(seq) if copies is not None else None
        if is_copy:
            if copies is None:
                copies = self._copies[table, writer] = {}
            copies[seq] = _both(known, places)
        return places if known is None else [each for each in places if each not in known]


def _both(known: range | set[int] | None, places: range) -> range | set[int]:
    """Return places as a range where they are one: a chunk of a curve has thousands."""
    if known is None:
        return places
    if isinstance(known, range) and places.start <= known.stop and known.start <= places.stop:
        return range(min(known.start, places.start), max(known.stop, places.stop))
    return {*known, *places}
