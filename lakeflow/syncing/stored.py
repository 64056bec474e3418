"""What the tables and documents of a lake hold, as copies of the records that it is of.

Documents are records again as far as they say (``things``); of points the tables say which
record each is. So the copies count as the records themselves would.
"""

from __future__ import annotations

import contextlib
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.kinds.kind import CLOCK, IDENTITY, Keep
from lakeflow.query.engine.stored_rows import rows_of_files
from lakeflow.records import Origin
from lakeflow.schema import (
    ARTIFACTS,
    EVALUATION_DATASET_RECORDS,
    LOGGED_MODEL_FILES,
    SPANS,
)
from lakeflow.stores.stored_things import read_thing
from lakeflow.syncing import things

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow

    from lakeflow.kinds import Kind, Part
    from lakeflow.lake import Lake
    from lakeflow.query.engine.connection import Engine
    from lakeflow.stores.things import Thing
    from lakeflow.syncing.things import Copy, Row
    from lakeflow.tables.folds import Fold

_EXPERIMENT = "experiment_id"

_WHEN = {
    ARTIFACTS.name: (CLOCK, 1),
    LOGGED_MODEL_FILES.name: (CLOCK, 1),
    SPANS.name: ("start_time_ns", 1 / 1_000),
    EVALUATION_DATASET_RECORDS.name: (CLOCK, 1),
}
"""Of rows that no document has: a column of time, and how many microseconds it counts by.

Those of spans do not change: one that comes again is the same.
"""

_ROWS_A_LINE = 100


class Stored:
    """Reads what a fold holds.

    Args:
        lake: The lake.
        engine: What reads its files.
        fold: The fold.
        known: Names of files that were read before, by table or index.
        covered: Writers whose points are brought from the log.
        experiments: For the id of each experiment the one in the other lake.

    Attributes:
        left: Things that are left out, since nobody knows their experiment.
    """

    def __init__(
        self,
        lake: Lake,
        engine: Engine,
        fold: Fold,
        known: Mapping[str, frozenset[str]],
        covered: Iterable[str],
        experiments: Mapping[str, str],
    ) -> None:
        self._lake = lake
        self._engine = engine
        self._fold = fold
        self._known = known
        self._covered = sorted(covered)
        self._experiments = experiments
        self.left = 0

    def copies(self) -> Iterator[Copy]:
        """Yield all that is new, kind by kind."""
        for kind in self._lake.kinds:
            # What is in the control log is brought by name, and not by its rows.
            if kind.is_controlled:
                continue
            yield from self._documents(kind)
            for part in kind.parts:
                if part.keep is Keep.EACH:
                    yield from self._records(kind, part)
                elif not part.in_document:
                    yield from self._rows(kind, part)

    def _documents(self, kind: Kind) -> Iterator[Copy]:
        known = self._known.get(kind.name, frozenset())
        # An older file may hold an older document of a thing: by its clocks it loses there.
        for file in self._fold.indexes.get(kind.name, ()):
            if file.path in known:
                continue
            reader = self._lake.index_files.reader(file)
            for identity, text in reader.entries():
                if text is not None:
                    yield from self._thing(kind, read_thing(kind, identity, text, [reader]))

    def _thing(self, kind: Kind, thing: Thing) -> Iterator[Copy]:
        if thing.gone_at is not None:
            removed = records.removed([(kind.name, thing.id)])
            yield Origin("", 0, thing.gone_at), removed
            return
        found = [*things.made(kind, thing), *things.changes(kind, thing)]
        if not all(self._is_mapped(row) for *_, rows in found for row in rows):
            self.left += 1
            return
        for table, clock, rows in found:
            yield from things.copies_of(kind, table, clock, rows)

    def _is_mapped(self, row: Row) -> bool:
        """Give a row the other lake's id of its experiment; return whether there is one."""
        # Datasets for evaluation, for one, are of no experiment.
        if _EXPERIMENT not in row:
            return True
        row[_EXPERIMENT] = self._experiments.get(row[_EXPERIMENT])
        return row[_EXPERIMENT] is not None

    def _records(self, kind: Kind, part: Part) -> Iterator[Copy]:
        """Yield the rows that all stay, those of a record together."""
        import pyarrow
        import pyarrow.compute

        mapped = pyarrow.array(self._experiments, pyarrow.string())
        for batch in self._batches_of(part, IDENTITY, self._covered):
            # By column, since there are very many rows, most of them records of their own.
            some = batch.filter(pyarrow.compute.is_in(batch.column(_EXPERIMENT), mapped))
            self.left += len(batch) - len(some)
            if not len(some):
                continue
            columns = {name: some.column(name).to_pylist() for name in some.schema.names}
            columns[_EXPERIMENT] = [*map(self._experiments.get, columns[_EXPERIMENT])]
            yield from things.copies_of_records(kind, part.table, columns)

    def _rows(self, kind: Kind, part: Part) -> Iterator[Copy]:
        """Yield rows of which one stays by key, and that no document has."""
        when, factor = _WHEN[part.table.name]
        order = (*kind.scope, when)
        for _, some in groupby(self._rows_of(part, order), itemgetter(*order)):
            group = list(some)
            clock = int(group[0][when] * factor)
            for start in range(0, len(group), _ROWS_A_LINE):
                # No line has the clock in its rows.
                rows = [
                    {name: each for name, each in row.items() if name != CLOCK}
                    for row in group[start : start + _ROWS_A_LINE]
                ]
                yield from things.copies_of(kind, part.table.name, clock, rows)

    def _rows_of(self, part: Part, order: Sequence[str]) -> Iterator[Row]:
        for batch in self._batches_of(part, order):
            for row in batch.to_pylist():
                if self._is_mapped(row):
                    yield row
                else:
                    self.left += 1

    def _batches_of(
        self, part: Part, order: Sequence[str], but_of: Sequence[str] = ()
    ) -> Iterator[pyarrow.RecordBatch]:
        known = self._known.get(part.table.name, frozenset())
        files = self._fold.files.get(part.table.name, ())
        new = [file for file in files if file.path not in known]
        if not new:
            return
        paths = self._lake.engine_paths(part.table.name, new)
        with contextlib.closing(self._engine.cursor()) as cursor:
            yield from rows_of_files(cursor, part.table, paths, order, but_of)
