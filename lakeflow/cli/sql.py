"""``lakeflow sql``: where a statement comes from, and how its rows are written."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import shutil
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli.terminal import format_table, write
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.queries import setup
from lakeflow.query.engine.text import cells, json_objects
from lakeflow.system_errors import refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow

SHOWN_ROWS = 40
"""Most rows of a table on a terminal."""

_ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".txt": "table",
}

_OF_LINES = ("table", "csv", "json", "jsonl")
"""What ``lines`` writes."""

_QUOTED = re.compile('[",\\r\\n]')
_ELSE = "give a statement as an argument, in a --file or on standard input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    statement = parser.add_mutually_exclusive_group()
    statement.add_argument(
        "query",
        nargs="?",
        help="one statement; by default from --file, standard input, a prompt",
    )
    statement.add_argument("--file", type=Path, help="a file with the statement")
    statement.add_argument(
        "--print-setup",
        action="store_true",
        help="print a script that makes the views in any DuckDB, as of the last compaction",
    )
    parser.add_argument(
        "--uri", help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)"
    )
    parser.add_argument(
        "--as-of",
        type=_moment,
        metavar="TIME",
        help="what the tables held then: a time such as 2026-11-24T12:00, local unless it says "
        "otherwise, or a Delta version of the table runs",
    )
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="[NAME=]VALUE",
        help="a text for $NAME, or for the next ?; may be repeated",
    )
    parser.add_argument(
        "--format",
        choices=tuple(_ENDINGS.values()),
        help="by default what the ending of --output says, else a table",
    )
    parser.add_argument("--output", type=Path, help="a file for the rows")
    for name, kind, what in (
        ("seconds", float, "seconds that a statement may take"),
        ("memory-bytes", int, "what the engine may hold before it spills to disk"),
        ("rows", int, "rows that a statement may return"),
    ):
        variable = f"LAKEFLOW_SQL_{name.upper().replace('-', '_')}"
        parser.add_argument(
            f"--max-{name}",
            type=kind,
            metavar="N",
            help=f"{what}; 0: any (default: {variable})",
        )
    parser.set_defaults(run=run)


def _moment(text: str) -> int | datetime.datetime:
    # Before ISO 8601, in which digits alone are a day.
    if re.fullmatch("[0-9]+", text):
        return int(text)
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time such as 2026-11-24T12:00 and no whole number from 0 on"
        ) from error


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Raises:
        LakeflowException: The statement or the lake cannot be used.
    """
    if options.print_setup:
        if options.as_of is not None or options.param or options.format:
            raise InvalidInputError("--print-setup takes no --as-of, --param or --format")
        write_to(options.output, [setup(options.uri)])
        return 0
    kind = _kind(options)
    query = _query(options)
    if query is None:
        _converse(options, kind)
    else:
        _answer(options, kind, query)
    return 0


def _kind(options: argparse.Namespace) -> str:
    """Return what is to be written."""
    kind: str = options.format or "table"
    if options.output is None and kind == "parquet":
        raise InvalidInputError("--format parquet needs an --output")
    if options.format or options.output is None:
        return kind
    try:
        return _ENDINGS[options.output.suffix.lower()]
    except KeyError as error:
        *others, last = _ENDINGS
        raise InvalidInputError(
            f"the ending of {options.output} is none of {', '.join(others)} and {last}",
            hint="--format says what to write whatever the ending is",
        ) from error


def _query(options: argparse.Namespace) -> str | None:
    """Return the statement; None where somebody is to be asked for it."""
    if options.query is not None:
        return str(options.query)
    # A prompt is for who types, and sees what is answered.
    if options.file is None and sys.stdin.isatty() and sys.stdout.isatty():
        return None
    try:
        if options.file is None:
            return sys.stdin.read()
        return str(options.file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        source = options.file or "standard input"
        raise InvalidInputError(f"cannot read {source}: {error}") from error


def _converse(options: argparse.Namespace, kind: str) -> None:
    if options.output is not None or options.param:
        raise InvalidInputError(f"--output and --param are for one statement; {_ELSE}")
    try:
        from lakeflow.cli import prompt
    except ImportError as error:
        raise LakeflowException(
            "a prompt needs prompt_toolkit",
            "FEATURE_DISABLED",
            hint=f"pip install 'lakeflow[prompt]'; or {_ELSE}",
        ) from error
    prompt.converse(lambda query: _answer(options, kind, query), options.uri)


def _answer(options: argparse.Namespace, kind: str, query: str) -> None:
    rows = lakeflow.sql(
        query,
        _params(options.param),
        tracking_uri=options.uri,
        as_of=options.as_of,
        max_seconds=options.max_seconds,
        max_memory_bytes=options.max_memory_bytes,
        max_rows=options.max_rows,
    )
    if kind == "parquet":
        _write_parquet(rows, options.output)
    else:
        is_terminal = options.output is None and sys.stdout.isatty()
        write_to(options.output, lines(rows, kind, is_terminal=is_terminal))


def _params(given: Sequence[str]) -> Sequence[str] | Mapping[str, str] | None:
    """Return values by name where they have names, else by position."""
    found = [re.fullmatch(r"(\w+)=(.*)", text, re.DOTALL) for text in given]
    named = {match[1]: match[2] for match in found if match}
    if not named:
        return given or None
    if None in found:
        raise InvalidInputError(
            "some of --param have a name and others have none",
            hint="all values are of $name, as in --param name=value, or all of ? and $1",
        )
    if len(named) < len(given):
        raise InvalidInputError("two of --param have one name")
    return named


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the format of a command that writes ``lines``."""
    parser.add_argument("--format", choices=_OF_LINES, default="table", help="default: table")


def lines(rows: pyarrow.Table, kind: str, *, is_terminal: bool = False) -> Iterable[str]:
    """Return rows as lines of a format, those of a table cut to what a terminal takes."""
    if kind == "csv":
        return map(_csv_line, chain([rows.column_names], cells(rows)))
    if kind == "jsonl":
        return (f"{_escaped(each)}\n" for each in json_objects(rows))
    if kind == "json":
        return _json_array(rows)
    if is_terminal:
        return format_table(rows, shutil.get_terminal_size().columns, SHOWN_ROWS)
    return format_table(rows)


def _csv_line(values: Iterable[str | None]) -> str:
    # Readers skip an empty line, so a row of one NULL has quotes.
    line = ",".join(map(_csv_value, values)) or '""'
    return f"{line}\n"


def _csv_value(value: str | None) -> str:
    """Return a value with quotes where it needs them; an empty text has some, NULL has none."""
    if value is None:
        return ""
    if value and _QUOTED.search(value) is None:
        return value
    quoted = value.replace('"', '""')
    return f'"{quoted}"'


def _escaped(text: str) -> str:
    """Return JSON with escapes for what standard output has no characters for.

    Also for what a terminal would act on: to JSON it is the same text.
    """
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    if text.isascii() or (is_unicode and text.isprintable()):
        return text
    return "".join(
        each
        if each.isascii() or (is_unicode and each.isprintable())
        else json.dumps(each)[1:-1]
        for each in text
    )


def _json_array(rows: pyarrow.Table) -> Iterator[str]:
    before = "[\n"
    for each in json_objects(rows):
        yield f"{before}{_escaped(each)}"
        before = ",\n"
    yield "\n]\n" if rows.num_rows else "[]\n"


def write_to(output: Path | None, lines: Iterable[str]) -> None:
    """Write to a file, or to standard output where none is given.

    Raises:
        StorageError: There is no room, or this user may not write there.
        InvalidInputError: The file cannot be written.
    """
    if output is None:
        write(lines)
        return
    # As it is: a text may have other ends of lines in it.
    with _written(output), output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _write_parquet(rows: pyarrow.Table, output: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    # Opened here: pyarrow deletes a path that it fails to write, be it a device.
    with _written(output, pyarrow.ArrowException), output.open("wb") as file:
        pyarrow.parquet.write_table(rows, file)


@contextlib.contextmanager
def _written(output: Path, of_library: type[Exception] = OSError) -> Iterator[None]:
    """Leave no half of a new file that cannot be written, be it by an error of a library."""
    is_new = not os.path.lexists(output)
    try:
        yield
    except (OSError, of_library) as error:
        if is_new:
            with contextlib.suppress(OSError):
                output.unlink()
        operation = f"write {output}"
        raise refused(operation, error) or InvalidInputError(
            f"cannot {operation}: {error}"
        ) from error
