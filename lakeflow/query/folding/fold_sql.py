"""What a fold does, as SQL that follows from the declarations of the kinds. Pure.

The lines of a fold are staged once, as ``records``. A document sums up all records of a thing
before them, so it is one more record: the documents of the things that the lines are about are
staged beside them, as ``old_<kind>``. Both together give, for each table, the rows of every
thing that changes in it, ``rows_<table>``. These take the place of what is stored of them,
and new documents are made of them; see ``documents``.

In parts that no document holds rows take the place of those with the same key; in parts whose
records all stay, of none. The rules of merging stand in Python at ``stores.things``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.kinds.kind import CLOCK, GONE, IDENTITY, LOGGED, Keep
from lakeflow.query.engine.statement import quoted
from lakeflow.query.folding import made_sql
from lakeflow.query.folding.fold_lines import create, fields, fresh_rows, types_of
from lakeflow.records import REMOVED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from lakeflow.kinds import Kind, Part, Summary
    from lakeflow.schema import TableSpec


def gone(kind: Kind, given: Collection[str], stored: Sequence[str]) -> list[str]:
    """Return the statements that stage the things which are removed as ``gone_<kind>``.

    Owners come first. What they own is gone too: of it, what is new and what is stored.

    Args:
        kind: The kind.
        given: Fields that any line has.
        stored: Parameters that its stored files are bound to, one a table.
    """
    shape = json.dumps({"kind": ["VARCHAR"], "id": ["VARCHAR"]})
    named = f"""
        SELECT id AS "{kind.id}", min(clock)::BIGINT AS {GONE} FROM (
            SELECT unnest(f.id) AS id, unnest(f.kind) AS kind, clock FROM (
                SELECT from_json({REMOVED}, '{shape}') AS f, ord.clock AS clock
                FROM records WHERE {REMOVED} IS NOT NULL
            )
        ) WHERE kind = '{kind.name}' AND {str(kind.is_removable).lower()} GROUP BY id
    """
    statements = [create(f"gone_{kind.name}", named)]
    if kind.owner is not None:
        owner = kind.owner
        ids = quoted((kind.id, owner.id))
        parts = [f"SELECT {ids} FROM ({rows})" for rows in _given_rows(kind, given)]
        parts += [
            f"SELECT {ids} FROM read_parquet(${name}, hive_partitioning = false)"
            for name in stored
        ]
        if not parts:
            return statements
        statements.append(
            f"""
            INSERT INTO gone_{kind.name}
            SELECT "{kind.id}", min({GONE}) FROM ({" UNION ALL ".join(parts)})
            JOIN gone_{owner.name} USING ("{owner.id}")
            ANTI JOIN gone_{kind.name} USING ("{kind.id}") GROUP BY ALL
            """
        )
    return statements


def _given_rows(kind: Kind, given: Collection[str]) -> Iterator[str]:
    """Yield queries whose rows name what the lines are about; each has the kind's scope."""
    named = [each for each in fields(kind) if each[0].name in given]
    if kind.is_line and named:
        some = " OR ".join(f'"{spec.name}" IS NOT NULL' for spec, _ in named)
        yield f"SELECT {quoted(kind.scope)} FROM records WHERE {some}"
    elif not kind.is_line:
        yield from (fresh_rows(kind, *each) for each in named)


def touched(kind: Kind, given: Collection[str]) -> str:
    """Return what stages the things that the lines are about, as ``touched_<kind>``."""
    owners = kind.scope[:-1]
    parts = [f"SELECT {quoted(kind.scope)} FROM ({rows})" for rows in _given_rows(kind, given)]
    # ``any_value`` passes over nulls: a line that removes a thing does not name its owners.
    nulls = "".join(f', NULL::VARCHAR AS "{name}"' for name in owners)
    parts.append(f'SELECT "{kind.id}"{nulls} FROM gone_{kind.name}')
    scope = "".join(f', any_value("{name}") AS "{name}"' for name in owners)
    return create(
        f"touched_{kind.name}",
        f"""
        SELECT "{kind.id}"{scope} FROM ({" UNION ALL BY NAME ".join(parts)})
        GROUP BY "{kind.id}"
        """,
    )


def touched_ids(kind: Kind) -> str:
    """Return the ids of those things, in order."""
    return f'SELECT "{kind.id}" FROM touched_{kind.name} ORDER BY "{kind.id}"'


def gone_with(kind: Kind) -> str:
    """Return what takes in the things of owners, by their ids, that were removed long ago."""
    assert kind.owner is not None
    return f"""
        INSERT INTO gone_{kind.name}
        SELECT "{kind.id}", 0 FROM touched_{kind.name} ANTI JOIN gone_{kind.name}
        USING ("{kind.id}") WHERE list_contains($ids, "{kind.owner.id}")
    """


def gone_before(kind: Kind) -> str:
    """Return what takes in the things that are gone by what their documents say."""
    return f"""
        INSERT INTO gone_{kind.name}
        SELECT "{kind.id}", {GONE} FROM old_{kind.name} ANTI JOIN gone_{kind.name}
        USING ("{kind.id}") WHERE {GONE} IS NOT NULL
    """


# Rows of the things that change


def rows(
    kind: Kind,
    given: Collection[str],
    *,
    has_old: bool,
    has_gone: bool,
    has_copies: bool,
    is_derived: bool,
) -> Iterator[tuple[str, str]]:
    """Yield, for each table, what keeps the rows of the things that change in it.

    That is ``rows_<table>``, which later statements read.

    Args:
        kind: The kind.
        given: Fields that any line has; other tables do not change.
        has_old: Whether any of the things has a document.
        has_gone: Whether any is gone.
        has_copies: Whether there are copies of records.
        is_derived: Whether what follows from a part is worked out once its rows are.
    """
    living = f' ANTI JOIN gone_{kind.name} USING ("{kind.id}")' if has_gone else ""
    # What is derived comes after the rows that it follows from, since it reads their table.
    for spec, part in sorted(fields(kind), key=lambda each: each[0] is kind.row):
        fresh = f"SELECT * FROM ({fresh_rows(kind, spec, part)}){living}"
        if spec.name not in given and not (is_derived and part is None):
            continue
        # The summary comes after the rows that it sums up, for the same reason.
        if part is None:
            query = made_sql.made_rows(kind, fresh, has_old=has_old, is_derived=is_derived)
            yield spec.name, create(f"rows_{spec.name}", query)
        elif part.in_columns:
            yield spec.name, _rows_in_columns(kind, spec, has_gone=has_gone)
        elif part.keep is not Keep.EACH:
            query = _kept_rows(kind, part, fresh, has_old=has_old)
            yield spec.name, create(f"rows_{spec.name}", query)
        else:
            query = _each_rows(kind, part, fresh, has_copies=has_copies)
            yield spec.name, create(f"rows_{spec.name}", query)
            if part.summary is not None:
                table = part.summary.table.name
                query = _summed_rows(kind, spec, part.summary, has_old=has_old)
                yield table, create(f"rows_{table}", query)


def _old_rows(kind: Kind, spec: TableSpec, types: Mapping[str, str], changed: str) -> str:
    """Return the rows of a table out of the documents of the things that change in it."""
    shape = {name: [each] for name, each in types.items()}
    unnested = ", ".join(f'unnest(f."{name}") AS "{name}"' for name in types)
    return f"""
        SELECT {quoted(kind.scope)}, {unnested} FROM (
            SELECT {quoted(kind.scope)}, from_json("{spec.name}", '{json.dumps(shape)}') AS f
            FROM old_{kind.name} SEMI JOIN {changed} USING ("{kind.id}")
            WHERE "{spec.name}" IS NOT NULL
        )
    """


def _rows_in_columns(kind: Kind, spec: TableSpec, *, has_gone: bool) -> str:
    """Return what makes the fresh rows of a part in columns those that change.

    All of them: to group them would hold the longest texts of all several times, and so would a
    second table.
    """
    rename = f"ALTER TABLE fresh_{spec.name} RENAME TO rows_{spec.name}"
    if not has_gone:
        return rename
    return f"""
        {rename};
        DELETE FROM rows_{spec.name} AS fresh USING gone_{kind.name} AS gone
        WHERE fresh."{kind.id}" = gone."{kind.id}"
    """


def drop_older(spec: TableSpec) -> str:
    """Return what drops rows with whose key a later one has come, of a part in columns.

    Of two copies of one record neither is the later one, and one of them stays.
    """
    key = quoted(spec.key)
    same = " AND ".join(f'old."{name}" = last."{name}"' for name in spec.key)
    return f"""
        DELETE FROM rows_{spec.name} AS old USING (
            SELECT {key}, arg_max(rowid, ord) AS kept FROM rows_{spec.name} GROUP BY {key}
            HAVING count(*) > 1
        ) AS last WHERE {same} AND old.rowid <> last.kept
    """


def _kept_rows(kind: Kind, part: Part, fresh: str, *, has_old: bool) -> str:
    """Return the row of each key that stays, with the clock of its record."""
    spec = part.table
    key, values = kind.key(spec), kind.values(spec)
    columns = quoted((*kind.scope, *key, *values))
    both = f"SELECT {columns}, ord FROM new"
    if has_old and part.in_document:
        types = types_of(spec, (*key, *values)) | {CLOCK: "BIGINT"}
        old = _old_rows(kind, spec, types, "new")
        # Of the record of a stored row only the clock is known. Of records with the same clock
        # the stored one counts as the first.
        order = f"{{'clock': {CLOCK}, 'writer': '', 'seq': 0, 'place': 0}}"
        both += f" UNION ALL SELECT {columns}, {order} AS ord FROM ({old})"
    pick = "arg_min" if part.keep is Keep.FIRST else "arg_max"
    # In a struct: arg_min and arg_max pass over nulls, and a null is what removes a key.
    struct = ", ".join((*(f"'{name}': \"{name}\"" for name in values), f"'{CLOCK}': ord.clock"))
    scope = "".join(f'any_value("{name}") AS "{name}", ' for name in kind.scope[:-1])
    kept = ", ".join(f'kept."{name}" AS "{name}"' for name in (*values, CLOCK))
    return f"""
        WITH new AS MATERIALIZED ({fresh})
        SELECT {quoted((*kind.scope, *key))}, {kept} FROM (
            SELECT {scope}"{kind.id}", {quoted(key)},
                {pick}({{{struct}}}, ord) AS kept
            FROM ({both}) GROUP BY "{kind.id}", {quoted(key)}
        )
    """


def _each_rows(kind: Kind, part: Part, fresh: str, *, has_copies: bool) -> str:
    """Return the rows of records that all stay; of copies in one fold one is enough."""
    spec = part.table
    columns = quoted(name for name in spec.column_names if name not in LOGGED)
    # The same record may have come by two ways, as itself and as a copy.
    distinct = f"DISTINCT ON ({quoted(IDENTITY)}) " if has_copies else ""
    return f"""
        SELECT {distinct}{columns}, ord.clock AS {CLOCK}, ord.writer AS writer,
            ord.seq AS seq, place, is_copy
        FROM ({fresh})
    """


def drop_copies(kind: Kind, spec: TableSpec) -> str:
    """Return what drops the copies of records that are stored, in files that are bound."""
    same = " AND ".join(f'new."{name}" = stored."{name}"' for name in IDENTITY)
    return f"""
        DELETE FROM rows_{spec.name} AS new USING (
            SELECT {quoted(IDENTITY)} FROM read_parquet($files, hive_partitioning = false)
            SEMI JOIN rows_{spec.name} USING ("{kind.id}")
        ) AS stored WHERE new.is_copy AND {same}
    """


def drop_beaten(part: Part) -> str:
    """Return what drops rows in whose place those stay that are stored with their key.

    Where the first row stays that is any; else one whose record was made later.
    """
    spec = part.table
    clock = () if part.keep is Keep.FIRST else (CLOCK,)
    same = [f'new."{name}" = stored."{name}"' for name in spec.key]
    later = [f'stored."{name}" > new."{name}"' for name in clock]
    return f"""
        DELETE FROM rows_{spec.name} AS new USING (
            SELECT {quoted((*spec.key, *clock))}
            FROM read_parquet($files, hive_partitioning = false)
        ) AS stored WHERE {" AND ".join((*same, *later))}
    """


def _summed_rows(kind: Kind, spec: TableSpec, summary: Summary, *, has_old: bool) -> str:
    """Return the summary of each key; only of things that change, so that the groups fit."""
    by, last, value = summary.by, summary.last, f'"{summary.value}"'
    columns = quoted((*kind.scope, *by))
    number = f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END"
    both = f"""
        SELECT {columns}, {quoted(last)}, {number} AS "min", {number} AS "max",
            1 AS "count"
        FROM rows_{spec.name}
    """
    if has_old:
        table = summary.table
        types = types_of(table, (*by, *last, "min", "max", "count"))
        both += f" UNION ALL {_old_rows(kind, table, types, f'rows_{spec.name}')}"
    # A struct is compared field by field; the value comes last and decides nothing.
    record = ", ".join(f"'{name}': \"{name}\"" for name in last)
    unpacked = ", ".join(f'last."{name}" AS "{name}"' for name in last)
    # A sum of BIGINTs is a HUGEINT, which no table has: so it is cast.
    return f"""
        SELECT {columns}, {unpacked}, "min", "max", "count" FROM (
            SELECT {columns}, max({{{record}}}) AS last, min("min") AS "min",
                max("max") AS "max", sum("count")::BIGINT AS "count"
            FROM ({both}) GROUP BY {columns}
        )
    """


# Tables


def shown(kind: Kind, spec: TableSpec) -> str:
    """Return the rows that a table gets of the things that change in it.

    What no document tells of as removed stays as such in the table.
    """
    part = kind.part(spec)
    condition = "true"
    if spec is kind.row:
        condition = made_sql.is_there(kind)
    elif part is not None and part.removable and part.in_document:
        condition = " OR ".join(f'"{name}" IS NOT NULL' for name in kind.values(spec))
    return f"SELECT {quoted(spec.column_names)} FROM rows_{spec.name} WHERE {condition}"


def replaced(kind: Kind, spec: TableSpec) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield which stored rows are no longer there.

    Queries, the columns that each is by, and the one by which the files are told apart.

    These are the rows of things that are gone, or change in the table; in a part that no
    document holds, the rows of keys that change.
    """
    part = kind.part(spec)
    rows = f'SELECT "{kind.id}" FROM gone_{kind.name}'
    if part is None or part.is_in_document:
        rows += f' UNION SELECT "{kind.id}" FROM rows_{spec.name}'
    yield rows, (kind.id,), kind.id
    if part is not None and spec in kind.keyed_tables and part.keep is Keep.LAST:
        column = part.pruned_by or kind.id
        columns = quoted(dict.fromkeys((*spec.key, column)))
        yield f"SELECT {columns} FROM rows_{spec.name}", spec.key, column
