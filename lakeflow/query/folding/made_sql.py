"""The row of a thing in a fold: what made it, what was set since, what follows. Pure SQL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.kinds.kind import DERIVED, MADE, Keep
from lakeflow.query.engine.column_rows import derived
from lakeflow.query.folding.fold_lines import create, types_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.kinds import Kind


def made_rows(kind: Kind, fresh: str, *, has_old: bool, is_derived: bool) -> str:
    """Return one row a thing: made by one record, and some of its columns set by others.

    ``made`` is the clock of the former, null as long as it has not come, and ``clock_<column>``
    those of the latter. What follows from a part is in ``derived``, and what the records say of
    these columns in ``own_<column>``.
    """
    logged = [
        name
        for name in kind.row.column_names
        if name not in kind.scope and name not in kind.clocks
    ]
    selected = [f'named."{name}"' for name in kind.scope]
    following = kind.derived.columns if kind.derived else ()
    # A copy of a record may be older than what is stored.
    is_made = f"new.made.{MADE} < coalesce(clocks.{MADE}, {2**63 - 1})"
    for name in logged:
        made = f'CASE WHEN {is_made} THEN new.made."{name}" ELSE row."{name}" END'
        shown = f"own_{name}" if name in following else name
        if name in kind.settable:
            selected += _set_column(name, shown, kind.settable[name], made)
        else:
            selected.append(f'{made} AS "{shown}"')
    selected.append(f"least(clocks.{MADE}, new.made.{MADE}) AS {MADE}")
    exposed = "".join(f', "clock_{name}" AS "{column}"' for column, name in kind.clocks.items())
    # Without documents a query with no rows stands in, so that all below is the same for both.
    old = _old_made(kind) if has_old else _nothing_made(kind)
    new = f'({_new_made(kind, logged, fresh)}) AS new USING ("{kind.id}")'
    here = f'new."{kind.id}" IS NOT NULL'
    if is_derived:
        new += f' LEFT JOIN derived_{kind.name} AS now USING ("{kind.id}")'
        here += f' OR now."{kind.id}" IS NOT NULL'
        selected.append(f"coalesce(now.{DERIVED}, old.{DERIVED}) AS {DERIVED}")
    elif following:
        selected.append(f"old.{DERIVED} AS {DERIVED}")
    for name in following:
        exposed += (
            f', coalesce("own_{name}", {DERIVED}."{name}"{_default(kind, name)}) AS "{name}"'
        )
    return f"""
        SELECT *{exposed} FROM (
            SELECT {", ".join(selected)} FROM touched_{kind.name} AS named
            LEFT JOIN {new} LEFT JOIN ({old}) AS old USING ("{kind.id}")
            WHERE {here}
        )
    """


def _default(kind: Kind, name: str) -> str:
    assert kind.derived is not None
    default = kind.derived.defaults.get(name)
    return "" if default is None else f", '{default}'"


def derive(kind: Kind, stored: str) -> str:
    """Return what works out the columns that follow from a part, as ``derived_<kind>``.

    Args:
        kind: The kind; the new rows of the part are there.
        stored: As for ``column_rows.derived``.
    """
    assert kind.derived is not None
    query = derived(kind, f"FROM rows_{kind.derived.table.name}", stored)
    struct = ", ".join(f"'{name}': \"{name}\"" for name in kind.derived.columns)
    return create(
        f"derived_{kind.name}",
        f'SELECT "{kind.id}", {{{struct}}} AS {DERIVED} FROM ({query})',
    )


def derived_ranges(kind: Kind) -> str:
    """Return where the stored rows are of things whose columns follow from a part."""
    assert kind.derived is not None
    first, last = (f"(derived->>'{name}')::BIGINT" for name in kind.derived.bounds)
    return f"""
        SELECT {first} AS first, {last} AS last
        FROM old_{kind.name} SEMI JOIN rows_{kind.derived.table.name} USING ("{kind.id}")
        WHERE {DERIVED} IS NOT NULL
    """


def is_there(kind: Kind) -> str:
    """Return that a row of the things that change is shown: something has made it."""
    made = f"{MADE} IS NOT NULL"
    return made if kind.derived is None else f"({made} OR {DERIVED} IS NOT NULL)"


def _set_column(name: str, shown: str, keep: Keep, made: str) -> list[str]:
    """Return a column that later records may set, and the clock of the one that stays."""
    # Of equal clocks the new one wins where the last stays, and the stored one where the first.
    fresher = "<" if keep is Keep.FIRST else ">="
    is_new = (
        f'"set_{name}" IS NOT NULL AND '
        f'(clocks."{name}" IS NULL OR "set_{name}".clock {fresher} clocks."{name}")'
    )
    return [
        f'CASE WHEN {is_new} THEN "set_{name}".value '
        f'WHEN clocks."{name}" IS NOT NULL THEN row."{name}" ELSE {made} END AS "{shown}"',
        f'CASE WHEN {is_new} THEN "set_{name}".clock ELSE clocks."{name}" END '
        f'AS "clock_{name}"',
    ]


def _new_made(kind: Kind, logged: Sequence[str], fresh: str) -> str:
    """Return for each thing what made it, and for each column what set it, in the lines."""
    makes = f'"{kind.makes}" IS NOT NULL'
    struct = ", ".join(f"'{name}': \"{name}\"" for name in logged)
    columns = [f"arg_min({{{struct}, '{MADE}': ord.clock}}, ord) FILTER ({makes}) AS made"]
    for name, keep in kind.settable.items():
        pick = "arg_min" if keep is Keep.FIRST else "arg_max"
        columns.append(
            f"{pick}({{'value': \"{name}\", 'clock': ord.clock}}, ord) "
            f'FILTER (NOT ({makes}) AND "{name}" IS NOT NULL) AS "set_{name}"'
        )
    return f"""
        SELECT "{kind.id}", {", ".join(columns)} FROM ({fresh}) GROUP BY "{kind.id}"
    """


def _old_made(kind: Kind) -> str:
    """Return row and clocks of the things that have documents."""
    types = json.dumps(types_of(kind.row, kind.row.column_names))
    clocks = json.dumps(dict.fromkeys((MADE, *kind.settable), "BIGINT"))
    more = ""
    if kind.derived is not None:
        shape = json.dumps(types_of(kind.row, kind.derived.columns))
        more = f", from_json({DERIVED}, '{shape}') AS {DERIVED}"
    return f"""
        SELECT "{kind.id}", from_json("{kind.row.name}", '{types}') AS row,
            from_json(clocks, '{clocks}') AS clocks{more}
        FROM old_{kind.name}
    """


def _nothing_made(kind: Kind) -> str:
    """Return the same where no thing has a document."""
    types = types_of(kind.row, kind.row.column_names).items()
    row = ", ".join(f"'{name}': NULL::{each}" for name, each in types)
    clocks = ", ".join(f"'{name}': NULL::BIGINT" for name in (MADE, *kind.settable))
    more = ""
    if kind.derived is not None:
        nulls = types_of(kind.row, kind.derived.columns).items()
        struct = ", ".join(f"'{name}': NULL::{each}" for name, each in nulls)
        more = f", {{{struct}}} AS {DERIVED}"
    return f"""
        SELECT NULL::VARCHAR AS "{kind.id}", {{{row}}} AS row, {{{clocks}}} AS clocks{more}
        WHERE false
    """
