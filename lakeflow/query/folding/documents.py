"""Documents of things and names of theirs, in and out of a fold, as SQL. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.kinds.kind import CLOCK, DERIVED, GONE, MADE

if TYPE_CHECKING:
    from collections.abc import Collection

    from lakeflow.kinds import Kind
    from lakeflow.schema import TableSpec

_LINE_BYTES = 1 << 24
"""What DuckDB's parser takes for the length of a line unless told otherwise."""


# Things that are gone, and documents of before


def stage_old(kind: Kind, longest_bytes: int) -> str:
    """Return what stages documents, a line each, as ``old_<kind>``: their fields as texts.

    Args:
        kind: The kind.
        longest_bytes: Size of the longest; the parser sets memory aside for lines of that size.
    """
    columns = dict.fromkeys(kind.scope, "VARCHAR") | {GONE: "BIGINT", "clocks": "JSON"}
    columns |= dict.fromkeys((spec.name for spec in kind.held_tables), "JSON")
    if kind.derived is not None:
        columns[DERIVED] = "JSON"
    listed = ", ".join(f"\"{name}\": '{each}'" for name, each in columns.items())
    return f"""
        CREATE OR REPLACE TEMP TABLE old_{kind.name} AS
        SELECT * FROM read_json($files, format = 'newline_delimited', columns = {{{listed}}},
            maximum_object_size = {max(longest_bytes + 2, _LINE_BYTES)},
            hive_partitioning = false)
    """


def documents(kind: Kind, changed: Collection[str], *, has_old: bool, has_gone: bool) -> str:
    """Return the documents of the things that the lines are about: id and text, by id.

    What changes in none of its lines keeps the text that it had.

    Args:
        kind: The kind.
        changed: Tables of which there are rows of things that change.
        has_old: Whether any of the things has a document.
        has_gone: Whether any is gone.
    """
    identity = f'"{kind.id}"'
    head = ""
    for name in kind.scope:
        # Of a thing that was only removed nobody has named the owners.
        known = _known(f't."{name}"', name, has_old)
        head += f"'\"{name}\":', to_json(coalesce({known}, '')), ',', "
    others = ("clocks", DERIVED) if kind.derived else ("clocks",)
    packed = _packed_row(kind) if kind.row.name in changed else _nothing(kind, *others)
    joins = [f"LEFT JOIN ({packed}) AS p0 USING ({identity})"]
    clocks = _known("p0.clocks", "clocks", has_old)
    row = _known("p0.packed", kind.row.name, has_old)
    tail = f"'\"clocks\":', coalesce({clocks}, '{{}}'), "
    tail += f"',\"{kind.row.name}\":', coalesce({row}, '{{}}')"
    if kind.derived is not None:
        derived = _known(f"p0.{DERIVED}", DERIVED, has_old)
        tail += f", coalesce(',\"{DERIVED}\":' || coalesce({derived}), '')"
    # The first of them has the things' own rows, which are packed above.
    for number, spec in enumerate(kind.held_tables[1:], 1):
        packed = _packed(kind, spec) if spec.name in changed else _nothing(kind)
        joins.append(f"LEFT JOIN ({packed}) AS p{number} USING ({identity})")
        rows_of_table = _known(f"p{number}.packed", spec.name, has_old)
        tail += f", coalesce(',\"{spec.name}\":' || coalesce({rows_of_table}), '')"
    document = f"concat('{{', {head}{tail}, '}}')"
    if has_gone:
        joins.append(f"LEFT JOIN gone_{kind.name} AS g USING ({identity})")
        ended = f"concat('{{', {head}'\"{GONE}\":', g.{GONE}, '}}')"
        document = f"CASE WHEN g.{GONE} IS NULL THEN {document} ELSE {ended} END"
    if has_old:
        joins.append(f"LEFT JOIN old_{kind.name} AS old USING ({identity})")
    # In order, since that is how block files are written.
    return f"""
        SELECT {identity}, {document} FROM touched_{kind.name} AS t {" ".join(joins)}
        ORDER BY {identity}
    """


def _known(new: str, name: str, has_old: bool) -> str:
    """Return the arguments of coalesce for what is new, else what the document had."""
    return f'{new}, old."{name}"::VARCHAR' if has_old else new


def _nothing(kind: Kind, *others: str) -> str:
    nulls = ", ".join(f"NULL::VARCHAR AS {name}" for name in ("packed", *others))
    return f'SELECT NULL::VARCHAR AS "{kind.id}", {nulls} WHERE false'


def _packed_row(kind: Kind) -> str:
    spec = kind.row
    derived = kind.derived.columns if kind.derived else ()
    own = {name: f"own_{name}" if name in derived else name for name in spec.column_names}
    row = ", ".join(f"'{name}': \"{each}\"" for name, each in own.items())
    more = f", to_json({DERIVED})::VARCHAR AS {DERIVED}" if derived else ""
    since = {MADE: MADE} | {name: f'"clock_{name}"' for name in kind.settable}
    clocks = ", ".join(f"'{name}': {each}" for name, each in since.items())
    # Of many a thing records say nothing, and all of it is derived: nulls under all names
    # would be more than half of its document.
    is_said = f"coalesce({', '.join(since.values())}) IS NOT NULL"
    return f"""
        SELECT "{kind.id}",
            CASE WHEN {is_said} THEN to_json({{{row}}})::VARCHAR END AS packed,
            CASE WHEN {is_said} THEN to_json({{{clocks}}})::VARCHAR END AS clocks{more}
        FROM rows_{spec.name}
    """


def _packed(kind: Kind, spec: TableSpec) -> str:
    """Return the rows of each thing by column; the lists of one group are in one order."""
    names = [name for name in spec.column_names if name not in kind.scope]
    if kind.part(spec) is not None:
        names.append(CLOCK)
    struct = ", ".join(f"'{name}': list(\"{name}\")" for name in names)
    return f"""
        SELECT "{kind.id}", to_json({{{struct}}})::VARCHAR AS packed
        FROM rows_{spec.name} GROUP BY "{kind.id}"
    """


def names(kind: Kind, column: str) -> str:
    """Return the values of a unique column with the ids of the things that have them."""
    since = f'coalesce("clock_{column}", {MADE})' if column in kind.settable else MADE
    return f"""
        SELECT "{column}", arg_max("{kind.id}", {since})
        FROM rows_{kind.row.name} WHERE {MADE} IS NOT NULL
        GROUP BY "{column}" ORDER BY "{column}"
    """


def last_number(kind: Kind) -> str:
    """Return the largest number that is the id of a thing which the lines are about."""
    # As ``stores.control`` takes an id for a number; a cast would take ' 1' for one, and 1e3.
    return f"""
        SELECT max(TRY_CAST("{kind.id}" AS BIGINT)) FROM touched_{kind.name}
        WHERE regexp_full_match("{kind.id}", '[0-9]{{1,18}}')
    """
