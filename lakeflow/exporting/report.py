"""What an export of tables says of itself: how far it is, and what it wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class TableProgress(NamedTuple):
    """How far an export is.

    Attributes:
        table: The table that is being written.
        rows: Rows of it that are there.
        place: Its place among the tables, from 1 on.
        tables: How many tables there are.
    """

    table: str
    rows: int
    place: int
    tables: int


@dataclass(slots=True)
class TableExport:
    """What was written of one table.

    Attributes:
        rows: Its rows.
        files: Its files.
        bytes: Their size.
    """

    rows: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(slots=True)
class ExportReport:
    """What an export of tables has written.

    Attributes:
        folder: Where it is.
        tables: What was written, by the name of the table.
        left_out: Tables that were not, since their rows belong to no experiment.
    """

    folder: str
    tables: dict[str, TableExport] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
