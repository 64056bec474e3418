"""A table of one snapshot, in parts: its files, and the rows that are not in them."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.kinds.kind import LOGGED
from lakeflow.query.engine.columns import column, column_of, table
from lakeflow.stores.things import kept_columns, type_codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow

    from lakeflow.kinds import Kind
    from lakeflow.schema import TableSpec
    from lakeflow.stores.snapshots import Snapshot
    from lakeflow.stores.things import Thing


class Scan(NamedTuple):
    """What a table holds in one snapshot.

    Attributes:
        files: Paths of its files, as the query engine opens them.
        hidden: By column with ids of things, those whose rows in the files do not count.
        removed_by_null: Column that is null in rows of the files which do not count; or empty.
        replaced: Keys whose rows in the files do not count, as columns; None for no key.
        fresh: The rows beside those of the files.
    """

    files: list[str]
    hidden: Mapping[str, Sequence[str]]
    removed_by_null: str
    replaced: pyarrow.Table | None
    fresh: pyarrow.Table


def rows_of(
    kind: Kind, spec: TableSpec, snapshot: Snapshot, things: Iterable[Thing], key: Any = None
) -> pyarrow.Table:
    """Return the rows that the log adds to a table whose records all stay.

    Args:
        kind: The kind of thing.
        spec: The table of one of its parts.
        snapshot: Whose things they are; its lock is held.
        things: The things.
        key: Only the records of this key; None for all.
    """
    # Else a copy of a record that a file holds would be there twice.
    snapshot.leave_out_stored()
    (part,) = (each for each in kind.parts if each.table is spec)
    by = part.summary.by if part.summary else ()
    groups = [
        ((*thing.scope, *((each,) if len(by) == 1 else each)), columns)
        for thing in things
        for each, columns in thing.columns[spec.name].items()
        if key is None or each == key
    ]
    # A number for each row, and not a text: Arrow picks the texts by them.
    which = array("q")
    for number, (_, columns) in enumerate(groups):
        which.extend(array("q", [number]) * len(columns.seqs))
    texts_by_column: Any = zip(*(ids for ids, _ in groups), strict=True)
    if not groups:
        texts_by_column = [()] * (len(kind.scope) + len(by))
    found = dict(
        zip(
            (*kind.scope, *by),
            (_repeated(each, which) for each in texts_by_column),
            strict=True,
        )
    )
    for place, name in enumerate(kept_columns(kind, part)):
        found[name] = _joined(spec, name, [columns.columns[place] for _, columns in groups])
    writers = [
        snapshot.memory.writer(each) for _, columns in groups for each in columns.writers
    ]
    clocks, seqs, places = (
        _numbers([getattr(columns, name) for _, columns in groups])
        for name in ("clocks", "seqs", "places")
    )
    found |= zip(LOGGED, (clocks, column("string", writers), seqs, places), strict=True)
    return table({name: found[name] for name in spec.column_names})


def _repeated(texts: Sequence[str], which: array[int]) -> pyarrow.Array:
    """Return for each row the text of its group."""
    # Each text becomes Arrow once, and not once a row: a curve has one run id.
    values = column("string", texts)
    return values.take(column_of(which)) if texts else values


def _joined(spec: TableSpec, name: str, parts: Sequence[Any]) -> pyarrow.Array:
    (code,) = type_codes(spec, [name])
    if not code:
        (kind,) = (each.type for each in spec.columns if each.name == name)
        return column(kind, [value for part in parts for value in part])
    whole = array(code)
    for part in parts:
        whole.extend(part)
    return column_of(whole)


def _numbers(parts: Sequence[array[int]]) -> pyarrow.Array:
    whole = array("q")
    for part in parts:
        # Places in a record are kept in four bytes, and Arrow wants eight.
        whole.extend(part if part.typecode == "q" else array("q", part))
    return column_of(whole)
