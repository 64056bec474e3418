"""Tables that people have logged to by hand: CSV, JSON lines and Parquet, as experiments.

A row is a step of a run, or one of several rows of it. All files are read once and spilled,
which tells what each column is; then the runs are read from there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError, StorageError
from lakeflow.importing.items import Curve, ExperimentItem, Problem, RunItem, made_id
from lakeflow.importing.sources.tabular import cells, tables
from lakeflow.importing.sources.tabular.columns import SHOWN, FoundColumns, Roles
from lakeflow.importing.sources.tabular.files import InputFile, found
from lakeflow.importing.sources.tabular.spilled import SpilledRows
from lakeflow.printable import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy
    import pyarrow

    from lakeflow.importing.items import FileItem
    from lakeflow.importing.named_columns import Columns

KINDS: Mapping[str, Callable[..., Iterator[tables.Rows]]] = {
    "csv": tables.csv_rows,
    "jsonl": tables.jsonl_rows,
    "parquet": tables.parquet_rows,
}
"""What reads each kind of file."""

_POINTS_AT_ONCE = 5_000

_RUN = "table.run"
"""Tag of what the files call a run."""


class TabularSource:
    """Files of one kind as one experiment.

    Args:
        kind: One of ``KINDS``.
        location: A file, a folder or a pattern; a path of this machine or a URL.
        experiment: The name of the experiment.
        columns: Which column is what.

    Attributes:
        name: What it is, for people.

    Raises:
        InvalidInputError: There is no such kind, or a column is said to be two things.
    """

    def __init__(self, kind: str, location: str, experiment: str, columns: Columns) -> None:
        if kind not in KINDS:
            raise InvalidInputError(f"kind is {kind!r}", hint=f"one of {', '.join(KINDS)}")
        validation.experiment_name(experiment)
        self.name = f"the {kind} files at {without_password(location)}"
        self._kind = kind
        self._location = location
        self._experiment = experiment
        self._columns = columns
        # Only Parquet says which of its texts are meant as such.
        self._found = FoundColumns(columns, texts_are_texts=kind == "parquet")
        self._report: Callable[[Problem], None] = lambda _: None
        self._spilled: SpilledRows | None = None
        self._files: list[InputFile] = []
        self._roles = Roles({}, {}, {})
        self._numbers: dict[str, int] = {}

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self._report = report

    def close(self) -> None:
        """Delete what was spilled."""
        if self._spilled is not None:
            self._spilled.close()
            self._spilled = None

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield the one that everything goes to, once the files are read.

        Raises:
            NotFoundError: There is no such file.
            InvalidInputError: No file has a column that is named.
            StorageError: The files cannot be listed, or there is no room to spill them.
        """
        # A name that is mistyped is an error before anything is written.
        self._read()
        yield ExperimentItem(key=self._experiment, name=self._experiment)

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs, in the order in which the files have them."""
        spilled = self._read()
        changing: Counter[str] = Counter()
        for number, (value, file) in enumerate(spilled.runs()):
            run_id = made_id("table", self._experiment, value)
            self._numbers[run_id] = number
            yield self._run(run_id, number, value, file, changing)
        for name, count in changing.items():
            self._report(
                Problem(
                    f"column {name!r}",
                    f"changes within {count:,} runs, which have no such param: it has one "
                    "value a run",
                )
            )

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the points of a run, metric by metric."""
        number = self._numbers[run.run_id]
        steps, times = self._steps(number), self._times(number)
        for name, key in self._roles.metrics.items():
            yield from _curves(key, self._blocks(number, name), steps, times)

    def counts(self, run: RunItem) -> dict[str, int]:
        """Return how many points each metric of a run has."""
        found: dict[str, int] = {}
        number = self._numbers[run.run_id]
        for name, key in self._roles.metrics.items():
            read = (cells.numbers(block).values for _, block in self._blocks(number, name))
            if count := sum(len(values) - values.null_count for values in read):
                found[key] = count
        return found

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield nothing: a table has no files beside it."""
        return iter(())

    # Reading once

    def _read(self) -> SpilledRows:
        if self._spilled is None:
            self._spilled = SpilledRows()
            for file in found(self._location, self._is_wanted, self._report):
                self._files.append(file)
                self._read_file(file)
            self._spilled.finish()
            self._found.check_named(self._location)
            self._roles = self._found.roles(self._report)
        return self._spilled

    def _is_wanted(self, name: str) -> bool:
        return name.lower().removesuffix(".gz").endswith(
            tables.SUFFIXES[self._kind]
        ) and not name.startswith((".", "_"))

    def _read_file(self, file: InputFile) -> None:
        """Spill a file as far as it can be read."""
        import pyarrow

        few = _Few(file.location, self._report)
        try:
            with file.opened() as stream:
                for rows in KINDS[self._kind](stream, few.add):
                    self._add(file, rows, few)
        except StorageError:
            # The store of the files, or the disk of what is spilled: more would fail as well.
            raise
        except (InvalidInputError, pyarrow.ArrowException, *tables.UNREADABLE) as error:
            self._report(Problem(file.location, f"cannot be read to its end: {error}"))
        few.end()

    def _add(self, file: InputFile, rows: tables.Rows, few: _Few) -> None:
        assert self._spilled is not None
        batch, lines = rows
        number = len(self._files) - 1
        self._found.learn(rows, file.location, few.add)
        if self._columns.run is None:
            self._spilled.add(batch, tables.stem(file.path), number)
            return
        if self._columns.run not in batch.schema.names:
            few.add(lines[0], f"has no column {self._columns.run!r}, nor have those behind it")
            return
        runs = cells.texts(batch.column(self._columns.run))
        if runs.null_count:
            are_known = runs.is_valid()
            for line in _at(lines, runs.is_null()):
                few.add(line, f"has nothing in the column {self._columns.run!r}")
            batch, runs = batch.filter(are_known), runs.filter(are_known)
        if batch.num_rows:
            self._spilled.add(batch, runs, number)

    # Runs from what was spilled

    def _blocks(self, number: int, name: str) -> Iterator[tuple[int, pyarrow.Array]]:
        assert self._spilled is not None
        return _joined(self._spilled.cells(number, name))

    def _run(
        self, run_id: str, number: int, value: str, file: int, changing: Counter[str]
    ) -> RunItem:
        params: dict[str, str] = {}
        for name, key in self._roles.params.items():
            values = _distinct(self._blocks(number, name))
            if len(values) == 1:
                params[key] = values.pop()
            elif values:
                changing[name] += 1
        times = self._times(number)
        # Where no row says when, nobody knows better than the file.
        first, last = (int(times.min()), int(times.max())) if len(times) else (0, 0)
        modified = self._files[file].modified_ms
        return RunItem(
            run_id,
            self._experiment,
            start_time=first if self._columns.time else modified,
            end_time=last if self._columns.time else modified,
            name=value,
            params=params,
            tags={_RUN: value, **self._tags(number)},
        )

    def _tags(self, number: int) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, key in self._roles.tags.items():
            for _, block in self._blocks(number, name):
                if len(known := block.drop_null()):
                    found[key] = cells.texts(known[-1:])[0].as_py()
        return found

    def _steps(self, number: int) -> numpy.ndarray[Any, Any]:
        """Return the step of each row of a run; where there is none, that of the row before."""
        import numpy

        assert self._spilled is not None
        name, size = self._columns.step, self._spilled.size(number)
        if name is None:
            return numpy.arange(size)
        return _filled(size, self._blocks(number, name), cells.steps)

    def _times(self, number: int) -> numpy.ndarray[Any, Any]:
        import numpy

        assert self._spilled is not None
        name, size = self._columns.time, self._spilled.size(number)
        if name is None:
            # The same at each import, as the time of the file is not.
            return numpy.zeros(size, "int64")
        return _filled(size, self._blocks(number, name), cells.times)


class _Few:
    """Reports the first problems of a file by their lines, and counts the others."""

    def __init__(self, location: str, report: Callable[[Problem], None]) -> None:
        self._location = location
        self._report = report
        self._count = 0

    def add(self, line: int | None, why: str) -> None:
        self._count += 1
        if self._count <= SHOWN:
            where = self._location if line is None else f"{self._location}, line {line}"
            self._report(Problem(where, why))

    def end(self) -> None:
        if self._count > SHOWN:
            more = f"has {self._count - SHOWN:,} more lines like these"
            self._report(Problem(self._location, more))


def _at(lines: Sequence[int], mask: pyarrow.Array) -> Iterator[int]:
    return (line for line, is_there in zip(lines, mask.to_pylist(), strict=True) if is_there)


def _joined(
    parts: Iterator[tuple[int, pyarrow.Array]],
) -> Iterator[tuple[int, pyarrow.Array]]:
    """Yield parts of a column as fewer ones, each with the row that it begins at.

    A run whose rows lie apart has thousands of parts.
    """
    import pyarrow

    held: list[pyarrow.Array] = []
    begin = end = 0
    for at, part in parts:
        is_next = at == end and end - begin < _POINTS_AT_ONCE
        if held and not (is_next and part.type == held[0].type):
            yield begin, pyarrow.concat_arrays(held)
            held = []
        begin = begin if held else at
        end = at + len(part)
        held.append(part)
    if held:
        yield begin, pyarrow.concat_arrays(held)


def _curves(
    key: str,
    blocks: Iterator[tuple[int, pyarrow.Array]],
    steps: numpy.ndarray[Any, Any],
    times: numpy.ndarray[Any, Any],
) -> Iterator[Curve]:
    import numpy

    for first, block in blocks:
        for start in range(0, len(block), _POINTS_AT_ONCE):
            values, _ = cells.numbers(block[start : start + _POINTS_AT_ONCE])
            places = numpy.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
            if len(places):
                at = places + (first + start)
                known = values.drop_null().to_pylist()
                yield Curve(key, known, times[at].tolist(), steps[at].tolist())


def _distinct(blocks: Iterator[tuple[int, pyarrow.Array]]) -> set[str]:
    """Return the values of a column, but no more than two: then it changes."""
    values: set[str] = set()
    for _, block in blocks:
        # Two tell as well as all of them that it changes.
        values.update(cells.texts(block.unique().drop_null()[:2]).to_pylist())
        if len(values) > 1:
            break
    return values


def _filled(
    size: int,
    blocks: Iterator[tuple[int, pyarrow.Array]],
    read: Callable[[pyarrow.Array], cells.Read],
) -> numpy.ndarray[Any, Any]:
    """Return whole numbers for all rows: where there is none, that of the row before.

    Rows before the first one have the first one, or 0 where there is none at all.
    """
    import numpy

    numbers = numpy.zeros(size, "int64")
    are_known = numpy.zeros(size, "bool")
    for first, block in blocks:
        values = read(block).values
        rows = slice(first, first + len(values))
        numbers[rows] = values.fill_null(0)
        are_known[rows] = values.is_valid()
    known = numpy.flatnonzero(are_known)
    if not len(known) or len(known) == size:
        return numbers
    before = numpy.searchsorted(known, numpy.arange(size), side="right") - 1
    filled: numpy.ndarray[Any, Any] = numbers[known[before.clip(0)]]
    return filled
