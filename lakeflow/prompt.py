"""``lakeflow sql``: where a statement comes from, and how its rows are written."""

from __future__ import annotations

import base64
import contextlib
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lakeflow
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.sql import setup

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    import pyarrow

SHOWN_ROWS = 40
"""Most rows of a table on a terminal."""

_WIDEST = 50
_ROWS_AT_ONCE = 10_000
_HISTORY = Path("~/.lakeflow_history")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "query",
        nargs="?",
        help="one statement; by default from --file, standard input, a prompt",
    )
    parser.add_argument(
        "--uri", help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)"
    )
    parser.add_argument("--file", type=Path, help="a file with the statement")
    parser.add_argument(
        "--format", choices=("table", "csv", "json", "parquet"), default="table"
    )
    parser.add_argument("--output", type=Path, help="a file for the rows")
    parser.add_argument(
        "--print-setup",
        action="store_true",
        help="print a script that makes the views in any DuckDB, as of the last compaction",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        LakeflowException: The statement or the lake cannot be used.
    """
    if options.query is not None and options.file is not None:
        raise InvalidInputError("there is a statement and a --file; give one of them")
    if options.format == "parquet" and options.output is None:
        raise InvalidInputError("--format parquet needs an --output")
    if options.print_setup:
        _write(options.output, lambda file: file.write(setup(options.uri)))
        return 0
    query = _query(options)
    if query is None:
        return _prompt(options)
    _answer(options, query)
    return 0


def _query(options: argparse.Namespace) -> str | None:
    """Return the statement; None where somebody is to be asked for it."""
    if options.file is not None:
        try:
            return str(options.file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"cannot read {options.file}: {error}") from error
    if options.query is not None:
        return str(options.query)
    return None if sys.stdin.isatty() else sys.stdin.read()


def _answer(options: argparse.Namespace, query: str) -> None:
    rows = lakeflow.sql(query, tracking_uri=options.uri)
    if options.format == "parquet":
        _write_parquet(rows, options.output)
        return
    limit = SHOWN_ROWS if options.output is None and sys.stdout.isatty() else None
    writers: dict[str, Callable[[Any], object]] = {
        "table": lambda file: file.write(format_table(rows, limit)),
        "csv": lambda file: _write_csv(rows, file),
        "json": lambda file: _write_json(rows, file),
    }
    _write(options.output, writers[options.format])


def _write(output: Path | None, write: Callable[[Any], object]) -> None:
    if output is None:
        write(sys.stdout)
        sys.stdout.flush()
        return
    try:
        with output.open("w", newline="") as file:
            write(file)
    except OSError as error:
        raise InvalidInputError(f"cannot write {output}: {error}") from error


def _write_parquet(rows: pyarrow.Table, output: Path) -> None:
    import pyarrow.parquet

    try:
        pyarrow.parquet.write_table(rows, output)
    except OSError as error:
        raise InvalidInputError(f"cannot write {output}: {error}") from error


def _write_csv(rows: pyarrow.Table, file: Any) -> None:
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(rows.column_names)
    lines.writerows([_text(value, null="") for value in row] for row in _rows(rows))


def _write_json(rows: pyarrow.Table, file: Any) -> None:
    for row in _rows(rows):
        fields = dict(zip(rows.column_names, row, strict=True))
        file.write(f"{json.dumps(fields, default=_plain, ensure_ascii=False)}\n")


def format_table(rows: pyarrow.Table, limit: int | None = None) -> str:
    """Return rows as aligned lines, with their number below.

    Args:
        rows: The rows.
        limit: Most lines; None for all.
    """
    shown = rows if limit is None else rows.slice(0, limit)
    cells = [[_cut(_text(value)) for value in row] for row in _rows(shown)]
    names = [_cut(name) for name in rows.column_names]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    right = [_is_number(field.type) for field in rows.schema]
    lines = [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [names, ["-" * width for width in widths], *cells]
    ]
    count = f"{rows.num_rows:,} row{'' if rows.num_rows == 1 else 's'}"
    if shown.num_rows < rows.num_rows:
        count += f", the first {shown.num_rows} shown"
    return "\n".join([*lines, f"({count})", ""])


def _is_number(kind: pyarrow.DataType) -> bool:
    import pyarrow.types

    types = pyarrow.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _rows(rows: pyarrow.Table) -> Iterator[tuple[Any, ...]]:
    for batch in rows.to_batches(max_chunksize=_ROWS_AT_ONCE):
        columns = [column.to_pylist(maps_as_pydicts="strict") for column in batch.columns]
        yield from zip(*columns, strict=True)


def _text(value: Any, null: str = "NULL") -> str:
    if value is None:
        return null
    if isinstance(value, dict | list):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    if isinstance(value, float | int | str):
        return str(value)
    return str(_plain(value))


def _plain(value: Any) -> str:
    """Return what JSON has no word for."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _cut(text: str) -> str:
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."


def _prompt(options: argparse.Namespace) -> int:
    """Answer statement by statement until the input ends; an error does not end it."""
    with _history():
        print("Statements end with a semicolon; SHOW TABLES; lists the views; Ctrl-D ends.")
        for query in _statements():
            try:
                _answer(options, query)
            except LakeflowException as error:
                print(error, file=sys.stderr)
            except KeyboardInterrupt:
                print("stopped", file=sys.stderr)
    return 0


def _statements() -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(input("   ...> " if lines else "lake> "))
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            lines = []
        text = "\n".join(lines).strip()
        if text in {"exit", "quit", ".quit"}:
            return
        if text.endswith(";"):
            yield text
        if not text or text.endswith(";"):
            lines = []


@contextlib.contextmanager
def _history() -> Iterator[None]:
    """Keep lines between sessions, where Python was built with readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    file = _HISTORY.expanduser()
    with contextlib.suppress(OSError):
        readline.read_history_file(file)
    try:
        yield
    finally:
        readline.set_history_length(1000)
        with contextlib.suppress(OSError):
            readline.write_history_file(file)
