"""A fold whose tables another tool has rewritten since: the same rows in other files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.tables.delta import Table
    from lakeflow.tables.folds import Fold


def as_rewritten(fold: Fold, tables: Mapping[str, Table]) -> Fold:
    """Return a fold with the files that its tables have now; equal to it if those are the same.

    A look at the Delta log of each table, for whoever misses a file: the user's own
    ``optimize`` and ``vacuum`` put other files in the place of those that the fold names.

    Args:
        fold: The newest fold.
        tables: The tables of its lake.
    """
    files = dict(fold.files)
    for name, mark in fold.marks.items():
        # A later version may have more of them.
        if name not in tables:
            continue
        version = tables[name].version()
        # Under another mark there are the rows of another fold.
        if tables[name].mark() == mark:
            files[name] = tables[name].files(version)
    return replace(fold, files=files)
