"""What commands share that move things in and out: what is chosen, and how a report ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.cli.values import time
from lakeflow.printable import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from lakeflow.importing.report import ImportReport
    from lakeflow.mlflow.exporting.report import MlflowReport

_MOST_SHOWN = 20
"""Problems that are listed; the first ones say what is wrong with the others."""


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add which lake it is, and which of the experiments."""
    parser.add_argument(
        "--lake",
        metavar="URI",
        help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)",
    )
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        action="append",
        default=[],
        help="only the experiment of this name; may be given several times",
    )


def add_ways(parser: argparse.ArgumentParser, what: str, where: str) -> None:
    """Add from when on, what becomes of files, and whether it is only tried.

    Args:
        parser: Takes them.
        what: What begins at a time.
        where: Where files are copied to.
    """
    parser.add_argument(
        "--since",
        type=time,
        metavar="TIME",
        help=f"only {what} that began then or later: a date or a time such as "
        "2026-11-24T12:00, local unless it says otherwise, or milliseconds since the Unix "
        "epoch",
    )
    parser.add_argument(
        "--artifacts",
        choices=("copy", "leave"),
        default="copy",
        help=f"copy files {where} (default), or leave them where they are",
    )
    parser.add_argument("--dry-run", action="store_true", help="only count, and write nothing")


def end(report: ImportReport | MlflowReport) -> Iterator[str]:
    """Yield the last lines of a report: what could not be kept, and whether all is there."""
    for where, why, is_loss in report.problems[:_MOST_SHOWN]:
        yield f"{'lost' if is_loss else 'note'}: {printable(where)}: {printable(why)}\n"
    if report.problem_count > _MOST_SHOWN:
        yield f"... and {report.problem_count - _MOST_SHOWN:,} more\n"
    if report.is_dry_run:
        yield "nothing was written\n"
    elif report.is_complete:
        yield "complete\n"
    else:
        yield f"not complete: {report.loss_count:,} things could not be kept\n"


def status(report: ImportReport | MlflowReport) -> int:
    """Return the status of the command: 0 where nothing is lost, and all is there."""
    return 0 if not report.loss_count and (report.is_dry_run or report.is_complete) else 1
