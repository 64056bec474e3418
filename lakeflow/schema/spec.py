"""What describes a Delta table of a lake."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, NamedTuple

from lakeflow.values import frozen

# What every engine has: truth values are 0 and 1, and times are whole numbers.
Type = Literal["string", "long", "double"]


class Column(NamedTuple):
    """One column of a table.

    Attributes:
        name: Its name, in every engine.
        type: Delta's name of its type.
        comment: Meaning and unit; stored in the table's schema.
        nullable: Whether it may be null.
        is_object: Whether the text is a JSON object whose values are texts.
    """

    name: str
    type: Type
    comment: str = ""
    nullable: bool = False
    is_object: bool = False


@frozen
class TableSpec:
    """One Delta table.

    Attributes:
        name: Name of the table and of its folder under ``tables/``.
        comment: What one row is.
        columns: Filter columns first: readers keep statistics of the first 32 only.
        key: Columns that identify a row.
        sort: Order of the rows within a file.
        row_group_rows: Rows of a row group, the unit of what is read.
        parted_by: Columns that the order begins with. A row group ends where they change, if it
            has about its rows by then, so that what is asked for by them is in few of these.
        file_rows: Rows of a full file; files below half of that are merged.
        looked_up: Columns of random ids that rows are asked for by, and how many ids a row
            group has as a rule: it has a Bloom filter of them, since its bounds rule none out.
    """

    __slots__ = ("__dict__",)  # for what is cached

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    sort: tuple[str, ...]
    # Few and large, as searches want them. What is looked up by its id is read from documents.
    row_group_rows: int = 32_768
    parted_by: tuple[str, ...] = ()
    # Each file has a stretch of every key: with 4 in place of 15 files a search within one
    # experiment took a third of the time.
    file_rows: int = 4_194_304
    looked_up: tuple[tuple[str, int], ...] = ()

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)
