"""Which files of a table a fold replaces: a log-structured merge in tiers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lakeflow.storage.delta import DataFile
    from lakeflow.tables import TableSpec

MERGE_FILES = 8
"""Files of about one size from which on they are merged into a sorted larger one."""

_TIERS = 3

_SPLIT_FROM = 64
"""A file with less than this part of a full one's rows is not worth splitting."""


def files_to_rewrite(
    spec: TableSpec, files: Sequence[DataFile], changed: Collection[DataFile], changes: int
) -> tuple[list[DataFile], list[DataFile]]:
    """Choose the files that a fold replaces.

    Files are merged with others of about their size, so that a row is rewritten a few
    times, however small the folds are (a log-structured merge in tiers). Out of a large
    file only the rows of runs that change move to the new one: a run that goes on for long
    is moved once, and then is among small files.

    Args:
        spec: The table.
        files: Its files.
        changed: Those that hold rows of runs that change.
        changes: Rows that are about to be added; they would make one more file.

    Returns:
        Files of which all rows are written anew with the changes; and files that are split.
    """
    tiers: dict[int, list[DataFile]] = {}
    for file in files:
        if file.rows < spec.file_rows // 2:
            tiers.setdefault(_tier(spec, file.rows), []).append(file)
    whole = [file for file in changed if file.rows * _SPLIT_FROM < spec.file_rows]
    coming = _tier(spec, changes) if changes else None
    for tier in sorted(tiers):
        if len(tiers[tier]) + (tier == coming) >= MERGE_FILES:
            smaller = [file for other in tiers if other <= tier for file in tiers[other]]
            whole += [file for file in smaller if file not in whole]
            coming = _tier(spec, changes + sum(file.rows for file in whole))
    return whole, [file for file in changed if file not in whole]


def _tier(spec: TableSpec, rows: int) -> int:
    """Return 0 for the smallest files, and one more for each ``MERGE_FILES`` times as many."""
    tier = 0
    while tier < _TIERS - 1 and rows * MERGE_FILES ** (_TIERS - 1 - tier) >= spec.file_rows:
        tier += 1
    return tier
