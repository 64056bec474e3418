"""Copies of records that the tables hold already, taken out of what the log says.

Of other records it is known from their positions what the tables hold. A copy is anywhere in
the log, and its points are looked for by the record that logged them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lakeflow.kinds.kind import IDENTITY
from lakeflow.query.engine.columns import column, table
from lakeflow.query.engine.connection import literally

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow

    from lakeflow.kinds import Kind, Part
    from lakeflow.lake import Lake
    from lakeflow.query.engine.connection import Engine
    from lakeflow.stores.memory import Memory
    from lakeflow.stores.things import Columns
    from lakeflow.tables.folds import Fold

_STORED = f"""
    SELECT {", ".join(IDENTITY)} FROM read_parquet($files, hive_partitioning = false)
    SEMI JOIN copies USING ({", ".join(IDENTITY)})
"""  # noqa: S608 - constants


def leave_out_stored(lake: Lake, engine: Engine, memory: Memory, fold: Fold) -> None:
    """Take out of memory the rows of copies whose records a fold holds.

    Args:
        lake: The lake.
        engine: What reads its files.
        memory: What the log says beyond the fold; nothing may be merged into it meanwhile.
        fold: The fold.

    Raises:
        FileNotFoundError: A file is gone; the next call looks again.
    """
    for kind in memory.kinds:
        for part in kind.parts:
            if part.table.name not in memory.copied:
                continue
            ids = [*memory.copied[part.table.name]]
            files = lake.paths(part.table.name, fold, **{kind.id: ids})
            _leave_out(engine, files, memory, _copied(memory, kind, part))
            # Only now: where a file is gone, the next call has to look again.
            del memory.copied[part.table.name]


def _copied(memory: Memory, kind: Kind, part: Part) -> list[Columns]:
    """Return what copies were taken into."""
    things, name = memory.things[kind.name], part.table.name
    return [
        things[identity].columns[name][key]
        for identity, keys in memory.copied[name].items()
        if identity in things
        for key in keys
    ]


def _leave_out(
    engine: Engine, files: Sequence[str], memory: Memory, copied: Sequence[Columns]
) -> None:
    if not files or not copied:
        return
    with contextlib.closing(engine.cursor()) as cursor:
        cursor.register("copies", _records(memory, copied))
        found = cursor.run(_STORED, {"files": literally(files)})
    stored = {(memory.number_of(writer), seq, place) for writer, seq, place in found}
    for columns in copied:
        columns.leave_out(stored)


def _records(memory: Memory, copied: Sequence[Columns]) -> pyarrow.Table:
    """Return which records the rows are of; those that are no copies are in no file."""
    rows = [
        (memory.writer(writer), seq, place)
        for each in copied
        for writer, seq, place in zip(each.writers, each.seqs, each.places, strict=True)
    ]
    writers, seqs, places = zip(*rows, strict=True) if rows else ((), (), ())
    values = (column("string", writers), column("long", seqs), column("long", places))
    return table(dict(zip(IDENTITY, values, strict=True)))
