"""CSV, JSON lines and Parquet as batches of rows, whatever is broken in them."""

from __future__ import annotations

import csv
import json
import re
import zlib
from array import array
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    import pyarrow

    Complain = Callable[[int | None, str], None]
    """Takes the number of a line, where it is about one, and what is wrong."""

_ROWS_AT_ONCE = 2_000
"""Rows that are objects of Python at one time: Python's collector looks at all there are again
and again, and with 50,000 of them a file takes three times as long."""

_ROWS_AT_FIRST = 100
"""Nobody knows yet how large they are."""

_BYTES_AT_ONCE = 32 * 1024 * 1024
_BYTES_OF_A_TEXT = 60
"""What Python takes for one, beside its characters."""

_ROWS_OF_A_BATCH = 50_000
_CELLS_OF_A_BATCH = 2_000_000

UNREADABLE = (OSError, EOFError, zlib.error)
"""What a file raises that is not there, not permitted, cut or damaged."""

_DELIMITERS = ",;\t"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

_INDEX_OF_PANDAS = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "csv": (".csv", ".tsv"),
    "jsonl": (".jsonl", ".ndjson"),
    "parquet": (".parquet", ".pq"),
}
"""What the names of files of a folder end with, by kind; ``.gz`` may follow."""


class Rows(NamedTuple):
    """Some rows of a file.

    Attributes:
        batch: Their cells; an empty one is null.
        lines: The line of each, or its number where the file has no lines.
    """

    batch: pyarrow.RecordBatch
    lines: Sequence[int]


def stem(name: str) -> str:
    """Return the name of a file without what says its kind.

    Examples:
        >>> stem("version_0/metrics.csv.gz"), stem("runs.v2/loss"), stem("a.b.parquet")
        ('version_0/metrics', 'runs.v2/loss', 'a.b')
    """
    plain = name.removesuffix(".gz")
    for suffix in (suffix for suffixes in SUFFIXES.values() for suffix in suffixes):
        if plain.lower().endswith(suffix):
            return plain[: -len(suffix)]
    return plain


def csv_rows(stream: BinaryIO, complain: Complain) -> Iterator[Rows]:
    """Yield the rows of a CSV file with a header; all cells are texts.

    A line that has more cells than the header, or fewer, is left out.

    Raises:
        InvalidInputError: It is in UTF-16.
    """
    lines = _decoded(stream, complain)
    header = next(lines, "")
    delimiter = max(_DELIMITERS, key=header.count)
    # Else a quote that nobody closes would make one cell of the rest of the file, and no error.
    reader = csv.reader(_with_first(header, lines), delimiter=delimiter, strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        complain(1, f"cannot be read: {error}")
        return iter(())
    places = _columns(names, lambda why: complain(1, why))
    good = _csv_lines(reader, names, complain)
    if not places:
        complain(None, "has no header")
        return iter(())
    return _together(_csv_batches(good, places))


def _csv_batches(
    lines: Iterator[tuple[int, list[str]]], places: Mapping[str, int]
) -> Iterator[Rows]:
    most = _ROWS_AT_FIRST
    while some := list(islice(lines, most)):
        numbers, rows = zip(*some, strict=True)
        cells = list(zip(*rows, strict=True))
        batch = _text_batch({name: cells[at] for name, at in places.items()})
        yield Rows(batch, numbers)
        most = _rows_after(batch)


def _rows_after(batch: pyarrow.RecordBatch) -> int:
    """Return how many rows may be held at once, where they are as large as those before."""
    rows: int = batch.num_rows
    size: int = batch.nbytes + _BYTES_OF_A_TEXT * rows * max(1, batch.num_columns)
    return max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE * rows // size))


def _together(parts: Iterator[Rows]) -> Iterator[Rows]:
    """Yield few large batches of many small ones."""
    held: list[Rows] = []
    rows = size = 0
    for part in parts:
        is_full = rows >= _ROWS_OF_A_BATCH or size >= _BYTES_AT_ONCE
        if held and (is_full or part.batch.schema != held[0].batch.schema):
            yield _joined(held)
            held, rows, size = [], 0, 0
        held.append(part)
        rows += part.batch.num_rows
        size += part.batch.nbytes
    if held:
        yield _joined(held)


def _joined(parts: Sequence[Rows]) -> Rows:
    import pyarrow

    table = pyarrow.Table.from_batches([part.batch for part in parts])
    # One: texts of more than 2 GB would be several, and a batch is far from that.
    (batch,) = table.combine_chunks().to_batches()
    return Rows(batch, array("q", chain.from_iterable(part.lines for part in parts)))


def _csv_lines(
    reader: Any, names: Sequence[str], complain: Complain
) -> Iterator[tuple[int, list[str]]]:
    width = len(names)
    while True:
        # A cell in quotes may go over several lines: a row is told by its first one.
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            complain(line, f"cannot be read: {error}")
            continue
        if len(row) == width:
            # Who appends to a file of an earlier run writes the header once more.
            if row != names:
                yield line, row
        elif row:
            complain(line, f"has {len(row):,} cells, and the header {width:,}")


def _text_batch(columns: Mapping[str, Sequence[str]]) -> pyarrow.RecordBatch:
    import pyarrow
    import pyarrow.compute

    arrays = [pyarrow.array(cells, pyarrow.string()) for cells in columns.values()]
    filled = [
        pyarrow.compute.if_else(pyarrow.compute.equal(array, ""), None, array)
        for array in arrays
    ]
    return pyarrow.RecordBatch.from_arrays(filled, names=list(columns))


def _columns(names: Sequence[str], complain: Callable[[str], None]) -> dict[str, int]:
    """Return the place of each column that has a name of its own."""
    places: dict[str, int] = {}
    for place, name in enumerate(map(str.strip, names)):
        if _INDEX_OF_PANDAS.fullmatch(name):
            continue
        if name in places:
            complain(f"has the column {name!r} twice; the second one is left out")
        else:
            places[name] = place
    return places


def _with_first(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _decoded(stream: BinaryIO, complain: Complain) -> Iterator[str]:
    r"""Yield lines; bytes that are no UTF-8 are written as ``\xff``."""
    for number, line in enumerate(_readable(stream, complain), 1):
        if number == 1 and line.startswith(_UTF_16):
            raise InvalidInputError("it is in UTF-16: save it as UTF-8")
        plain = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        try:
            text = plain.decode()
        except UnicodeDecodeError:
            complain(number, "has bytes that are not UTF-8, which are kept as \\x..")
            text = plain.decode(errors="backslashreplace")
        yield text


def _readable(stream: BinaryIO, complain: Complain) -> Iterator[bytes]:
    """Yield lines as far as a file can be read; those before an error are not lost."""
    try:
        yield from stream
    # An OSError too: a store that fails would fail for the next file as well.
    except StorageError:
        raise
    except UNREADABLE as error:
        complain(None, f"cannot be read to its end: {error}")


def jsonl_rows(stream: BinaryIO, complain: Complain) -> Iterator[Rows]:
    """Yield the rows of a file with a JSON object a line; objects in these become columns."""
    return _together(_jsonl_batches(_objects(stream, complain)))


def _jsonl_batches(rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[Rows]:
    most = _ROWS_AT_FIRST
    while some := list(islice(rows, most)):
        names = dict.fromkeys(name for _, row in some for name in row)
        arrays = [_array([row.get(name) for _, row in some]) for name in names]
        batch = _batch(arrays, list(names))
        yield Rows(batch, [number for number, _ in some])
        most = _rows_after(batch)


def _objects(stream: BinaryIO, complain: Complain) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_decoded(stream, complain), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            row = _flat(found) if isinstance(found, dict) else None
        # Objects within objects may be too deep for Python's parser, or for us.
        except (ValueError, RecursionError) as error:
            complain(number, f"is no JSON: {error}")
            continue
        if row is None:
            complain(number, "is JSON, but no object")
        elif row:
            yield number, row


def _flat(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return the values of an object by their names, with dots where it holds others."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _array(values: Sequence[Any]) -> pyarrow.Array:
    """Return values as a column: of numbers, where all are, else of texts."""
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError, UnicodeError):
        return pyarrow.array([None if each is None else _text(each) for each in values])


def _text(value: object) -> str:
    # A half of a pair of surrogates, which JSON may escape, is no text.
    return str(value).encode(errors="backslashreplace").decode()


def _batch(arrays: Sequence[pyarrow.Array], names: Sequence[str]) -> pyarrow.RecordBatch:
    import pyarrow

    return pyarrow.RecordBatch.from_arrays(arrays, names=names)


def parquet_rows(stream: BinaryIO, complain: Complain) -> Iterator[Rows]:
    """Yield the rows of a Parquet file; the fields of a struct become columns.

    Raises:
        ArrowInvalid: It is none, or broken.
    """
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(stream) as file:
        most = max(1, min(_ROWS_OF_A_BATCH, _CELLS_OF_A_BATCH // (len(file.schema_arrow) or 1)))
        kept = _kept(file.schema_arrow, lambda why: complain(None, why))
        first = 1
        for batch in file.iter_batches(most, columns=kept):
            yield Rows(_plain(batch), range(first, first + batch.num_rows))
            first += batch.num_rows


def _kept(schema: pyarrow.Schema, complain: Callable[[str], None]) -> list[str]:
    """Return the columns of which each cell is one value."""
    import pyarrow.types

    types = pyarrow.types
    kept = []
    for field in schema:
        if types.is_nested(field.type) and not types.is_struct(field.type):
            complain(f"column {field.name!r} has cells of {field.type}, which a run has not")
        elif not _INDEX_OF_PANDAS.fullmatch(field.name):
            kept.append(field.name)
    return kept


def _plain(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    import pyarrow

    types = pyarrow.types
    while any(types.is_struct(kind) for kind in batch.schema.types):
        (batch,) = pyarrow.Table.from_batches([batch]).flatten().to_batches()
    arrays = [_plain_cells(column) for column in batch.columns]
    return pyarrow.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _plain_cells(cells: pyarrow.Array) -> pyarrow.Array:
    """Return cells of a type that the other readers give too."""
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    if types.is_large_string(cells.type) or types.is_string_view(cells.type):
        return cells.cast(pyarrow.string())
    if types.is_primitive(cells.type) or types.is_string(cells.type):
        return cells
    if types.is_decimal(cells.type):
        return cells.cast(pyarrow.float64())
    return pyarrow.array([None if each is None else str(each) for each in cells.to_pylist()])
