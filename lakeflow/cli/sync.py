"""``lakeflow sync``: its arguments, its progress, its report, once or again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeflow
from lakeflow.cli.repeating import repeat
from lakeflow.cli.terminal import complain, shown_progress, write
from lakeflow.cli.values import duration
from lakeflow.exceptions import NotFoundError

if TYPE_CHECKING:
    import argparse

    from lakeflow.syncing.report import SyncReport

_PROBLEMS_SHOWN = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("source", help="location of the lake that is read")
    parser.add_argument("target", help="location of the lake that gets what is new")
    parser.add_argument(
        "--no-artifacts", action="store_true", help="bring no files, only what is logged"
    )
    parser.add_argument(
        "--every",
        type=duration,
        metavar="TIME",
        help="go on for ever, once each 30s, 5m, 1h; the source may be made later",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command, once or again and again.

    Raises:
        LakeflowException: The lakes cannot be synced; with ``--every`` only where trying again
            is of no use.
    """
    if options.every is None:
        return 0 if _sync(options).is_complete else 1
    repeat(lambda: _sync_if_there(options), options.every)
    return 0


def _sync_if_there(options: argparse.Namespace) -> bool:
    try:
        _sync(options)
    # A node that is to be synced may not have begun to log.
    except NotFoundError as error:
        complain(f"lakeflow: {error.error_code}: {' '.join(str(error).split())}; trying again")
    return True


def _sync(options: argparse.Namespace) -> SyncReport:
    with shown_progress() as progress:
        report = lakeflow.sync(
            options.source,
            options.target,
            artifacts=not options.no_artifacts,
            progress=progress,
        )
    write([f"{format_report(report)}\n"])
    for problem in report.problems[:_PROBLEMS_SHOWN]:
        complain(f"lakeflow: {problem}")
    return report


def format_report(report: SyncReport) -> str:
    """Return a report as the line that the command prints."""
    brought = f"{report.records:,} records"
    if report.stored:
        brought += f" and {report.stored:,} out of tables"
    line = f"brought {brought}, {report.files:,} files ({report.file_bytes:,} bytes)"
    if report.left:
        line += f"; left {report.left:,} that are no records, or of experiments that are gone"
    if report.problems:
        line += f"; {len(report.problems):,} things could not be brought as they are"
    return line
