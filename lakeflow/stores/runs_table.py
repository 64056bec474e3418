"""Many runs as one table: a row for each run, a column for each key, no object a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.entities.validation import FIRST_MS, LAST_MS
from lakeflow.kinds import RUN
from lakeflow.query.engine.columns import column, table
from lakeflow.query.engine.compile import compile_search
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import LATEST_METRICS, PARAMS, RUNS, TAGS
from lakeflow.stores.search import search_of

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow

    from lakeflow.lake import Lake
    from lakeflow.query.engine.search import Search
    from lakeflow.schema.spec import Type
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.snapshots import SnapshotId
    from lakeflow.stores.state import RunState

INFO = ("run_id", "experiment_id", "status", "artifact_uri", "start_time", "end_time")
"""The first columns."""

# A statement has a limit always; no lake has as many runs as this.
_LIMIT_OF_ALL_RUNS = 2**62

# Each run that comes from its document is objects in Python until the columns are made.
_MOST_DOCUMENTS = 1_000
_DOCUMENTS_AT_ONCE = 64

# A document costs what some tens of runs cost where whole tables are read.
_RUNS_A_DOCUMENT = 32

_KEYED = {"metrics": LATEST_METRICS, "params": PARAMS, "tags": TAGS}

_VALUES: Mapping[str, Callable[[RunState], Mapping[str, Any]]] = {
    "metrics": lambda state: {key: last.value for key, last in state.metrics.items()},
    "params": lambda state: state.params,
    "tags": lambda state: state.tags,
}


def search_table(
    lake: Lake,
    reader: Reader,
    experiment_ids: Sequence[str],
    filter_string: str | None,
    view_type: int,
    max_results: int | None,
    order_by: Sequence[str] | None,
    as_of: int | datetime.datetime | None,
) -> pyarrow.Table:
    """Return the runs that a filter lets through; see ``lakeflow.search_runs``.

    A few out of many runs come from their documents; else the tables are read whole, which
    takes 0.1 ms a run with 400 keys and 0.1 MB a run at most.

    Args:
        lake: The lake.
        reader: Its reader.
        experiment_ids: Experiments; of none there are no runs.
        filter_string: The filter.
        view_type: Which lifecycle stages.
        max_results: Most rows; None for all.
        order_by: The order.
        as_of: What to go back to; None for now.

    Returns:
        The columns of ``INFO``, times in milliseconds UTC; then ``metrics.<key>`` (null
        where a run has no such metric), ``params.<key>``, ``tags.<key>``, each kind by the
        first run that has the key, then by key.
    """
    snapshot_id = reader.as_of(as_of)
    search = search_of(
        RUN,
        filter_string,
        view_type,
        order_by,
        experiment_ids,
        snapshot_id,
        lake.fs.uri,
    )
    limit = _LIMIT_OF_ALL_RUNS if max_results is None else max(0, max_results)
    ids = []
    if not search.is_of_none:
        statement = compile_search(search, limit)
        # From here on the snapshot that the ids are of: rows and ids must belong together.
        rows, snapshot_id = reader.search(statement, search.experiment_ids, snapshot_id)
        ids = [row[0] for row in rows]
    # Only to choose between two ways: the fold of now will do for the past, too.
    stored = sum(file.rows for file in lake.files(RUNS.name, lake.fold()))
    if len(ids) <= min(_MOST_DOCUMENTS, stored // _RUNS_A_DOCUMENT):
        columns = _from_documents(reader, ids, snapshot_id)
    else:
        columns = _from_tables(reader, ids, search, snapshot_id)
    import pyarrow

    locations = [lake.fs.resolve(each) for each in columns["artifact_uri"].to_pylist()]
    utc_ms = pyarrow.timestamp("ms", "UTC")
    times = {name: _dated(columns[name]).cast(utc_ms) for name in ("start_time", "end_time")}
    return table({**columns, "artifact_uri": column("string", locations), **times})


def _from_documents(
    reader: Reader, ids: Sequence[str], snapshot_id: SnapshotId | None
) -> dict[str, Any]:
    # In order of their ids, so that runs of one row group are read together.
    ordered = sorted(ids)
    found: dict[str, RunState] = {}
    for first in range(0, len(ordered), _DOCUMENTS_AT_ONCE):
        for state in reader.runs(ordered[first : first + _DOCUMENTS_AT_ONCE], snapshot_id):
            found[state.fields["run_id"]] = state
    states = [found[run_id] for run_id in ids]
    numbers = {"start_time", "end_time"}
    columns = {
        name: column(
            "long" if name in numbers else "string", [state.fields[name] for state in states]
        )
        for name in INFO
    }
    for prefix, values_of in _VALUES.items():
        rows = [values_of(state) for state in states]
        kind: Type = "double" if prefix == "metrics" else "string"
        # Keys of one run are in order already, and a dictionary keeps the order.
        for key in dict.fromkeys(key for row in rows for key in row):
            columns[f"{prefix}.{key}"] = column(kind, [row.get(key) for row in rows])
    return columns


def _from_tables(
    reader: Reader, ids: Sequence[str], search: Search, snapshot_id: SnapshotId | None
) -> dict[str, Any]:
    everyone = column("long", range(len(ids)))
    found = table({"run_id": column("string", ids), "place": everyone})
    runs, *keyed = reader.tables(
        [_fields(), *(_cells(spec.name, search.experiment_ids) for spec in _KEYED.values())],
        search.experiment_ids,
        snapshot_id,
        found=found,
    )
    columns: dict[str, Any] = {name: runs.column(name) for name in INFO}
    for prefix, cells_of in zip(_KEYED, keyed, strict=True):
        for key, cells in zip(cells_of.column("key"), cells_of.column("cells"), strict=True):
            columns[f"{prefix}.{key}"] = _dense(cells.values, everyone)
    return columns


def _fields() -> Statement:
    names = ", ".join(INFO)
    return Statement(
        f"SELECT {names} FROM runs JOIN found USING (run_id) ORDER BY place",  # noqa: S608
        {},
        (RUNS.name,),
    )


def _cells(table: str, experiment_ids: Sequence[str]) -> Statement:
    """Gather for each key its values and the places of their runs."""
    where, values = "", {}
    # Joining ``found`` would do, but by this the engine can skip row groups.
    if len(experiment_ids) == 1:
        where = "WHERE experiment_id = $experiment_id"
        values = {"experiment_id": experiment_ids[0]}
    return Statement(
        f"""SELECT "key", list({{'place': found.place, 'value': "value"}}) AS cells
        FROM {table} JOIN found USING (run_id) {where}
        GROUP BY "key" ORDER BY min(found.place), "key\"""",  # noqa: S608 - constants
        values,
        (table,),
    )


def _dense(cells: pyarrow.StructArray, everyone: pyarrow.Array) -> pyarrow.Array:
    """Return a value for each run, null where none of the cells is in its place."""
    import pyarrow.compute

    # Null where a run has no cell, which ``take`` makes a null again.
    where = pyarrow.compute.index_in(everyone, value_set=cells.field("place"))
    return cells.field("value").take(where)


def _dated(milliseconds: pyarrow.Array | pyarrow.ChunkedArray) -> Any:
    """Return times, null where one is no date, as what other programs write may be."""
    import pyarrow.compute

    # Given as numbers of Python's they would bring pandas with them.
    first, last, missing = column("long", [FIRST_MS, LAST_MS, None])
    is_date = pyarrow.compute.and_(
        pyarrow.compute.greater_equal(milliseconds, first),
        pyarrow.compute.less_equal(milliseconds, last),
    )
    return pyarrow.compute.if_else(is_date, milliseconds, missing)
