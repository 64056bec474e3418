"""Reads that meet a file which was replaced and deleted meanwhile, and are made once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lakeflow.exceptions import DamagedLakeError, LakeflowException
from lakeflow.tables.damage import require_readable
from lakeflow.tables.rewritten import as_rewritten

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.lake import Lake

T = TypeVar("T")


def retry_when_replaced(lake: Lake, read: Callable[[], T], *, is_users: bool = False) -> T:
    """Read again where a file was replaced and deleted in between.

    Args:
        lake: The lake.
        read: Reads.
        is_users: Whether it carries out a statement of a user's, which the engine blames for
            what is wrong with a file.

    Raises:
        DamagedLakeError: A file of the newest fold is gone, or damaged.
    """
    while True:
        before = lake.known_fold
        try:
            return read()
        except FileNotFoundError as error:
            lake.stand_on(None)
            now = lake.fold()
            if before is None or now.number != before.number:
                continue
            # The same fold names that file still: another tool has deleted it.
            rewritten = as_rewritten(before, lake.tables)
            if rewritten == before:
                raise DamagedLakeError(
                    f"a table of {lake.fs.uri} lacks a file: {error}",
                    hint="restore the file from a backup",
                ) from error
            lake.stand_on(rewritten)
        except LakeflowException as error:
            # The engine seldom says which file it is, and what it says of one is its own SQL.
            is_damage = error.error_code in {"DATA_LOSS", "INTERNAL_ERROR"}
            if lake.known_fold is not None and (is_damage or is_users):
                tables = lake.tables.values()
                require_readable(lake.fs, tables, lake.known_fold, footers_only=not is_damage)
            raise
