"""Work on all of a lake as it was listed, while others compact it and delete what is past."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lakeflow.exceptions import DamagedLakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.lake import Lake
    from lakeflow.tables.folds import LogListing

T = TypeVar("T")


def with_listing(lake: Lake, work: Callable[[LogListing], T]) -> T:
    """Return what some work on a lake returns, which begins anew where the lake has changed.

    Args:
        lake: The lake.
        work: Does it, with the newest fold and the log as they are listed.

    Raises:
        DamagedLakeError: A file of the newest fold is not there.
    """
    while True:
        listing = lake.listing()
        try:
            return work(listing)
        except FileNotFoundError as error:
            # Compacted and deleted meanwhile: what is there now stands on a later fold.
            lake.stand_on(None)
            if lake.fold().number == listing.fold.number:
                raise DamagedLakeError(
                    f"{lake.fs.uri} lacks a file: {error}", hint="restore it from a backup"
                ) from error
