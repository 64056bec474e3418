"""Which files a fold replaces: a log-structured merge in tiers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from lakeflow.schema import TableSpec
    from lakeflow.tables.data_file import DataFile

MERGE_FILES = 8
"""Files of about one size from which on they are merged into a sorted larger one."""

_TIERS = 3

_SPLIT_FROM = 64
"""A file with less than this part of a full one's rows is not worth splitting."""

_STORED_ROWS_PER_FOLDED_ROW = 2
"""A compaction ends by sorting a table again only if the stored rows that it would rewrite are
at most this many times those that it has just folded."""

_MOST_SORTED_FILES = 4
"""It does so only in tables of at most this many full files."""


def files_to_rewrite(
    spec: TableSpec,
    files: Sequence[DataFile],
    changed: Collection[DataFile],
    changes: int,
    folded: int = 0,
) -> tuple[list[DataFile], list[DataFile]]:
    """Choose the files that a fold replaces.

    Files are merged with others of about their size, so that a row is rewritten a few
    times, however small the folds are (a log-structured merge in tiers). Out of a large
    file only the rows of runs that change move to the new one: a run that goes on for long
    is moved once, and then is among small files.

    A compaction that has folded a large part of a table that is searched ends by sorting all
    of it, so that a key is one stretch. That writes at most three rows for each one folded.

    Args:
        spec: The table.
        files: Its files.
        changed: Those that hold rows of runs that change.
        changes: Rows that are about to be added; they would make one more file.
        folded: Rows that the compaction has added in all, at its end; 0 before, and in tables
            that are not searched.

    Returns:
        Files of which all rows are written anew with the changes; and files that are split.
    """
    tiers: dict[int, list[DataFile]] = {}
    for file in files:
        if file.rows < spec.file_rows // 2:
            tiers.setdefault(_tier(spec, file.rows), []).append(file)
    # To split a file takes a file of its own for the rows that stay, so that a small one is
    # written anew with the changes.
    whole = [file for file in changed if file.rows * _SPLIT_FROM < spec.file_rows]
    coming = _tier(spec, changes) if changes else None
    for tier in sorted(tiers):
        if len(tiers[tier]) + (tier == coming) >= MERGE_FILES:
            smaller = [file for other in tiers if other <= tier for file in tiers[other]]
            whole += [file for file in smaller if file not in whole]
            # The merged file may be the one that fills the next tier.
            coming = _tier(spec, changes + _rows(whole))
    rest = _rows(file for file in files if file not in whole)
    if (
        spec.file_rows <= folded * _SPLIT_FROM
        and rest <= _STORED_ROWS_PER_FOLDED_ROW * folded
        # A run that changes later has rows in each of the sorted files, and leaves each once.
        and _rows(files) + changes <= _MOST_SORTED_FILES * spec.file_rows
        and len(files) + (changes > 0) > 1
    ):
        return list(files), []
    return whole, [file for file in changed if file not in whole]


def _rows(files: Iterable[DataFile]) -> int:
    return sum(file.rows for file in files)


def _tier(spec: TableSpec, rows: int) -> int:
    """Return 0 for the smallest files, and one more for each ``MERGE_FILES`` times as many."""
    tier = 0
    while tier < _TIERS - 1 and rows * MERGE_FILES ** (_TIERS - 1 - tier) >= spec.file_rows:
        tier += 1
    return tier


def files_to_merge(entries: Sequence[int]) -> int:
    """Return how many of an index's newest files are merged into one; 0 for none.

    Args:
        entries: The number of entries of each file, the newest first.
    """
    found = 0
    for tier in range(_INDEX_TIERS):
        size = 0
        while size < len(entries) and entries[size] < _SMALL_INDEX * MERGE_FILES**tier:
            size += 1
        if size >= MERGE_FILES:
            found = size
    return found


_SMALL_INDEX = 1_024
"""Entries of a small file of an index; a tier up has files of eight times as many."""

# The last one takes files of up to 10**11 entries: no lake has larger ones.
_INDEX_TIERS = 10
