"""Carries out one fold in DuckDB: staged log files in, Parquet files out.

1. ``stage`` parses the lines into ``records``, and counts those that are none.
2. For each kind, owners first, ``touch`` finds the things that the lines are about.
   ``leave_out`` takes those for gone whose owner was removed before.
3. ``stage_rows`` joins their documents, and works out the new rows of each table.
4. For each table ``changes`` says what it gets, and ``files_with_changes`` which of its files
   hold rows that are replaced.
5. ``stage_stored``, ``write`` and ``write_rest`` write the new files.
6. ``documents``, ``names`` and ``last_number`` say what goes into the indexes.
7. ``let_go_of_documents`` frees the memory before the largest tables, which come last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import DamagedLakeError
from lakeflow.kinds.kind import CLOCK, Keep
from lakeflow.query.engine.connection import SQL_TYPES, Engine, literally
from lakeflow.query.engine.overlay import stored_rows
from lakeflow.query.engine.statement import quoted
from lakeflow.query.folding import documents, fold_lines, fold_sql, made_sql
from lakeflow.query.folding.constant_columns import FEWEST, constant_columns
from lakeflow.query.folding.parquet import Written, write_files
from lakeflow.query.folding.stored_files import meeting, overlapping
from lakeflow.records import REMOVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeflow.kinds import Kind, Part
    from lakeflow.query.folding.stored_files import Stored
    from lakeflow.schema import TableSpec


@dataclass(frozen=True, slots=True)
class Staged:
    """What was staged.

    Attributes:
        records: Lines that are records.
        misfits: Lines that are not.
    """

    records: int
    misfits: int


@dataclass(frozen=True, slots=True)
class Documents:
    """A file with documents, a line each.

    Attributes:
        path: Where the engine opens it.
        longest_bytes: Size of the longest of them.
    """

    path: str
    longest_bytes: int


class Folding:
    """One fold: stage the lines, then kind by kind its tables and its documents.

    Every call may raise MemoryError, where the engine may not hold enough.

    Args:
        engine: Where to do it.
        kinds: The kinds of things, owners first.
        latest_clock: What later clocks of records count as.
    """

    def __init__(self, engine: Engine, kinds: Sequence[Kind], latest_clock: int) -> None:
        self._latest_clock = latest_clock
        self._cursor = engine.cursor()
        self._kinds = kinds
        self._has_copies = False
        self._fields: set[str] = set()
        self._rows: set[str] = set()
        self._has_old: set[str] = set()
        self._has_gone: set[str] = set()
        self._stored_rows = ""
        self._changes = 0
        self._replaced: list[tuple[str, str]] = []
        # What is sorted stays sorted. With it on, sorting 5 million points in 384 MiB fails.
        self._run("SET preserve_insertion_order = false")

    def stage(self, files: Sequence[str]) -> Staged:
        """Parse log files, each in a folder with the name of its writer."""
        stage = fold_lines.stage(self._kinds)
        try:
            for number, some in enumerate(_parts_of(files)):
                head = fold_lines.ADD_RECORDS if number else fold_lines.CREATE_RECORDS
                self._read(f"{head} {stage}", some)
        except DamagedLakeError:
            # A line so long that the parser cannot go past it.
            return Staged(0, 1)
        count, names = fold_lines.count_staged(self._kinds)
        total, records, copies, *counts = self._one(count)
        self._has_copies = copies > 0
        self._fields = {name for name, lines in zip(names, counts, strict=True) if lines}
        misfits = total - records
        for kind in self._kinds:
            misfits += sum(self._unpack(kind, part, files) for part in kind.column_parts)
        # The rare fields are texts so far, and only those that some line has are looked into.
        for kind in self._kinds:
            for spec, part in fold_lines.fields(kind):
                counting = fold_lines.misfits(kind, spec, part)
                if counting and spec.name in self._fields:
                    misfits += self._one(counting)[0]
        return Staged(total - misfits, misfits)

    def _unpack(self, kind: Kind, part: Part, files: Sequence[str]) -> int:
        """Take a part in columns out of the lines; return how many of its rows do not fit."""
        empty, add, unfit = fold_lines.unpack(kind, part)
        self._run(empty)
        if part.table.name not in self._fields:
            return 0
        for some in _parts_of(files):
            self._read(add, some)
        return int(self._one(unfit)[0])

    def _read(self, statement: str, files: Sequence[str]) -> None:
        self._run(statement, latest_clock=self._latest_clock, files=files)

    def is_about(self, kind: Kind) -> bool:
        """Return whether any line is about things of a kind, or about what owns them."""
        names = {spec.name for spec, _ in fold_lines.fields(kind)} | {REMOVED}
        return bool(names & self._fields)

    def touch(self, kind: Kind, stored: Mapping[str, Sequence[Stored]]) -> list[str]:
        """Find the things of a kind, whose owner came before; return their ids, in order."""
        is_owner_gone = kind.owner is not None and kind.owner.name in self._has_gone
        # With an owner goes whatever is stored of it, also what no line of this fold is about;
        # in every table, since a thing that nobody has made has rows of its parts alone.
        files = {name: [each.path for each in some] for name, some in stored.items() if some}
        named, *owned = fold_sql.gone(kind, self._fields, list(files))
        self._run(named)
        for statement in owned if is_owner_gone else ():
            self._run(statement, **files)
        self._look_for_gone(kind)
        self._run(fold_sql.touched(kind, self._fields))
        return [identity for (identity,) in self._run(fold_sql.touched_ids(kind))]

    def owner_ids(self, kind: Kind) -> list[str]:
        """Return the ids of what owns the things touched."""
        assert kind.owner is not None
        column = kind.owner.id
        rows = self._run(
            f'SELECT DISTINCT "{column}" FROM touched_{kind.name} '  # noqa: S608 - constants
            f'WHERE "{column}" IS NOT NULL ORDER BY "{column}"'
        )
        return [identity for (identity,) in rows]

    def leave_out(self, kind: Kind, owners: Sequence[str]) -> None:
        """Take the things touched for gone that belong to owners which were removed before."""
        assert kind.owner is not None
        self._run(fold_sql.gone_with(kind), ids=list(owners))
        self._look_for_gone(kind)

    def _look_for_gone(self, kind: Kind) -> None:
        if self._one(f"SELECT count(*) FROM gone_{kind.name}")[0]:  # noqa: S608 - a constant
            self._has_gone.add(kind.name)

    def stage_rows(
        self, kind: Kind, known: Documents | None, stored: Mapping[str, Sequence[Stored]]
    ) -> None:
        """Work out, for each table of a kind, the rows of the things that change in it.

        Args:
            kind: The kind.
            known: Documents that there are of the things touched; None if there are none.
            stored: The files of each table as the fold before left it.
        """
        if known is not None:
            stage_old = documents.stage_old(kind, known.longest_bytes)
            self._run(stage_old, files=[known.path])
            self._has_old.add(kind.name)
            self._run(fold_sql.gone_before(kind))
            self._look_for_gone(kind)
        for table, keep in self._statements(kind, self._fields):
            self._run(keep)
            self._rows.add(table)
            for part in kind.parts:
                if part.table.name == table:
                    if part.in_columns:
                        self._run(fold_sql.drop_older(part.table))
                    self._leave_stored(kind, part, stored[table])
            if kind.derived is not None and kind.derived.table.name == table:
                self._derive(kind, stored[table])

    def stage_unchanged(self, kind: Kind) -> None:
        """Let the other tables of a kind be written too, though no row of them changes."""
        names = {spec.name for spec, _ in fold_lines.fields(kind)}
        for table, keep in self._statements(kind, names):
            if table not in self._rows:
                self._run(keep)
                self._rows.add(table)

    def _statements(self, kind: Kind, given: set[str]) -> Iterator[tuple[str, str]]:
        return fold_sql.rows(
            kind,
            given,
            has_old=kind.name in self._has_old,
            has_gone=kind.name in self._has_gone,
            has_copies=self._has_copies,
            is_derived=kind.derived is not None and kind.derived.table.name in self._fields,
        )

    def _leave_stored(self, kind: Kind, part: Part, stored: Sequence[Stored]) -> None:
        """Drop rows that are stored already, where no document says so."""
        table = f"rows_{part.table.name}"
        is_copied = part.keep is Keep.EACH and self._has_copies
        may_stay = part.keep is Keep.FIRST or CLOCK in part.table.column_names
        may_be_beaten = part.table in kind.keyed_tables and may_stay
        # Other rows are new, since the fold begins where the one before ended; only a copy of a
        # record may have been folded already.
        wanted = is_copied or may_be_beaten
        column = part.pruned_by or kind.id
        files = overlapping(self._run, stored, table, column) if wanted else []
        if files and is_copied:
            self._run(fold_sql.drop_copies(kind, part.table), files=files)
        elif files:
            self._run(fold_sql.drop_beaten(part), files=files)

    def _derive(self, kind: Kind, stored: Sequence[Stored]) -> None:
        """Work out the columns that follow from a part whose rows are worked out."""
        assert kind.derived is not None
        files = []
        if kind.name in self._has_old:
            ranges = self._run(made_sql.derived_ranges(kind))
            files = meeting(stored, kind.derived.part.pruned_by, ranges)
        rows, values = stored_rows(kind.derived.table, files)
        self._run(made_sql.derive(kind, rows), **values)

    def has_gone(self, kind: Kind) -> bool:
        """Return whether any of the things touched is removed."""
        return kind.name in self._has_gone

    def is_changed(self, spec: TableSpec) -> bool:
        """Return whether rows of a table may come or go."""
        return spec.name in self._rows

    def changes(self, kind: Kind, spec: TableSpec) -> int:
        """Return how many rows a table gets; they are the next ones to be written."""
        # Views, here and below: tables would hold the longest texts once more.
        self._run(f"CREATE OR REPLACE TEMP VIEW changes AS {fold_sql.shown(kind, spec)}")
        self._changes = int(self._one("SELECT count(*) FROM changes")[0])
        return self._changes

    def files_with_changes(
        self, kind: Kind, spec: TableSpec, stored: Sequence[Stored]
    ) -> set[str]:
        """Return the files that hold rows of the table which are no longer there."""
        self._replaced = []
        queries = fold_sql.replaced(kind, spec) if stored else ()
        for number, (query, by, column) in enumerate(queries):
            self._run(f"CREATE OR REPLACE TEMP VIEW replaced_{number} AS {query}")
            columns = ", ".join(f'"{name}"' for name in by)
            self._replaced.append((f"JOIN replaced_{number} USING ({columns})", column))
        is_each = (part := kind.part(spec)) is not None and part.keep is Keep.EACH
        is_changed = kind.name in self._has_gone or (
            not is_each and (kind.name in self._has_old or spec in kind.keyed_tables)
        )
        found = set()
        for number, (join, column) in enumerate(self._replaced if is_changed else ()):
            candidates = overlapping(self._run, stored, f"replaced_{number}", column)
            if candidates:
                rows = self._run(
                    "SELECT DISTINCT filename FROM "  # noqa: S608 - constants
                    "read_parquet($files, filename = true, hive_partitioning = false) "
                    f"SEMI {join}",
                    files=candidates,
                )
                found |= {row[0] for row in rows}
        return found

    def stage_stored(self, whole: Sequence[str]) -> None:
        """Say of which files all rows are written anew together with the changes."""
        self._stored_rows = ""
        if whole:
            self._run("SET VARIABLE stored_files = $files", files=list(whole))
            self._stored_rows = self._still_there("stored_files")

    def _still_there(self, variable: str) -> str:
        joins = " ".join(f"ANTI {join}" for join, _ in self._replaced)
        return (
            f"SELECT * FROM read_parquet(getvariable('{variable}'), "  # noqa: S608 - constants
            f"hive_partitioning = false) {joins}"
        )

    def write(self, spec: TableSpec, folder: str) -> list[Written]:
        """Write changes and staged stored rows as new files, sorted one after another.

        Args:
            spec: The table.
            folder: A new folder on this machine.

        Returns:
            The files written; none where no rows are left.
        """
        Path(folder).mkdir(parents=True)
        rows = "SELECT * FROM changes"
        if self._stored_rows:
            rows = f"{self._stored_rows} UNION ALL BY NAME {rows}"
        are_few = not self._stored_rows and self._changes < FEWEST
        return self._write(spec, rows, folder, are_few=are_few)

    def write_rest(self, spec: TableSpec, file: str, folder: str) -> list[Written]:
        """Write the rows of a file that are still there, without the changes."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        self._run("SET VARIABLE rest_file = $files", files=[file])
        return self._write(spec, self._still_there("rest_file"), folder)

    def documents(self, kind: Kind) -> Iterator[tuple[str, str]]:
        """Yield the new documents of the things touched: id and text, by id."""
        query = documents.documents(
            kind,
            self._rows,
            has_old=kind.name in self._has_old,
            has_gone=kind.name in self._has_gone,
        )
        return self._streamed(query)

    def names(self, kind: Kind, column: str) -> Iterator[tuple[str, str]]:
        """Yield the values of a unique column with the ids of the things that have them."""
        if kind.row.name not in self._rows:
            return iter(())
        return self._streamed(documents.names(kind, column))

    def last_number(self, kind: Kind) -> int:
        """Return the largest number that is the id of a thing touched; -1 if none is."""
        (number,) = self._one(documents.last_number(kind))
        return -1 if number is None else int(number)

    def _streamed(self, query: str) -> Iterator[tuple[str, str]]:
        # The next statement of a cursor ends this one: all rows are taken before.
        self._cursor.call(lambda cursor: cursor.execute(query))
        while some := self._cursor.call(lambda cursor: cursor.fetchmany(_ROWS_A_FETCH)):
            yield from some

    def orphans(self, kind: Kind) -> int:
        """Return how many of the things that something sets nobody has made."""
        if kind.row.name not in self._rows:
            return 0
        made = f"FROM rows_{kind.row.name} WHERE NOT {made_sql.is_there(kind)}"
        return int(self._one(f"SELECT count(*) {made}")[0])

    def let_go_of_documents(self, kind: Kind, *, and_records: bool) -> None:
        """Drop what is not read any more once the documents are written.

        Its memory is for the sorting of what comes last, which is the largest.
        """
        for spec in kind.held_tables:
            if spec.name in self._rows:
                self._run(f"DROP TABLE rows_{spec.name}")
        if kind.name in self._has_old:
            self._run(f"DROP TABLE old_{kind.name}")
        if and_records:
            self._run("DROP TABLE records")

    def _write(
        self, spec: TableSpec, rows: str, folder: str, *, are_few: bool = False
    ) -> list[Written]:
        constants = {} if are_few else constant_columns(self._run, spec, rows)
        columns = ", ".join(
            f'CAST("{column.name}" AS {SQL_TYPES[column.type]}) AS "{column.name}"'
            for column in spec.columns
            if column.name not in constants
        )
        order = quoted(name for name in spec.sort if name not in constants)
        selection = f"SELECT {columns} FROM ({rows}) ORDER BY {order}"  # noqa: S608
        size = spec.row_group_rows
        return self._cursor.call(
            lambda cursor: write_files(
                spec, cursor.sql(selection).to_arrow_reader(size), folder, constants
            )
        )

    def _run(self, statement: str, **values: Any) -> list[Any]:
        if "files" in values:
            values["files"] = literally(values["files"])
        return self._cursor.run(statement, values)

    def _one(self, statement: str) -> tuple[Any, ...]:
        return tuple(self._run(statement)[0])


def _parts_of(files: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield files, as many as a statement reads: the parser keeps a buffer for each of them."""
    for start in range(0, len(files), _FILES_A_STATEMENT):
        yield files[start : start + _FILES_A_STATEMENT]


_FILES_A_STATEMENT = 100
_ROWS_A_FETCH = 1_024
