"""What the tables and documents of a lake hold, as copies of the records that it is of.

Of a record in a document only the clock is left, and that decides. Of points the tables say
which record each is. So the copies count as the records themselves would.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.exceptions import DamagedLakeError
from lakeflow.kinds.kind import CLOCK, GONE, LOGGED, MADE, Keep
from lakeflow.query.engine.stored_rows import rows_by_record, rows_by_thing
from lakeflow.records import Origin
from lakeflow.schema import ARTIFACTS, EVALUATION_DATASET_RECORDS, SPANS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lakeflow.kinds import Kind, Part
    from lakeflow.lake import Lake
    from lakeflow.query.engine.connection import Engine
    from lakeflow.tables.folds import Fold

Copy = tuple[Origin, str]
"""Which record something is a copy of, and its fields."""

_EXPERIMENT = "experiment_id"

_WHEN = {
    ARTIFACTS.name: ("log_time", 1_000),
    SPANS.name: ("start_time_ns", 1 / 1_000),
    EVALUATION_DATASET_RECORDS.name: ("given_at", 1),
}
"""Of rows that no document has: a column of time, and how many microseconds it counts by."""

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
            if kind.is_controlled:
                continue
            yield from self._documents(kind)
            for part in kind.parts:
                if part.keep is Keep.EACH:
                    yield from self._records(kind, part)
                elif not part.in_document:
                    yield from self._rows(kind, part)

    def _documents(self, kind: Kind) -> Iterator[Copy]:
        files = self._fold.indexes.get(kind.name, ())
        known = self._known.get(kind.name, frozenset())
        for file in files:
            if file.path in known:
                continue
            for _, text in self._lake.index_files.reader(file).entries():
                if text is not None:
                    yield from self._document(kind, file.path, text)

    def _document(self, kind: Kind, path: str, text: str) -> list[Copy]:
        try:
            document = json.loads(text)
            if self._is_mapped(kind, document):
                return list(document_copies(kind, document))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedLakeError(
                f"{path} is damaged: a document of {kind.name} cannot be read ({error!r})",
                hint="restore it from a backup",
            ) from error
        self.left += 1
        return []

    def _is_mapped(self, kind: Kind, document: dict[str, Any]) -> bool:
        """Give a document the other lake's ids of experiments; return whether there are any."""
        if GONE in document:
            return True
        if _EXPERIMENT in kind.scope:
            mine = self._experiments.get(document[_EXPERIMENT])
            if mine is None:
                return False
            document[_EXPERIMENT] = mine
        for part in kind.parts:
            rows = document.get(part.table.name)
            if rows and _EXPERIMENT in kind.key(part.table):
                rows[_EXPERIMENT] = [self._experiments.get(each) for each in rows[_EXPERIMENT]]
                if None in rows[_EXPERIMENT]:
                    return False
        return True

    def _paths(self, part: Part) -> list[str]:
        known = self._known.get(part.table.name, frozenset())
        files = self._fold.files.get(part.table.name, ())
        new = [file for file in files if file.path not in known]
        return self._lake.engine_paths(part.table.name, new)

    def _records(self, kind: Kind, part: Part) -> Iterator[Copy]:
        """Yield the rows that all stay, those of a record together."""
        paths = self._paths(part)
        if not paths:
            return
        with contextlib.closing(self._engine.cursor()) as cursor:
            rows = rows_by_record(cursor, part.table, paths, self._covered)
            of_record = itemgetter("writer", "seq", *(kind.scope if kind.is_line else ()))
            for _, some in groupby(self._mapped(rows), of_record):
                yield from _record_copies(kind, part, list(some))

    def _rows(self, kind: Kind, part: Part) -> Iterator[Copy]:
        """Yield rows of which one stays by key, and that no document has."""
        paths = self._paths(part)
        if not paths:
            return
        when, factor = _WHEN[part.table.name]
        with contextlib.closing(self._engine.cursor()) as cursor:
            rows = rows_by_thing(cursor, part.table, paths, (*kind.scope, when))
            for _, some in groupby(self._mapped(rows), itemgetter(*kind.scope, when)):
                group = list(some)
                origin = Origin("", 0, int(group[0][when] * factor))
                for start in range(0, len(group), _ROWS_A_LINE):
                    for body in _bodies(
                        kind, part.table.name, group[start : start + _ROWS_A_LINE]
                    ):
                        yield origin, body

    def _mapped(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            if _EXPERIMENT in row:
                mine = self._experiments.get(row[_EXPERIMENT])
                if mine is None:
                    self.left += 1
                    continue
                row[_EXPERIMENT] = mine
            yield row


def document_copies(kind: Kind, document: Mapping[str, Any]) -> Iterator[Copy]:
    """Yield the records that a document sums up, as far as it holds them: one a clock."""
    scope = {name: document[name] for name in kind.scope}
    if GONE in document:
        removed = records.removed([(kind.name, scope[kind.id])])
        yield Origin("", 0, document[GONE]), removed
        return
    clocks: Mapping[str, int] = document["clocks"]
    row = document[kind.row.name]
    if clocks.get(MADE) is not None:
        left_out = {*kind.scope, *kind.clocks}
        made = {
            name: row[name]
            for name in kind.row.column_names
            if name not in left_out and row.get(name) is not None
        }
        for body in _bodies(kind, kind.row.name, [{**scope, **made}]):
            yield Origin("", 0, clocks[MADE]), body
    for clock, fields in sorted(_changes(kind, document, clocks, row).items()):
        for table, rows in fields.items():
            for body in _bodies(kind, table, [{**scope, **each} for each in rows]):
                yield Origin("", 0, clock), body


def _changes(
    kind: Kind, document: Mapping[str, Any], clocks: Mapping[str, int], row: Mapping[str, Any]
) -> dict[int, dict[str, list[dict[str, Any]]]]:
    """Return what was set since, by the clock of the record: rows by table."""
    found: dict[int, dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for name in kind.settable:
        clock = clocks.get(name)
        if clock is not None and row.get(name) is not None:
            rows = found[clock].setdefault(kind.row.name, [{}])
            rows[0][name] = row[name]
    for part in kind.parts:
        columns = document.get(part.table.name)
        if not part.is_in_document or not columns:
            continue
        names = (*kind.key(part.table), *kind.values(part.table))
        for clock, *values in zip(
            columns[CLOCK], *(columns[name] for name in names), strict=True
        ):
            of_table = found[clock].setdefault(part.table.name, [])
            of_table.append(dict(zip(names, values, strict=True)))
    return found


def _record_copies(kind: Kind, part: Part, rows: list[dict[str, Any]]) -> Iterator[Copy]:
    """Yield the rows of one record, those whose places follow one another together."""
    numbered = enumerate(rows)
    for _, run in groupby(numbered, lambda each: each[1]["place"] - each[0]):
        some = [row for _, row in run]
        first = some[0]
        place = first["place"]
        for body, count in _parted(kind, part, some):
            yield Origin(first["writer"], first["seq"], first[CLOCK], place), body
            place += count


def _parted(kind: Kind, part: Part, rows: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """Yield the rows as fields of a line, and how many are in each."""
    bare = [{name: each for name, each in row.items() if name not in LOGGED} for row in rows]
    bodies = _bodies(kind, part.table.name, bare)
    if len(bodies) == 1:
        yield bodies[0], len(rows)
        return
    middle = len(rows) // 2
    yield from _parted(kind, part, rows[:middle])
    yield from _parted(kind, part, rows[middle:])


def _bodies(kind: Kind, table: str, rows: list[dict[str, Any]]) -> list[str]:
    """Return rows of a table as the fields of one line, or of several where they are long."""
    if not kind.is_line:
        return records.bodies("", records.table(table, rows))
    about = {name: rows[0][name] for name in kind.scope}
    bare = [{name: each for name, each in row.items() if name not in about} for row in rows]
    head = ",".join(f"{json.dumps(name)}:{json.dumps(each)}" for name, each in about.items())
    return records.bodies(head, records.table(table, bare))
