"""Folds before the newest one: how far back they go, and which one was the newest then."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.tables.folds import FOLDS, finished, read_fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.tables.folds import Fold


def standing_folds(fs: Filesystem, newest: int) -> Iterator[Fold]:
    """Yield a finished fold, the one it stands on, and so on; as far as they are on record.

    Before the first fold, which stands on it, come empty tables.
    """
    fold = read_fold(fs, newest)
    while True:
        yield fold
        if fold.number == 0:
            return
        try:
            fold = read_fold(fs, fold.base)
        except FileNotFoundError:
            return


def fold_as_of(fs: Filesystem, as_of: int | datetime.datetime) -> Fold:
    """Return the newest finished fold as of a time, or of a version of the table of runs.

    Args:
        fs: The lake's filesystem.
        as_of: A time, of this machine's zone unless it says otherwise; or a Delta version of
            ``runs``.

    Raises:
        InvalidInputError: It is neither.
        NotFoundError: That far back nothing is kept, or there is no such version yet.
    """
    # True would be version 1: for Python a bool is an int.
    is_version = isinstance(as_of, int) and not isinstance(as_of, bool) and as_of >= 0
    if not is_version and not isinstance(as_of, datetime.datetime):
        raise InvalidInputError(
            f"as_of is {as_of!r}, which is neither a datetime nor a version from 0 on",
            hint="such as datetime.datetime(2026, 11, 24, 12), a local time",
        )
    on_record = finished(fs.list(FOLDS))
    newest_number = max(on_record, default=0)
    for fold in standing_folds(fs, newest_number):
        # Before the first fold: empty tables.
        if fold.number == 0:
            return fold
        if isinstance(as_of, datetime.datetime):
            if on_record[fold.number] <= validation.moment(as_of).timestamp():
                return fold
        elif fold.versions["runs"] <= as_of:
            if fold.number == newest_number and as_of > fold.versions["runs"]:
                raise NotFoundError(
                    f"there is no version {as_of} of the table of runs in {fs.uri}; the newest "
                    f"one is {fold.versions['runs']}",
                    hint="a whole number is a version; give a time as a datetime",
                )
            return fold
    oldest = datetime.datetime.fromtimestamp(on_record[min(on_record)], datetime.UTC)
    raise NotFoundError(
        f"nothing is kept of {fs.uri} as of {as_of}; the oldest compaction on record is of "
        f"{oldest:%Y-%m-%d %H:%M:%S} UTC",
        hint="LAKEFLOW_RETENTION_S says for how long compactions keep what they replace",
    )
