"""Which tables of a lake are exported, with which columns, in which words. Pure.

They are the tables as they are on disk, with one difference: the stage of a run is the one that
counts, which may be that of its experiment, so that nobody has to know the clocks of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.kinds import KINDS
from lakeflow.query.engine.statement import quoted
from lakeflow.schema import RUNS
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.schema import TableSpec

WANTED = "wanted_experiments"
"""Table of the engine with the ids of the only experiments that are exported."""

_CLOCK_OF_STAGE = "lifecycle_clock"

_STAGED = "lifecycle_stage"

_STAGE = "active or deleted; deleted, too, where its experiment was deleted later"

_EXPERIMENT = "experiment_id"

_HEADING = """\
# Tables of a lake

Tables of the lake `{lake}` as it was at {time} UTC, what was not compacted then included.
Each folder is one table, of files `part-*.{ending}` that belong together, ordered by the
columns that are said. This file was written last: where it is, everything is there.

{form}
"""

_FORMS = {
    "parquet": """\
A text is a string, a whole number an int64, another number a double, which may be NaN or
infinite.""",
    "csv": """\
A text is in double quotes, and a double quote in it is doubled. A null is empty, without
quotes. NaN is `nan`, the infinities are `inf` and `-inf`; other numbers have all digits.""",
}


def exported(experiments_only: bool) -> tuple[list[TableSpec], list[str]]:
    """Return the tables that are exported, and the names of those that are left out.

    Args:
        experiments_only: Whether to leave out those whose rows belong to no experiment.
    """
    wanted, left_out = [], []
    for kind in KINDS:
        for spec in kind.tables:
            if experiments_only and _EXPERIMENT not in kind.scope:
                left_out.append(spec.name)
            else:
                wanted.append(_plain(spec))
    return wanted, left_out


def _plain(spec: TableSpec) -> TableSpec:
    columns = tuple(
        each._replace(comment=_STAGE) if spec is RUNS and each.name == _STAGED else each
        for each in spec.columns
        # Which stage counts is said already, and needs no clock.
        if each.name != _CLOCK_OF_STAGE
    )
    return replace(spec, columns=columns, parted_by=())


def selection(spec: TableSpec, experiments_only: bool) -> str:
    """Return the statement for the rows of a table, in its order.

    Args:
        spec: One of those that ``exported`` returns.
        experiments_only: Whether only rows of the experiments in ``WANTED`` are wanted.
    """
    # Only the view knows the stage of a run; the others would make more of the columns.
    relation = RUNS.name if spec.name == RUNS.name else f"lakeflow.{spec.name}"
    found = f"SELECT {quoted(spec.column_names)} FROM {relation}"  # noqa: S608 - declared names
    if experiments_only:
        found += f" SEMI JOIN {WANTED} USING ({_EXPERIMENT})"
    return f"{found} ORDER BY {quoted(spec.sort)}"


def readme(
    specs: Sequence[TableSpec],
    rows: dict[str, int],
    *,
    lake: str,
    time: str,
    ending: str,
    experiments: Sequence[str],
    left_out: Sequence[str],
) -> str:
    """Return the text that says what is in a folder of tables.

    Args:
        specs: The tables.
        rows: How many rows of each there are.
        lake: Location of the lake.
        time: When it was read.
        ending: Ending of the files.
        experiments: Names of the only experiments whose rows are there; empty for all.
        left_out: Names of tables that were left out.
    """
    parts = [_HEADING.format(lake=lake, time=time, ending=ending, form=_FORMS[ending])]
    if experiments:
        names = ", ".join(map(_code, experiments))
        others = ", ".join(map(_code, left_out))
        parts.append(
            f"Only rows of these experiments are here: {names}. Tables that belong to no "
            f"experiment are left out: {others}.\n"
        )
    parts += [_section(spec, rows[spec.name]) for spec in specs]
    return "\n".join(parts)


def _section(spec: TableSpec, rows: int) -> str:
    order = ", ".join(map(_code, spec.sort))
    lines = [
        f"## {spec.name}\n",
        f"{spec.comment[:1].upper()}{spec.comment[1:]}: {rows:,} rows, by {order}.\n",
        "| column | type | meaning |",
        "| --- | --- | --- |",
    ]
    for column in spec.columns:
        kind = f"{column.type}, may be null" if column.nullable else column.type
        lines.append(f"| `{column.name}` | {kind} | {column.comment} |")
    return "\n".join([*lines, ""])


def _code(text: str) -> str:
    """Return a text as Markdown shows it literally, on one line."""
    plain = " ".join(text.replace("`", "'").split())
    return f"`{plain}`"
