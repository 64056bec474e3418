"""Rows and messages as a terminal shows them: aligned, as wide as it is, harmless."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, TextIO
from unicodedata import combining, east_asian_width

from lakeflow.exceptions import InvalidInputError
from lakeflow.printable import printable
from lakeflow.query.engine.text import cells
from lakeflow.system_errors import plain, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pyarrow

    from lakeflow.maintenance.report import Progress

_NARROWEST = 12
"""Characters below which a column that is cut says nothing: then rows are blocks."""

_GAP = "  "
# As DuckDB names what EXPLAIN returns: a plan is shown as it is drawn, over many lines.
_EXPLAINED = ["explain_key", "explain_value"]


def ready() -> None:
    """Make the standard streams take any text, and be there at all; show warnings on one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Also that a file of the lake does not get the number of a stream that is closed.
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        # What replaces it, as tests do, takes any text already.
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    logging.basicConfig(level=logging.WARNING, handlers=[_Complaints()])


class _Complaints(logging.Handler):
    """Shows what is logged as other complaints are: harmless to a terminal, in a line."""

    def emit(self, record: logging.LogRecord) -> None:
        message, error = record.getMessage(), (record.exc_info or (None, None))[1]
        if sys.flags.dev_mode:
            message = self.format(record)
        elif error is not None:
            message = f"{message}: {plain(error) or type(error).__name__}"
        complain(f"lakeflow: {message}")


def write(lines: Iterable[str]) -> bool:
    """Write to standard output; returns whether somebody may still read it.

    Raises:
        StorageError: There is no room. That nobody reads it to the end is no error.
        InvalidInputError: It cannot be written.
    """
    is_terminal = sys.stdout.isatty()
    with _writing() as output:
        for line in lines:
            # A file or a program gets what was logged, whatever it would do to a terminal.
            sys.stdout.write(printable(line, "\n") if is_terminal else line)
        # In here, where its errors are caught: Python does it at the end in any case.
        sys.stdout.flush()
    return output.is_read


def draw(drawing: object) -> None:
    """Draw something of rich on standard output; errors as for ``write``.

    Raises:
        ImportError: rich is not installed.
    """
    from rich.console import Console

    with _writing():
        Console().print(drawing)
        sys.stdout.flush()


@dataclass
class _Output:
    is_read: bool = True


@contextlib.contextmanager
def _writing() -> Iterator[_Output]:
    output = _Output()
    try:
        yield output
    except OSError as error:
        _give_up(sys.stdout)
        output.is_read = False
        if not isinstance(error, BrokenPipeError):  # such as head, which has read enough
            operation = "write standard output"
            raise refused(operation, error) or InvalidInputError(
                f"cannot {operation}: {error}"
            ) from error


def complain(message: str) -> None:
    """Write a message to standard error, as far as that can be written."""
    try:
        print(printable(message, "\n"), file=sys.stderr, flush=True)
    except OSError:
        _give_up(sys.stderr)


def _give_up(stream: TextIO) -> None:
    """Write to nowhere: Python writes what is left when it ends, and would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextlib.contextmanager
def shown_progress() -> Iterator[Callable[[Progress], None] | None]:
    """Give what shows how far something is in one line, where somebody looks on."""
    with shown_lines() as show:
        yield None if show is None else lambda progress: show(_megabytes(progress))


@contextlib.contextmanager
def shown_lines() -> Iterator[Callable[[str], None] | None]:
    """Give what shows one line in place of the one before, where somebody looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        yield _put
    finally:
        _put("")


def _megabytes(progress: Progress) -> str:
    done, total = progress.done_bytes / 1e6, progress.total_bytes / 1e6
    return f"{done:,.1f} of {total:,.1f} MB  {progress.step}"


def _put(line: str) -> None:
    # What cannot be shown any more is no reason to end what goes on.
    with contextlib.suppress(OSError):
        print(f"\r\033[K{printable(line)}", end="", file=sys.stderr, flush=True)


def format_table(
    rows: pyarrow.Table, width: int | None = None, limit: int | None = None
) -> Iterator[str]:
    """Return rows as aligned lines, with their number below.

    Where a terminal is too narrow, the widest columns are cut; where that would leave little
    of them, each value has a line of its own. A plan of EXPLAIN is shown as it is.

    Args:
        rows: The rows.
        width: Columns of the terminal; None to cut nothing.
        limit: Most rows; None for all.
    """
    shown = rows if limit is None else rows.slice(0, limit)
    if rows.column_names == _EXPLAINED:
        plans = (printable(plan or "", "\n") for _, plan in cells(shown))
        yield from (f"{plan.rstrip()}\n" for plan in plans)
        return
    names = list(map(printable, rows.column_names))
    texts = [
        ["NULL" if cell is None else printable(cell) for cell in row] for row in cells(shown)
    ]
    widths = [max(map(_width, column)) for column in zip(names, *texts, strict=True)]
    are_numbers = [_is_number(kind) for kind in rows.schema.types]
    fitted = widths if width is None else _fitted(widths, are_numbers, width)
    if fitted is None:
        yield from _blocks(names, texts, are_numbers, width or 0)
    else:
        yield from _lines(names, texts, fitted, are_numbers)
    count = f"{rows.num_rows:,} row{'' if rows.num_rows == 1 else 's'}"
    if shown.num_rows < rows.num_rows:
        count += f", the first {shown.num_rows} shown"
    yield f"({count})\n"


def _fitted(
    widths: Sequence[int], are_numbers: Sequence[bool], width: int
) -> Sequence[int] | None:
    """Return widths with which columns fit a terminal; None where texts would be too narrow."""
    # A number without its end, as 1.5 of 1.5e-10, would be another one.
    texts = [each for each, is_number in zip(widths, are_numbers, strict=True) if not is_number]
    room = width - len(_GAP) * (len(widths) - 1) - (sum(widths) - sum(texts))
    widest = max(texts, default=0)
    least = min(_NARROWEST, widest)
    # The widest that texts may be while all columns fit.
    for most in range(max(least, min(widest, room)), least - 1, -1):
        if sum(min(each, most) for each in texts) <= room:
            pairs = zip(widths, are_numbers, strict=True)
            return [each if is_number else min(each, most) for each, is_number in pairs]
    return None


def _lines(
    names: Sequence[str],
    texts: Sequence[Sequence[str]],
    widths: Sequence[int],
    are_numbers: Sequence[bool],
) -> Iterator[str]:
    for line in [names, ["-" * width for width in widths], *texts]:
        yield f"{_GAP.join(map(_aligned, line, widths, are_numbers)).rstrip()}\n"


def _blocks(
    names: Sequence[str],
    texts: Sequence[Sequence[str]],
    are_numbers: Sequence[bool],
    width: int,
) -> Iterator[str]:
    # Long names leave half of the line to the values.
    left = min(max(map(_width, names)), width // 2)
    right = max(_NARROWEST, width - left - len(_GAP))
    for number, row in enumerate(texts, 1):
        yield f"-- row {number:,} --\n"
        for name, text, is_number in zip(names, row, are_numbers, strict=True):
            value = text if is_number else cut(text, right)
            yield f"{_aligned(name, left)}{_GAP}{value}\n"


def _aligned(text: str, width: int, is_number: bool = False) -> str:
    shown = cut(text, width)
    space = " " * (width - _width(shown))
    return f"{space}{shown}" if is_number else f"{shown}{space}"


def cut(text: str, width: int) -> str:
    """Return a text that takes no more columns than these; its end gives way to dots."""
    if _width(text) <= width:
        return text
    ends = accumulate(map(_width, text))
    kept = sum(1 for _ in takewhile(lambda end: end <= width - 3, ends))
    return f"{text[:kept]}..."


def _width(text: str) -> int:
    """Return how many columns a text takes: two for a Chinese character, none for an accent."""
    if text.isascii():
        return len(text)
    return sum(
        0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text
    )


def _is_number(kind: pyarrow.DataType) -> bool:
    import pyarrow.types

    types = pyarrow.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
