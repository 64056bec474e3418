"""Lines of the log as rows of the engine: parsed, checked, taken apart by column. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.kinds.kind import CLOCK, LOGGED, Keep
from lakeflow.query.engine.connection import SQL_TYPES
from lakeflow.query.engine.statement import quoted
from lakeflow.records import LONGEST_LINE_BYTES, ORIGIN, REMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lakeflow.kinds import Kind, Part
    from lakeflow.schema import TableSpec


def create(name: str, rows: str) -> str:
    """Return the statement that keeps rows as a table of the fold."""
    return f"CREATE OR REPLACE TEMP TABLE {name} AS {rows}"


def types_of(spec: TableSpec, names: Iterable[str]) -> dict[str, str]:
    """Return DuckDB's types of some columns by name."""
    types = {column.name: SQL_TYPES[column.type] for column in spec.columns}
    return {name: types[name] for name in names}


def fields(kind: Kind) -> Iterator[tuple[TableSpec, Part | None]]:
    """Yield the table of each field that a line may have about a kind, and its part."""
    yield kind.row, None
    for part in kind.parts:
        yield part.table, part


def _is_typed(part: Part | None) -> bool:
    return part is not None and part.is_frequent


def _written(kind: Kind, spec: TableSpec, part: Part | None) -> tuple[str, ...]:
    """Return the columns that a field of a line has."""
    left_out = {*kind.clocks, *(kind.scope if kind.is_line else ())}
    if part is not None and part.keep is Keep.EACH:
        left_out |= {*LOGGED}
    return tuple(name for name in spec.column_names if name not in left_out)


def _field(kind: Kind, spec: TableSpec, part: Part | None) -> str:
    """Return the expression of a field as lists by column."""
    if _is_typed(part):
        return f'"{spec.name}"'
    shape = {name: [each] for name, each in types_of(spec, _written(kind, spec, part)).items()}
    return f"from_json(\"{spec.name}\", '{json.dumps(shape)}')"


def _fits(kind: Kind, spec: TableSpec, part: Part | None, field: str) -> str:
    """Return that a field fits its declaration, as ``stores.memory`` says it.

    Its lists are of one length, and nothing is missing in them that must be there.
    """
    names = _written(kind, spec, part)
    nullable = {column.name for column in spec.columns if column.nullable}
    if part is None:
        nullable |= {*names} - {*kind.scope}
    elif part.removable:
        nullable |= {*kind.values(spec)}
    lengths = ", ".join(f'len({field}."{name}")' for name in names)
    count = f"coalesce({lengths})"
    conditions = [f'"{name}" IS NOT NULL' for name in kind.scope if kind.is_line]
    for name in names:
        values = f'{field}."{name}"'
        if name in nullable:
            conditions.append(f"coalesce(len({values}), {count}) = {count}")
        else:
            conditions.append(f"len({values}) = {count}")
            conditions.append(f"list_count({values}) = {count}")
    return " AND ".join(conditions)


def stage(kinds: Sequence[Kind]) -> str:
    """Return what parses staged lines; one that is no record is marked.

    What is in most lines is parsed with them, as columns of their own; all else stays a text,
    since each column of lists takes 16 bytes and more in every row, whatever is in it.
    """
    columns = {"seq": "BIGINT", CLOCK: "BIGINT", ORIGIN: "JSON", REMOVED: "JSON"}
    checks = []
    for kind in kinds:
        if kind.is_line:
            columns |= dict.fromkeys(kind.scope, "VARCHAR")
        for spec, part in fields(kind):
            written = types_of(spec, _written(kind, spec, part)).items()
            struct = ", ".join(f'"{name}" {each}[]' for name, each in written)
            columns[spec.name] = f"STRUCT({struct})" if _is_typed(part) else "JSON"
            if _is_typed(part):
                fits = _fits(kind, spec, part, f'"{spec.name}"')
                checks.append(f'("{spec.name}" IS NULL OR ({fits}) IS TRUE)')
    listed = ", ".join(f"\"{name}\": '{each}'" for name, each in columns.items())
    kept = quoted(name for name in columns if name not in {"seq", CLOCK, ORIGIN})
    origin = f"from_json({ORIGIN}, '[\"VARCHAR\"]')"
    return f"""
    SELECT CASE WHEN {ORIGIN} IS NULL
            THEN {{'clock': least({CLOCK}, $latest_clock::BIGINT),
                   'writer': split_part(filename, '/', -2), 'seq': seq}}
            ELSE {{'clock': least(TRY_CAST({origin}[3] AS BIGINT), $latest_clock::BIGINT),
                   'writer': {origin}[1], 'seq': TRY_CAST({origin}[2] AS BIGINT)}}
        END AS ord,
        {ORIGIN} IS NOT NULL AS is_copy,
        seq IS NOT NULL AND {CLOCK} IS NOT NULL AND {" AND ".join(checks)} AS is_record,
        {kept}
    FROM read_json($files, format = 'newline_delimited', columns = {{{listed}}},
                   maximum_object_size = {LONGEST_LINE_BYTES},
                   filename = true, ignore_errors = true, hive_partitioning = false)
    """


CREATE_RECORDS = "CREATE OR REPLACE TEMP TABLE records AS"

ADD_RECORDS = "INSERT INTO records"


def count_staged(kinds: Sequence[Kind]) -> tuple[str, list[str]]:
    """Return what counts lines, records, copies and lines with each field; and the fields."""
    names = [REMOVED, *(spec.name for kind in kinds for spec, _ in fields(kind))]
    counts = "".join(f', count("{name}")' for name in names)
    return (
        "SELECT count(*), count(*) FILTER (is_record), count(*) FILTER (is_copy)"
        f"{counts} FROM records",
        names,
    )


def misfits(kind: Kind, spec: TableSpec, part: Part | None) -> str | None:
    """Return what counts lines with a rare field that does not fit; None for a frequent one."""
    if _is_typed(part):
        return None
    of_lines = f"""
        SELECT count(*) FROM (
            SELECT *, {_field(kind, spec, part)} AS f FROM records
            WHERE is_record AND "{spec.name}" IS NOT NULL
        ) WHERE ({_fits(kind, spec, part, "f")}) IS NOT TRUE
    """
    needed = [f'"{name}" IS NULL' for name in sorted(kind.required)]
    if part is not None or len(needed) < 2:
        return of_lines
    # What makes a thing says all of it; what sets fields says some.
    return f"""
        SELECT ({of_lines}) + count(*) FROM ({fresh_rows(kind, spec, part)})
        WHERE "{kind.makes}" IS NOT NULL AND ({" OR ".join(needed)})
    """


def fresh_rows(kind: Kind, spec: TableSpec, part: Part | None) -> str:
    """Return the rows of a field of all lines, with the order of their records.

    Of several rows about one key in one record the order is that in which they stand.
    """
    scope = f"{quoted(kind.scope)}, " if kind.is_line else ""
    names = _written(kind, spec, part)
    unnested = ", ".join(f'unnest(f."{name}") AS "{name}"' for name in names)
    lengths = ", ".join(f'len(f."{name}")' for name in names)
    rows = f"""
        SELECT ord, is_copy, {scope}{unnested}, unnest(range(coalesce({lengths}))) AS place
        FROM (
            SELECT ord, is_copy, {scope}{_field(kind, spec, part)} AS f FROM records
            WHERE "{spec.name}" IS NOT NULL
        )
    """
    if part is not None and part.keep is Keep.EACH:
        return rows
    return f"""
        SELECT * EXCLUDE (ord, place),
            {{'clock': ord.clock, 'writer': ord.writer, 'seq': ord.seq, 'place': place}} AS ord
        FROM ({rows})
    """
