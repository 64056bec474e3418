"""Tables of a lake as files in a folder, as of one moment.

1. ``folder.new_folder`` gives a folder that is not there before it is whole.
2. ``ColumnReader.snapshot`` holds what the lake is now: files and log, all tables at once.
3. ``tables.selection`` says what is read of each, in order; the engine spills what it sorts.
4. ``files.written`` makes files of that, which go to the folder one after another.
5. The README comes last.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from lakeflow.exceptions import NotFoundError
from lakeflow.exporting.files import written
from lakeflow.exporting.folder import README, clear, new_folder
from lakeflow.exporting.report import ExportReport, TableExport, TableProgress
from lakeflow.exporting.tables import WANTED, exported, readme, selection
from lakeflow.kinds import TABLES
from lakeflow.printable import without_password
from lakeflow.stores.replaced_files import retry_when_replaced

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.query.engine.connection import Cursor
    from lakeflow.schema import TableSpec
    from lakeflow.stores.store import Store


def export_tables(
    store: Store,
    location: str | os.PathLike[str],
    ending: str,
    experiments: Sequence[str],
    progress: Callable[[TableProgress], None],
) -> ExportReport:
    """Write the tables of a lake into a new folder; see ``lakeflow.exporting.to_parquet``.

    Args:
        store: The lake's.
        location: The folder.
        ending: ``parquet`` or ``csv``.
        experiments: Names of the experiments whose rows are wanted; empty for all.
        progress: Called as work goes on.
    """
    # Around all attempts: between two of them nobody else may take the folder.
    with new_folder(location, TABLES) as target:

        def attempt() -> ExportReport:
            # Also what an attempt before this one has written.
            clear(target, TABLES)
            with store.columns.snapshot() as cursor:
                return _export(store, cursor, target, ending, experiments, progress)

        report = retry_when_replaced(store.lake, attempt)
        # Until the rename it had another name.
        report.folder = str(location)
        return report


def _export(
    store: Store,
    cursor: Cursor,
    target: Filesystem,
    ending: str,
    experiments: Sequence[str],
    progress: Callable[[TableProgress], None],
) -> ExportReport:
    # When the snapshot was taken: to write it may take hours, and adds nothing to it.
    now = datetime.datetime.now(datetime.UTC)
    if experiments:
        _choose(cursor, experiments)
    specs, left_out = exported(bool(experiments))
    report = ExportReport(without_password(target.uri), left_out=left_out)
    for place, spec in enumerate(specs, 1):
        begun = TableProgress(spec.name, 0, place, len(specs))
        batches = cursor.batches(selection(spec, bool(experiments)), spec.row_group_rows)
        report.tables[spec.name] = _write(target, ending, spec, batches, begun, progress)
    text = readme(
        specs,
        {name: each.rows for name, each in report.tables.items()},
        lake=without_password(store.lake.fs.uri),
        time=f"{now:%Y-%m-%d %H:%M:%S}",
        ending=ending,
        experiments=experiments,
        left_out=left_out,
    )
    target.put(README, text.encode())
    target.sync(README)
    return report


def _choose(cursor: Cursor, experiments: Sequence[str]) -> None:
    """Put the ids of experiments where ``selection`` looks for them.

    Raises:
        NotFoundError: There is no experiment of such a name.
    """
    found = cursor.run(
        "SELECT name, experiment_id FROM experiments WHERE list_contains($names, name)",
        {"names": list(experiments)},
    )
    missing = set(experiments).difference(name for name, _ in found)
    if missing:
        raise NotFoundError(f"no experiment is called {min(missing)!r}")
    cursor.run(
        f"CREATE TABLE {WANTED} AS SELECT unnest($ids) AS experiment_id",
        {"ids": [identity for _, identity in found]},
    )


def _write(
    target: Filesystem,
    ending: str,
    spec: TableSpec,
    batches: Iterator[pyarrow.RecordBatch],
    begun: TableProgress,
    progress: Callable[[TableProgress], None],
) -> TableExport:
    """Write the rows of a table, a file at a time."""
    done = TableExport()
    progress(begun)
    # Where the target is on this machine, on its own disk: an upload is a rename then.
    with target.staging() as folder:
        for file in written(ending, spec, batches, folder):
            path = f"{spec.name}/part-{done.files:05}.{ending}"
            target.upload(file.path, path)
            # On the disk before the README, which says that everything is there.
            target.sync(path)
            done.files += 1
            done.rows += file.rows
            done.bytes += file.size
            progress(begun._replace(rows=done.rows))
    return done
