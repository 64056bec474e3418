"""Lines of the log as rows of the engine: parsed, checked, taken apart by column. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.kinds.kind import CLOCK, LOGGED, Keep
from lakeflow.query.engine.connection import SQL_TYPES
from lakeflow.query.engine.statement import quoted
from lakeflow.records import COPIED_FROM, COPIED_PLACE, LONGEST_LINE_BYTES, REMOVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
    left_out = {CLOCK, *kind.clocks, *(kind.scope if kind.is_line else ())}
    if part is not None and part.keep is Keep.EACH:
        left_out |= {*LOGGED}
    return tuple(name for name in spec.column_names if name not in left_out)


def _parsed(kind: Kind, spec: TableSpec, part: Part | None) -> str:
    """Return the expression that parses a field."""
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
    conditions = [f'"{name}" IS NOT NULL' for name in kind.scope if kind.is_line]
    # Both leave nulls out.
    conditions.append(f"least({lengths}) = greatest({lengths})")
    for name in names:
        if name not in nullable:
            values = f'{field}."{name}"'
            # ``len`` counts nulls as well, and ``list_count`` does not.
            conditions.append(f"list_count({values}) = len({values})")
    return " AND ".join(conditions)


def stage(kinds: Sequence[Kind]) -> str:
    """Return what parses staged lines; one that is no record is marked.

    What is in most lines is parsed with them, as columns of their own; all else stays a text,
    since each column of lists takes 16 bytes and more in every row, whatever is in it.
    """
    columns = _HEAD | {REMOVED: "JSON"}
    checks = []
    for kind in kinds:
        if kind.is_line:
            columns |= dict.fromkeys(kind.scope, "VARCHAR")
        for spec, part in fields(kind):
            written = types_of(spec, _written(kind, spec, part)).items()
            if part is not None and part.in_columns:
                # Only whether a line has it: ``unpack`` reads what is in it.
                columns[spec.name] = 'STRUCT("nothing" BOOLEAN)'
            else:
                columns[spec.name] = _struct(written) if _is_typed(part) else "JSON"
            if _is_typed(part):
                fits = _fits(kind, spec, part, f'"{spec.name}"')
                checks.append(f'("{spec.name}" IS NULL OR ({fits}) IS TRUE)')
    kept = quoted(name for name in columns if name not in _HEAD)
    return f"""
    SELECT {_WRITTEN_BY},
        CASE WHEN {COPIED_FROM} IS NULL THEN 0 ELSE coalesce({COPIED_PLACE}, 0) END
            AS first_place,
        {_IS_WHOLE} AND {" AND ".join(checks)} AS is_record,
        {kept}
    FROM {_lines(columns)}
    """


_HEAD = {"seq": "BIGINT", CLOCK: "BIGINT", COPIED_FROM: "VARCHAR", COPIED_PLACE: "BIGINT"}
"""Fields that say which record a line is."""

# A clock of the far future counts as the latest that there may be, as in ``stores.memory``.
_WRITTEN_BY = f"""{{'clock': least({CLOCK}, $latest_clock::BIGINT),
             'writer': coalesce({COPIED_FROM}, split_part(filename, '/', -2)),
             'seq': seq}} AS ord,
        {COPIED_FROM} IS NOT NULL AS is_copy"""

_IS_WHOLE = f"seq IS NOT NULL AND {CLOCK} IS NOT NULL"


def _struct(types: Iterable[tuple[str, str]]) -> str:
    lists = ", ".join(f'"{name}" {each}[]' for name, each in types)
    return f"STRUCT({lists})"


def _lines(columns: Mapping[str, str]) -> str:
    """Return what reads fields of the lines of files, by their types."""
    listed = ", ".join(f"\"{name}\": '{each}'" for name, each in columns.items())
    # A line that does not parse comes as nulls instead of an error, and is marked as none.
    return f"""read_json($files, format = 'newline_delimited', columns = {{{listed}}},
                   maximum_object_size = {LONGEST_LINE_BYTES},
                   filename = true, ignore_errors = true, hive_partitioning = false)"""


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


def _lists(names: Sequence[str]) -> tuple[str, str]:
    """Return the expressions for the values of a field's lists, and for their lengths."""
    unnested = ", ".join(f'unnest(f."{name}") AS "{name}"' for name in names)
    return unnested, ", ".join(f'len(f."{name}")' for name in names)


def unpack(kind: Kind, part: Part) -> tuple[str, str, str]:
    """Return what takes a part in columns out of the lines of files.

    Lines with it are the longest of all. They are parsed into the types of its columns where
    they are read: kept as texts and parsed from these they took thrice as long. To read lists a
    second time takes as long as to parse them, so that whether a line fits stands in each of
    its rows.

    Returns:
        What makes ``fresh_<table>`` without rows; what adds those of the lines of ``$files``;
        what counts the rows of lines that do not fit.
    """
    spec = part.table
    names = _written(kind, spec, part)
    has_clock = CLOCK in spec.column_names
    types = {"ord": _ORDER, "is_copy": "BOOLEAN", "fits": "BOOLEAN"}
    types |= types_of(spec, (*names, CLOCK) if has_clock else names)
    columns = ", ".join(f'"{name}" {each}' for name, each in types.items())
    clock = f", ord.clock AS {CLOCK}" if has_clock else ""
    unnested, lengths = _lists(names)
    # A line that does not fit has a row, whatever is in it.
    rows = "CASE WHEN fits THEN length ELSE greatest(1, length) END"
    required = {column.name for column in spec.columns if not column.nullable}
    needed = (f'"{name}" IS NULL' for name in names if name in required)
    return (
        f"CREATE OR REPLACE TEMP TABLE fresh_{spec.name} ({columns})",
        f"""
        INSERT INTO fresh_{spec.name} BY NAME
        SELECT * EXCLUDE (ord, place), {_PLACED} AS ord{clock} FROM (
            SELECT ord, is_copy, fits, {unnested}, unnest(range({rows})) AS place
            FROM (
                SELECT *, greatest({lengths}) AS length,
                    coalesce(least({lengths}) = greatest({lengths}), false) AS fits
                FROM (
                    SELECT {_WRITTEN_BY}, "{spec.name}" AS f
                    FROM {_lines(_HEAD | {spec.name: _struct(types_of(spec, names).items())})}
                    WHERE {_IS_WHOLE} AND "{spec.name}" IS NOT NULL
                )
            )
        )
        """,
        f"SELECT count(*) FROM fresh_{spec.name} WHERE NOT fits OR {' OR '.join(needed)}",
    )


def misfits(kind: Kind, spec: TableSpec, part: Part | None) -> str | None:
    """Return what counts lines with a rare field that does not fit; None for other fields."""
    if _is_typed(part) or (part is not None and part.in_columns):
        return None
    of_lines = f"""
        SELECT count(*) FROM (
            SELECT *, {_parsed(kind, spec, part)} AS f FROM records
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
    if part is not None and part.in_columns:
        return f"FROM fresh_{spec.name}"
    scope = f"{quoted(kind.scope)}, " if kind.is_line else ""
    field = f'"{spec.name}"' if _is_typed(part) else _parsed(kind, spec, part)
    lines = f"""
        SELECT ord, is_copy, first_place, {scope}{field} AS f FROM records
        WHERE "{spec.name}" IS NOT NULL
    """
    names = _written(kind, spec, part)
    unnested, lengths = _lists(names)
    # A list that is missing has no length, so that any of the others tells.
    rows = f"""
        SELECT ord, is_copy, {scope}{unnested},
            first_place + unnest(range(coalesce({lengths}))) AS place
        FROM ({lines})
    """
    if part is not None and part.keep is Keep.EACH:
        return rows
    return f"SELECT * EXCLUDE (ord, place), {_PLACED} AS ord FROM ({rows})"


_PLACED = "{'clock': ord.clock, 'writer': ord.writer, 'seq': ord.seq, 'place': place}"

_ORDER = 'STRUCT("clock" BIGINT, "writer" VARCHAR, "seq" BIGINT, "place" BIGINT)'
